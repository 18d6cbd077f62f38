//! Faults that people make in mapping tables, planted one at a time into copies of the base package.
//!
//! Deterministic: each kind takes its rows in the order of files and lines, evenly spread. A fault that changes nothing
//! is no fault; [`EQUIVALENT`] names those, each with the reason.

use crate::table::{
    Files, GUIDE, Row, SOURCE, TARGET, VIA, WAY, WHEN, WITH, insert_after, insert_first, remove, replace, rows,
};

/// One planted fault.
pub(crate) struct Fault {
    pub(crate) kind: &'static str,
    /// `file:line what`
    pub(crate) name: String,
    pub(crate) files: Files,
}

/// Faults without any effect, by name, and why.
pub(crate) const EQUIVALENT: &[(&str, &str)] = &[];

/// As many of a kind.
const EACH: usize = 4;

/// Every fault, in a fixed order.
pub(crate) fn all(files: &Files) -> Vec<Fault> {
    let segments = rows(files, "segments");
    let datatypes = rows(files, "datatypes");
    let tables: Vec<Row> = segments.iter().chain(&datatypes).cloned().collect();
    let codes: Vec<Row> = rows(files, "codes").into_iter().filter(|row| !row.cell(0).starts_with('@')).collect();
    let messages = rows(files, "messages");
    let mut out = Vec::new();
    wrong_target(files, &tables, &mut out);
    swapped_components(files, &datatypes, &mut out);
    changed(files, "dropped-row", &tables, &mut out, |row| row.is_plain().then(|| remove(files, row)));
    wrong_code(files, &codes, &mut out);
    swapped_codes(files, &codes, &mut out);
    clinical(files, &mut out);
    constants(files, &tables, &mut out);
    conditions(files, &tables, &mut out);
    repetitions(files, &tables, &mut out);
    unreachable(files, &tables, &mut out);
    conversions(files, &tables, &mut out);
    invented(files, &mut out);
    references(files, &tables, &mut out);
    changed(files, "missing-required", &tables, &mut out, |row| {
        (row.cell(SOURCE) == "default").then(|| remove(files, row))
    });
    null_leak(files, &codes, &mut out);
    changed(files, "duplicate-row", &tables, &mut out, |row| {
        let copy = row.with(WHEN, &joined(row.cell(WHEN), row.cell(SOURCE)));
        row.is_plain().then(|| insert_after(files, &copy)).filter(|_| !row.cell(SOURCE).starts_with('@'))
    });
    changed(files, "wrong-direction", &tables, &mut out, |row| {
        let way = if row.line % 2 == 0 { ">" } else { "<" };
        (row.is_plain() && !row.cell(SOURCE).starts_with('@')).then(|| replace(files, &row.with(WAY, way)))
    });
    identities(files, &segments, &mut out);
    groups(files, &messages, &mut out);
    manifest(files, &mut out);
    out.retain(|fault| !EQUIVALENT.iter().any(|(name, _)| *name == fault.name));
    out
}

fn joined(when: &str, term: &str) -> String {
    if when.is_empty() { term.to_owned() } else { format!("{when} and {term}") }
}

/// Applies a change to rows that it takes, evenly spread, [`EACH`] of them.
fn changed(
    files: &Files,
    kind: &'static str,
    rows: &[Row],
    out: &mut Vec<Fault>,
    change: impl Fn(&Row) -> Option<Files>,
) {
    let possible: Vec<(&Row, Files)> =
        rows.iter().filter_map(|row| Some((row, change(row)?))).filter(|(_, changed)| changed != files).collect();
    let step = (possible.len() / EACH).max(1);
    for (row, files) in possible.into_iter().step_by(step).take(EACH) {
        out.push(Fault { kind, name: format!("{}:{} {kind}", row.file, row.line + 1), files });
    }
}

/// The next row of the same table that fits.
fn partner<'r>(rows: &'r [Row], row: &Row, fits: impl Fn(&Row) -> bool) -> Option<&'r Row> {
    rows.iter().find(|other| other.file == row.file && other.line > row.line && fits(other))
}

