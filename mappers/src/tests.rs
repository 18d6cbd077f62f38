use std::sync::OnceLock;

use formats::hl7v2::Message;
use model::json::Json;

use crate::{CONVERT_NAMESPACE, Context, Mapped, Packages, RenderContext, SelectError, Selector};

const HEADER: &str = "MSH|^~\\&|LAB|NORTH|GATE|SOUTH|20240312140000+0100||ORU^R01^ORU_R01|C-1|P|2.5.1\r";
const PID: &str = "PID|1||N1^^^NORTH^MR||Muster^Erika||19800102|F\r";

/// Loaded once: most tests want the same.
fn packages() -> &'static Packages {
    static PACKAGES: OnceLock<Packages> = OnceLock::new();
    PACKAGES.get_or_init(|| Packages::embedded().unwrap())
}

fn parsed(text: &str) -> Message {
    Message::parse(text.as_bytes()).unwrap().message
}

fn map_in(text: &str, timezone: Option<&str>) -> Mapped {
    let packages = packages();
    let context = Context { namespace: &CONVERT_NAMESPACE, source: "", timezone, authorities: &[], received: None };
    packages.named("hl7v2-base").unwrap().map(&parsed(text), &context)
}

fn map(text: &str) -> Mapped {
    map_in(text, None)
}

fn resources<'j>(mapped: &'j Mapped, kind: &str) -> Vec<&'j Json> {
    model::bundle::resources(&mapped.bundle).filter(|json| model::resource::resource_type(json) == Some(kind)).collect()
}

/// Maps one OBX in a report and looks into its Observation.
#[track_caller]
fn check(obx: &str, path: &[&str], expect: &str) {
    let mapped = map(&format!("{HEADER}{PID}OBR|1|||24323-8^Panel^LN\r{obx}\r"));
    let observations = resources(&mapped, "Observation");
    let found = observations.first().and_then(|observation| observation.at(path)).map(Json::to_text);
    assert_eq!(found.as_deref(), Some(expect), "{obx} at {path:?} in {}", observations[0]);
}

#[test]
fn says_that_a_patient_is_missing() {
    let missing = |text: &str| {
        let parsed = formats::hl7v2::Message::parse(text.as_bytes()).unwrap();
        crate::map_message::lacks_patient(&parsed.message)
    };
    assert!(missing("MSH|^~\\&|A|||||||C\rSCH|1\rPV1|1|O\r"));
    assert!(missing("MSH|^~\\&|A||||||ADT^A01|C\rEVN|A01\r"));
    assert!(!missing("MSH|^~\\&|A||||||ADT^A20|C\rEVN|A20\rNPU|1\r"));
    assert!(!missing("MSH|^~\\&|A||||||MFN^M02|C\rMFI|1\rSTF|1\r"));
    assert!(!missing("MSH|^~\\&|A||||||ADT^A01|C\rEVN|A01\rPID|1\rPV1|1|I\r"));
}

#[test]
fn a_numeric_result_keeps_its_trailing_zero() {
    check("OBX|1|NM|2823-3^K^LN||4.50|mmol/L|||||F", &["valueQuantity", "value"], "4.50");
}

#[test]
fn a_comparator_is_told_from_its_number() {
    check("OBX|1|NM|2160-0^Crea^LN||<0.50|mg/dL|||||F", &["valueQuantity", "comparator"], "\"<\"");
    check("OBX|1|NM|2160-0^Crea^LN||<0.50|mg/dL|||||F", &["valueQuantity", "value"], "0.50");
}

