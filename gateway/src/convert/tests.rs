use super::*;

const A: &str = "MSH|^~\\&|LAB|NORTH|||20240102030405||ADT^A08|C1|P|2.5.1\rPID|1||4711^^^NORTH^MR||Muster^Erika\r";
const B: &str = "MSH|^~\\&|LAB|NORTH|||20240102030405||ADT^A08|C2|P|2.5.1\rPID|1||4712^^^NORTH^MR||Beispiel^Max\r";

/// Gives a few bytes at a time, as a pipe may.
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let some = buffer.len().min(7);
        self.0.read(buffer.get_mut(..some).unwrap_or_default())
    }
}

fn request() -> Conversion {
    Conversion {
        from: Format::Auto,
        to: Format::FhirR4,
        packages: Vec::new(),
        timezone: None,
        reports: Reports::Left,
        target: Target::default(),
    }
}

type Shown = (usize, bool, Result<Vec<u8>, ()>, Vec<String>);

fn shown(part: Part) -> Shown {
    let rules = |issues: &[Issue]| issues.iter().filter_map(|issue| issue.rule.clone()).collect::<Vec<_>>();
    let (result, rules) = match part.result {
        Ok(output) => (Ok(output.body.into_bytes().expect("it can be read")), rules(&output.issues)),
        Err(issues) => (Err(()), rules(&issues)),
    };
    let envelope = |rule: &String| !rule.contains('/');
    (part.number, part.of_batch, result, rules.into_iter().filter(envelope).collect())
}

/// What comes of an input, read at once and from a reader; (number, refused, rules of the issues about its form).
#[track_caller]
fn check(input: &str, expect: &[(usize, bool, &[&str])]) {
    let packages = Packages::embedded().expect("the embedded packages load");
    let (mut whole, mut streamed) = (Vec::new(), Vec::new());
    convert(&packages, &request(), input.as_bytes(), |part| whole.push(shown(part)));
    convert_stream(&packages, &request(), &mut Trickle(input.as_bytes()), (0, 1 << 20), |part| {
        streamed.push(shown(part));
        ControlFlow::Continue(())
    })
    .expect("the input can be read");
    assert_eq!(streamed, whole);
    let found: Vec<_> = whole
        .iter()
        .map(|(number, _, result, rules)| (*number, result.is_err(), rules.iter().map(String::as_str).collect()))
        .collect::<Vec<(usize, bool, Vec<&str>)>>();
    let expect: Vec<_> = expect.iter().map(|(number, refused, rules)| (*number, *refused, rules.to_vec())).collect();
    assert_eq!(found, expect);
}

#[track_caller]
fn check_format(input: &str, expect: Format) {
    assert_eq!(Format::detect(input.as_bytes()), Some(expect));
}

#[test]
fn xml_is_told_by_its_root_and_not_by_what_it_cites() {
    let document = "<ClinicalDocument xmlns=\"urn:hl7-org:v3\"><!-- http://hl7.org/fhir --></ClinicalDocument>";
    check_format(document, Format::Ccda);
    check_format(&format!("<?xml version=\"1.0\"?>\n<!-- http://hl7.org/fhir > -->\n{document}"), Format::Ccda);
    check_format("<ClinicalDocument xmlns=\"urn:hl7-org:v3\" xmlns:f=\"http://hl7.org/fhir\"/>", Format::Ccda);
    check_format("\u{feff}<?xml version=\"1.0\"?><Patient xmlns=\"http://hl7.org/fhir\"/>", Format::FhirR4);
    check_format("<!-- <ClinicalDocument> --><Patient\n  xmlns=\"http://hl7.org/fhir\"/>", Format::FhirR4);
    check_format("<f:Patient xmlns:f='http://hl7.org/fhir'/>", Format::FhirR4);
    check_format("<!DOCTYPE a [<!ENTITY b 'c'>]><Patient xmlns=\"http://hl7.org/fhir\"/>", Format::Ccda);
    check_format("<", Format::Ccda);
}

#[test]
fn translates_a_stream_as_it_translates_the_whole() {
    check(A, &[(1, false, &[])]);
    check(&format!("{A}{B}"), &[(1, false, &[]), (2, false, &[])]);
    check(&format!("{A}MSH|broken\r{B}"), &[(1, false, &[]), (2, true, &[]), (3, false, &[])]);
    check("no message", &[(1, true, &[])]);
    check("", &[(1, true, &[])]);
}

