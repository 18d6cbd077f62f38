//! Results, vital signs, histories and what no template names, through the program's own package: what each form of
//! value becomes, whose finding it is, and how FHIR is written as statements of a document.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it does not expect")]

use formats::cda::{Document, Limits};
use mappers::{Context, Packages, RenderContext};
use model::json::Json;

/// The Bundle of a document with one section.
fn bundle(section: &str, entries: &str) -> Json {
    let text = format!(
        r#"<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:sdtc="urn:hl7-org:sdtc" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<id root="2.999.1" extension="d"/><code code="34133-9" codeSystem="2.16.840.1.113883.6.1"/><title>Summary</title><effectiveTime value="20240102030405+0000"/>
<recordTarget><patientRole><id root="2.999.2" extension="p"/><patient><name><given>Tove</given><family>Aalto</family></name></patient></patientRole></recordTarget>
<component><structuredBody><component><section><code code="{section}" codeSystem="2.16.840.1.113883.6.1"/><title>Section</title><text>-</text>{entries}</section></component></structuredBody></component></ClinicalDocument>"#
    );
    let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
    let packages = Packages::embedded().unwrap();
    packages.named("ccda-base").unwrap().map_cda(&document, &Context::default()).bundle
}

fn all<'b>(bundle: &'b Json, kind: &str) -> Vec<&'b Json> {
    let resources = bundle.items("entry").iter().filter_map(|entry| entry.get("resource"));
    resources.filter(|resource| resource.text_at(&["resourceType"]) == Some(kind)).collect()
}

/// The one Observation of a result with this value.
fn result(value: &str) -> Json {
    let entry = format!(
        r#"<entry><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.2"/><id root="2.999.3" extension="r"/>
<code code="718-7" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/><effectiveTime value="20240101"/>{value}</observation></entry>"#
    );
    let bundle = bundle("30954-2", &entry);
    let found = all(&bundle, "Observation");
    let [observation] = found.as_slice() else { panic!("expected one: {}", bundle.pretty()) };
    (*observation).clone()
}