#[test]
fn a_code_without_a_system_gets_none() {
    check("OBX|1|NM|2823-3||4.5||||||F", &["code", "coding", "0"], r#"{"code":"2823-3"}"#);
}

#[test]
fn a_unit_without_a_system_is_only_a_text() {
    check("OBX|1|NM|1^K^LN||4.5|mmol/L|||||F", &["valueQuantity"], r#"{"value":4.5,"unit":"mmol/L"}"#);
}

#[test]
fn every_repetition_of_a_coded_value_is_kept() {
    let obx = "OBX|1|CWE|600-7^Bacteria^LN||1^One^L~2^Two^L||||||F";
    check(obx, &["component", "1", "valueCodeableConcept", "coding", "0", "code"], "\"2\"");
    check(obx, &["component", "1", "code", "coding", "0", "code"], "\"600-7\"");
}

#[test]
fn a_time_without_zone_says_its_date_and_keeps_its_text() {
    let obx = "OBX|1|TS|1^T^L||202403120930||||||F";
    check(obx, &["valueDateTime"], "\"2024-03-12\"");
    check(obx, &["_valueDateTime", "extension", "0", "valueString"], "\"202403120930\"");
}

#[test]
fn the_zone_of_the_source_makes_an_instant_of_it() {
    let text = format!("{HEADER}{PID}OBR|1|||24323-8^Panel^LN\rOBX|1|TS|1^T^L||202407120930||||||F\r");
    let mapped = map_in(&text, Some("Europe/Berlin"));
    let value = resources(&mapped, "Observation")[0].get("valueDateTime").and_then(Json::as_str).unwrap().to_owned();
    assert_eq!(value, "2024-07-12T09:30:00+02:00");
}

#[test]
fn an_unreadable_result_costs_only_itself_and_says_where() {
    let text =
        format!("{HEADER}{PID}OBR|1|||24323-8^Panel^LN\rOBX|1|DT|1^A^L||not a date||||||F\rOBX|2|NM|2^B^L||7||||||F\r");
    let mapped = map(&text);
    assert_eq!(resources(&mapped, "Observation").len(), 2);
    assert_eq!(resources(&mapped, "Observation")[1].at(&["valueQuantity", "value"]).unwrap().to_text(), "7");
    assert_eq!(resources(&mapped, "Observation")[0].get("valueString").and_then(Json::as_str), Some("not a date"));
    let issue = mapped.issues.iter().find(|issue| issue.at.as_deref() == Some("OBX[1]-5")).unwrap();
    assert_eq!(issue.severity, model::outcome::Severity::Warning);
    assert!(issue.rule.as_deref().unwrap().starts_with("hl7v2-base/segments/OBX-Observation.csv:"));
    let loss = mapped.loss();
    assert!(loss.mapped.iter().any(|(at, to)| at == "OBX[1]-5" && to.ends_with("Observation.valueString")), "{loss:?}");
}

#[test]
fn a_status_the_message_does_not_say_is_unknown_with_an_issue() {
    let mapped = map(&format!("{HEADER}{PID}OBR|1|||24323-8^Panel^LN\rOBX|1|NM|1^K^L||4.5\r"));
    let observation = resources(&mapped, "Observation")[0];
    assert_eq!(observation.get("status").and_then(Json::as_str), Some("unknown"));
    let issue = mapped.issues.iter().find(|issue| issue.at.as_deref() == Some("OBX")).unwrap();
    assert!(issue.rule.as_deref().unwrap().starts_with("hl7v2-base/segments/OBX-Observation.csv:"));
}

#[test]
fn null_never_reaches_the_output() {
    let mapped = map(&format!("{HEADER}PID|1||N1^^^NORTH^MR||Muster^\"\"||\"\"|F|||\"\"^\"\"^Ort\r"));
    assert!(!mapped.bundle.to_text().contains("\\\"\\\""));
    assert!(mapped.loss().dropped.iter().any(|(at, why)| at == "PID-7" && why.starts_with("null")));
}

#[test]
fn notes_follow_what_they_stand_below() {
    let text = format!(
        "{HEADER}{PID}NTE|1||on the patient\rOBR|1|||1^P^L\rNTE|1||on the order\rOBX|1|NM|1^K^L||4\rNTE|1||on the result\r"
    );
    let mapped = map(&text);
    let note = |kind: &str, path: &[&str]| resources(&mapped, kind)[0].at(path).unwrap().to_text();
    assert_eq!(note("Patient", &["extension", "0", "valueAnnotation", "text"]), "\"on the patient\"");
    assert_eq!(note("ServiceRequest", &["note", "0", "text"]), "\"on the order\"");
    assert_eq!(note("Observation", &["note", "0", "text"]), "\"on the result\"");
}

#[test]
fn equal_results_of_one_order_stay_two() {
    let text = format!("{HEADER}{PID}OBR|1||F-1|1^P^L\rOBX|1|NM|1^K^L||4\rOBX|2|NM|1^K^L||4\r");
    assert_eq!(resources(&map(&text), "Observation").len(), 2);
}

#[test]
fn two_patients_with_the_same_order_number_share_nothing() {
    let order = "OBR|1||F-1|1^P^L\rOBX|1|NM|1^K^L||4\r";
    let text = format!("{HEADER}{PID}{order}PID|2||N2^^^NORTH^MR||Beispiel^Max\r{order}");
    let mapped = map(&text);
    let ids: std::collections::BTreeSet<&str> =
        model::bundle::resources(&mapped.bundle).filter_map(model::resource::id).collect();
    assert_eq!(ids.len(), model::bundle::resources(&mapped.bundle).count());
    let subject =
        |n: usize| resources(&mapped, "Observation")[n].text_at(&["subject", "reference"]).unwrap().to_owned();
    assert_ne!(subject(0), subject(1));
}

#[test]
fn ids_come_from_what_the_message_says() {
    let text = format!("{HEADER}{PID}");
    let again = text.replace("C-1", "C-2");
    assert_eq!(map(&text).patient, map(&again).patient);
    assert_eq!(map(&text).bundle.to_bytes(), map(&text).bundle.to_bytes());
    let packages = packages();
    let context =
        Context { namespace: &CONVERT_NAMESPACE, source: "other", timezone: None, authorities: &[], received: None };
    let other = packages.named("hl7v2-base").unwrap().map(&parsed(&text), &context);
    assert_ne!(map(&text).patient, other.patient);
}

#[test]
fn what_found_no_home_is_told_by_place_and_never_by_value() {
    let mapped = map(&format!("{HEADER}{PID}ZXX|secret^two~three\rZXX|four\r"));
    let unmapped = mapped.unmapped();
    let [total, done, kept, dropped] = mapped.loss_counts();
    let counted = |count: fn(&crate::Unmapped) -> u32| unmapped.iter().map(count).sum::<u32>() as usize;
    assert_eq!(counted(|it| it.kept), kept, "{unmapped:?}");
    assert!(counted(|it| it.dropped) <= dropped && total == done + kept + dropped);
    let places: Vec<&str> = unmapped.iter().map(|it| it.place.as_str()).collect();
    assert!(places.contains(&"ZXX-1.1") && places.contains(&"ZXX-1.2") && places.contains(&"ZXX-1"), "{places:?}");
    assert!(!format!("{unmapped:?}").contains("secret"));
    let text = format!("{HEADER}{PID}ZXX|secret^two~three\rZXX|four\r");
    let context =
        Context { namespace: &CONVERT_NAMESPACE, source: "", timezone: None, authorities: &[], received: None };
    let packages = packages();
    let package = packages.named("hl7v2-base").unwrap();
    let counted = package.map_counted(&parsed(&text), &context);
    assert_eq!(counted.unmapped(), unmapped, "the same without the account");
}

#[test]
fn a_merge_retires_the_prior_record() {
    let text = "MSH|^~\\&|ADT|NORTH|||20240312140000+0100||ADT^A40^ADT_A39|C-1|P|2.5.1\r\
                PID|1||N1^^^NORTH^MR||Muster^Erika\rMRG|N9^^^NORTH^MR\r";
    let mapped = map(text);
    assert_eq!(mapped.merges.len(), 1);
    assert_eq!(Some(&mapped.merges[0].survivor), mapped.patient.as_ref());
    let retired = resources(&mapped, "Patient")[1];
    assert_eq!(retired.get("active").and_then(Json::as_bool), Some(false));
    assert_eq!(retired.text_at(&["link", "0", "type"]), Some("replaced-by"));
    assert_eq!(resources(&mapped, "Patient")[0].text_at(&["link", "0", "type"]), Some("replaces"));
}

#[test]
fn a_merge_into_itself_retires_nobody() {
    let text = "MSH|^~\\&|ADT|NORTH|||20240312140000+0100||ADT^A40^ADT_A39|C-1|P|2.5.1\r\
                PID|1||N1^^^NORTH^MR||Muster^Erika\rMRG|N1^^^NORTH^MR\r";
    let mapped = map(text);
    assert!(mapped.merges.is_empty());
    assert!(mapped.issues.iter().any(|issue| issue.code == "duplicate"));
}

#[test]
fn a_segment_nobody_knows_is_kept_and_comes_back() {
    let mapped = map(&format!("{HEADER}{PID}ZZ9|a^b&c|d\r"));
    assert_eq!(resources(&mapped, "Basic").len(), 1);
    let packages = packages();
    let rendered = packages.named("hl7v2-base").unwrap().render(&mapped.bundle, &RenderContext::default());
    assert!(String::from_utf8(rendered.bytes).unwrap().contains("\rZZ9|a^b&c|d\r"));
}

#[test]
fn an_unknown_type_is_refused_unless_only_translated() {
    let packages = packages();
    let message = parsed("MSH|^~\\&|A|B|C|D|20240312||XYZ^X01|C-1|P|2.5.1\rPID|1||N1\r");
    let selector = Selector { names: &[], format: "hl7v2", message: &message };
    assert_eq!(packages.select(&selector).unwrap_err(), SelectError::UnknownMessageType);
    assert_eq!(SelectError::UnknownMessageType.to_string(), "unknown message type");
    assert!(packages.select_by_segments(&selector).is_ok());
    let names = ["nobody".to_owned()];
    let wrong = Selector { names: &names, ..selector };
    assert!(matches!(packages.select(&wrong), Err(SelectError::UnknownPackage { .. })));
}

#[test]
fn ordinary_fhir_becomes_a_message() {
    let bundle = br#"{"resourceType":"Bundle","type":"collection","entry":[
        {"fullUrl":"urn:uuid:1b","resource":{"resourceType":"Patient","id":"p1","identifier":[{"system":"urn:oid:1.2.3","value":"A|7"}],
         "name":[{"family":"O^Neil","given":["Ann","Mary","Jo"]}],"gender":"female","birthDate":"1980-01-02"}},
        {"resource":{"resourceType":"Observation","id":"o1","status":"final","subject":{"reference":"urn:uuid:1b"},
         "code":{"coding":[{"system":"http://loinc.org","code":"2823-3"}]},"valueQuantity":{"value":4.50,"unit":"mmol/L"}}}]}"#;
    let bundle = model::json::parse(bundle, &model::json::Limits::default()).unwrap();
    let packages = packages();
    let rendered = packages.named("hl7v2-base").unwrap().render(&bundle, &RenderContext::default());
    let text = String::from_utf8(rendered.bytes).unwrap();
    assert!(text.contains("ORU^R01^ORU_R01"), "{text}");
    assert!(text.contains("|A\\F\\7^^^&1.2.3&ISO|") && text.contains("|O\\S\\Neil^Ann^Mary Jo|"), "{text}");
    assert!(text.contains("|19800102|F"), "{text}");
    assert!(text.contains("OBX|1|NM|2823-3^^LN||4.50|mmol/L|||||F"), "{text}");
}

