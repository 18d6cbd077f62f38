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