fn wrong_target(files: &Files, tables: &[Row], out: &mut Vec<Fault>) {
    changed(files, "wrong-target", tables, out, |row| {
        let other = partner(tables, row, |other| {
            other.is_plain() && other.cell(VIA) == row.cell(VIA) && other.cell(TARGET) != row.cell(TARGET)
        })?;
        row.is_plain().then(|| replace(files, &row.with(TARGET, other.cell(TARGET))))
    });
    // Beginning and end, lower and upper, first and second: the slips that stay valid.
    let pairs = [(".start", ".end"), (".low", ".high"), ("coding[0]", "coding[1]"), ("numerator", "denominator")];
    changed(files, "wrong-target-pair", tables, out, |row| {
        let (one, other) = pairs.iter().find(|(one, _)| row.cell(TARGET).contains(one))?;
        row.is_plain().then(|| replace(files, &row.with(TARGET, &row.cell(TARGET).replace(one, other))))
    });
}

fn swapped_components(files: &Files, datatypes: &[Row], out: &mut Vec<Fault>) {
    let swap = |row: &Row, columns: &[usize]| -> Option<Files> {
        let other = partner(datatypes, row, |other| {
            other.is_plain() && other.cell(VIA) == row.cell(VIA) && other.cell(SOURCE) != row.cell(SOURCE)
        })?;
        let (mut one, mut two) = (row.clone(), other.clone());
        for column in columns {
            one.cells[*column] = other.cell(*column).to_owned();
            two.cells[*column] = row.cell(*column).to_owned();
        }
        row.is_plain().then(|| replace(&replace(files, &one), &two))
    };
    changed(files, "swapped-components", datatypes, out, |row| swap(row, &[SOURCE]));
    // The same, with the guide's rows swapped along: nothing in the row itself looks wrong.
    changed(files, "swapped-components-and-origin", datatypes, out, |row| swap(row, &[SOURCE, GUIDE]));
    changed(files, "wrong-component", datatypes, out, |row| {
        let (head, number) = row.cell(SOURCE).rsplit_once('.')?;
        let next = number.parse::<u32>().ok()? + 1;
        row.is_plain().then(|| replace(files, &row.with(SOURCE, &format!("{head}.{next}"))))
    });
}

fn wrong_code(files: &Files, codes: &[Row], out: &mut Vec<Fault>) {
    changed(files, "wrong-code", codes, out, |row| {
        let other = partner(codes, row, |other| other.cell(2) != row.cell(2))?;
        Some(replace(files, &row.with(2, other.cell(2))))
    });
    changed(files, "dropped-code", codes, out, |row| Some(remove(files, row)));
    changed(files, "empty-target", codes, out, |row| Some(replace(files, &row.with(2, "").with(3, ""))));
}

fn swapped_codes(files: &Files, codes: &[Row], out: &mut Vec<Fault>) {
    changed(files, "swapped-codes", codes, out, |row| {
        let other = partner(codes, row, |other| other.cell(2) != row.cell(2))?;
        let (mut one, mut two) = (row.clone(), other.clone());
        for column in [1, 2, 3] {
            one.cells[column] = other.cell(column).to_owned();
            two.cells[column] = row.cell(column).to_owned();
        }
        Some(replace(&replace(files, &one), &two))
    });
}

