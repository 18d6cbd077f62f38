//! What a document says is said by the document written of its Bundle: statuses, kinds of requests, templates.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it does not expect")]

use formats::cda::{Document, Limits};
use mappers::{Context, Packages, RenderContext};
use model::json::{Json, parse};

fn read(text: &str) -> Json {
    let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
    let packages = Packages::embedded().unwrap();
    packages.named("ccda-base").unwrap().map_cda(&document, &Context::default()).bundle
}

fn write(bundle: &Json) -> String {
    let packages = Packages::embedded().unwrap();
    let rendered = packages.named("ccda-base").unwrap().write_cda(bundle, &RenderContext::default());
    String::from_utf8(rendered.bytes).unwrap()
}

/// A document with one section.
fn document(section: &str, entries: &str) -> String {
    format!(
        r#"<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:sdtc="urn:hl7-org:sdtc" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<id root="2.999.1" extension="d"/><code code="34133-9" codeSystem="2.16.840.1.113883.6.1"/><title>Summary</title><effectiveTime value="20240102030405+0000"/>
<recordTarget><patientRole><id root="2.999.2" extension="p"/><patient><name><given>Tove</given><family>Aalto</family></name></patient></patientRole></recordTarget>
<component><structuredBody><component><section><code code="{section}" codeSystem="2.16.840.1.113883.6.1"/><title>Section</title><text>-</text>{entries}</section></component></structuredBody></component></ClinicalDocument>"#
    )
}

fn all<'b>(bundle: &'b Json, kind: &str) -> Vec<&'b Json> {
    let resources = bundle.items("entry").iter().filter_map(|entry| entry.get("resource"));
    resources.filter(|resource| resource.text_at(&["resourceType"]) == Some(kind)).collect()
}

/// A Bundle of a patient and these resources, as JSON.
fn bundle(resources: &str) -> Json {
    let text = format!(
        r#"{{"resourceType":"Bundle","type":"collection","entry":[
{{"resource":{{"resourceType":"Patient","id":"p","name":[{{"family":"Aalto"}}]}}}},{resources}]}}"#
    );
    parse(text.as_bytes(), &model::json::Limits::default()).unwrap()
}

#[test]
fn results_of_a_battery_without_a_code_stay_results() {
    let entry = r#"<entry><organizer classCode="BATTERY" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.1"/><id root="2.999.3"/>
<code nullFlavor="NA"/><statusCode code="completed"/><component><observation classCode="OBS" moodCode="EVN">
<templateId root="2.16.840.1.113883.10.20.22.4.2"/><id root="2.999.4"/><code code="718-7" codeSystem="2.16.840.1.113883.6.1"/>
<statusCode code="completed"/><value xsi:type="PQ" value="7.1" unit="g/dL"/></observation></component></organizer></entry>"#;
    let made = read(&document("30954-2", entry));
    assert_eq!(all(&made, "Observation")[0].items("category").len(), 1, "{}", made.pretty());
    assert!(write(&made).contains("2.16.840.1.113883.10.20.22.4.2\""));
    // In a report a result is one whatever its category.
    let other = write(&bundle(
        r#"{"resource":{"resourceType":"DiagnosticReport","id":"r","status":"final","code":{"text":"Panel"},"subject":{"reference":"Patient/p"},
"result":[{"reference":"Observation/o"}]}},{"resource":{"resourceType":"Observation","id":"o","status":"final","code":{"text":"Haemoglobin"},
"subject":{"reference":"Patient/p"},"valueString":"7.1"}}"#,
    ));
    assert!(other.contains("2.16.840.1.113883.10.20.22.4.2\""), "{other}");
}

/// The status that comes back.
#[track_caller]
fn returns(kind: &str, status: &str, more: &str) {
    let resource = format!(
        r#"{{"resource":{{"resourceType":"{kind}","id":"x","status":"{status}","code":{{"coding":[{{"system":"http://loinc.org","code":"718-7"}}]}},"subject":{{"reference":"Patient/p"}}{more}}}}}"#
    );
    let written = write(&bundle(&resource));
    let again = read(&written);
    let found: Vec<&str> = all(&again, kind).iter().filter_map(|one| one.text_at(&["status"])).collect();
    assert_eq!(found, [status], "{kind} {status}: {written}");
}

