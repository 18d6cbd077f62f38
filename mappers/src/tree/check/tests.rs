//! What `checks.csv` can say, and what the base package's says of documents with a planted fault.

use std::io::Write as _;
use std::path::Path;

use formats::cda::{Document, Limits};

use super::*;
use crate::{Context, Packages};

/// Every finding on a document, by the base package.
fn issues(document: &Document) -> Vec<Issue> {
    let packages = Packages::embedded().expect("the program's own packages");
    packages.named("ccda-base").expect("embedded").map_cda(document, &Context::default()).issues
}

/// Code and place of those that its checks made.
fn findings(document: &Document) -> Vec<(String, String)> {
    let by_check = |issue: &Issue| issue.rule.as_deref().is_some_and(|rule| rule.contains("/checks.csv:"));
    let found = issues(document).into_iter().filter(by_check);
    found.map(|issue| (issue.code.to_owned(), issue.at.unwrap_or_default())).collect()
}

fn read(text: &str) -> Document {
    Document::parse(text.as_bytes(), &Limits::default()).expect("a document")
}

/// A sound document of one allergy, with a piece replaced.
fn with(sound: &str, faulty: &str) -> Vec<(String, String)> {
    const DOCUMENT: &str = r#"<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<templateId root="2.16.840.1.113883.10.20.22.1.1"/><id root="2.999.1"/><code code="34133-9" codeSystem="2.16.840.1.113883.6.1"/><title>T</title>
<effectiveTime value="20240102"/><confidentialityCode code="N"/><languageCode code="en"/>
<recordTarget><patientRole><id root="2.999.2" extension="1"/><patient><name><given>Mara</given><family>Ilves</family></name>
<administrativeGenderCode code="F"/><birthTime value="1980"/></patient></patientRole></recordTarget>
<author><time value="20240102"/><assignedAuthor/></author><custodian/>
<component><structuredBody><component><section><templateId root="2.16.840.1.113883.10.20.22.2.6.1"/>
<code code="48765-2" codeSystem="2.16.840.1.113883.6.1"/><title>A</title><text>Latex</text>
<entry><act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.30"/>
<entryRelationship typeCode="SUBJ"><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.7"/>
<effectiveTime><low value="2001"/></effectiveTime><value xsi:type="CD" code="418038007" codeSystem="2.16.840.1.113883.6.96"/>
</observation></entryRelationship></act></entry></section></component></structuredBody></component></ClinicalDocument>"#;
    assert!(DOCUMENT.contains(sound));
    findings(&read(&DOCUMENT.replacen(sound, faulty, 1)))
}

#[track_caller]
fn check(sound: &str, faulty: &str, code: &str, at: &str) {
    assert_eq!(with(sound, faulty), [(code.to_owned(), format!("/ClinicalDocument/{at}"))], "{faulty}");
}

const SECTION: &str = "component/structuredBody/component/section";
const OBSERVATION: &str = "component/structuredBody/component/section/entry/act/entryRelationship/observation";

#[test]
fn says_nothing_of_a_sound_document() {
    assert_eq!(with("Latex", "Latex"), []);
}

#[test]
fn says_what_is_wrong_and_where() {
    let center = "<low value=\"2001\"/><center value=\"2001-01\"/>";
    check("<low value=\"2001\"/>", center, "value", &format!("{OBSERVATION}/effectiveTime/center"));
    check("<family>Ilves</family>", "", "required", "recordTarget/patientRole/patient/name");
    check("<family>Ilves</family>", "<family/>", "required", "recordTarget/patientRole/patient/name/family");
    check("<name><given>Mara</given><family>Ilves</family></name>", "", "required", "recordTarget/patientRole/patient");
    check("<languageCode code", "<languageCode codeSystem=\"2.999\" code", "structure", "languageCode");
    check("code=\"48765-2\"", "code=\"48765-9\"", "code-invalid", &format!("{SECTION}/code"));
    check(
        "<templateId root=\"2.16.840.1.113883.10.20.22.2.6.1\"/>",
        "<templateId root=\"2.999\"/>",
        "invalid",
        SECTION,
    );
    check("22.4.7\"", "22.4.77\"", "invalid", OBSERVATION);
    check("418038007", "38341003", "code-invalid", &format!("{OBSERVATION}/value"));
    check("\"418038007\"", "\"no code\"", "code-invalid", &format!("{OBSERVATION}/value"));
}

#[test]
fn takes_a_reason_for_a_value() {
    assert_eq!(with("<family>Ilves</family>", "<family nullFlavor=\"UNK\"/>"), []);
    assert_eq!(with("<name><given>Mara</given><family>Ilves</family></name>", "<name nullFlavor=\"UNK\"/>"), []);
    assert_eq!(with("<birthTime value=\"1980\"/>", "<birthTime nullFlavor=\"UNK\"/>"), []);
}

#[test]
fn asks_of_a_document_only_what_its_templates_ask() {
    let document = read("<ClinicalDocument xmlns=\"urn:hl7-org:v3\"><id root=\"2.999\"/></ClinicalDocument>");
    assert_eq!(findings(&document), []);
}

