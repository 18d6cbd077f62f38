//! What was once reached must not be lost again: a small file with the figures of the last accepted run.
//!
//! Sums by message type, and for each input that is not perfect what it misses: so that a drop names the measure and
//! the file. Nothing of an input's content stands in it. Speed is reported and never held: it is the machine's.

use std::collections::BTreeMap;

use model::json::Json;

use super::facts::Tier;
use super::report::{Group, Report};
use super::run::{FileScore, Outcome};
use super::subject::Format;

/// The figures to keep: HL7 v2 by message type at the top, each other format by its groups in `formats`.
pub fn ratchet(report: &Report) -> Json {
    let pairs = [("fhirToHl7v2", Json::from(report.pairs_total().basis_points() as u64))];
    let mut rows = section(&report.of_format(Format::Hl7v2), Format::Hl7v2, &[("pairs", Json::object(pairs))]);
    let others = report.formats().into_iter().filter(|format| *format != Format::Hl7v2);
    let others: Vec<_> =
        others.map(|format| (format.as_str(), Json::object(section(&report.of_format(format), format, &[])))).collect();
    if !others.is_empty() {
        rows.push(("formats".to_owned(), Json::object(others)));
    }
    Json::object(rows)
}

fn section(report: &Report, format: Format, more: &[(&str, Json)]) -> Vec<(String, Json)> {
    let rows: Vec<_> = parts(report, format)
        .into_iter()
        .filter(|(_, group)| group.refused < group.inputs)
        .map(|(name, group)| (name.to_owned(), row(&group)))
        .collect();
    let files = report.files.iter().map(|file| (name(file), missing(file))).filter(|(_, missing)| !missing.is_empty());
    let files = files.map(|(name, missing)| {
        (name, Json::object(missing.into_iter().map(|(measure, n)| (measure, Json::from(n as u64)))))
    });
    let mut out = vec![("served".to_owned(), row(&report.served()))];
    out.extend(more.iter().map(|(name, json)| ((*name).to_owned(), json.clone())));
    out.extend(rows);
    out.push(("files".to_owned(), Json::object(files)));
    out
}

/// The sums that are held besides the one over everything.
fn parts(report: &Report, format: Format) -> BTreeMap<&str, Group> {
    match format {
        Format::Hl7v2 => report.by_type(),
        _ => report.by_group(),
    }
}

fn name(file: &FileScore) -> String {
    format!("{}/{}", file.set, file.input)
}

fn row(group: &Group) -> Json {
    let figures = figures(group);
    Json::object(figures.map(|(name, value, _)| (name, Json::from(value as u64))))
}

/// Which way a figure may move.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Better {
    Higher,
    Lower,
}

fn figures(group: &Group) -> [(&'static str, usize, Better); 13] {
    let recall = |tier: Tier| group.tier(tier).basis_points();
    let back = (group.round_trip.equal * 10_000).checked_div(group.round_trip.pieces).unwrap_or(10_000);
    let others = group.expected.values().fold((0, 0), |(found, all), tally| (found + tally.found, all + tally.all));
    [
        ("core", recall(Tier::Core), Better::Higher),
        ("coreInElements", group.tier_in_elements(Tier::Core).basis_points(), Better::Higher),
        ("extended", recall(Tier::Extended), Better::Higher),
        ("document", recall(Tier::Document), Better::Higher),
        ("trace", recall(Tier::Trace), Better::Higher),
        ("expectedByOthers", (others.0 * 10_000).checked_div(others.1).unwrap_or(10_000), Better::Higher),
        ("saidByInputOrTables", group.invention.basis_points(), Better::Higher),
        ("roundTrip", back, Better::Higher),
        ("honesty", group.honesty.basis_points(), Better::Higher),
        ("refused", group.refused, Better::Lower),
        (
            "failed",
            group.panicked + group.not_deterministic + group.loss.unbalanced + group.stuffed + group.unsafe_narratives,
            Better::Lower,
        ),
        ("invalid", group.invalid, Better::Lower),
        ("notAsExpected", group.as_expected.all - group.as_expected.found, Better::Lower),
    ]
}

/// What an input misses, by measure; a measure without anything missing is not named.
fn missing(file: &FileScore) -> BTreeMap<&'static str, usize> {
    let lost = |tier: Tier| {
        let tallies = Tier::ALL.iter().zip(file.facts).zip(file.in_elements);
        tallies
            .filter(|((t, _), _)| **t == tier)
            .map(|((_, all), own)| (all.all - all.found, all.all - own.found))
            .next()
    };
    let (core, in_elements) = lost(Tier::Core).unwrap_or_default();
    let rows = [
        ("core", core),
        ("coreInElements", in_elements),
        ("extended", lost(Tier::Extended).unwrap_or_default().0),
        ("document", lost(Tier::Document).unwrap_or_default().0),
        ("trace", lost(Tier::Trace).unwrap_or_default().0),
        ("expectedByOthers", file.expected.values().map(|tally| tally.all - tally.found).sum()),
        ("saidByInputOrTables", file.invention.all - file.invention.found),
        ("roundTrip", file.round_trip.pieces - file.round_trip.equal),
        ("honesty", file.honesty.all - file.honesty.found),
        ("refused", usize::from(matches!(file.outcome, Outcome::Refused(_)))),
        (
            "failed",
            usize::from(file.outcome == Outcome::Panicked)
                + usize::from(!file.deterministic)
                + usize::from(file.is_stuffed())
                + usize::from(!file.unsafe_narratives.is_empty())
                + file.loss.unbalanced,
        ),
        ("invalid", usize::from(!file.invalid.is_empty())),
        ("notAsExpected", usize::from(file.as_expected == Some(false))),
    ];
    rows.into_iter().filter(|(_, n)| *n > 0).collect()
}

