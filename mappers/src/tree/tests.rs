use formats::cda::{Document, Limits};
use model::json::Json;

use super::path::{parse, split};
use crate::{Context, Mapped, Packages};

const ACT: &str = r#"<act xmlns="urn:hl7-org:v3" classCode="ACT">
  <templateId root="1.2.3"/><id root="1.2" extension="a"/><id nullFlavor="UNK"/>
  <effectiveTime><low value="2020"/></effectiveTime>
  <entryRelationship typeCode="SUBJ"><observation classCode="OBS"><templateId root="4.5"/><value code="x"/></observation></entryRelationship>
  <entryRelationship typeCode="REFR"><observation classCode="OBS"><value code="y"/></observation></entryRelationship>
</act>"#;

/// The texts at a path of [`ACT`].
fn at(path: &str) -> Vec<String> {
    let document = Document::parse(ACT.as_bytes(), &Limits::default()).expect("well-formed");
    let mut found = Vec::new();
    parse(path).expect("a path").each(document.root(), &|_| false, &mut |value| {
        found.push(value.text().trim().to_owned());
        true
    });
    found
}

#[test]
fn paths_lead_to_attributes_elements_and_ancestors() {
    assert_eq!(at("effectiveTime/low/@value"), ["2020"]);
    assert_eq!(at("entryRelationship/observation/value/@code"), ["x", "y"]);
    assert_eq!(at("entryRelationship[@typeCode=SUBJ]/observation/value/@code"), ["x"]);
    assert_eq!(at("entryRelationship[@typeCode!=SUBJ]/observation/value/@code"), ["y"]);
    assert_eq!(at("entryRelationship/observation[template=9|4.5]/value/@code"), ["x"]);
    assert_eq!(at("entryRelationship/observation[!template=4.5]/value/@code"), ["y"]);
    assert_eq!(at("entryRelationship[observation/value/@code=y]/@typeCode"), ["REFR"]);
    assert_eq!(at("entryRelationship[2]/*/value/@code"), ["y"]);
    assert_eq!(at("effectiveTime/@value"), Vec::<String>::new());
    assert_eq!(at("~act/@classCode"), ["ACT"]);
    assert_eq!(at("~section/title"), Vec::<String>::new());
}

#[test]
fn an_element_that_only_says_why_it_is_empty_is_no_value() {
    let document = Document::parse(ACT.as_bytes(), &Limits::default()).expect("well-formed");
    assert!(parse("id").expect("a path").has_value(document.root()));
    assert!(!parse("id[2]").expect("a path").has_value(document.root()));
}

#[test]
fn paths_that_cannot_be_read_are_refused() {
    for wrong in ["", "a//b", "a[", "a[@b=1", "@a/b", "a/~b", "a b"] {
        assert!(parse(wrong).is_err(), "{wrong:?}");
    }
    assert_eq!(split("a[b|c]|d", '|'), ["a[b|c]", "d"]);
}

/// A document of one section around these entries.
fn document(entries: &str) -> Mapped {
    let text = format!(
        r#"<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<id root="1.2.3.4" extension="d1"/><code code="34133-9" codeSystem="2.16.840.1.113883.6.1"/><title>Summary</title>
<effectiveTime value="20240102030405+0000"/>
<recordTarget><patientRole><id root="1.2.3.5" extension="p1"/><patient><name><given>Mara</given><family>Ilves</family></name></patient></patientRole></recordTarget>
<component><structuredBody><component><section><code code="11450-4" codeSystem="2.16.840.1.113883.6.1"/><title>Problems</title>
<text><paragraph ID="p1">Asthma since childhood</paragraph></text>{entries}</section></component></structuredBody></component></ClinicalDocument>"#
    );
    let document = Document::parse(text.as_bytes(), &Limits::default()).expect("well-formed");
    let packages = Packages::embedded().expect("the program's own packages");
    packages.named("ccda-base").expect("embedded").map_cda(&document, &Context::default())
}

fn problem(id: &str, code: &str, more: &str) -> String {
    format!(
        r#"<entry><act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.3"/><statusCode code="active"/>
<entryRelationship typeCode="SUBJ"><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.4"/>
<id root="1.2.3.6" extension="{id}"/><value xsi:type="CD" code="{code}" codeSystem="2.16.840.1.113883.6.96"/>{more}</observation></entryRelationship></act></entry>"#
    )
}