/// The sample error that everybody copies, and its like, in every place a package can say a code.
fn clinical(files: &Files, out: &mut Vec<Fault>) {
    let mut plant = |name: &str, files: Files| {
        out.push(Fault { kind: "implausible-code", name: format!("{name} implausible-code"), files });
    };
    let table = |rows: &str| {
        let mut files = files.clone();
        let text = format!("code,system,target,display,equivalence,guide\n{rows}");
        files.insert("hl7v2-base/codes/VitalSigns.csv".to_owned(), text.into_bytes());
        let used = "OBX-3.1,Observation.bodySite.coding[0].code,code:VitalSigns,,OBX-2=ZZ,>,own\n";
        let file = "hl7v2-base/segments/OBX-Observation.csv";
        let mut text = String::from_utf8_lossy(&files[file]).into_owned();
        text.push_str(used);
        files.insert(file.to_owned(), text.into_bytes());
        files
    };
    plant("codes: diastolic is heart rate", table("DIA,http://loinc.org,8867-4,Diastolic blood pressure,,own\n"));
    plant("codes: DBP is heart rate", table("DBP,http://loinc.org,8867-4,,,own\n"));
    plant("codes: SBP is diastolic", table("SBP,http://loinc.org,8462-4,,,own\n"));
    plant("codes: a wrong digit", table("K,http://loinc.org,2823-4,Potassium,,own\n"));
    plant("codes: 8462-4 is 8867-4", table("8462-4,http://loinc.org,8867-4,,,own\n"));
    let example = |from: &str, to: &str| {
        let file = "hl7v2-base/examples/adt-a04.hl7";
        let mut files = files.clone();
        let text = String::from_utf8_lossy(&files[file]).replace(from, to);
        files.insert(file.to_owned(), text.into_bytes());
        files
    };
    plant("example: height is heart rate", example("8302-2^Body height", "8867-4^Body height"));
    plant("example: height in kilograms", example("cm^cm^UCUM", "kg^kg^UCUM"));
    plant("example: a height of eighteen metres", example("||181.50|", "||1815.0|"));
    let row = |text: &str| {
        let file = "hl7v2-base/segments/OBX-Observation.csv";
        let mut files = files.clone();
        let table = String::from_utf8_lossy(&files[file]).into_owned() + text;
        files.insert(file.to_owned(), table.into_bytes());
        files
    };
    plant(
        "row: a constant for diastolic",
        row(
            "OBX-5,Observation.component[+].valueString,trimmed,code=http://loinc.org|8867-4|Diastolic,OBX-2=ZZ,,own\n",
        ),
    );
    plant(
        "row: a constant for another code",
        row("OBX-5,Observation.component[+].valueString,text,code=http://loinc.org|8867-4,OBX-3.1=8462-4,,own\n"),
    );
}

fn constants(files: &Files, tables: &[Row], out: &mut Vec<Fault>) {
    let exchanged = [
        ("=home", "=work"),
        ("=work", "=home"),
        ("|FILL|", "|PLAC|"),
        ("|ATND|", "|REF|"),
        ("=active", "=planned"),
        ("=phone", "=email"),
        ("$ssn", "$ucum"),
        ("|bd|", "|ro|"),
        ("=old", "=usual"),
    ];
    changed(files, "wrong-constant", tables, out, |row| {
        let (from, to) = exchanged.iter().find(|(from, _)| row.cell(WITH).contains(from))?;
        Some(replace(files, &row.with(WITH, &row.cell(WITH).replace(from, to))))
    });
    changed(files, "no-such-code", tables, out, |row| {
        let (from, to) = [
            ("=home", "=house"),
            ("=phone", "=fone"),
            ("=active", "=aktiv"),
            ("=old", "=former"),
            ("=work", "=office"),
        ]
        .into_iter()
        .find(|(from, _)| row.cell(WITH).ends_with(from))?;
        Some(replace(files, &row.with(WITH, &row.cell(WITH).replace(from, to))))
    });
    changed(files, "wrong-unit", tables, out, |row| {
        let with = row.cell(WITH);
        with.contains("unit=")
            .then(|| replace(files, &row.with(WITH, &with.replace("code=d", "code=h").replace("unit=d", "unit=h"))))
    });
    changed(files, "dropped-constant", tables, out, |row| {
        (!row.cell(WITH).is_empty() && row.is_plain()).then(|| replace(files, &row.with(WITH, "")))
    });
}