/// What is worse than in `kept`, one sentence each; empty if nothing is. Shares are in hundredths of a percent.
///
/// Formats that `report` has no inputs of are not compared.
pub fn compare(report: &Report, kept: &Json) -> Vec<String> {
    let mut worse = Vec::new();
    for format in report.formats() {
        let section = match format {
            Format::Hl7v2 => Some(kept),
            other => kept.at(&["formats", other.as_str()]),
        };
        if let Some(section) = section {
            compare_format(&report.of_format(format), format, section, &mut worse);
        }
    }
    worse
}

fn compare_format(report: &Report, format: Format, kept: &Json, worse: &mut Vec<String>) {
    let parts = parts(report, format);
    let served = report.served();
    let number = |json: Option<&Json>| json.and_then(Json::as_number).and_then(|n| n.as_u64());
    for (name, row) in kept.as_object().into_iter().flat_map(|object| object.iter()) {
        if matches!(name, "files" | "pairs" | "formats") {
            continue;
        }
        let group = if name == "served" { Some(&served) } else { parts.get(name) };
        let Some(group) = group else {
            worse.push(format!("{name}: no input of this type any more"));
            continue;
        };
        for (figure, now, better) in figures(group) {
            let Some(then) = number(row.get(figure)) else { continue };
            let now = now as u64;
            let is_worse = match better {
                Better::Higher => now < then,
                Better::Lower => now > then,
            };
            if is_worse {
                let part = |file: &FileScore| match format {
                    Format::Hl7v2 => file.message_type == name,
                    _ => file.group == name,
                };
                let of_part = |file: &&FileScore| name == "served" || part(file);
                let files = droppers(report.files.iter().filter(of_part), figure, kept);
                worse.push(format!("{name}: {figure} was {then}, is {now}{files}"));
            }
        }
    }
    let now = report.pairs_total().basis_points() as u64;
    if let Some(then) = number(kept.at(&["pairs", "fhirToHl7v2"])).filter(|then| now < *then) {
        worse.push(format!("pairs: fhirToHl7v2 was {then}, is {now}"));
    }
}

/// The files that miss more of a measure than they did.
fn droppers<'f>(files: impl Iterator<Item = &'f FileScore>, figure: &str, kept: &Json) -> String {
    let Some(known) = kept.get("files") else { return String::new() };
    let then = |file: &FileScore| {
        let row = known.get(&name(file)).and_then(|row| row.get(figure));
        row.and_then(Json::as_number).and_then(|n| n.as_u64()).unwrap_or_default()
    };
    let mut named: Vec<String> = files
        .filter_map(|file| {
            let now = missing(file).get(figure).copied().unwrap_or_default() as u64;
            (now > then(file)).then(|| format!("{} misses {now}, missed {}", name(file), then(file)))
        })
        .collect();
    let more = named.len().saturating_sub(5);
    named.truncate(5);
    if more > 0 {
        named.push(format!("and {more} more files"));
    }
    if named.is_empty() { String::new() } else { format!(" ({})", named.join("; ")) }
}