#[test]
fn each_form_of_value_has_its_own_element() {
    for (value, at) in [
        (r#"<value xsi:type="PQ" value="7.1" unit="g/dL"/>"#, "valueQuantity"),
        (r#"<value xsi:type="PQ" value="not done" unit="g/dL"/>"#, "valueString"),
        (
            r#"<value xsi:type="PQ" nullFlavor="OTH"><translation value="7"><originalText>drops</originalText></translation></value>"#,
            "valueQuantity",
        ),
        (r#"<value xsi:type="CD" code="10828004" codeSystem="2.16.840.1.113883.6.96"/>"#, "valueCodeableConcept"),
        (r#"<value xsi:type="ST">cloudy</value>"#, "valueString"),
        (r#"<value xsi:type="INT" value="4"/>"#, "valueInteger"),
        (r#"<value xsi:type="REAL" value="4.5"/>"#, "valueQuantity"),
        (r#"<value xsi:type="BL" value="true"/>"#, "valueBoolean"),
        (r#"<value xsi:type="TS" value="20231231"/>"#, "valueDateTime"),
        (r#"<value xsi:type="IVL_PQ"><low value="1" unit="mg"/><high value="2" unit="mg"/></value>"#, "valueRange"),
        (
            r#"<value xsi:type="RTO_PQ_PQ"><numerator value="1" unit="1"/><denominator value="80" unit="1"/></value>"#,
            "valueRatio",
        ),
        (r#"<value xsi:type="CD" nullFlavor="NASK"/>"#, "dataAbsentReason"),
    ] {
        let observation = result(value);
        assert!(observation.get(at).is_some(), "{value} should be {at}: {}", observation.pretty());
        let said = observation.as_object().unwrap().iter().filter(|(name, _)| name.starts_with("value")).count();
        assert_eq!(said, usize::from(at != "dataAbsentReason"), "{value}");
    }
}

#[test]
fn a_range_of_reference_has_bounds_or_words() {
    let women = r#"<precondition><criterion><value xsi:type="CD" code="248152002" codeSystem="2.16.840.1.113883.6.96"/></criterion></precondition>"#;
    let bounds = r#"<low value="3" unit="g"/><high value="4" unit="g"/>"#;
    for (range, expect) in [
        (format!(r#"<value xsi:type="IVL_PQ">{bounds}</value>{women}"#), &["low", "high", "appliesTo"][..]),
        (format!("<value>{bounds}</value>"), &["low", "high"]),
        // A group that it holds for is no range (R4 Observation, obs-3): kept, not said.
        (women.to_owned(), &[]),
    ] {
        let observation =
            result(&format!("<referenceRange><observationRange>{range}</observationRange></referenceRange>"));
        let ranges = observation.items("referenceRange").iter().filter_map(Json::as_object);
        let found: Vec<&str> = ranges.flat_map(|range| range.iter().map(|(name, _)| name)).collect();
        assert_eq!(found, expect, "{}", observation.pretty());
    }
}

#[test]
fn an_open_interval_is_a_comparator() {
    for (value, comparator) in [
        (r#"<high value="5" unit="mg" inclusive="false"/>"#, "<"),
        (r#"<high value="5" unit="mg"/>"#, "<="),
        (r#"<low value="5" unit="mg" inclusive="false"/>"#, ">"),
        (r#"<low value="5" unit="mg" inclusive="true"/>"#, ">="),
    ] {
        let observation = result(&format!(r#"<value xsi:type="IVL_PQ">{value}</value>"#));
        assert_eq!(observation.text_at(&["valueQuantity", "comparator"]), Some(comparator), "{value}");
    }
}

#[test]
fn a_negated_observation_says_so_where_no_reader_may_pass_over_it() {
    let text = r#"<entry><observation classCode="OBS" moodCode="EVN" negationInd="true"><id root="2.999.3" extension="n"/><code code="A" codeSystem="2.999.4"/><value xsi:type="CD" code="B" codeSystem="2.999.4"/></observation></entry>"#;
    let bundle = bundle("29762-2", text);
    let observation = all(&bundle, "Observation");
    assert!(observation.first().unwrap().get("modifierExtension").is_some(), "{}", bundle.pretty());
}

#[test]
fn what_a_relative_has_is_no_finding_of_the_patient() {
    let observation = r#"<observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.46"/><id root="2.999.3" extension="f"/>
<code code="64572001" codeSystem="2.16.840.1.113883.6.96"/><value xsi:type="CD" code="73211009" codeSystem="2.16.840.1.113883.6.96"/>
<entryRelationship typeCode="SUBJ" inversionInd="true"><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.31"/><code code="445518008" codeSystem="2.16.840.1.113883.6.96"/><value xsi:type="PQ" value="44" unit="a"/></observation></entryRelationship></observation>"#;
    let subject = r#"<subject><relatedSubject classCode="PRS"><code code="MTH" codeSystem="2.16.840.1.113883.5.111"/></relatedSubject></subject>"#;
    let in_organizer = format!(
        r#"<entry><organizer classCode="CLUSTER" moodCode="EVN"><id root="2.999.3" extension="o"/>{subject}<component>{observation}</component></organizer></entry>"#
    );
    let alone = format!(
        "<entry>{}</entry>",
        observation.replace("<value xsi:type=\"CD\"", &format!("{subject}<value xsi:type=\"CD\""))
    );
    for entry in [in_organizer, alone] {
        let bundle = bundle("10157-6", &entry);
        assert!(all(&bundle, "Observation").is_empty(), "{}", bundle.pretty());
        let histories = all(&bundle, "FamilyMemberHistory");
        let condition = histories.first().unwrap().items("condition").first().unwrap();
        assert!(condition.to_text().contains("73211009"));
        assert!(condition.get("onsetAge").is_some());
    }
}

#[test]
fn an_act_of_no_known_template_is_not_thrown_away() {
    let text = r#"<entry><act classCode="ACT" moodCode="EVN"><templateId root="2.999.77"/><id root="2.999.3" extension="a"/><code code="Z" codeSystem="2.999.4" displayName="Something else"/></act></entry>"#;
    let bundle = bundle("51848-0", text);
    assert_eq!(all(&bundle, "Basic").len(), 1);
}

/// The document of a Bundle of a patient and one Observation.
fn written(observation: &str) -> String {
    let text = format!(
        r#"{{"resourceType":"Bundle","type":"collection","entry":[{{"resource":{{"resourceType":"Patient","id":"p","name":[{{"family":"Aalto"}}]}}}},{{"resource":{{"resourceType":"Observation","id":"o","status":"final","subject":{{"reference":"Patient/p"}},"effectiveDateTime":"2024-05-01",{observation}}}}}]}}"#
    );
    let bundle = model::json::parse(text.as_bytes(), &model::json::Limits::default()).unwrap();
    let packages = Packages::embedded().unwrap();
    let written = packages.named("ccda-base").unwrap().write_cda(&bundle, &RenderContext::default());
    String::from_utf8(written.bytes).unwrap()
}

fn category(code: &str) -> String {
    format!(
        r#""category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"{code}"}}]}}]"#
    )
}

#[test]
fn statements_are_written_with_their_templates_and_organizers() {
    let loinc = |code: &str| format!(r#""code":{{"coding":[{{"system":"http://loinc.org","code":"{code}"}}]}}"#);
    let kilograms =
        r#""valueQuantity":{"value":61.2,"unit":"kilogram","system":"http://unitsofmeasure.org","code":"kg"}"#;
    for (kind, code, more, wanted) in [
        (
            "vital-signs",
            "29463-7",
            kilograms,
            &[
                "<organizer",
                "22.4.26\" extension=\"2015-08-01\"",
                "22.4.27\" extension=\"2014-06-09\"",
                "unit=\"kg\"",
                "xsi:type=\"PQ\"",
                "<low value=\"20240501\"/>",
            ][..],
        ),
        (
            "laboratory",
            "718-7",
            kilograms,
            &["<organizer", "22.4.1\" extension=\"2015-08-01\"", "22.4.2\" extension=\"2015-08-01\""][..],
        ),
        (
            "social-history",
            "72166-2",
            r#""valueCodeableConcept":{"coding":[{"system":"http://snomed.info/sct","code":"266919005"}]}"#,
            &["22.4.78\" extension=\"2014-06-09\"", "2.16.840.1.113883.6.96"][..],
        ),
        ("exam", "8716-0", r#""valueBoolean":true"#, &["29545-1", "xsi:type=\"BL\""][..]),
        ("therapy", "8716-0", r#""valueString":"well""#, &["30954-2", "xsi:type=\"ST\""][..]),
        (
            "vital-signs",
            "85354-9",
            r#""component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"valueQuantity":{"value":120,"system":"http://unitsofmeasure.org","code":"mm[Hg]"}}]"#,
            &["22.4.26", "85354-9", "8480-6", "unit=\"mm[Hg]\""][..],
        ),
    ] {
        let text = written(&format!("{},{},{more}", category(kind), loinc(code)));
        for part in wanted {
            assert!(text.contains(part), "{kind} {code} should say {part}: {text}");
        }
    }
}