#[test]
fn the_context_names_sender_type_and_time() {
    let packages = packages();
    let mapped = map(&format!("{HEADER}{PID}"));
    let context = RenderContext {
        message_code: "ADT".to_owned(),
        trigger: "A08".to_owned(),
        sending_application: "ANCHOR".to_owned(),
        control_id: "X1".to_owned(),
        time: Some(model::time::Instant::parse("2024-03-12T13:00:00Z").unwrap()),
        timezone: Some("+01:00".to_owned()),
        ..RenderContext::default()
    };
    let text = String::from_utf8(packages.named("hl7v2-base").unwrap().render(&mapped.bundle, &context).bytes).unwrap();
    assert!(
        text.starts_with("MSH|^~\\&|ANCHOR|NORTH|GATE|SOUTH|20240312140000+0100||ADT^A08^ADT_A01|X1|P|2.5.1\r"),
        "{text}"
    );
}

#[test]
fn counts_agree_with_the_full_account() {
    let mapped = map(&format!("{HEADER}{PID}ZZ9|a^b\rOBR|1|||1^P^L\r"));
    let loss = mapped.loss();
    assert_eq!(mapped.loss_counts(), [loss.total(), loss.mapped.len(), loss.kept.len(), loss.dropped.len()]);
}

#[test]
fn every_row_that_made_an_element_is_named() {
    let mapped = map(&format!("{HEADER}{PID}"));
    let explained = mapped.explain();
    let family = explained.iter().find(|explained| explained.to.ends_with("#Patient.name[0].family")).unwrap();
    assert_eq!(family.from, ["PID-5.1"]);
    assert!(family.rule.starts_with("hl7v2-base/datatypes/XPN-HumanName.csv:"), "{}", family.rule);
}

