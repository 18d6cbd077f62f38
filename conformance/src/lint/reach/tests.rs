use super::super::lint_files;
use super::super::tests::{MANIFEST, errors};

const MESSAGES: (&str, &str) = (
    "messages/ADT.csv",
    "group,segment,tables,mode,when,from,guide\n,MSH,MessageHeader,,,,own\n,PID,Patient,,,,own\n,PV1,Encounter,,,,own\n",
);
const HEADER: (&str, &str) =
    ("segments/MSH-MessageHeader.csv", "source,target,via,with,when,way,guide\nid,MessageHeader,#,,,,own\n");
const VISIT: (&str, &str) = (
    "segments/PV1-Encounter.csv",
    "source,target,via,with,when,way,guide\nid,Encounter,@Patient+#,,,,own\n@Patient,Encounter.subject,,,,,own\n",
);

/// Codes and lines of errors about the rows of a PID table.
#[track_caller]
fn check(rows: &str, expect: &[(&str, usize)]) {
    let table = format!("source,target,via,with,when,way,guide\nid,Patient,PID-3|#,,,,own\n{rows}");
    let manifest = format!("{MANIFEST}[messages.ADT.types]\n\"ADT^A01\" = \"ADT_A01\"\n");
    let files = [("package.toml", manifest.as_str()), MESSAGES, HEADER, VISIT, ("segments/PID-Patient.csv", &table)];
    let found = errors(&files, "p/segments/PID-Patient.csv");
    let found: Vec<_> = found.iter().map(|(code, line)| (*code, *line)).collect();
    assert_eq!(found, expect);
}

#[test]
fn finds_conditions_that_contradict_themselves() {
    check("PID-8,Patient.gender,code,,!PID-8,,own\n", &[("dead-row", 3)]);
    check("PID-8.1,Patient.gender,code,,PID-8.1=M and PID-8.1=F,,own\n", &[("dead-row", 3)]);
    check("PID-8.1,Patient.gender,code,,PID-8.1 in M F and PID-8.1!=M and PID-8.1!=F,,own\n", &[]);
    check(
        "PID-25,Patient.multipleBirthInteger,integer,,number(PID-25) and compared(PID-25),,own\n",
        &[("dead-row", 3)],
    );
    check("PID-8.1,Patient.gender,code,,PID-8.1=M,,own\n", &[]);
}

#[test]
fn finds_rows_that_an_earlier_one_always_precedes() {
    check(
        "PID-6,Patient.extension[urn:x].valueString,trimmed,,,,own\nPID-6,Patient.extension[urn:x].valueString,text,,PID-9,,own\n",
        &[("shadowed-row", 4)],
    );
    // The earlier one runs only for some messages.
    check(
        "PID-6,Patient.extension[urn:x].valueString,trimmed,,PID-9,,own\nPID-6,Patient.extension[urn:x].valueString,text,,,,own\n",
        &[],
    );
    // A date may not be readable: nothing is proven.
    check("PID-7.1,Patient.birthDate,date,,,,own\nPID-29.1,Patient.birthDate,date,,PID-7.1,,own\n", &[]);
    check(
        "PID-7.1,Patient.birthDate,date,,,,own\nPID-7.1,Patient.birthDate,date,,PID-9,,own\n",
        &[("duplicate-row", 4)],
    );
}

#[test]
fn finds_segments_and_roles_that_never_come() {
    check("PID-8,Patient.gender,code,,ZZZ-1,,own\n", &[("unreachable-row", 3)]);
    check("PID-8,Patient.gender,code,,@Coverage,,own\n", &[("unknown-role", 3)]);
    check("@Organization,Patient.managingOrganization,,,,,own\n", &[("unknown-role", 3)]);
}

#[test]
fn finds_tables_that_are_never_selected() {
    let files = [("package.toml", MANIFEST), MESSAGES, HEADER, VISIT];
    let found = errors(&files, "p/messages/ADT.csv");
    assert!(found.iter().any(|(code, _)| *code == "never-selected"), "{found:?}");
}

#[test]
fn finds_nothing_in_the_packages_of_the_program() {
    let files = mappers::Packages::embedded_files();
    let names: Vec<String> = vec!["hl7v2-base".to_owned(), "northgate-ward".to_owned()];
    let errors: Vec<_> = lint_files(&names, &files, &Default::default())
        .into_iter()
        .filter(|finding| finding.severity != model::outcome::Severity::Information)
        .map(|finding| finding.to_line())
        .collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}
