//! The files of a draft.

use std::fmt::Write;

use formats::flat::{Charset, Dialect, Layout};

use super::super::pattern::PIVOT;
use super::Sample;
use super::column::{Column, Kind};
use super::look::Look;
use super::words::Field;

fn has(columns: &[Column], field: Field) -> bool {
    columns.iter().any(|column| column.field == Some(field))
}

/// Whether rows are vaccinations.
pub(super) fn has_shots(columns: &[Column]) -> bool {
    has(columns, Field::VaccineCode) || (has(columns, Field::VaccineName) && has(columns, Field::Administered))
}

pub(super) fn has_results(columns: &[Column]) -> bool {
    (has(columns, Field::TestCode) || has(columns, Field::TestName))
        && (has(columns, Field::Value) || has(columns, Field::ValueCode))
}

fn string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                // Writing to a String does not fail.
                let _ = write!(out, "\\u{:04X}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn list<'t>(items: impl Iterator<Item = &'t str>) -> String {
    format!("[{}]", items.map(string).collect::<Vec<_>>().join(", "))
}

pub(super) fn manifest(name: &str, look: &Look, sample: &Sample<'_>) -> String {
    let Look { dialect, sure } = look;
    let Sample { header, columns, numerals } = *sample;
    let mut out = format!(
        "# Drafted from a sample. Lines with a question are guesses: answer them, then take the question away.\n\
         name = {}\nversion = \"0.1.0\"\nformat = \"flat\"\ndescription = \"Drafted from a sample file\"\n\n[names]\n\
         # Whose numbers are they? A URI that the organisation owns.\n",
        string(name)
    );
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!("patient = \"urn:anchorline:draft:{name}:patient\""));
    if has_results(columns) {
        line(format!("result = \"urn:anchorline:draft:{name}:result\""));
        line("# Which system are the codes of tests from? http://loinc.org if they are LOINC.".to_owned());
        line(format!("test = \"urn:anchorline:draft:{name}:test\""));
    }
    if has(columns, Field::VaccineCode) {
        line("# Which system are the codes of vaccines from? http://hl7.org/fhir/sid/cvx if they are CVX.".to_owned());
        line(format!("vaccine = \"urn:anchorline:draft:{name}:vaccine\""));
    }
    if has(columns, Field::ValueCode) {
        line("# Which system are the codes of results from? http://snomed.info/sct if they are SNOMED CT.".to_owned());
        line(format!("finding = \"urn:anchorline:draft:{name}:finding\""));
    }
    line("interpretation = \"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation\"".to_owned());
    line("ssn = \"http://hl7.org/fhir/sid/us-ssn\"".to_owned());
    line("\n[flat]".to_owned());
    match &dialect.layout {
        Layout::Delimited { delimiter, quote, .. } => {
            if !*sure {
                line("# Some rows have another number of cells: is this the delimiter?".to_owned());
            }
            line(format!("delimiter = {}", string(delimiter)));
            if quote.is_none() {
                line("quote = \"\"".to_owned());
            }
        }
        Layout::Fixed(_) => line("# No delimiter was found: are these the columns?".to_owned()),
    }
    if let Some(charset) = dialect.charset {
        line("# By the bytes of the sample: is it?".to_owned());
        line(format!("encoding = {}", string(&charset.name().to_lowercase())));
    }
    line(format!("header = {header}"));
    if dialect.skip > 0 {
        line("# Do so many lines stand before the header in every file?".to_owned());
        line(format!("skip = {}", dialect.skip));
    }
    if dialect.trailing {
        line("trailing_delimiter = true".to_owned());
    }
    if let Some((foot, lines)) = dialect.envelope.as_ref().and_then(|lines| Some((lines.foot.as_ref()?, lines))) {
        // The names of the columns are a row to the sample and none to a trailer.
        let besides = lines.besides.checked_sub(u64::from(!header)).filter(|_| lines.count > 0);
        let (count, besides) = match besides {
            Some(besides) => (format!(", count = {}", lines.count), besides),
            None => (String::new(), 0),
        };
        line(if count.is_empty() {
            "# Which of the trailer's numbers, from 1, counts the records? count = 1".to_owned()
        } else {
            "# Does this number of the trailer count the records? A file without a trailer is said to be cut off."
                .to_owned()
        });
        let besides = if besides > 0 { format!(", besides = {besides}") } else { String::new() };
        line(format!("envelope = {{ foot = {}{count}{besides} }}", string(foot)));
    }
    if let Some(((first, _), others)) = numerals.split_first() {
        let others: Vec<&str> = others.iter().map(|(text, _)| *text).collect();
        match others.as_slice() {
            [] => line("# How numbers are written, by the sample: so?".to_owned()),
            _ => line(format!("# Or {}? The sample fits both.", others.join(", "))),
        }
        line(format!("number = {}", string(first)));
    }
    let short = |column: &Column| matches!(&column.kind, Kind::Date(found) if found.first().is_some_and(|p| p.contains("yy") && !p.contains("yyyy")));
    if columns.iter().any(short) {
        line("# Years of two digits are these and the 99 after: so?".to_owned());
        line(format!("pivot = {PIVOT}"));
    }
    line("# What stands for no value, besides nothing?".to_owned());
    line("null = [\"NULL\"]".to_owned());
    line("\n[tables.rows]".to_owned());
    match &dialect.layout {
        Layout::Fixed(spans) => {
            line("fixed = [".to_owned());
            for (column, span) in columns.iter().zip(spans) {
                let (name, start, length) = (string(&column.name), span.start + 1, span.length);
                line(format!("    {{ name = {name}, start = {start}, length = {length} }},"));
            }
            line("]".to_owned());
        }
        Layout::Delimited { .. } => {
            line(format!("columns = {}", list(columns.iter().map(|column| column.name.as_str()))));
        }
    }
    let short = columns.iter().filter_map(|column| Some((column.alias.as_ref()?, &column.name)));
    let short: Vec<String> = short.map(|(alias, name)| format!("{alias} = {}", string(name))).collect();
    if !short.is_empty() {
        line(format!("names = {{ {} }}", short.join(", ")));
    }
    if header {
        let known = columns.iter().filter(|column| column.field.is_some()).take(4).map(|column| column.name.as_str());
        let known: Vec<&str> = known.collect();
        if known.len() > 1 {
            line("# A file with these columns is taken for this package's without being told.".to_owned());
            line(format!("match = {}", list(known.into_iter())));
        }
    }
    if has_shots(columns) {
        line("row = \"Immunization\"".to_owned());
    } else if has_results(columns) {
        line("row = \"Observation\"".to_owned());
    } else {
        line("row = \"Patient\"".to_owned());
    }
    let dates = columns.iter().filter_map(|column| match &column.kind {
        Kind::Date(patterns) => Some((column, patterns)),
        _ => None,
    });
    let dates: Vec<_> = dates.collect();
    if !dates.is_empty() {
        line("\n[tables.rows.dates]".to_owned());
        for (column, patterns) in dates {
            if let [first, others @ ..] = patterns.as_slice() {
                if first.starts_with(['M', 'd']) && !others.is_empty() {
                    line(format!("# Or {}? The sample fits both.", others.join(", ")));
                }
                line(format!("{} = [{}]", string(&column.name), string(first)));
            }
        }
    }
    out
}