/// A package of one file on top of the base.
fn load(path: &str, text: &str) -> Vec<String> {
    let manifest = "name = \"x\"\nversion = \"1\"\nformat = \"hl7v2\"\ndescription = \"x\"\nextends = \"hl7v2-base\"\n";
    let mut files = vec![(format!("x/{path}"), text.as_bytes().to_vec())];
    if path != "package.toml" {
        files.push(("x/package.toml".to_owned(), manifest.as_bytes().to_vec()));
    }
    match Packages::load(files) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

#[track_caller]
fn refuses(path: &str, text: &str, expect: &str) {
    let errors = load(path, text);
    assert!(errors.iter().any(|error| error.contains(expect)), "{errors:?}");
}

const COLUMNS: &str = "source,target,via,with,when,way,guide\n";

#[test]
fn what_a_table_gets_wrong_is_named_with_file_and_line() {
    let row = |row: &str| format!("{COLUMNS}{row}\n");
    let pid = "segments/PID-Patient.csv";
    refuses(
        pid,
        &row("PID-8.1,Patient.shoeSize,text,,,,own"),
        "x/segments/PID-Patient.csv:2: unknown target: Patient has no element shoeSize",
    );
    refuses(pid, &row("PID-8.1,Patient.gender,guess,,,,own"), ":2: unknown function or table \"guess\"");
    refuses(pid, &row("PID-8.1,Patient.gender,code:Nothing,,,,own"), ":2: unknown vocabulary map Nothing");
    refuses(pid, &row("PID-5,Patient.name[+],CX-Identifier,,,,own"), ":2: CX-Identifier builds Identifier");
    refuses(pid, &row("PID-5,Patient.name,XPN-HumanName,,,,own"), ":2: name repeats");
    refuses(pid, &row("PID-8.1,Patient.gender,text,,,,"), ":2: expected the guide's row");
    refuses(pid, &row("PID-8.1,Patient.gender,text,,,sideways,own"), ":2: unknown way sideways");
    refuses(
        pid,
        &row("PID-8.1,Patient.gender,text,,,,own\nPID-8.1,Patient.gender,code,,,,own"),
        ":3: duplicate key: line 2",
    );
    refuses(pid, &row("PID-99,Patient.gender,,,,off,own"), ":2: off takes out a row");
    refuses(pid, "source,target,via\n", ":1: unknown column");
    refuses(
        "package.toml",
        "name = \"x\"\nversion = \"1\"\nflavour = 3\n",
        "x/package.toml:3: unknown field `flavour`",
    );
    refuses(
        "messages/ADT.csv",
        "group,segment,tables,mode,when,from,guide\n,ZZZ,Patient,,,,own\n",
        ":2: unknown table ZZZ-Patient",
    );
}

#[test]
fn an_overlay_changes_only_what_it_names() {
    assert_eq!(load("segments/PID-Patient.csv", &format!("{COLUMNS}PID-30,Patient.active,boolean,,,,own\n")), [""; 0]);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn no_content_makes_a_map_or_its_way_back_panic(fields in proptest::collection::vec("[ -~éß]{0,12}", 0..40), name in "(PID|PV1|OBX|OBR|NTE|MRG|ZZ1|EVN|IN1|SPM)") {
        let text = format!("{HEADER}{PID}{name}|{}\r", fields.join("|"));
        let mapped = map(&text);
        let pieces: usize = parsed(&text).segments().map(|segment| segment.leaves().count()).sum();
        proptest::prop_assert_eq!(mapped.loss().total(), pieces);
        let packages = packages();
        let _ = packages.named("hl7v2-base").unwrap().render_with_loss(&mapped.bundle, &RenderContext::default());
    }
}

/// What a consent lets through holds no Provenance, yet every ADT structure requires EVN.
#[test]
fn an_admission_of_clinical_resources_alone_still_has_its_event() {
    let patient = Json::object([
        ("resourceType", Json::from("Patient")),
        ("id", Json::from("p1")),
        ("gender", Json::from("female")),
    ]);
    let bundle = model::bundle::transaction(model::bundle::Request::put(patient));
    let context = RenderContext {
        message_code: "ADT".into(),
        trigger: "A08".into(),
        time: model::time::Instant::parse("2026-03-01T10:15:00Z").ok(),
        ..RenderContext::default()
    };
    let text = String::from_utf8(packages().named("hl7v2-base").unwrap().render(&bundle, &context).bytes).unwrap();
    assert!(text.contains("\rEVN|A08|20260301101500"), "{text}");
}

/// Maps a PID-15 and gives the language of the Patient.
fn language(pid15: &str) -> String {
    let mapped = map(&format!("{HEADER}PID|1||N1||Muster^Erika||||||||||{pid15}\r"));
    let language = resources(&mapped, "Patient")[0].at(&["communication", "0", "language"]).map(Json::to_text);
    language.unwrap_or_default()
}

#[test]
fn a_language_is_coded_as_bcp_47_or_not_at_all() {
    assert_eq!(
        language("de^German^ISO639"),
        r#"{"coding":[{"system":"urn:ietf:bcp:47","code":"de","display":"German"}]}"#
    );
    for code in ["ger", "DEU", "deu^^HL70296", "German"] {
        assert!(language(code).contains(r#""system":"urn:ietf:bcp:47","code":"de""#), "{code}: {}", language(code));
    }
    let local = language("17^Platt^L");
    assert!(local.contains(r#""text":"Platt""#) && !local.contains("coding\":"), "{local}");
    assert!(local.contains(r#"{"url":"urn:anchorline:hl7v2:CWE.1","valueString":"17"}"#), "{local}");
    assert!(language("17").contains(r#""text":"17""#), "{}", language("17"));
}

#[test]
fn a_local_language_comes_back_as_it_was() {
    for said in ["17^Platt^L", "17", "ger", "de^German^ISO639", "EN^ENGLISH^HL70296"] {
        let mapped = map(&format!("{HEADER}PID|1||N1||Muster^Erika||||||||||{said}\r"));
        let back = packages().named("hl7v2-base").unwrap().render(&mapped.bundle, &RenderContext::default()).bytes;
        let back = String::from_utf8(back).unwrap();
        let field = back.split('\r').find(|line| line.starts_with("PID")).and_then(|line| line.split('|').nth(15));
        let field = field.unwrap_or_default();
        assert!(field == said || field == format!("{said}^^ISO639"), "{said} came back as {field}");
    }
}

#[test]
fn an_appointment_has_patient_status_and_times() {
    let head = HEADER.replace("ORU^R01^ORU_R01", "SIU^S15^SIU_S12");
    let mapped = map(&format!("{head}SCH|A1|A2\rTQ1|1||||||20240514093000+0200|20240514100000+0200\r{PID}"));
    let appointment = resources(&mapped, "Appointment")[0];
    let at = |path: &[&str]| appointment.at(path).map(Json::to_text).unwrap_or_default();
    assert_eq!(at(&["status"]), r#""cancelled""#);
    assert_eq!(at(&["start"]), r#""2024-05-14T09:30:00+02:00""#);
    assert_eq!(at(&["end"]), r#""2024-05-14T10:00:00+02:00""#);
    assert!(at(&["participant", "0", "actor", "reference"]).starts_with("\"Patient/"), "{appointment}");
    assert_eq!(at(&["participant", "0", "status"]), r#""needs-action""#);
}

#[test]
fn a_constant_beside_a_value_is_not_written_into_the_message() {
    let header = HEADER.replace("ORU^R01^ORU_R01", "ADT^A08^ADT_A01");
    let back = |visit: &str| {
        let mapped = map(&format!("{header}EVN|A08\r{PID}PV1|1|I{}{visit}\r", "|".repeat(17)));
        let rendered = packages().named("hl7v2-base").unwrap().render(&mapped.bundle, &RenderContext::default());
        let text = String::from_utf8(rendered.bytes).unwrap();
        text.split('\r')
            .find_map(|line| line.strip_prefix("PV1|"))
            .unwrap_or_default()
            .split('|')
            .nth(18)
            .map(str::to_owned)
    };
    assert_eq!(back("V1^^^NORTH").as_deref(), Some("V1^^^NORTH"));
    assert_eq!(back("V1^^^NORTH^VN").as_deref(), Some("V1^^^NORTH^VN"));
}

#[test]
fn what_other_fields_say_of_a_resource_goes_through_the_reference_to_it() {
    let obx = "OBX|1|NM|1^K^LN||4.5||||||F||||||||||||Quay Lab^^77|Dock 3^^Northgate|D5^Alm^Bo";
    let mapped = map(&format!("{HEADER}{PID}OBR|1|||24323-8^Panel^LN\r{obx}\r"));
    let organization = resources(&mapped, "Organization")
        .into_iter()
        .find(|json| json.text_at(&["name"]) == Some("Quay Lab"))
        .and_then(|json| json.at(&["address", "0", "line", "0"]))
        .map(Json::to_text);
    assert_eq!(organization.as_deref(), Some("\"Dock 3\""));
    let role = resources(&mapped, "PractitionerRole");
    assert_eq!(role.len(), 1, "the director of the laboratory");
    let back = packages().named("hl7v2-base").unwrap().render(&mapped.bundle, &RenderContext::default());
    let text = String::from_utf8_lossy(&back.bytes).into_owned();
    assert!(text.contains("|Quay Lab^^77|Dock 3^^Northgate|D5^Alm^Bo"), "{text}");
    assert!(!text.contains("PRT|"), "{text}");
}

#[test]
fn a_segment_beside_is_of_the_same_name_and_speaks_for_itself_on_the_way_back() {
    let row = |source: &str, way: &str| {
        format!("{COLUMNS}{source},Immunization.education[$].presentationDate,dateTime,,,{way},own\n")
    };
    let obx = "segments/OBX-Immunization.csv";
    refuses(obx, &row("OBX-5 of OBX-3.1=29769-7 by OBX-4", ""), ":2: expected > in way");
    for source in
        ["OBX-5 of RXA-9=00 by OBX-4", "OBX-5 of OBX-3.1= by OBX-4", "OBX-5 of OBX-3.1=29769-7", "OBX-5 of OBX-4 by 3"]
    {
        refuses(obx, &row(source, ">"), ":2: expected PLACE of PLACE=VALUE by PLACE");
    }
}

#[track_caller]
fn leaflets(segments: &str, expect: &str) {
    let header = HEADER.replace("ORU^R01^ORU_R01", "VXU^V04^VXU_V04");
    let message = parsed(&format!("{header}{PID}ORC|RE\rRXA|0|1|20240512||10^IPV^CVX|1\r{segments}\r"));
    let context =
        Context { namespace: &CONVERT_NAMESPACE, source: "", timezone: None, authorities: &[], received: None };
    let mapped = packages().named("us-immunization").unwrap().map(&message, &context);
    let immunizations = resources(&mapped, "Immunization");
    let found = immunizations.first().and_then(|json| json.at(&["education"])).map(Json::to_text);
    assert_eq!(found.as_deref().unwrap_or_default(), expect);
}

#[test]
fn a_leaflet_has_the_dates_that_stand_beside_it_with_its_sub_id() {
    const FIRST: &str = "OBX|1|CE|69764-9^Document^LN|1|A1^First^cdcgs1vis||||||F";
    const SHOWN: &str = "OBX|2|DT|29769-7^Presented^LN|1|20240512||||||F";
    leaflets(&format!("{FIRST}\r{SHOWN}"), r#"[{"documentType":"First","presentationDate":"2024-05-12"}]"#);
    leaflets(&format!("{SHOWN}\rNTE|1||x\r{FIRST}"), r#"[{"documentType":"First","presentationDate":"2024-05-12"}]"#);
    leaflets(&format!("{FIRST}\r{}", SHOWN.replace("LN|1", "LN|2")), r#"[{"documentType":"First"}]"#);
    leaflets(
        &format!("{}\r{}", FIRST.replace("LN|1", "LN|"), SHOWN.replace("LN|1", "LN|")),
        r#"[{"documentType":"First"}]"#,
    );
    leaflets(SHOWN, "");
    // The next vaccination has leaflets of its own.
    leaflets(&format!("{FIRST}\rORC|RE\rRXA|0|1|20240512||03^MMR^CVX|1\r{SHOWN}"), r#"[{"documentType":"First"}]"#);
}

#[test]
fn a_target_through_a_reference_needs_a_row_that_makes_it() {
    let row = |row: &str| format!("{COLUMNS}{row}\n");
    let obx = "segments/OBX-Observation.csv";
    refuses(
        obx,
        &row("OBX-24,Observation.device(Device.lotNumber),trimmed,,,,own"),
        ":2: no row above makes the Device that Observation.device refers to",
    );
    refuses(obx, &row("new,Observation.device,Gadget,,,,own"), ":2: new makes a resource: Gadget is no resource type");
    refuses(obx, &row("new,Observation.valueString,Device,,,,own"), ":2: expected a target that is a Reference");
}

/// Maps an admission whose patient has this identifier and gives back the identifier that returns.
fn identifier_back(cx: &str) -> String {
    let text = format!("MSH|^~\\&|A|B|C|D|20240312||ADT^A08|1|P|2.5.1\rPID|1||{cx}||Muster^Erika\r");
    let rendered = packages().named("hl7v2-base").unwrap().render(&map(&text).bundle, &RenderContext::default());
    let message = parsed(&String::from_utf8(rendered.bytes).unwrap());
    message.segment("PID").unwrap().field(3).raw().to_owned()
}

#[test]
fn an_identifier_comes_back_with_its_authority_as_it_was() {
    for cx in [
        "4711^^^NORTH^MR",
        "4711^^^NORTH&2.999.1.1&ISO^MR",
        "4711^^^&2.999.1.1&ISO^MR",
        "4711^^^NORTH&7D2A1D11-5A0D-4C7E-9D5E-2F3C8A4011E7&UUID^MR",
        "4711^^^USSSA^SS",
        "4711^^^NPI^NPI",
        "4711^^^&2.16.840.1.113883.4.6&ISO^NPI",
        "4711^^^NORTH&Master Index&L^MR^Harbour Hospital&2.999.1.2&ISO",
    ] {
        assert_eq!(identifier_back(cx), cx);
    }
}

#[test]
fn one_patient_and_one_visit_whatever_the_message_is() {
    let visit = format!("PV1|1|I|W1^R1^B1{}V1^^^NORTH^VN\r", "|".repeat(16));
    let message = |kind: &str, rest: &str| {
        format!("{}{PID}{visit}{rest}", HEADER.replace("ORU^R01^ORU_R01", kind).replace("C-1", kind))
    };
    let messages = [
        message("ADT^A01^ADT_A01", ""),
        message("ADT^A08^ADT_A01", "DG1|1||I10^Hypertension^I10\r"),
        message("ORU^R01^ORU_R01", "OBR|1|||24323-8^Panel^LN\rOBX|1|NM|2823-3^K^LN||4.5|||||F\r"),
        message("MDM^T02^MDM_T02", "TXA|1|DS|TX|20240312||||||||D1\rOBX|1|TX|1^Text^L||Well||||||F\r"),
        message("DFT^P03^DFT_P03", "FT1|1|T1||20240312||CG|1^Visit^L\r"),
        message("BAR^P01^BAR_P01", ""),
        message("SIU^S12^SIU_S12", ""),
    ];
    let ids = |text: &str, kind: &str| {
        let mapped = map(text);
        let ids: Vec<String> =
            resources(&mapped, kind).iter().filter_map(|json| model::resource::id(json).map(str::to_owned)).collect();
        ids
    };
    for kind in ["Patient", "Encounter"] {
        let first = ids(&messages[0], kind);
        assert_eq!(first.len(), 1, "{kind}");
        for text in &messages {
            assert_eq!(ids(text, kind), first, "{kind} in {text}");
        }
    }
}

#[test]
fn each_prior_record_is_merged_into_the_patient_before_it() {
    let header = HEADER.replace("ORU^R01^ORU_R01", "ADT^A40^ADT_A39");
    let second = PID.replace("N1^", "N2^");
    let mapped = map(&format!("{header}EVN|A40\r{PID}MRG|O1^^^NORTH^MR\r{second}MRG|O2^^^NORTH^MR\r"));
    let of = |id: &model::id::ResourceId| {
        let patients = resources(&mapped, "Patient");
        let found = patients.iter().find(|json| model::resource::id(json) == Some(id.as_str())).copied();
        found.and_then(|json| json.items("identifier").first()?.text_at(&["value"]).map(str::to_owned))
    };
    let merges: Vec<_> = mapped.merges.iter().map(|merge| (of(&merge.survivor), of(&merge.retired))).collect();
    let pair = |survivor: &str, retired: &str| (Some(survivor.to_owned()), Some(retired.to_owned()));
    assert_eq!(merges, [pair("N1", "O1"), pair("N2", "O2")]);
}

#[test]
fn a_moved_account_does_not_give_its_old_owner_to_the_new_one() {
    let header = HEADER.replace("ORU^R01^ORU_R01", "ADT^A44^ADT_A43");
    let mapped = map(&format!("{header}EVN|A44\r{PID}MRG|O1^^^NORTH^MR||A1^^^NORTH\r"));
    let patients = resources(&mapped, "Patient");
    assert_eq!(patients.len(), 1);
    let values: Vec<_> = patients[0].items("identifier").iter().filter_map(|id| id.text_at(&["value"])).collect();
    assert_eq!(values, ["N1"]);
    assert!(mapped.merges.is_empty());
}

#[test]
fn linked_and_unlinked_records_stay_two() {
    for (event, links) in [("A24", 2), ("A37", 0)] {
        let header = HEADER.replace("ORU^R01^ORU_R01", &format!("ADT^{event}^ADT_{event}"));
        let second = PID.replace("N1^", "N2^");
        let mapped = map(&format!("{header}EVN|{event}\r{PID}{second}"));
        let patients = resources(&mapped, "Patient");
        assert_eq!(patients.len(), 2, "{event}");
        assert_eq!(patients.iter().map(|patient| patient.items("link").len()).sum::<usize>(), links, "{event}");
        assert!(mapped.merges.is_empty());
    }
}

#[test]
fn the_packages_of_the_program_are_without_fault_and_the_same_when_given() {
    let given = Packages::load(Packages::embedded_files()).unwrap();
    let embedded = Packages::embedded().unwrap();
    assert_eq!(given.iter().count(), embedded.iter().count());
    for (given, embedded) in given.iter().zip(embedded.iter()) {
        assert_eq!((given.name(), given.digest()), (embedded.name(), embedded.digest()));
        assert_eq!(given.compiled().rules, embedded.compiled().rules);
    }
}

#[test]
fn a_package_given_is_compiled_when_it_is_loaded_and_one_of_the_program_when_it_is_used() {
    let manifest =
        "name = \"own\"\nversion = \"1\"\nformat = \"hl7v2\"\ndescription = \"x\"\nextends = \"hl7v2-base\"\n";
    let table = "source,target,via,with,when,way,guide\nPID-3,Patient.nothing,trimmed,,,,own\n";
    let files = [
        ("own/package.toml".to_owned(), manifest.as_bytes().to_vec()),
        ("own/segments/PID-Patient.csv".to_owned(), table.as_bytes().to_vec()),
    ];
    let errors = Packages::load(files.clone()).unwrap_err();
    assert!(errors.iter().any(|error| error.file == "own/segments/PID-Patient.csv"), "{errors:?}");
    let packages = Packages::load(files.into_iter().take(1)).unwrap();
    assert!(packages.named("own").unwrap().is_compiled());
    let base = packages.named("hl7v2-base").unwrap();
    assert!(!base.is_compiled());
    base.compiled();
    assert!(base.is_compiled());
}