#[test]
fn says_what_is_wrong_with_an_envelope() {
    check(&format!("FHS|^~\\&\rBHS|^~\\&\r{A}{B}BTS|7\rFTS|1\r"), &[(1, false, &[]), (2, false, &["batch-count"])]);
    check("FHS|^~\\&\rBHS|^~\\&\rBTS|7\rFTS|1\r", &[(1, true, &["batch-count"])]);
    check("FHS|^~\\&\rBHS|^~\\&\rBTS|0\rFTS|1\r", &[]);
}

#[test]
fn joins_a_message_sent_in_parts() {
    let first = A.to_owned() + "OBX|1|TX|1^A^L||one \rDSC|P1|F\r";
    let second = "MSH|^~\\&|LAB|NORTH|||20240102030406||ADT^A08|C3|P|2.5.1||P1\rADD|and two||||F\r";
    check(&format!("{first}{B}{second}"), &[(2, false, &[]), (3, false, &["segment-joined", "continuation-joined"])]);
    check(&format!("{first}{B}"), &[(2, false, &[]), (1, false, &["continuation-open"])]);
}

#[test]
fn ends_when_nobody_takes_more() {
    let packages = Packages::embedded().expect("the embedded packages load");
    let mut taken = 0;
    let input = format!("{A}{B}{A}{B}");
    convert_stream(&packages, &request(), &mut input.as_bytes(), (0, 1 << 20), |_| {
        taken += 1;
        ControlFlow::Break(())
    })
    .expect("the input can be read");
    assert_eq!(taken, 1);
}

#[test]
fn refuses_other_formats_over_the_limit() {
    let packages = Packages::embedded().expect("the embedded packages load");
    let input = format!("{{\"resourceType\":\"Patient\",\"id\":\"{}\"}}", "x".repeat(9000));
    let read = convert_stream(&packages, &request(), &mut input.as_bytes(), (0, 5000), |_| ControlFlow::Continue(()));
    assert_eq!(read.map_err(|error| error.kind()), Err(io::ErrorKind::FileTooLarge));
}

/// What an input becomes in another format.
#[track_caller]
fn converted(input: &str, from: Format, to: Format) -> (model::json::Json, Vec<Issue>) {
    let packages = Packages::embedded().expect("the embedded packages load");
    let mut found = None;
    convert(&packages, &Conversion { from, to, reports: Reports::Made, ..request() }, input.as_bytes(), |part| {
        found = Some(part.result.expect("it is translated"));
    });
    let output = found.expect("one part");
    let tree = model::json::parse(&output.body.into_bytes().expect("it can be read"), &model::json::Limits::default())
        .expect("JSON");
    (tree, output.issues)
}

#[test]
fn translates_other_versions_of_fhir() {
    let stu3 = r#"{"resourceType":"Encounter","status":"finished","class":{"code":"IMP"},"reason":[{"text":"Cough"}]}"#;
    let (r4, _) = converted(stu3, Format::FhirStu3, Format::FhirR4);
    assert_eq!(r4.text_at(&["reasonCode", "0", "text"]), Some("Cough"));
    let (r5, _) = converted(&r4.to_text(), Format::FhirR4, Format::FhirR5);
    assert_eq!(r5.text_at(&["reason", "0", "value", "0", "concept", "text"]), Some("Cough"));
    let (again, _) = converted(&r5.to_text(), Format::Auto, Format::FhirR4);
    assert_eq!(again.text_at(&["reasonCode", "0", "text"]), Some("Cough"));
}

#[test]
fn reads_the_xml_of_another_version_by_its_own_tables() {
    let xml = r#"<MedicationOrder xmlns="http://hl7.org/fhir"><dateWritten value="2015-06-01"/><status value="active"/>
        <patient><reference value="Patient/1"/></patient><dosageInstruction><text value="daily"/></dosageInstruction></MedicationOrder>"#;
    let (r4, _) = converted(xml, Format::FhirDstu2, Format::FhirR4);
    assert_eq!(r4.text_at(&["resourceType"]), Some("MedicationRequest"));
    assert_eq!(r4.text_at(&["dosageInstruction", "0", "text"]), Some("daily"));
}
