//! The worst inputs, opened: the input beside the output, with what is missing and where each piece went.
//!
//! Unless the values may be shown every letter becomes `x` and every digit `9`: the form stays, the patient goes.

use std::path::Path;

use mappers::Packages;
use model::json::Json;

use super::converter::Elsewhere;
use super::corpus::Input;
use super::report::{Detail, Report};
use super::subject::Format;
use super::{Options, Values};

/// More of an input or output is not shown.
const SHOWN: usize = 24_000;

pub(super) fn open(
    report: &Report,
    inputs: &[Input],
    packages: &Packages,
    options: &Options,
    work: &Path,
) -> Vec<Detail> {
    let worst = report.worst().into_iter().take(options.details);
    worst
        .filter_map(|file| {
            let input = inputs.iter().find(|input| {
                input.set == file.set
                    && input.path.file_name().is_some_and(|name| *name.to_string_lossy() == *file.input)
            })?;
            let raw = std::fs::read(&input.path).ok()?;
            let mut detail = Detail {
                set: file.set.clone(),
                input: file.input.clone(),
                before: input_text(input.format, &String::from_utf8_lossy(&raw), options.values),
                after: String::new(),
                remarks: Vec::new(),
            };
            match &options.converter {
                Some(command) => {
                    let run = command.run(&input.path, work, Elsewhere::No).ok();
                    for output in run.iter().flat_map(|run| &run.outputs) {
                        detail.after.push_str(&output_text(output, options.values));
                    }
                }
                None => ours(input.format, &raw, packages, options, &mut detail),
            }
            detail.before = shortened(detail.before);
            detail.after = shortened(detail.after);
            Some(detail)
        })
        .collect()
}

fn ours(format: Format, raw: &[u8], packages: &Packages, options: &Options, detail: &mut Detail) {
    for part in format.split(raw).parts.iter().take(3) {
        let Ok(subject) = format.read(part) else { continue };
        let Ok(made) = subject.convert(packages, options) else { continue };
        detail.after.push_str(&output_text(&made.output, options.values));
        let issues = made.issues.iter().map(|issue| {
            format!("{} {}: {}", issue.severity.as_str(), issue.at.as_deref().unwrap_or_default(), issue.diagnostics)
        });
        detail.remarks.extend(issues.take(60));
        let loss = &made.ledger;
        detail.remarks.extend(loss.dropped.iter().take(60).map(|(at, why)| format!("dropped {at}: {why}")));
        detail.remarks.extend(loss.kept.iter().take(60).map(|(at, place)| format!("kept {at} at {place}")));
    }
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => {
            format!("{}\n… ({} characters in all)", text.get(..end).unwrap_or_default(), text.chars().count())
        }
        None => text,
    }
}

pub(super) fn masked(text: &str) -> String {
    let mask = |c: char| match c {
        c if c.is_numeric() => '9',
        c if c.is_alphabetic() => 'x',
        c => c,
    };
    text.chars().map(mask).collect()
}

/// An input: its form stays.
fn input_text(format: Format, text: &str, values: Values) -> String {
    let shown = if values == Values::Shown { text.to_owned() } else { format.masked(text) };
    shown.replace('\r', "\n")
}

/// An output: names of elements, types and systems stay.
fn output_text(json: &Json, values: Values) -> String {
    let shown = if values == Values::Shown { json.clone() } else { hidden("", json) };
    shown.pretty() + "\n"
}

fn hidden(name: &str, json: &Json) -> Json {
    match json {
        Json::String(text) if !matches!(name, "resourceType" | "system" | "url" | "method" | "type") => {
            Json::from(masked(text))
        }
        Json::Number(_) => Json::from("9"),
        Json::Array(items) => Json::array(items.iter().map(|item| hidden(name, item))),
        Json::Object(object) => Json::object(object.iter().map(|(name, value)| (name.to_owned(), hidden(name, value)))),
        other => other.clone(),
    }
}