fn conditions(files: &Files, tables: &[Row], out: &mut Vec<Fault>) {
    let usable = |row: &Row| !row.cell(WHEN).is_empty() && !matches!(row.cell(WAY), "<" | "held");
    changed(files, "inverted-condition", tables, out, |row| {
        let turned = match row.cell(WHEN).split_once(" and ") {
            Some((first, rest)) => format!("{} and {rest}", turn(first)),
            None => turn(row.cell(WHEN)),
        };
        usable(row).then(|| replace(files, &row.with(WHEN, &turned)))
    });
    changed(files, "dropped-condition", tables, out, |row| usable(row).then(|| replace(files, &row.with(WHEN, ""))));
    changed(files, "contradictory-condition", tables, out, |row| {
        let row = row.with(WHEN, &joined(row.cell(WHEN), &format!("!{}", row.cell(SOURCE))));
        (row.is_plain() && !row.cell(SOURCE).starts_with('@')).then(|| replace(files, &row))
    });
}

fn turn(term: &str) -> String {
    match (term.strip_prefix('!'), term.split_once("!=")) {
        (_, Some((place, value))) => format!("{place}={value}"),
        (Some(term), _) => term.to_owned(),
        _ => format!("!{term}"),
    }
}

fn repetitions(files: &Files, tables: &[Row], out: &mut Vec<Fault>) {
    changed(files, "only-first-repetition", tables, out, |row| {
        let (before, after) = row.cell(TARGET).split_once("[+]")?;
        row.is_plain().then(|| replace(files, &row.with(TARGET, &format!("{before}[0]{after}"))))
    });
    changed(files, "index-on-single", tables, out, |row| {
        let target = row.cell(TARGET);
        (row.is_plain() && !target.contains('[')).then(|| replace(files, &row.with(TARGET, &format!("{target}[+]"))))
    });
    changed(files, "wrong-repetition", tables, out, |row| {
        let source = row.cell(SOURCE);
        let moved = source.replace("[1]", "[2]");
        (row.is_plain() && moved != source).then(|| replace(files, &row.with(SOURCE, &moved)))
    });
}

fn unreachable(files: &Files, tables: &[Row], out: &mut Vec<Fault>) {
    changed(files, "unknown-segment", tables, out, |row| {
        row.is_plain().then(|| replace(files, &row.with(WHEN, &joined(row.cell(WHEN), "ZZX-1"))))
    });
    changed(files, "shadowed-row", tables, out, |row| {
        let earlier = row.with(VIA, if row.cell(VIA) == "trimmed" { "text" } else { "trimmed" }).with(WHEN, "");
        let fixed = row.is_plain() && matches!(row.cell(VIA), "trimmed" | "text") && !row.cell(TARGET).contains("[+");
        (fixed && !row.cell(WHEN).is_empty()).then(|| insert_first(files, &earlier))
    });
    changed(files, "no-such-field", tables, out, |row| {
        let (segment, _) = row.cell(SOURCE).split_once('-')?;
        row.is_plain().then(|| replace(files, &row.with(SOURCE, &format!("{segment}-99"))))
    });
}

fn conversions(files: &Files, tables: &[Row], out: &mut Vec<Fault>) {
    let wrong = [
        ("dateTime", "date"),
        ("date", "dateTime"),
        ("decimal", "integer"),
        ("trimmed", "code"),
        ("time", "trimmed"),
        ("instant", "dateTime"),
        ("text", "uri"),
    ];
    changed(files, "wrong-conversion", tables, out, |row| {
        let (_, to) = wrong.iter().find(|(from, _)| *from == row.cell(VIA))?;
        row.is_plain().then(|| replace(files, &row.with(VIA, to)))
    });
    changed(files, "wrong-datatype", tables, out, |row| {
        let to = match row.cell(VIA) {
            "XCN-Practitioner" => "CNN-Practitioner",
            "CX-Identifier" => "EI-Identifier",
            "EI-Identifier" => "CX-Identifier",
            "CQ-Quantity" => "CWE-Quantity",
            _ => return None,
        };
        row.is_plain().then(|| replace(files, &row.with(VIA, to)))
    });
}

