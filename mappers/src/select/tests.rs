use formats::cda::{Document, Limits};
use formats::hl7v2::Message;

use super::{SelectError, Selector};
use crate::Packages;

const MANIFEST: &str = "version = \"1\"\nformat = \"hl7v2\"\ndescription = \"d\"\nextends = \"hl7v2-base\"\n";

fn packages(given: &[(&str, &str)]) -> Packages {
    let files = given.iter().map(|(name, matches)| {
        (format!("{name}/package.toml"), format!("name = \"{name}\"\n{MANIFEST}{matches}").into_bytes())
    });
    Packages::load(files).unwrap()
}

#[track_caller]
fn check(packages: &Packages, names: &[&str], header: &str, expected: &str) {
    let parsed = Message::parse(format!("{header}\rPID|1||7^^^W^MR\r").as_bytes()).unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let selector = Selector { names: &names, format: "hl7v2", message: &parsed.message };
    assert_eq!(packages.select(&selector).map(|package| package.name().to_owned()), Ok(expected.to_owned()));
}

#[test]
fn a_package_takes_the_messages_it_says_are_its() {
    let packages = packages(&[
        ("all-of-quay", "[[match]]\nsending_facility = [\"QUAY*\"]\n"),
        ("quay-lab", "[[match]]\nsending_application = [\"LAB\", \"2.999.7\"]\nsending_facility = [\"QUAY*\"]\n"),
        ("reports", "[[match]]\nprofile = [\"PH*\"]\nmessage = [\"ORU^*\"]\n[[match]]\nversion = [\"2.1\"]\n"),
    ]);
    check(&packages, &[], "MSH|^~\\&|LAB|QUAYSIDE|||2024||ADT^A01|1|P|2.5", "quay-lab");
    check(&packages, &[], "MSH|^~\\&|X^2.999.7^ISO|quayside|||2024||ADT^A01|1|P|2.5", "quay-lab");
    check(&packages, &[], "MSH|^~\\&|WARD|QUAYSIDE|||2024||ADT^A01|1|P|2.5", "all-of-quay");
    check(&packages, &[], "MSH|^~\\&|WARD|HILL|||2024||ADT^A01|1|P|2.5", "hl7v2-base");
    check(&packages, &[], "MSH|^~\\&|WARD|HILL|||2024||ADT^A01|1|P|2.1", "reports");
    let profiled = "MSH|^~\\&|WARD|HILL|||2024||ORU^R01|1|P|2.5|||||||||X~PHLab^Y";
    check(&packages, &[], profiled, "reports");
}

#[test]
fn what_the_operator_names_decides_first() {
    let packages = packages(&[("quay", "[[match]]\nsending_facility = [\"QUAY\"]\n"), ("plain", "")]);
    let quay = "MSH|^~\\&|LAB|QUAY|||2024||ADT^A01|1|P|2.5";
    let other = "MSH|^~\\&|LAB|HILL|||2024||ADT^A01|1|P|2.5";
    check(&packages, &["plain"], quay, "plain");
    check(&packages, &["quay"], other, "quay");
    check(&packages, &["quay", "hl7v2-base"], quay, "quay");
    check(&packages, &["quay", "hl7v2-base"], other, "hl7v2-base");
}

#[test]
fn a_match_that_asks_for_nothing_is_refused() {
    let manifest = format!("name = \"x\"\n{MANIFEST}[[match]]\n").into_bytes();
    let errors = Packages::load([("x/package.toml".to_owned(), manifest)]).unwrap_err();
    assert!(errors.iter().any(|error| error.message.contains("expected at least one of")), "{errors:?}");
}

#[test]
fn a_name_nobody_has_is_said() {
    let packages = packages(&[]);
    let parsed = Message::parse(b"MSH|^~\\&|A|B|||2024||ADT^A01|1|P|2.5\r").unwrap();
    let names = ["nobody".to_owned()];
    let selector = Selector { names: &names, format: "hl7v2", message: &parsed.message };
    assert_eq!(packages.select(&selector).err(), Some(SelectError::UnknownPackage { name: "nobody".to_owned() }));
}