#[test]
fn results_keep_their_status() {
    let laboratory = r#","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory"}]}],"valueString":"a""#;
    for status in
        ["registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown"]
    {
        returns("Observation", status, laboratory);
        returns("Observation", status, r#","valueString":"a""#);
        returns("DiagnosticReport", status, "");
    }
    for status in ["partial", "appended"] {
        returns("DiagnosticReport", status, "");
    }
}

#[test]
fn a_document_keeps_its_status() {
    for status in ["preliminary", "final", "amended", "entered-in-error"] {
        let composition = format!(
            r#"{{"resource":{{"resourceType":"Composition","id":"c","status":"{status}","type":{{"coding":[{{"system":"http://loinc.org","code":"34133-9"}}]}},
"subject":{{"reference":"Patient/p"}},"date":"2024-01-02","author":[{{"display":"-"}}],"title":"Summary"}}}}"#
        );
        let written = write(&bundle(&composition));
        assert_eq!(all(&read(&written), "Composition")[0].text_at(&["status"]), Some(status), "{written}");
    }
}

#[test]
fn requests_come_back_as_what_they_were() {
    for (element, class, template) in [
        ("act", "ACT", "2.16.840.1.113883.10.20.22.4.39"),
        ("procedure", "PROC", "2.16.840.1.113883.10.20.22.4.41"),
        ("observation", "OBS", "2.16.840.1.113883.10.20.22.4.44"),
        ("encounter", "ENC", "2.16.840.1.113883.10.20.22.4.40"),
        ("substanceAdministration", "SBADM", "2.16.840.1.113883.10.20.22.4.42"),
        ("supply", "SPLY", "2.16.840.1.113883.10.20.22.4.43"),
    ] {
        let more = if element == "substanceAdministration" {
            r#"<consumable><manufacturedProduct><manufacturedMaterial><code code="197361" codeSystem="2.16.840.1.113883.6.88"/></manufacturedMaterial></manufacturedProduct></consumable>"#
        } else {
            ""
        };
        let entry = format!(
            r#"<entry><{element} classCode="{class}" moodCode="INT"><templateId root="{template}"/><id root="2.999.5"/>
<code code="71388002" codeSystem="2.16.840.1.113883.6.96"/><statusCode code="active"/>{more}</{element}></entry>"#
        );
        let written = write(&read(&document("18776-5", &entry)));
        assert!(
            written.contains(&format!("<{element} ")) && written.contains(&format!("\"{template}\"")),
            "{element}: {written}"
        );
    }
}