/// What no message said: facts and times that are constants.
fn invented(files: &Files, out: &mut Vec<Fault>) {
    let rows = [
        ("PID-Patient", "const,Patient.gender,male,,,,own"),
        ("PID-Patient", "const,Patient.birthDate,1970-01-01,,,,own"),
        ("PID-Patient", "const,Patient.multipleBirthInteger,1,,,,own"),
        ("PV1-Encounter", "const,Encounter.period.start,2024-01-01T00:00:00Z,,,>,own"),
        ("OBX-Observation", "const,Observation.effectiveDateTime,2024-01-01T00:00:00+00:00,,,>,own"),
        ("OBX-Observation", "const,Observation.valueString,normal,,OBX-2=ST,>,own"),
        ("PID-Patient", "const,Patient.deceasedBoolean,false,,,>,own"),
    ];
    for (table, text) in rows {
        let file = format!("hl7v2-base/segments/{table}.csv");
        let cells = text.split(',').map(str::to_owned).collect();
        let row = Row { file: file.clone(), line: 1, cells };
        let target = text.split(',').nth(1).unwrap_or_default();
        out.push(Fault {
            kind: "invented",
            name: format!("{file} {target} invented"),
            files: insert_first(files, &row),
        });
    }
}

fn references(files: &Files, tables: &[Row], out: &mut Vec<Fault>) {
    let refers = |row: &Row| row.cell(SOURCE).starts_with('@') && row.cell(WAY).is_empty();
    changed(files, "broken-reference", tables, out, |row| {
        let to = if row.cell(SOURCE) == "@Patient" { "@Encounter" } else { "@Patient" };
        refers(row).then(|| replace(files, &row.with(SOURCE, to)))
    });
    changed(files, "dropped-reference", tables, out, |row| refers(row).then(|| remove(files, row)));
    changed(files, "reference-to-nothing", tables, out, |row| {
        refers(row).then(|| replace(files, &row.with(SOURCE, "@Patient@other")))
    });
}

fn null_leak(files: &Files, codes: &[Row], out: &mut Vec<Fault>) {
    changed(files, "null-leak", codes, out, |row| Some(insert_after(files, &row.with(0, "\"\""))));
}

fn identities(files: &Files, segments: &[Row], out: &mut Vec<Fault>) {
    changed(files, "merged-identity", segments, out, |row| {
        let (first, _) = row.cell(VIA).split_once('+')?;
        (row.cell(SOURCE) == "id").then(|| replace(files, &row.with(VIA, first).with(WAY, "")))
    });
}

fn groups(files: &Files, messages: &[Row], out: &mut Vec<Fault>) {
    changed(files, "dropped-segment", messages, out, |row| (row.cell(1) != "*").then(|| remove(files, row)));
    changed(files, "group-never-begins-again", messages, out, |row| {
        (row.cell(3) == "new").then(|| replace(files, &row.with(3, "")))
    });
    changed(files, "group-for-nothing", messages, out, |row| {
        let from = row.cell(5).replace("=Patient", "=Patient@other");
        (row.cell(1) == "*").then(|| replace(files, &row.with(5, &from)))
    });
}

fn manifest(files: &Files, out: &mut Vec<Fault>) {
    let file = "hl7v2-base/package.toml";
    let text = String::from_utf8_lossy(&files[file]).into_owned();
    let changes = [
        ("a type in two tables", "[messages.ORU_R01.types]", "[messages.ORU_R01.types]\n\"ADT^A01\" = \"ADT_A01\""),
        ("another system", "http://unitsofmeasure.org", "http://unitsofmeasures.org"),
        ("a type without its table", "\"ORU^R01\" = \"ORU_R01\"\n", ""),
        ("a name is gone", "ssn = \"http://hl7.org/fhir/sid/us-ssn\"\n", ""),
        ("another code system", "CodeSystem/v2-0203", "CodeSystem/v2-0302"),
    ];
    for (name, from, to) in changes {
        let mut files = files.clone();
        files.insert(file.to_owned(), text.replacen(from, to, 1).into_bytes());
        out.push(Fault { kind: "manifest", name: format!("{file} {name}"), files });
    }
}
