//! What the package's own examples show: `examples/X.hl7` must give `expected/X.json`.

use std::collections::BTreeSet;

use formats::hl7v2::Message;
use mappers::{CONVERT_NAMESPACE, Context, Package};
use model::json::{Json, Limits, parse};
use model::outcome::Severity;

use super::tables::rule_lines;
use super::{Files, Finding};
use crate::structure;

pub(super) fn findings(package: &Package, name: &str, files: &Files, out: &mut Vec<Finding>) {
    let prefix = format!("{name}/examples/");
    let mut used = BTreeSet::new();
    let mut examples = 0;
    for (path, bytes) in files.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix)) {
        let Some(stem) = path.strip_prefix(&prefix).and_then(|file| file.strip_suffix(".hl7")) else { continue };
        examples += 1;
        let expected = files.get(&format!("{name}/expected/{stem}.json"));
        example(package, path, bytes, expected.map(Vec::as_slice), &mut used, out);
    }
    if examples == 0 {
        out.push(Finding {
            severity: Severity::Warning,
            code: "no-example",
            file: format!("{name}/examples"),
            line: 0,
            message: "expected at least one example".to_owned(),
        });
        return;
    }
    for (path, bytes) in files.iter().filter(|(path, _)| path.starts_with(&format!("{name}/"))) {
        unused_rows(path, bytes, &used, out);
    }
}

fn example(
    package: &Package,
    path: &str,
    bytes: &[u8],
    expected: Option<&[u8]>,
    used: &mut BTreeSet<String>,
    out: &mut Vec<Finding>,
) {
    let mut find = |severity, code, message: String| {
        out.push(Finding { severity, code, file: path.to_owned(), line: 0, message });
    };
    let message = match Message::parse(bytes) {
        Ok(parsed) => parsed.message,
        Err(error) => return find(Severity::Error, "example-unreadable", error.to_string()),
    };
    let context = Context { namespace: &CONVERT_NAMESPACE, source: "", timezone: None, received: None };
    let mapped = package.map(&message, &context);
    used.extend(mapped.explain().into_iter().map(|explained| explained.rule));
    let pieces: usize = message.segments().map(|segment| segment.leaves().count()).sum();
    let accounted = mapped.loss().total();
    if accounted != pieces {
        find(Severity::Error, "example-loss", format!("{pieces} pieces in the message, {accounted} accounted for"));
    }
    for issue in structure::validate(&mapped.bundle).iter().filter(|issue| issue.is_error()) {
        let at = issue.at.clone().unwrap_or_default();
        find(Severity::Error, "example-invalid", format!("{at}: {}", issue.diagnostics));
    }
    match expected.map(|bytes| parse(bytes, &Limits::default())) {
        None => find(Severity::Warning, "example-without-expectation", "expected a file in expected/".to_owned()),
        Some(Err(error)) => find(Severity::Error, "expectation-unreadable", error.to_string()),
        Some(Ok(expected)) => {
            if let Some(place) = difference("", &expected, &mapped.bundle) {
                find(Severity::Error, "example-differs", format!("the output is not as expected at {place}"));
            }
        }
    }
}

/// The first place at which two values differ; no values are named.
fn difference(place: &str, a: &Json, b: &Json) -> Option<String> {
    match (a, b) {
        (Json::Object(a), Json::Object(b)) => {
            let missing = a
                .iter()
                .find(|(name, _)| !b.contains_key(name))
                .or_else(|| b.iter().find(|(name, _)| !a.contains_key(name)));
            if let Some((name, _)) = missing {
                return Some(format!("{place}.{name}"));
            }
            a.iter().find_map(|(name, value)| difference(&format!("{place}.{name}"), value, b.get(name)?))
        }
        (Json::Array(a), Json::Array(b)) => {
            let inside = a.iter().zip(b).enumerate().find_map(|(n, (a, b))| difference(&format!("{place}[{n}]"), a, b));
            let shorter = a.len().min(b.len());
            inside.or_else(|| (a.len() != b.len()).then(|| format!("{place}[{shorter}]")))
        }
        _ => (a != b).then(|| place.to_owned()),
    }
    .map(|place| place.trim_start_matches('.').to_owned())
}

/// One finding a file: a list of every row would be read by nobody.
fn unused_rows(path: &str, bytes: &[u8], used: &BTreeSet<String>, out: &mut Vec<Finding>) {
    let lines = rule_lines(path, bytes);
    let unused: Vec<usize> = lines.iter().copied().filter(|line| !used.contains(&format!("{path}:{line}"))).collect();
    if unused.is_empty() {
        return;
    }
    let shown: Vec<String> = unused.iter().take(12).map(usize::to_string).collect();
    let more = if unused.len() > 12 { ", …" } else { "" };
    out.push(Finding {
        severity: Severity::Information,
        code: "unused-rows",
        file: path.to_owned(),
        line: 0,
        message: format!(
            "{} of {} rows are used by no example: lines {}{more}",
            unused.len(),
            lines.len(),
            shown.join(", ")
        ),
    });
}