#[test]
fn what_a_package_made_it_also_writes() {
    let packages = packages(&[("quay", "[[match]]\nsending_facility = [\"QUAY\"]\n")]);
    for (facility, names, expected) in [
        ("QUAY", vec![], "quay"),
        ("HILL", vec![], "hl7v2-base"),
        ("QUAY", vec!["hl7v2-base".to_owned()], "hl7v2-base"),
    ] {
        let raw = format!("MSH|^~\\&|LAB|{facility}|||2024||ADT^A01|1|P|2.5\rPID|1||7^^^W^MR\r");
        let message = Message::parse(raw.as_bytes()).unwrap().message;
        let reader = packages.select(&Selector { names: &[], format: "hl7v2", message: &message }).unwrap();
        let bundle = reader.map(&message, &crate::Context::default()).bundle;
        let writer = packages.select_writer(&names, &bundle).unwrap();
        assert_eq!(writer.name(), expected);
    }
}

const LETTERS: &str = "version = \"1\"\nformat = \"ccda\"\ndescription = \"d\"\nextends = \"ccda-base\"\n";

/// Which package a document with this inside gets.
#[track_caller]
fn check_document(names: &[&str], inside: &str, expected: Result<&str, SelectError>) {
    let given = [
        ("discharge", "[[match]]\ntemplate = [\"2.999.1:2020\"]\n"),
        ("harbor", "[[match]]\ncustodian = [\"Harbor *\", \"2.999.2^7\"]\n"),
        ("quill", "[[match]]\nsoftware = [\"quill*\"]\ncode = [\"18842-5\"]\n"),
        ("plain", ""),
    ];
    let files = given.iter().map(|(name, matches)| {
        (format!("{name}/package.toml"), format!("name = \"{name}\"\n{LETTERS}{matches}").into_bytes())
    });
    let packages = Packages::load(files).unwrap();
    let text = format!("<ClinicalDocument xmlns=\"urn:hl7-org:v3\">{inside}</ClinicalDocument>");
    let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let found = packages.select_document(&names, &document).map(|package| package.name().to_owned());
    assert_eq!(found, expected.map(str::to_owned));
}

#[test]
fn a_package_takes_the_documents_it_says_are_its() {
    let custodian = |inside: &str| {
        format!(
            "<custodian><assignedCustodian><representedCustodianOrganization>{inside}</representedCustodianOrganization></assignedCustodian></custodian>"
        )
    };
    let device = "<author><assignedAuthor/></author><author><assignedAuthor><assignedAuthoringDevice>\
        <manufacturerModelName>Quill Desk</manufacturerModelName><softwareName>QD 7</softwareName>\
        </assignedAuthoringDevice></assignedAuthor></author>";
    check_document(
        &[],
        "<templateId root=\"2.999.0\"/><templateId root=\"2.999.1\" extension=\"2020\"/>",
        Ok("discharge"),
    );
    check_document(&[], "<templateId root=\"2.999.1\" extension=\"2015\"/>", Ok("ccda-base"));
    check_document(&[], &custodian("<name>Harbor\n Clinic</name>"), Ok("harbor"));
    check_document(&[], &custodian("<id root=\"2.999.2\" extension=\"7\"/>"), Ok("harbor"));
    check_document(&[], &custodian("<id root=\"2.999.2\"/><name>Hill</name>"), Ok("ccda-base"));
    check_document(&[], &format!("<code code=\"18842-5\"/>{device}"), Ok("quill"));
    check_document(&[], device, Ok("ccda-base"));
    // What asks for most wins.
    let both = format!("<code code=\"18842-5\"/>{device}{}", custodian("<name>Harbor East</name>"));
    check_document(&[], &both, Ok("quill"));
    check_document(&[], "", Ok("ccda-base"));
}

#[test]
fn of_the_packages_named_for_documents_the_first_that_fits_is_taken() {
    let letter = "<templateId root=\"2.999.1\" extension=\"2020\"/>";
    check_document(&["harbor", "discharge"], letter, Ok("discharge"));
    check_document(&["plain", "discharge"], letter, Ok("plain"));
    check_document(&["harbor"], letter, Ok("harbor"));
    check_document(&["hl7v2-base"], letter, Ok("discharge"));
    check_document(&["nobody"], letter, Err(SelectError::UnknownPackage { name: "nobody".to_owned() }));
}