fn all<'b>(bundle: &'b Json, kind: &str) -> Vec<&'b Json> {
    let resources = bundle.items("entry").iter().filter_map(|entry| entry.get("resource"));
    resources.filter(|resource| resource.text_at(&["resourceType"]) == Some(kind)).collect()
}

#[test]
fn an_entry_becomes_a_resource_that_its_section_refers_to() {
    let mapped = document(&problem("a", "195967001", ""));
    let conditions = all(&mapped.bundle, "Condition");
    let [condition] = conditions.as_slice() else { panic!("expected one Condition: {}", mapped.bundle.pretty()) };
    let composition = all(&mapped.bundle, "Composition");
    let section = composition.first().and_then(|found| found.items("section").first()).expect("a section");
    let link = section.items("entry").first().and_then(|entry| entry.text_at(&["reference"])).expect("an entry");
    assert_eq!(link.strip_prefix("urn:uuid:"), condition.text_at(&["id"]));
}

#[test]
fn a_problem_that_stands_twice_is_one_with_a_provenance_for_the_second_place() {
    let twice = format!("{}{}", problem("a", "195967001", ""), problem("a", "195967001", ""));
    let mapped = document(&twice);
    assert_eq!(all(&mapped.bundle, "Condition").len(), 1);
    let places = all(&mapped.bundle, "Provenance").into_iter().filter(|found| found.get("entity").is_some()).count();
    assert_eq!(places, 1);
}