/// The rows of a table: those of fields that are known, the others in comments.
pub(super) fn patient(columns: &[Column]) -> String {
    let mut out = "source,target,via,with,when,way,guide\n".to_owned();
    let source = |field: Field| columns.iter().find(|column| column.field == Some(field)).map(Column::source);
    match source(Field::PatientId) {
        Some(id) => {
            let _ = writeln!(out, "# Is {id} the same for a patient in every row and file?\nid,Patient,{id},,,,own?");
        }
        None => {
            let parts: Vec<String> =
                [Field::Family, Field::Given, Field::Born].into_iter().filter_map(source).collect();
            let id = if parts.is_empty() { "#".to_owned() } else { parts.join("+") };
            let _ = writeln!(
                out,
                "# No number of a patient was found: which columns tell patients apart?\nid,Patient,{id},,,,own?"
            );
        }
    }
    rows(columns, "Patient", &mut out);
    let (results, shots) = (has_results(columns), has_shots(columns));
    for column in columns {
        let read = column.field.is_some_and(|field| {
            field.row("Patient").is_some()
                || (results && field.row("Observation").is_some())
                || (shots && field.row("Immunization").is_some())
        });
        if !read {
            let _ = writeln!(out, "# {}: what is it? Kept as it stands until a row reads it.", column.source());
        }
    }
    out
}