#[test]
fn requests_from_elsewhere_are_what_they_carry() {
    for (more, template) in [
        (r#""code":{"coding":[{"system":"http://loinc.org","code":"718-7"}]}"#, "44"),
        (r#""code":{"coding":[{"system":"http://www.ama-assn.org/go/cpt","code":"70548"}]}"#, "41"),
        (
            r#""code":{"text":"Scan"},"category":[{"coding":[{"system":"http://snomed.info/sct","code":"363679005"}]}]"#,
            "44",
        ),
        (r#""code":{"text":"Repair"},"bodySite":[{"text":"Left knee"}]"#, "41"),
        (r#""code":{"text":"Advice"}"#, "39"),
    ] {
        let written = write(&bundle(&format!(
            r#"{{"resource":{{"resourceType":"ServiceRequest","id":"s","status":"active","intent":"order","subject":{{"reference":"Patient/p"}},{more}}}}}"#
        )));
        assert!(written.contains(&format!("2.16.840.1.113883.10.20.22.4.{template}\"")), "{template}: {written}");
    }
}

#[test]
fn procedures_come_back_as_what_they_were() {
    for (element, class, template) in [
        ("procedure", "PROC", "2.16.840.1.113883.10.20.22.4.14"),
        ("observation", "OBS", "2.16.840.1.113883.10.20.22.4.13"),
        ("act", "ACT", "2.16.840.1.113883.10.20.22.4.12"),
    ] {
        let entry = format!(
            r#"<entry><{element} classCode="{class}" moodCode="EVN"><templateId root="{template}"/><id root="2.999.6"/>
<code code="71388002" codeSystem="2.16.840.1.113883.6.96"/><statusCode code="completed"/><effectiveTime value="20240101"/></{element}></entry>"#
        );
        let written = write(&read(&document("47519-4", &entry)));
        assert!(written.contains(&format!("<{element} ")) && written.contains(&format!("\"{template}\"")), "{written}");
    }
}

#[test]
fn what_a_performer_does_stands_with_the_performer() {
    let entry = r#"<entry><procedure classCode="PROC" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.14"/><id root="2.999.7"/>
<code code="71388002" codeSystem="2.16.840.1.113883.6.96"/><statusCode code="completed"/><performer>
<sdtc:functionCode code="ANEST" codeSystem="2.16.840.1.113883.5.88"/><assignedEntity><id root="2.999.8"/>
<code code="207L00000X" codeSystem="2.16.840.1.113883.6.101"/><assignedPerson><name><given>Ole</given><family>Berg</family></name></assignedPerson>
</assignedEntity></performer></procedure></entry>"#;
    let written = write(&read(&document("47519-4", entry)));
    assert!(
        written.contains(
            r#"<performer><sdtc:functionCode codeSystem="2.16.840.1.113883.5.88" code="ANEST"/><assignedEntity>"#
        ),
        "{written}"
    );
    assert!(!written.contains("<translation"), "{written}");
}

/// What comes back of a medication with this relation.
fn medication(class: &str, relation: &str) -> String {
    let entry = format!(
        r#"<entry><substanceAdministration classCode="{class}" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.16"/><id root="2.999.9"/>
<statusCode code="completed"/><consumable><manufacturedProduct><manufacturedMaterial><code code="197361" codeSystem="2.16.840.1.113883.6.88"/>
</manufacturedMaterial></manufacturedProduct></consumable>{relation}</substanceAdministration></entry>"#
    );
    write(&read(&document("10160-0", &entry)))
}

#[test]
fn statements_that_no_table_reads_come_back_whole() {
    let relation = r#"<entryRelationship typeCode="SUBJ" inversionInd="true"><act classCode="ACT" moodCode="INT"><templateId root="2.999.10"/><code code="171044003" codeSystem="2.16.840.1.113883.6.96"/></act></entryRelationship>"#;
    let written = medication("ACT", relation);
    assert!(written.contains(relation), "{written}");
}

#[test]
fn what_a_table_left_of_a_relation_goes_back_into_it() {
    let relation = |code: &str| {
        format!(
            r#"<entryRelationship typeCode="RSON"><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.19"/>
<id root="2.999.11"/><code code="{code}" codeSystem="2.16.840.1.113883.6.96"/><statusCode code="completed"/><effectiveTime><low value="2019"/></effectiveTime>
<value xsi:type="CD" codeSystem="2.16.840.1.113883.6.96" code="195967001"/></observation></entryRelationship>"#
        )
    };
    let written = medication("SBADM", &relation("404684003"));
    let back = r#"<id root="2.999.11"/><code code="404684003" codeSystem="2.16.840.1.113883.6.96"/><statusCode code="completed"/><effectiveTime><low value="2019"/>"#;
    assert!(written.contains(back) && written.matches("<entryRelationship").count() == 1, "{written}");
    assert!(
        written.contains(r#"<templateId root="2.16.840.1.113883.10.20.22.4.16" extension="2014-06-09"/>"#),
        "{written}"
    );
    // Of another code it is not the relation that is written: its id is said of none.
    let other = medication("SBADM", &relation("55607006"));
    assert!(!other.contains("2.999.11"), "{other}");
}

#[test]
fn headers_keep_service_events_and_what_the_document_follows() {
    let text = document("18776-5", "").replace(
        "<component><structuredBody>",
        r#"<documentationOf><serviceEvent classCode="PCPR"><id root="2.999.11"/><effectiveTime><low value="20230101"/></effectiveTime></serviceEvent></documentationOf>
<relatedDocument typeCode="RPLC"><parentDocument><id root="2.999.12"/><setId root="2.999.13"/><versionNumber value="3"/></parentDocument></relatedDocument>
<component><structuredBody>"#,
    );
    let written = write(&read(&text));
    for part in ["2.999.11", "2.999.12", "<setId root=\"2.999.13\"", "<versionNumber value=\"3\""] {
        assert!(written.contains(part), "{part}: {written}");
    }
}

#[test]
fn people_and_organizations_without_a_role_stand_where_a_role_would() {
    let made = write(&bundle(
        r#"{"resource":{"resourceType":"Composition","id":"c","status":"final","type":{"coding":[{"system":"http://loinc.org","code":"34133-9"}]},
"date":"2024-01-02","title":"Summary","subject":{"reference":"Patient/p"},"author":[{"reference":"Practitioner/a"},{"reference":"Organization/o"}],
"attester":[{"mode":"legal","time":"2024-01-02","party":{"reference":"Practitioner/a"}}],
"section":[{"code":{"coding":[{"system":"http://loinc.org","code":"30954-2"}]},"entry":[{"reference":"Observation/r"}]}]}},
{"resource":{"resourceType":"Practitioner","id":"a","identifier":[{"system":"urn:oid:2.999.9","value":"77"}],"name":[{"family":"Ritva"}]}},
{"resource":{"resourceType":"Organization","id":"o","identifier":[{"system":"urn:oid:2.999.8","value":"88"}],"name":"Lakeside"}},
{"resource":{"resourceType":"Observation","id":"r","status":"final","code":{"text":"Haemoglobin"},"subject":{"reference":"Patient/p"},
"performer":[{"reference":"Practitioner/a"},{"reference":"Organization/o"}],"valueString":"7.1"}}"#,
    ));
    assert_eq!(made.matches("<family>Ritva</family>").count(), 3, "{made}");
    assert_eq!(made.matches("<name>Lakeside</name>").count(), 2, "{made}");
    let back = read(&made);
    let composition = all(&back, "Composition");
    assert_eq!(composition[0].items("author").len(), 2, "{}", back.pretty());
    assert_eq!(all(&back, "Practitioner").len(), 1, "{}", back.pretty());
    let names = all(&back, "Organization");
    assert!(names.iter().any(|one| one.text_at(&["name"]) == Some("Lakeside")), "{}", back.pretty());
}

/// A function in the narrative is the one that the code says, and of one performer.
#[test]
fn a_member_of_a_care_team_has_one_function() {
    let entry = r##"<entry><organizer classCode="CLUSTER" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.500" extension="2019-07-01"/>
<id root="2.999.3"/><code code="86744-0" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="active"/><effectiveTime><low value="20240102"/></effectiveTime>
<component><act classCode="PCPR" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.500.1" extension="2019-07-01"/>
<id root="2.999.4"/><code code="85847-2" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="active"/><effectiveTime><low value="20240102"/></effectiveTime>
<performer typeCode="PRF"><sdtc:functionCode code="PCP" codeSystem="2.16.840.1.113883.5.88"><originalText><reference value="#m1"/></originalText></sdtc:functionCode>
<assignedEntity><id root="2.999.5" extension="n"/><assignedPerson><name><given>Elin</given><family>Moe</family></name></assignedPerson></assignedEntity></performer>
</act></component></organizer></entry>"##;
    let written = write(&read(&document("85847-2", entry)));
    let count = |text: &str| written.matches(text).count();
    assert_eq!((count("<performer"), count("<sdtc:functionCode"), count("#m1")), (1, 1, 1), "{written}");
    // Functions that differ stay apart.
    let other = entry.replace(
        "</sdtc:functionCode>",
        r#"</sdtc:functionCode><sdtc:functionCode code="ATTPHYS" codeSystem="2.16.840.1.113883.5.88"/>"#,
    );
    let written = write(&read(&document("85847-2", &other)));
    assert!(written.contains("\"PCP\"") && written.contains("\"ATTPHYS\""), "{written}");
}

/// A second patient is no part of the record: it is said and kept.
#[test]
fn a_second_patient_is_said_and_kept() {
    let one = document("11450-4", "");
    let second = r#"<recordTarget><patientRole><id root="2.999.2" extension="q"/></patientRole></recordTarget><component><structuredBody>"#;
    let text = one.replacen("<component><structuredBody>", second, 1);
    let packages = Packages::embedded().unwrap();
    let issues = |text: &str| {
        let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
        let issues = packages.named("ccda-base").unwrap().map_cda(&document, &Context::default()).issues;
        issues.into_iter().filter_map(|issue| issue.at).filter(|at| at.contains("recordTarget")).collect::<Vec<_>>()
    };
    assert_eq!(issues(&one), Vec::<String>::new());
    assert_eq!(issues(&text), ["/ClinicalDocument/recordTarget[2]"]);
    let made = read(&text);
    assert_eq!(all(&made, "Patient").len(), 1);
    assert!(made.pretty().contains("urn:anchorline:cda:recordTarget[2]/patientRole/id/@extension"));
}
