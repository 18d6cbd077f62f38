//! Extracts as systems write them, all invented: what their descriptions say can be declared, and what is wrong in them
//! names its row and column.

use super::*;

fn package(toml: &str, tables: &[(&str, &str)]) -> Packages {
    let head = "name = \"v\"\nversion = \"1\"\nformat = \"flat\"\ndescription = \"invented\"\n";
    let mut files: BTreeMap<String, String> = [("v/package.toml".to_owned(), format!("{head}{toml}"))].into();
    for (path, rows) in tables {
        let head = match path.split_once('/') {
            Some(("codes", _)) => "code,system,target,display,equivalence,guide\n",
            _ => "source,target,via,with,when,way,guide\n",
        };
        files.insert(format!("v/{path}.csv"), format!("{head}{rows}"));
    }
    load(&files).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The Bundle, its findings, and the file that comes back.
#[track_caller]
fn there_and_back(packages: &Packages, bytes: &[u8]) -> (Json, Vec<String>, Vec<u8>) {
    let package = packages.named("v").expect("loads");
    let converted = package
        .convert_flat(&[File { name: "f.csv", bytes }], &Context::default(), true)
        .unwrap_or_else(|issues| panic!("{issues:?}"));
    let line = |issue: &Issue| {
        let at = issue.at.as_deref().unwrap_or_default();
        format!(
            "{} {} {at}",
            issue.severity,
            issue.rule.as_deref().filter(|rule| !rule.contains('/')).unwrap_or(issue.code)
        )
    };
    let back = package.render_flat(std::slice::from_ref(&converted.bundle));
    let bytes = back.files.into_iter().next().map(|file| file.bytes).unwrap_or_default();
    (converted.bundle, converted.issues.iter().map(line).collect(), bytes)
}

const LAB: &str = r#"
[names]
mrn = "urn:example:mrn"
[flat]
delimiter = ";"
encoding = "windows-1252"
number = "1.234,5"
date = ["dd.MM.yyyy HH:mm", "dd.MM.yyyy"]
line_end = "\r\n"
envelope = { head = ["HDR;"], foot = "TRL;", count = 1, write_head = ["HDR;QUAY"], write_foot = "TRL;{count}" }
[tables.results]
columns = ["Nr", "Name", "Test", "Wert", "Einheit", "Entnahme"]
names = { no = "Nr" }
match = ["Nr", "Wert"]
"#;

fn lab() -> Packages {
    package(
        LAB,
        &[
            (
                "rows/results-Patient",
                "id,Patient,no,,,,own\nno,Patient.identifier[0].value,trimmed,system=$mrn,,,own\nName,Patient.name[0].text,trimmed,,,,own\n",
            ),
            (
                "rows/results-Observation",
                "id,Observation,#,,,,own\nconst,Observation.status,final,,,,own\nTest,Observation.code.text,trimmed,,,,own\n\
                 @Patient,Observation.subject,,,,,own\nEntnahme,Observation.effectiveDateTime,dateTime,,,,own\n\
                 Wert,Observation.valueQuantity.value,decimal,,number(Wert),,own\n\
                 Wert,Observation.valueQuantity.comparator,comparator_of,,compared(Wert),,own\n\
                 Wert,Observation.valueQuantity.value,number_of,,compared(Wert),,own\n\
                 Wert,Observation.valueString,trimmed,,!number(Wert) and !compared(Wert),,own\n\
                 Einheit,Observation.valueQuantity.unit,trimmed,,,,own\n",
            ),
        ],
    )
}

#[test]
fn a_laboratory_with_decimal_commas_and_a_trailer() {
    let file = b"HDR;QUAY\r\nNr;Name;Test;Wert;Einheit;Entnahme\r\n7;M\xfcller;Na;1.234,50;mmol/L;14.06.2024\r\n\
        8;Lund;K;<0,5;mmol/L;14.06.2024\r\n9;Lund;K;-4,0;mmol/L;\r\nTRL;3\r\n";
    let (bundle, issues, back) = there_and_back(&lab(), file);
    assert_eq!(issues, Vec::<String>::new());
    let text = bundle.to_text();
    for expected in [r#""value":1234.50"#, r#""comparator":"<""#, r#""value":0.5"#, r#""value":-4.0"#, "Müller"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert_eq!(String::from_utf8_lossy(&back), String::from_utf8_lossy(file));
}

#[test]
fn a_number_of_another_style_and_a_wrong_trailer_are_said_and_the_file_goes_on() {
    let file =
        b"HDR;QUAY\nNr;Name;Test;Wert;Einheit;Entnahme\n7;A;Na;5.30;;14.06.2024\n8;B;K;1,5;;06/14/2024\nTRL;00003\n";
    let (bundle, issues, _) = there_and_back(&lab(), file);
    assert_eq!(issues, ["error record-count 5", "warning value 4,Entnahme"]);
    let text = bundle.to_text();
    // What is no number here is a text, and nobody's 5.3 or 530.
    assert!(text.contains(r#""valueString":"5.30""#) && !text.contains(r#""value":5.30"#), "{text}");
    let cut = file.split_at(file.len() - 30).0;
    assert!(there_and_back(&lab(), cut).1.contains(&"error trailer-missing 4".to_owned()));
}

const ADT: &str = r#"
[flat]
encoding = "iso-8859-1"
pivot = 1910
date = ["ddMMyy"]
envelope = { foot = "T", count = 1, besides = 1, write_foot = "T{count:6}" }
[tables.people]
fixed = [
    { name = "no", start = 1, length = 6 },
    { name = "name", start = 7, length = 10 },
    { name = "born", start = 17, length = 6 },
    { name = "dead", start = 23, length = 1 },
]
"#;

#[test]
fn demographics_of_fixed_width_with_short_years_and_flags() {
    let rows = "id,Patient,no,,,,own\nno,Patient.identifier[0].value,trimmed,,,,own\nname,Patient.name[0].text,trimmed,,,,own\n\
        born,Patient.birthDate,date,,,,own\ndead,Patient.deceasedBoolean,code:Flag,,,,own\n";
    let codes = "J,,true,,,own\nN,,false,,,own\n";
    let packages = package(ADT, &[("rows/people-Patient", rows), ("codes/Flag", codes)]);
    let file = b"000007M\xfcller    010309J\n000008Lund      010310N\n000009Ray       320199?\nT000004\n";
    let (bundle, issues, back) = there_and_back(&packages, file);
    assert_eq!(issues, ["warning value 3,born", "warning code-invalid 3,dead"]);
    let text = bundle.to_text();
    for expected in [
        r#""birthDate":"2009-03-01""#,
        r#""birthDate":"1910-03-01""#,
        r#""deceasedBoolean":true"#,
        r#""deceasedBoolean":false"#,
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert_eq!(String::from_utf8_lossy(&back), String::from_utf8_lossy(file));
}

const VITALS: &str = r#"
[flat]
delimiter = "\t"
encoding = "utf-16le"
skip = 3
trailing_delimiter = true
date = ["M/d/yyyy h:mm a"]
[tables.vitals]
columns = ["Bed", "Time", "Value", "Unit", "Value#2", "Unit#2"]
names = { value2 = "Value#2", unit2 = "Unit#2" }
nulls = { Value = ["999"], "Value#2" = ["---"] }
"#;

#[test]
fn a_device_with_titles_repeated_names_and_values_for_nothing() {
    let rows = "id,Observation,#,,,,own\nconst,Observation.status,final,,,,own\nconst,Observation.code.text,vitals,,,,own\n\
        Bed,Observation.device.display,trimmed,,,,own\nTime,Observation.effectiveDateTime,dateTime,,,,own\n\
        Value,Observation.component[0].valueQuantity.value,decimal,code.text=pulse,,,own\n\
        Unit,Observation.component[0].valueQuantity.unit,trimmed,,Value,,own\n\
        value2,Observation.component[1].valueQuantity.value,decimal,code.text=spo2,,,own\n\
        unit2,Observation.component[1].valueQuantity.unit,trimmed,,value2,,own\n";
    let packages = package(VITALS, &[("rows/vitals-Observation", rows)]);
    let text = "Monitor export\n\nWard 4\nBed\tTime\tValue\tUnit\tValue\tUnit\t\nB1\t6/14/2024 9:05 PM\t72\t/min\t98\t%\t\n\
        B2\t6/14/2024 9:05 PM\t999\t/min\t---\t%\t\nB3\t25:00\tx\t/min\t97\t%\t\nB4\t\t70\t\n";
    let wide =
        |text: &str| [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let (bundle, issues, back) = there_and_back(&packages, &wide(text));
    let zoneless = ["information value 5,Time", "information value 6,Time"];
    assert_eq!(issues.get(..2), Some(&zoneless.map(str::to_owned)[..]));
    assert_eq!(issues.get(2..).unwrap(), ["warning value 7,Time", "warning value 7,Value", "warning structure 8"]);
    let json = bundle.to_text();
    assert!(json.contains(r#""value":72"#) && json.contains(r#""value":98"#) && !json.contains("999"), "{json}");
    // The header has its names as the file has them.
    let back: Vec<u16> = back.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let back = String::from_utf16(&back).expect("UTF-16");
    assert!(
        back.starts_with("\u{feff}Bed\tTime\tValue\tUnit\tValue\tUnit\t\nB1\t6/14/2024 9:05 PM\t72\t/min\t98\t%\t\n"),
        "{back}"
    );
}

const SHOTS: &str = r#"
[flat]
delimiter = "|"
quoted_empty = "none"
date = ["yyyyMMdd"]
[tables.shots]
columns = ["no", "date", "vaccine", "lot", "note"]
"#;

#[test]
fn a_registry_that_tells_a_quoted_nothing_from_nothing() {
    let rows = "id,Immunization,no,,,,own\nconst,Immunization.status,completed,,,,own\nvaccine,Immunization.vaccineCode.text,trimmed,,,,own\n\
        @Patient,Immunization.patient,,,,,own\ndate,Immunization.occurrenceDateTime,dateTime,,,,own\n\
        lot,Immunization.lotNumber,trimmed,,!lot=none,,own\nconst,Immunization.statusReason.text,no lot,,lot=none,,own\n\
        note,Immunization.note[+].text,trimmed,,,,own\n";
    let shots = package(SHOTS, &[("rows/shots-Immunization", rows), ("rows/shots-Patient", "id,Patient,no,,,,own\n")]);
    let file = b"\xef\xbb\xbfno|date|vaccine|lot|note\r1|20240614|MMR|\"\"|\"two\nlines\"\r2|20240615|MMR||\r3|20240615|MMR|L4|\r";
    let (bundle, issues, back) = there_and_back(&shots, file);
    assert_eq!(issues, Vec::<String>::new());
    let text = bundle.to_text();
    assert_eq!(text.matches("no lot").count(), 1, "{text}");
    assert_eq!(text.matches(r#""lotNumber":"L4""#).count(), 1, "{text}");
    assert!(text.contains(r#""text":"two\nlines""#), "{text}");
    let back = String::from_utf8_lossy(&back).into_owned();
    assert!(back.contains("|MMR|\"\"|\"two\nlines\"\n") && back.contains("|MMR||\n"), "{back}");
}

#[test]
fn declarations_that_would_fit_nothing_are_refused() {
    let table = "\n[tables.t]\ncolumns = [\"no\"]\n";
    let row = [("rows/t-Patient", "id,Patient,no,,,,own\n")];
    for (flat, why) in [
        ("date = [\"dd.mm.yyyy\"]", "mm are minutes"),
        ("number = \"1,5\"", "number: expected an example"),
        ("pivot = 30", "pivot: expected a year"),
        ("envelope = { head = [] }", "envelope: expected head or foot"),
        ("envelope = { head = [\"H\"], count = 1 }", "need a foot"),
        ("quote = \"\"\nquoted_empty = \"x\"", "quoted_empty: expected quotation marks"),
        ("line_end = \"x\"", "line_end: expected"),
    ] {
        let head = "name = \"v\"\nversion = \"1\"\nformat = \"flat\"\ndescription = \"invented\"\n[flat]\n";
        let mut files = BTreeMap::from([("v/package.toml".to_owned(), format!("{head}{flat}{table}"))]);
        files.insert(format!("v/{}.csv", row[0].0), format!("source,target,via,with,when,way,guide\n{}", row[0].1));
        let said = load(&files).expect_err(flat);
        assert!(said.contains(why), "{flat}: {said}");
    }
}