pub(super) fn observation(columns: &[Column]) -> String {
    let mut out = "source,target,via,with,when,way,guide\n".to_owned();
    let result = columns.iter().find(|column| column.field == Some(Field::ResultId));
    match result {
        Some(column) => {
            let id = column.source();
            let _ = writeln!(out, "# Is {id} another for every result?\nid,Observation,{id},,,,own?");
        }
        None => out.push_str("# No number of a result was found: a row is told from others by its place and all it says.\nid,Observation,#,,,,own?\n"),
    }
    if !has(columns, Field::Status) {
        out.push_str("# Nothing says whether results are final: ask, then write it here.\ndefault,Observation.status,unknown,,,,own?\n");
    } else {
        out.push_str("default,Observation.status,unknown,,,,own\n");
    }
    out.push_str("default,Observation.code,absent,,,,own\n@Patient,Observation.subject,,,,,own\n");
    rows(columns, "Observation", &mut out);
    out
}

/// Vaccinations: a row of the file is one.
pub(super) fn immunization(columns: &[Column]) -> String {
    let mut out = "source,target,via,with,when,way,guide\n\
        # A row is told from others by its place and all it says: is there a number of the vaccination?\n\
        id,Immunization,#,,,,own?\n"
        .to_owned();
    if !has(columns, Field::Status) {
        out.push_str("# Nothing says whether the dose was given: ask, then write it here.\ndefault,Immunization.status,completed,,,,own?\n");
    } else {
        out.push_str("default,Immunization.status,completed,,,,own?\n");
    }
    out.push_str("default,Immunization.vaccineCode,absent,,,,own\n@Patient,Immunization.patient,,,,,own\n");
    match columns.iter().find(|column| column.field == Some(Field::Administered)) {
        Some(column) => {
            let _ = writeln!(out, "const,Immunization.occurrenceString,unknown,,!{},,own?", column.source());
        }
        None => out.push_str("# Nothing says when: ask.\nconst,Immunization.occurrenceString,unknown,,,,own?\n"),
    }
    rows(columns, "Immunization", &mut out);
    out
}

/// The rows of the fields of a resource.
fn rows(columns: &[Column], kind: &str, out: &mut String) {
    let result = columns.iter().find(|column| column.field == Some(Field::Value));
    let result = result.map(Column::source).unwrap_or_default();
    for column in columns {
        let Some(rows) = column.field.and_then(|field| field.row(kind)) else { continue };
        for row in rows.split('\n') {
            let row = row.replace("{column}", &column.source()).replace("{result}", &result);
            let _ = writeln!(out, "{row},own?");
        }
    }
}

pub(super) fn readme(name: &str) -> String {
    format!(
        "# {name}\n\nDrafted from a sample. Every row with `own?` and every line with a question is a guess: look at it, \
         change it, and write `own`.\n\n1. `anchorline conformance lint {name}`\n2. Put an invented file into `examples/`, \
         then `anchorline conformance lint --accept {name}` and read `expected/`.\n3. `anchorline convert --from csv --to \
         fhir-r4 --package {name} --loss loss.json FILE` says where each cell went.\n"
    )
}

/// What the file looks like; no cells.
pub(super) fn profile(dialect: &Dialect, rows: usize, sample: &Sample<'_>) -> String {
    let Sample { header, columns, .. } = *sample;
    let mut out = String::new();
    let layout = match &dialect.layout {
        Layout::Delimited { delimiter, .. } => format!("delimiter {}", string(delimiter)),
        Layout::Fixed(_) => "fixed width".to_owned(),
    };
    let charset = dialect.charset.unwrap_or(Charset::UTF_8).name();
    let before = if dialect.skip > 0 { format!(", {} lines before them", dialect.skip) } else { String::new() };
    let after = if dialect.envelope.is_some() { ", a trailer" } else { "" };
    let header = if header { "a header" } else { "no header" };
    let _ =
        writeln!(out, "{layout}, {charset}, {header}, {} columns, {rows} rows looked at{before}{after}", columns.len());
    for (at, column) in columns.iter().enumerate() {
        let kind = match &column.kind {
            Kind::Empty => "empty".to_owned(),
            Kind::Integer => "whole numbers".to_owned(),
            Kind::Decimal => "numbers".to_owned(),
            Kind::Date(patterns) => format!("dates, {}", patterns.join(" or ")),
            Kind::Text if !column.codes.is_empty() => "codes".to_owned(),
            Kind::Text => "text".to_owned(),
        };
        let guess = column.field.map_or("kept", |field| field.name());
        let _ = writeln!(
            out,
            "#{:<3} {:<28} {:>3} % filled, {:>5} different, up to {:>3} characters, {kind}: {guess}",
            at + 1,
            column.name.escape_debug().to_string(),
            (column.filled * 100).checked_div(column.rows).unwrap_or(0),
            column.distinct,
            column.longest,
        );
    }
    out
}
