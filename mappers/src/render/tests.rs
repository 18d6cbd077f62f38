use std::collections::BTreeMap;
use std::sync::OnceLock;

use formats::hl7v2::{Delimiters, Message, unescape};
use model::json::{Json, Limits, parse};
use proptest::prelude::*;

use crate::{CONVERT_NAMESPACE, Context, Package, Packages, RenderContext, Rendered};

fn base() -> &'static Package {
    static PACKAGES: OnceLock<Packages> = OnceLock::new();
    PACKAGES.get_or_init(|| Packages::embedded().unwrap()).named("hl7v2-base").unwrap()
}

fn bundle_of(text: &str) -> Json {
    let message = Message::parse(text.as_bytes()).unwrap().message;
    let context =
        Context { namespace: &CONVERT_NAMESPACE, source: "", timezone: None, authorities: &[], received: None };
    base().map(&message, &context).bundle
}

fn written(json: &str, context: &RenderContext) -> Rendered {
    base().render(&parse(json.as_bytes(), &Limits::default()).unwrap(), context)
}

fn text_of(rendered: &Rendered) -> String {
    String::from_utf8(rendered.bytes.clone()).unwrap()
}

/// The message goes to FHIR and comes back with these lines.
#[track_caller]
fn check_back(text: &str, lines: &[&str]) {
    let back = text_of(&base().render(&bundle_of(text), &RenderContext::default()));
    for line in lines {
        assert!(back.split('\r').any(|there| there == *line), "expected {line} in\n{}", back.replace('\r', "\n"));
    }
}

/// A Bundle of these resources becomes a message with these lines.
#[track_caller]
fn check_lines(resources: &str, context: &RenderContext, lines: &[&str]) {
    let bundle = format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{resources}]}}"#);
    let text = text_of(&written(&bundle, context));
    for line in lines {
        assert!(
            text.split('\r').any(|there| there.starts_with(line)),
            "expected {line} in\n{}",
            text.replace('\r', "\n")
        );
    }
}

fn version(version: &str) -> RenderContext {
    RenderContext { version: version.to_owned(), ..RenderContext::default() }
}

const HEADER: &str = "MSH|^~\\&|LAB|NORTH|GATE|SOUTH|20240312140000+0100||ORU^R01^ORU_R01|C-1|P|2.5.1\r";
const PATIENT: &str = r#"{"resource":{"resourceType":"Patient","id":"p","name":[{"family":"Muster","given":["Erika"]}],"birthDate":"1980-01-02"}}"#;

