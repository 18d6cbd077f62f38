use super::super::tests::{MANIFEST, errors};

/// Codes of errors about the rows of a table.
#[track_caller]
fn check(table: &str, rows: &str, expect: &[&str]) {
    let path = format!("segments/{table}.csv");
    let text = format!("source,target,via,with,when,way,guide\n{rows}");
    let found = errors(&[("package.toml", MANIFEST), (&path, &text)], &format!("p/{path}"));
    let ours = [
        "type-mismatch",
        "code-not-allowed",
        "reference-target",
        "made-up",
        "origin-differs",
        "required-unfilled",
        "required-without-default",
    ];
    let found: Vec<_> = found.iter().map(|(code, _)| *code).filter(|code| ours.contains(code)).collect();
    assert_eq!(found, expect);
}

#[test]
fn compares_functions_with_the_types_of_elements() {
    check("PID-Patient", "PID-7.1,Patient.birthDate,dateTime,,,,own\n", &["type-mismatch"]);
    check("PID-Patient", "PID-7.1,Patient.birthDate,date,,,,own\n", &[]);
    check("PID-Patient", "PID-29.1,Patient.deceasedDateTime,trimmed,,,,own\n", &["type-mismatch"]);
}

#[test]
fn compares_constants_with_required_bindings() {
    check("PID-Patient", "PID-13,Patient.telecom[+].value,trimmed,system=fone,,,own\n", &["code-not-allowed"]);
    check("PID-Patient", "PID-13,Patient.telecom[+].value,trimmed,system=phone,,,own\n", &[]);
}

#[test]
fn compares_references_with_their_targets() {
    check("PID-Patient", "@Encounter,Patient.generalPractitioner[+],,,,,own\n", &["reference-target"]);
}

#[test]
fn refuses_facts_that_are_constants() {
    check("PID-Patient", "const,Patient.gender,male,,,,own\n", &["made-up"]);
    check("PID-Patient", "const,Patient.birthDate,1990-01-01,,,,own\n", &["made-up"]);
    check("PID-Patient", "const,Patient.active,true,,,,own\n", &[]);
}

#[test]
fn compares_the_place_with_the_guides_row() {
    check("PID-Patient", "PID-6,Patient.name[+].family,trimmed,,,,PID[Patient]#PID-5\n", &["origin-differs"]);
    check("PID-Patient", "PID-5.1,Patient.name[+].family,trimmed,,,,PID[Patient]#PID-5\n", &[]);
}

#[test]
fn asks_for_rows_for_required_elements() {
    check("OBX-Observation", "id,Observation,#,,,,own\n", &["required-unfilled", "required-unfilled"]);
    check(
        "OBX-Observation",
        "id,Observation,#,,,,own\ndefault,Observation.status,unknown,,,,own\nOBX-3,Observation.code.text,text,,,,own\n",
        &["required-without-default"],
    );
}