#[test]
fn one_identifier_for_two_problems_keeps_both() {
    let time = |year: &str| format!(r#"<effectiveTime><low value="{year}"/></effectiveTime>"#);
    let two = format!("{}{}", problem("a", "195967001", &time("2001")), problem("a", "195967001", &time("2011")));
    let mapped = document(&two);
    assert_eq!(all(&mapped.bundle, "Condition").len(), 2);
}

#[test]
fn every_leaf_ends_in_one_of_three_lists() {
    let mapped = document(&problem("a", "195967001", "<unheard foo=\"bar\">of</unheard>"));
    let loss = mapped.loss();
    assert_eq!(loss.total(), mapped.loss_counts()[0]);
    let kept: Vec<&str> = loss.kept.iter().map(|(at, _)| at.as_str()).filter(|at| at.contains("unheard")).collect();
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(mapped.unmapped().iter().any(|place| place.place.ends_with("observation/unheard/@foo")));
}

#[test]
fn a_code_without_text_takes_that_of_the_narrative() {
    let more = r##"<code code="55607006" codeSystem="2.16.840.1.113883.6.96"><originalText><reference value="#p1"/></originalText></code>"##;
    let mapped = document(&problem("a", "195967001", more));
    let text = mapped.bundle.to_text();
    assert!(text.contains(r#""text":"Asthma since childhood""#), "{text}");
}

#[test]
fn a_document_that_becomes_fhir_and_a_document_again_says_the_same() {
    let mapped = document(&problem("a", "195967001", ""));
    let packages = Packages::embedded().expect("the program's own packages");
    let package = packages.named("ccda-base").expect("embedded");
    let (written, loss) = package.write_cda_with_loss(&mapped.bundle, &crate::RenderContext::default());
    let again = Document::parse(&written.bytes, &Limits::default()).expect("a document");
    let back = package.map_cda(&again, &Context::default());
    let (first, second) = (all(&mapped.bundle, "Condition"), all(&back.bundle, "Condition"));
    assert_eq!(first.len(), second.len());
    for member in ["identifier", "code", "category", "subject"] {
        assert_eq!(
            first.first().and_then(|one| one.get(member)),
            second.first().and_then(|one| one.get(member)),
            "{member}"
        );
    }
    assert_eq!(loss.dropped.iter().filter(|(at, _)| at.starts_with("Condition/")).count(), 0, "{:?}", loss.dropped);
}

#[test]
fn a_record_without_a_composition_becomes_sections() {
    let mut mapped = document(&problem("a", "195967001", ""));
    if let Some(entries) = mapped.bundle.get_mut("entry").and_then(Json::as_array_mut) {
        entries.retain(|entry| entry.text_at(&["resource", "resourceType"]) != Some("Composition"));
        for resource in entries.iter_mut().filter_map(|entry| entry.get_mut("resource")) {
            let text = resource.to_text().replace("urn:uuid:", "Patient/");
            *resource = model::json::parse(text.as_bytes(), &model::json::Limits::default()).expect("JSON");
        }
    }
    let packages = Packages::embedded().expect("the program's own packages");
    let package = packages.named("ccda-base").expect("embedded");
    let context = crate::RenderContext { message_code: "57133-1".to_owned(), ..Default::default() };
    let written = package.write_cda(&mapped.bundle, &context);
    let text = String::from_utf8(written.bytes).expect("UTF-8");
    assert!(text.contains("code=\"57133-1\""), "{text}");
    assert!(text.contains("2.16.840.1.113883.10.20.22.4.4"), "{text}");
    assert!(text.contains("<td ID=\"n1\">"), "{text}");
}

#[test]
fn what_is_written_has_one_code_and_each_author_a_time() {
    let example = include_str!("../../packages/ccda-base/examples/summary.xml");
    let document = Document::parse(example.as_bytes(), &Limits::default()).expect("well-formed");
    let packages = Packages::embedded().expect("the program's own packages");
    let package = packages.named("ccda-base").expect("embedded");
    let mapped = package.map_cda(&document, &Context::default());
    let written = package.write_cda(&mapped.bundle, &crate::RenderContext::default()).bytes;
    let again = Document::parse(&written, &Limits::default()).expect("well-formed");
    let elements = || (0..).map_while(|id| again.element(id));
    let count = |element: formats::cda::Element<'_>, name: &str| {
        element.children().filter(|child| child.name() == name).count()
    };
    assert!(elements().all(|element| count(element, "code") <= 1));
    let authors = || elements().filter(|element| element.name() == "author");
    assert!(authors().count() > 1 && authors().all(|author| count(author, "time") == 1));
    assert!(authors().all(|author| count(author, "assignedAuthor") == 1));
    assert!(elements().filter(|element| element.name() == "patient").all(|patient| count(patient, "raceCode") <= 1));
}

#[test]
fn one_resource_without_its_patient_becomes_a_document_that_says_so() {
    let condition = r#"{"resourceType":"Condition","clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}]},
        "code":{"coding":[{"system":"http://snomed.info/sct","code":"195967001"}]},"subject":{"reference":"Patient/elsewhere"}}"#;
    let condition = model::json::parse(condition.as_bytes(), &model::json::Limits::default()).expect("JSON");
    let packages = Packages::embedded().expect("the program's own packages");
    let written =
        packages.named("ccda-base").expect("embedded").write_cda(&condition, &crate::RenderContext::default());
    let text = String::from_utf8(written.bytes).expect("UTF-8");
    assert!(text.contains("<patientRole><id nullFlavor=\"NI\"/>"), "{text}");
    assert!(text.contains("<patient><name nullFlavor=\"NI\"/>"), "{text}");
    assert!(
        text.contains("code=\"195967001\" codeSystem=\"2.16.840.1.113883.6.96\"")
            || text.contains("codeSystem=\"2.16.840.1.113883.6.96\" code=\"195967001\""),
        "{text}"
    );
    assert!(written.issues.iter().any(|issue| issue.code == "required"));
    let nothing = model::json::parse(br#"{"resourceType":"Bundle"}"#, &model::json::Limits::default()).expect("JSON");
    assert!(
        packages
            .named("ccda-base")
            .expect("embedded")
            .write_cda(&nothing, &crate::RenderContext::default())
            .bytes
            .is_empty()
    );
}

#[track_caller]
fn makes(section: &str, entry: &str, expect: &[&str]) {
    let packages = Packages::embedded().expect("the program's own packages");
    let xml = format!(
        r#"<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><id root="2.999.3"/>
<recordTarget><patientRole><id root="2.999.4" extension="p"/><patient/></patientRole></recordTarget>
<component><structuredBody><component><section><code code="{section}" codeSystem="2.16.840.1.113883.6.1"/><text/>
<entry>{entry}</entry></section></component></structuredBody></component></ClinicalDocument>"#
    );
    let document = Document::parse(xml.as_bytes(), &Limits::default()).expect("well-formed");
    let text = packages.named("ccda-base").expect("embedded").map_cda(&document, &Context::default()).bundle.to_text();
    for wanted in expect {
        assert!(text.contains(wanted), "{wanted} is not in {text}");
    }
}

const CONCERN: &str = r#"<act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.1.27"/><entryRelationship typeCode="SUBJ">"#;

#[test]
fn templates_of_older_guides_are_read_like_those_of_today() {
    let problem = r#"<observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.1.28"/>
<code code="64572001" codeSystem="2.16.840.1.113883.6.96"/><value xsi:type="CD" code="233604007" codeSystem="2.16.840.1.113883.6.96"/>
<entryRelationship typeCode="REFR"><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.1.50"/>
<value xsi:type="CE" code="413322009" codeSystem="2.16.840.1.113883.6.96"/></observation></entryRelationship></observation>"#;
    let wrapped = format!("{CONCERN}{problem}</entryRelationship></act>");
    makes("11450-4", &wrapped, &[r#""resourceType":"Condition""#, r#""code":"resolved""#]);
    // An allergy of IHE PCC is also a problem: the allergy counts; its substance is the value.
    let allergy = r#"<observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.1.28"/>
<templateId root="1.3.6.1.4.1.19376.1.5.3.1.4.6"/><code code="DALG" codeSystem="2.16.840.1.113883.5.4"/>
<value xsi:type="CD" code="70618" codeSystem="2.16.840.1.113883.6.88"/></observation>"#;
    let wrapped = format!("{CONCERN}{allergy}</entryRelationship></act>");
    makes(
        "48765-2",
        &wrapped,
        &[
            r#""resourceType":"AllergyIntolerance""#,
            r#""type":"allergy""#,
            r#""category":["medication"]"#,
            r#""code":"70618""#,
        ],
    );
}

#[test]
fn entries_without_templates_are_read_by_their_section() {
    let shot = r#"<substanceAdministration classCode="SBADM" moodCode="EVN"><effectiveTime value="2020-05-04T08:30:00Z"/>
<consumable><manufacturedProduct><manufacturedMaterial><code code="88" codeSystem="2.16.840.1.113883.12.292"/>
</manufacturedMaterial></manufacturedProduct></consumable></substanceAdministration>"#;
    makes("11369-6", shot, &[r#""resourceType":"Immunization""#, r#""occurrenceDateTime":"2020-05-04T08:30:00"#]);
    let problem = r#"<observation classCode="OBS" moodCode="EVN"><code code="55607006" codeSystem="2.16.840.1.113883.6.96"/>
<value xsi:type="CD" code="195967001" codeSystem="2.16.840.1.113883.6.96"/></observation>"#;
    makes("11450-4", problem, &[r#""resourceType":"Condition""#]);
    let reaction = r#"<observation classCode="OBS" moodCode="EVN"><code code="ASSERTION" codeSystem="2.16.840.1.113883.5.4"/>
<participant typeCode="CSM"><participantRole><playingEntity><code code="1191" codeSystem="2.16.840.1.113883.6.88"/></playingEntity>
</participantRole></participant></observation>"#;
    makes("48765-2", reaction, &[r#""resourceType":"AllergyIntolerance""#]);
}

#[test]
fn values_of_rare_types_are_said() {
    let observation = |value: &str| {
        format!(
            r#"<observation classCode="OBS" moodCode="EVN"><code code="8302-2" codeSystem="2.16.840.1.113883.6.1"/>{value}</observation>"#
        )
    };
    let check = |value: &str, expect: &str| makes("30954-2", &observation(value), &[expect]);
    check(r#"<value xsi:type="INT" value="12.50"/>"#, r#""valueQuantity":{"value":12.50}"#);
    check(r#"<value xsi:type="IVL_PQ"><center value="4" unit="mg"/></value>"#, r#""value":4"#);
    check(r#"<value xsi:type="PN"><given>Ama</given><family>Osei</family></value>"#, r#""valueString":"Ama Osei""#);
    let drawing = r#"<observationMedia classCode="OBS" moodCode="EVN"><id root="2.999.8"/>
<value mediaType="image/png" representation="B64">iVBORw0KGgo=</value></observationMedia>"#;
    makes(
        "18748-4",
        drawing,
        &[r#""resourceType":"Media""#, r#""data":"iVBORw0KGgo=""#, r#""contentType":"image/png""#],
    );
}

#[test]
fn an_end_before_its_start_is_kept_beside_the_period_and_accounted_for_there() {
    let encounter = |low: &str, high: &str| {
        document(&format!(
            r#"<entry><encounter classCode="ENC" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.49"/>
<id root="1.2.3.7" extension="e"/><effectiveTime><low value="{low}"/><high value="{high}"/></effectiveTime></encounter></entry>"#
        ))
    };
    let period = |mapped: &Mapped| {
        let found = all(&mapped.bundle, "Encounter").first().and_then(|one| one.get("period")).map(Json::to_text);
        found.expect("a period")
    };
    let kept = |mapped: &Mapped| mapped.loss().kept.iter().filter(|(at, _)| at.contains("/high/@value")).count();
    let said =
        |mapped: &Mapped| mapped.issues.iter().filter(|issue| issue.diagnostics.contains("before the start")).count();

    let mapped = encounter("20240105", "20240103");
    let beside = r#"[{"url":"urn:anchorline:cda:high/@value","valueString":"20240103"}]"#;
    assert_eq!(period(&mapped), format!(r#"{{"start":"2024-01-05","extension":{beside}}}"#));
    assert_eq!((kept(&mapped), said(&mapped)), (1, 1));

    // In order, though the digits are not: the zones tell.
    let mapped = encounter("20240105090000+0500", "20240105080000+0000");
    assert_eq!(period(&mapped), r#"{"start":"2024-01-05T09:00:00+05:00","end":"2024-01-05T08:00:00+00:00"}"#);
    assert_eq!((kept(&mapped), said(&mapped)), (0, 0));
}

#[test]
fn a_section_of_many_entries_is_read_as_one_of_few() {
    let one = |n: usize| {
        format!(
            r#"<entry><observation classCode="OBS" moodCode="EVN"><id root="2.999.7" extension="{n}"/>
<code code="8302-2" codeSystem="2.16.840.1.113883.6.1"/></observation></entry>"#
        )
    };
    let entries: String = (0..400).map(one).collect();
    let inner = entries.strip_prefix("<entry>").and_then(|text| text.strip_suffix("</entry>")).expect("entries");
    // The last, far from the code of its section, has its category from there.
    let last = r#""value":"399"}],"status":"unknown""#.replace(r#","status":"unknown""#, "");
    makes("8716-3", inner, &[&last, r#""code":"vital-signs""#]);
    let (document, _) = (parse_many(400), ());
    let root = document.root();
    assert_eq!(root.listed("b").map(<[u32]>::len), Some(400));
    assert_eq!(root.listed("c").map(<[u32]>::len), Some(0));
    assert_eq!(parse_many(20).root().listed("b"), None);
    let path = parse("b[400]/@n").expect("a path");
    assert_eq!(path.first(root).map(|value| value.text().into_owned()).as_deref(), Some("399"));
}

fn parse_many(count: usize) -> Document {
    let children: String = (0..count).map(|n| format!("<b n=\"{n}\"/>")).collect();
    Document::parse(format!("<a xmlns=\"urn:hl7-org:v3\">{children}</a>").as_bytes(), &Limits::default())
        .expect("well-formed")
}

#[test]
fn what_is_no_language_and_no_system_is_said_as_text() {
    let language = |code: &str| {
        format!(
            r#"<recordTarget><patientRole><id root="not an oid" extension="7"/><patient><languageCommunication>
<languageCode code="{code}"/></languageCommunication></patient></patientRole></recordTarget>"#
        )
    };
    let check = |code: &str, expect: &str| {
        let packages = Packages::embedded().expect("the program's own packages");
        let xml = format!(
            r#"<ClinicalDocument xmlns="urn:hl7-org:v3"><id root="2.999.3"/>{}</ClinicalDocument>"#,
            language(code)
        );
        let document = Document::parse(xml.as_bytes(), &Limits::default()).expect("well-formed");
        let text =
            packages.named("ccda-base").expect("embedded").map_cda(&document, &Context::default()).bundle.to_text();
        assert!(text.contains(expect), "{expect} is not in {text}");
        assert!(!text.contains("\"system\":\"not an oid\""), "{text}");
    };
    check("fra-CA", r#""code":"fr""#);
    check("en-US", r#""code":"en-US""#);
    check("x!", r#""language":{"text":"x!"}"#);
}

#[test]
fn an_entry_alone_says_that_its_patient_is_not_given() {
    let xml = r#"<ClinicalDocument xmlns="urn:hl7-org:v3"><component><structuredBody><component><section><entry>
<procedure classCode="PROC" moodCode="EVN"><id root="2.999.5"/><code code="52734007" codeSystem="2.16.840.1.113883.6.96"/></procedure>
</entry></section></component></structuredBody></component></ClinicalDocument>"#;
    let document = Document::parse(xml.as_bytes(), &Limits::default()).expect("well-formed");
    let packages = Packages::embedded().expect("the program's own packages");
    let text = packages.named("ccda-base").expect("embedded").map_cda(&document, &Context::default()).bundle.to_text();
    assert!(text.contains(r#""resourceType":"Procedure""#) && text.contains(r#""subject":{"extension""#), "{text}");
}