/// A report of a laboratory, as systems write it that know no HL7 v2: who keeps the record and who performs is said once.
const FOREIGN: &str = r#"
{"resource":{"resourceType":"Patient","id":"p","identifier":[{"value":"P-7"},{"type":{"coding":[{"code":"SS"}]},"value":"000"}],"managingOrganization":{"reference":"Organization/o"}}},
{"resource":{"resourceType":"Organization","id":"o","name":"Quay Lab","identifier":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0301","code":"CLIA"}]},"value":"99D0000000"}]}},
{"resource":{"resourceType":"Practitioner","id":"d","name":[{"family":"Dock"}],"telecom":[{"system":"email","value":"d@quay.example"},{"system":"phone","value":"555 0100","use":"work"}]}},
{"resource":{"resourceType":"ServiceRequest","id":"s","status":"completed","intent":"order","subject":{"reference":"Patient/p"},"requester":{"reference":"Practitioner/d"},"supportingInfo":[{"reference":"Observation/b"}],"performer":[{"reference":"Organization/o"}]}},
{"resource":{"resourceType":"Specimen","id":"t","subject":{"reference":"Patient/p"},"collection":{"collectedDateTime":"2024-06-05T18:39:58Z"}}},
{"resource":{"resourceType":"DiagnosticReport","id":"r","identifier":[{"value":"R-1"}],"basedOn":[{"reference":"ServiceRequest/s"}],"status":"final","code":{"text":"panel"},"subject":{"reference":"Patient/p"},"specimen":[{"reference":"Specimen/t"}],"result":[{"reference":"Observation/a"}]}},
{"resource":{"resourceType":"Observation","id":"a","status":"final","code":{"text":"onset"},"subject":{"reference":"Patient/p"},"performer":[{"reference":"Organization/o"}],"specimen":{"reference":"Specimen/t"},"valueDateTime":"2024-06-01"}},
{"resource":{"resourceType":"Observation","id":"b","status":"final","code":{"text":"asked"},"subject":{"reference":"Patient/p"},"valueString":"yes"}}"#;

#[test]
fn what_a_foreign_bundle_says_once_stands_wherever_receivers_look() {
    let lines = [
        "PID|1||P-7^^^Quay Lab&99D0000000&CLIA~000^^^^SS",
        "OBR|1||R-1^Quay Lab^99D0000000^CLIA|^^^^^^^^panel||||||||||||^Dock|555 0100^WPN^PH|",
        // What was asked with the order stands with its results, not behind the specimen.
        "OBX|2|ST|^^^^^^^^asked||yes",
        "OBX|1|DT|^^^^^^^^onset||20240601||||||F|||20240605183958+0000|99D0000000^Quay Lab^CLIA|",
    ];
    check_lines(FOREIGN, &RenderContext::default(), &lines);
}

#[test]
fn what_a_message_said_once_is_not_said_twice() {
    let text = format!(
        "{HEADER}PID|1||P-7||Muster\rOBR|1||R-1|X^panel^L\rOBX|1|TS|O^onset^L||20240601||||||F||||||||||||Quay Lab^^^^^^^^^99D0000000\r\
         SPM|1|^S-1||BLD|||||||||||||20240605183958+0000\r"
    );
    check_back(
        &text,
        &["OBX|1|TS|O^onset^L||20240601||||||F||||||||||||Quay Lab^^^^^^^^^99D0000000", "OBR|1||R-1|X^panel^L"],
    );
}

#[test]
fn a_time_of_birth_beside_the_date_is_written() {
    let patient = r#"{"resource":{"resourceType":"Patient","id":"p","birthDate":"2023-05-04","_birthDate":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthTime","valueDateTime":"2023-05-04T13:10:23-05:00"}]}}}"#;
    check_lines(patient, &RenderContext::default(), &["PID|1||||||20230504131023-0500"]);
}

#[test]
fn a_message_without_patient_comes_back() {
    let obr = "OBR|1||F1|24323-8^Panel^LN";
    let obx = "OBX|1|ST|2823-3^K^LN||high||||||F";
    check_back(&format!("{HEADER}{obr}\r{obx}\r"), &["PID|1", obr, obx]);
}

#[test]
fn fields_that_look_alike_keep_their_values() {
    let orc = "ORC|RE|P1|F1^LAB|||||||||||^WPN^PH^^^555^1000";
    let obr = "OBR|1|P1|F2^LAB|24323-8^Panel^LN|||||||||||||^WPN^PH^^^555^2000";
    check_back(&format!("{HEADER}PID|1||N1^^^NORTH^MR\r{orc}\r{obr}\r"), &[orc, obr]);
}

#[test]
fn the_character_set_of_the_message_is_written() {
    let header = HEADER.replace("|2.5.1", "|2.5.1||||||8859/1");
    let text = format!("{header}PID|1||N1||Müller^Jörg\rOBR|1||F1|24323-8^Panel^LN\r");
    let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let message = Message::parse(&latin).unwrap().message;
    let context =
        Context { namespace: &CONVERT_NAMESPACE, source: "", timezone: None, authorities: &[], received: None };
    let bundle = base().map(&message, &context).bundle;
    let rendered = base().render(&bundle, &RenderContext::default());
    assert!(rendered.bytes.windows(6).any(|bytes| bytes == b"M\xFCller"));
}

#[test]
fn text_beyond_ascii_without_a_character_set_says_utf_8() {
    let patient = PATIENT.replace("Muster", "Müller");
    let observation = r#"{"resource":{"resourceType":"Observation","status":"final","code":{"text":"K"},"subject":{"reference":"Patient/p"}}}"#;
    check_lines(
        &format!("{patient},{observation}"),
        &RenderContext::default(),
        &["MSH|^~\\&|||||||ORU^R01^ORU_R01||P|2.5.1||||||UNICODE UTF-8", "PID|1||||Müller^Erika"],
    );
}

#[test]
fn an_old_version_gets_its_own_message_type_and_places() {
    let text = "MSH|^~\\&|WARD|NORTH|||20240312140000+0100||OML^O21^OML_O21|C-1|P|2.5.1\rPID|1||N1^^^NORTH^MR||Muster^Erika\r\
                ORC|NW|P1\rOBR|1|P1||24323-8^Panel^LN\rTQ1|1||||||20240313080000+0100||R\rSPM|1|||SER^Serum^L\r";
    let rendered = base().render(&bundle_of(text), &version("2.3"));
    let back = text_of(&rendered);
    assert!(back.contains("|ORM^O01|"), "{back}");
    assert!(back.contains("|SER&Serum&L"), "{back}");
    assert!(!back.contains("SPM|") && !back.contains("TQ1|"), "{back}");
    assert!(back.contains("ORC|NW|P1|||||^^^20240313080000+0100^^R"), "{back}");
}

#[test]
fn what_a_version_does_not_have_is_said() {
    let text = format!("{HEADER}PID|1||N1^^^NORTH^MR||Muster^Erika||||||||||||||||||||||||||||||L1^Goat^SCT\r");
    let rendered = base().render(&bundle_of(&text), &version("2.3"));
    assert!(!text_of(&rendered).contains("Goat"));
    assert!(rendered.issues.iter().any(|issue| issue.at.as_deref() == Some("PID-35")), "{:?}", rendered.issues);
}

#[test]
fn other_delimiters_divide_kept_fields_too() {
    let text = format!("{HEADER}PID|1||N1^^^NORTH^MR||Muster^Erika\rOBR|1||F1|24323-8^Panel^LN\rZZ1|1|a^b~c&d\r");
    let delimiters = Delimiters::parse("!$%*@");
    assert!(delimiters.is_some());
    let rendered = base().render(&bundle_of(&text), &RenderContext { delimiters, ..RenderContext::default() });
    let back = text_of(&rendered);
    assert!(back.starts_with("MSH!$%*@!LAB!NORTH"), "{back}");
    assert!(back.contains("ZZ1!1!a$b%c@d"), "{back}");
}

#[test]
fn the_message_follows_what_the_bundle_holds() {
    let of = |kind: &str, rest: &str, subject: &str| {
        format!(r#"{PATIENT},{{"resource":{{"resourceType":"{kind}",{rest}"{subject}":{{"reference":"Patient/p"}}}}}}"#)
    };
    let none = RenderContext::default();
    let check = |resources: &str, kind: &str| check_lines(resources, &none, &[&format!("MSH|^~\\&|||||||{kind}")]);
    check(&of("DiagnosticReport", r#""status":"final","code":{"text":"X"},"#, "subject"), "ORU^R01");
    check(
        &of(
            "ServiceRequest",
            r#""intent":"order","status":"active","code":{"text":"X"},"category":[{"coding":[{"code":"laboratory"}]}],"#,
            "subject",
        ),
        "OML^O21",
    );
    check(&of("ServiceRequest", r#""intent":"order","status":"active","code":{"text":"X"},"#, "subject"), "ORM^O01");
    check(
        &of(
            "Immunization",
            r#""status":"completed","vaccineCode":{"text":"X"},"occurrenceDateTime":"2024-01-01","#,
            "patient",
        ),
        "VXU^V04",
    );
    check(
        &of(
            "MedicationRequest",
            r#""status":"active","intent":"order","medicationCodeableConcept":{"text":"X"},"#,
            "subject",
        ),
        "RDE^O11",
    );
    check(&of("ChargeItem", r#""status":"billed","code":{"text":"X"},"#, "subject"), "DFT^P03");
    check(&of("Encounter", r#""status":"finished","class":{"code":"IMP"},"#, "subject"), "ADT^A03");
    check(PATIENT, "ADT^A31");
    check(&PATIENT.replace("}}", r#"},"request":{"method":"POST","url":"Patient"}}"#), "ADT^A28");
}

#[test]
fn references_of_others_are_followed() {
    let resources = r##"{"fullUrl":"urn:uuid:0b0e","resource":{"resourceType":"Patient","name":[{"family":"Muster"}]}},
        {"resource":{"resourceType":"DiagnosticReport","status":"final","code":{"text":"Panel"},"subject":{"reference":"urn:uuid:0b0e"},
          "result":[{"reference":"http://host/fhir/Observation/o/_history/2"}]}},
        {"fullUrl":"http://host/fhir/Observation/o","resource":{"resourceType":"Observation","id":"o","status":"final",
          "code":{"text":"K"},"subject":{"reference":"urn:uuid:0b0e"},"valueString":"high","contained":[{"resourceType":
          "Practitioner","id":"d","name":[{"family":"Quint"}]}],"performer":[{"reference":"#d"}]}}"##;
    check_lines(
        resources,
        &RenderContext::default(),
        &["PID|1||||Muster", "OBX|1|ST|^^^^^^^^K||high||||||F|||||^Quint"],
    );
}

#[test]
fn what_has_nothing_to_say_is_refused() {
    for json in [
        r#"{"resourceType":"Bundle","type":"collection"}"#,
        r#"{"resourceType":"Bundle","type":"collection","entry":[]}"#,
        r#"{"resourceType":"Nothing"}"#,
        r#"{}"#,
        r#"[]"#,
    ] {
        let rendered = written(json, &RenderContext::default());
        assert!(rendered.bytes.is_empty() && rendered.issues.iter().any(model::outcome::Issue::is_error), "{json}");
    }
}

#[test]
fn circles_of_references_end() {
    let resources = format!(
        r##"{PATIENT},{{"resource":{{"resourceType":"Observation","id":"a","status":"final","code":{{"text":"K"}},"subject":{{"reference":"Patient/p"}},
        "hasMember":[{{"reference":"Observation/b"}}],"performer":[{{"reference":"PractitionerRole/r"}}]}}}},
        {{"resource":{{"resourceType":"Observation","id":"b","status":"final","code":{{"text":"L"}},"subject":{{"reference":"Patient/p"}},
        "hasMember":[{{"reference":"Observation/a"}}]}}}},
        {{"resource":{{"resourceType":"PractitionerRole","id":"r","practitioner":{{"reference":"PractitionerRole/r"}}}}}}"##
    );
    check_lines(&resources, &RenderContext::default(), &["PID|1", "OBX|1|", "OBX|2|"]);
}

#[test]
fn ten_thousand_results_are_written_in_order() {
    let observation = |n: usize| {
        format!(
            r#",{{"resource":{{"resourceType":"Observation","id":"o{n}","status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"{n}"}}]}},"subject":{{"reference":"Patient/p"}}}}}}"#
        )
    };
    let all: String = (0..10_000).map(observation).collect();
    let bundle = format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{PATIENT}{all}]}}"#);
    let text = text_of(&written(&bundle, &RenderContext::default()));
    let results: Vec<&str> = text.split('\r').filter(|line| line.starts_with("OBX|")).collect();
    assert_eq!(results.len(), 10_000);
    assert!(results[9_999].starts_with("OBX|10000||9999^^LN"), "{}", results[9_999]);
}

/// Pieces by segment, field, repetition, component and subcomponent.
fn pieces(message: &Message) -> BTreeMap<String, String> {
    let text = |raw: &str| unescape(raw, message.delimiters(), message.charset()).trim().to_owned();
    let full = |n: Option<u32>| n.unwrap_or(1);
    let leaves = message.segments().flat_map(|segment| segment.leaves());
    let own = |at: &formats::hl7v2::Place| at.segment.as_str() == "MSH" && matches!(at.field, 1 | 2 | 7 | 9 | 10);
    leaves
        .filter(|leaf| !own(&leaf.place))
        .map(|leaf| {
            let at = leaf.place;
            let parts = [full(at.ordinal), at.field, full(at.repetition), full(at.component), full(at.subcomponent)];
            (format!("{}{parts:?}", at.segment.as_str()), text(leaf.raw))
        })
        .collect()
}

/// Pieces of a message that do not stand at their places when it has gone to FHIR and come back, and how many it has.
fn lost(text: &str) -> (Vec<String>, usize) {
    let sent = pieces(&Message::parse(text.as_bytes()).unwrap().message);
    let back = base().render(&bundle_of(text), &RenderContext::default()).bytes;
    let returned = Message::parse(&back).map(|parsed| pieces(&parsed.message)).unwrap_or_default();
    let lost = sent.iter().filter(|(at, text)| returned.get(*at) != Some(*text)).map(|(at, _)| at.clone()).collect();
    (lost, sent.len())
}

/// The examples of the base package whose segments stand where their structure has them.
fn examples() -> &'static [String] {
    static EXAMPLES: OnceLock<Vec<String>> = OnceLock::new();
    EXAMPLES.get_or_init(|| {
        let files = Packages::embedded_files();
        let of = |(path, _): &(&String, &Vec<u8>)| path.starts_with("hl7v2-base/examples/") && path.ends_with(".hl7");
        let found = files.iter().filter(of).map(|(_, bytes)| String::from_utf8(bytes.clone()).unwrap());
        let lines = found.map(|text| text.replace("\r\n", "\r").replace('\n', "\r"));
        lines.filter(|text| matches!(lost(text), (lost, all) if lost.len() * 50 < all)).collect()
    })
}

/// A message without some of its fields: each is left out where a bit of the mask says so.
fn thinned(text: &str, mask: &[bool]) -> String {
    let mut bits = mask.iter().cycle();
    let segment = |line: &str| {
        let header = line.starts_with("MSH");
        let fields = line.split('|').enumerate().map(|(n, field)| {
            // What opens a group and tells its resources apart stays.
            let keep = n <= 4 || header || *bits.next().unwrap_or(&true);
            if keep { field } else { "" }
        });
        fields.collect::<Vec<_>>().join("|")
    };
    text.split('\r').filter(|line| !line.is_empty()).map(segment).collect::<Vec<_>>().join("\r")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// What goes to FHIR comes back: of any part of the examples all but few pieces at their places.
    #[test]
    fn what_goes_to_fhir_comes_back(
        which in any::<prop::sample::Index>(),
        mask in prop::collection::vec(prop::bool::weighted(0.8), 61).no_shrink(),
    ) {
        let example: &String = which.get(examples());
        let text = thinned(example, &mask);
        let (lost, all) = lost(&text);
        prop_assert!(lost.len() * 100 <= all * LOST_PERCENT + 300, "{lost:?}\n{text}");
    }
}

/// Bounds the pieces that may miss their place in one message: those of segments whose group lost what opens it.
const LOST_PERCENT: usize = 8;