#[test]
fn stops_after_so_many_findings() {
    let document =
        read(&format!("<ClinicalDocument>{}</ClinicalDocument>", "<time value=\"x\"/>".repeat(FINDINGS + 100)));
    assert_eq!(findings(&document).len(), FINDINGS);
}

#[test]
fn refuses_rows_that_it_does_not_understand() {
    for cell in ["", "in", "there it is", "is x", "template", "has"] {
        assert!(Expect::parse(cell).is_err(), "{cell:?}");
    }
    assert_eq!(Expect::parse("in A|B*"), Ok(Expect::In(vec!["A".into(), "B*".into()])));
}

/// The places of the faults that are planted in the negative documents of a public test suite.
const PLANTED: &[(&str, &[&str])] = &[
    ("NT_Bad_DocEffectiveTime_r11_v2", &["/effectiveTime"]),
    ("NT_Bad_PatientLastName_r1_v2", &["patient/name/family"]),
    ("NT_Missing_PatientLastName_r11_v2", &["patient/name"]),
    ("NT_Missing_PatientName_r11_v2", &["patientRole/patient"]),
    ("NT_Bad_PatientMiddleName_r11_v2", &["patient/name/given[3]"]),
    ("NT_Bad_PatientPreviousName_r11_v2", &["patient/name/given[2]"]),
    ("NT_Bad_PatientSuffix_r11_v2", &["patient/name/suffix"]),
    ("NT_Bad_PreferredLanguageCodeSystem_r11_v2", &["languageCommunication/languageCode"]),
    ("NT_Bad_MedicationSectionCode_r11_v2", &["/component[5]/section/code"]),
    ("NT_Bad_ProblemSectionCode_r11_v2", &["/component[9]/section/code"]),
    ("NT_Bad_ProblemSectionTemplateId_r11_v3", &["/component[9]/section"]),
    (
        "NT_Bad_AllergyIntoleranceObservationElements_r11_v3",
        &[
            "/entry[1]/act/entryRelationship/observation",
            "/entry[2]/act/entryRelationship/observation/value",
            "/entry[3]/act/entryRelationship/observation/value",
            "/entry[4]/act/entryRelationship/observation/value",
            "/entry[5]/act/entryRelationship/observation/participant/participantRole/playingEntity/code",
            "/entry[6]/act/entryRelationship/observation/participant/participantRole/playingEntity/code",
            "/entry[7]/act/entryRelationship/observation/participant/participantRole/playingEntity/code",
        ],
    ),
    (
        "NT_Bad_MedicationActivityElements_r11_v3",
        &[
            "/entry[1]/substanceAdministration",
            "/entry[2]/substanceAdministration/routeCode",
            "/entry[3]/substanceAdministration/routeCode",
            "/entry[4]/substanceAdministration/routeCode",
            "/entry[5]/substanceAdministration/administrationUnitCode",
            "/entry[6]/substanceAdministration/administrationUnitCode",
            "/entry[7]/substanceAdministration/administrationUnitCode",
        ],
    ),
    (
        "NT_CP_Sample2_r21_v4",
        &[
            "/component[1]/section/code",
            "/component[2]/section/code",
            "/component[3]/section/code",
            "/component[4]/section/code",
        ],
    ),
    (
        "NT_CP_Sample4_r21_v4",
        &[
            "/component[1]/section/entry[1]/act",
            "/component[2]/section/entry/observation",
            "/component[3]/section/entry[1]/act",
            "/component[4]/section/entry[1]/observation",
        ],
    ),
    (
        "NT_USCDI_Sample1_r21_v4",
        &[
            "/component[1]/section/code",
            "/component[2]/section/code",
            "/component[4]/section/code",
            "/component[5]/section/code",
            "/component[7]/section/code",
            "/component[8]/section/code",
            "/component[9]/section/code",
            "/component[10]/section/code",
            "/component[11]/section/code",
        ],
    ),
    (
        "NT_USCDI_Sample2_r21_v4",
        &[
            "/component[1]/section",
            "/component[2]/section",
            "/component[4]/section",
            "/component[5]/section",
            "/component[7]/section",
            "/component[8]/section",
            "/component[9]/section",
            "/component[10]/section",
            "/component[11]/section",
        ],
    ),
];

#[test]
fn finds_the_faults_that_are_planted_in_negative_documents() {
    let Some(corpus) = std::env::var_os("ANCHORLINE_CORPUS") else {
        // Past the test harness, which would keep it to itself.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: finds_the_faults_that_are_planted_in_negative_documents: ANCHORLINE_CORPUS is not set"
        );
        return;
    };
    let mut missed = Vec::new();
    for (stem, places) in PLANTED {
        let path = Path::new(&corpus).join("ccda/onc-cures-negative").join(format!("{stem}.xml"));
        let bytes = std::fs::read(path).expect("ANCHORLINE_CORPUS is set, but lacks a negative document");
        let document = Document::parse(&bytes, &Limits::default()).expect("well-formed");
        // A row that could not read a value has said so already.
        let found: Vec<String> = issues(&document).into_iter().filter_map(|issue| issue.at).collect();
        let missing = places.iter().filter(|place| !found.iter().any(|at| at.ends_with(*place)));
        missed.extend(missing.map(|place| format!("{stem}: {place} among {found:?}")));
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
