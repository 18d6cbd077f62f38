//! The report as a page for people: self-contained, without scripts.

use std::fmt::Write;

use super::facts::Tier;
use super::report::{Group, Report, percent};
use super::run::{FileScore, Outcome};

/// More rows than anybody reads; the JSON has all.
const WORST: usize = 60;
const MISSES: usize = 60;

pub(super) fn page(report: &Report) -> String {
    let mut out = String::from(HEAD);
    let (total, served) = (report.total(), report.served());
    let core = served.tier(Tier::Core);
    let _ = write!(
        out,
        "<h1>Mapping score</h1><p class=lead><b>{}&nbsp;%</b> of the core facts recovered in messages of the types with a table \
         ({} of {}); {} inputs, {} refused, {} failures of the program, {} silent losses.</p>",
        core.percent(),
        core.found,
        core.all,
        total.inputs,
        total.refused,
        total.panicked,
        total.loss.unbalanced,
    );
    let groups = [("all inputs", &total), ("types with a table", &served)];
    table(&mut out, "Sums", groups.into_iter());
    let by_type = report.by_type();
    table(&mut out, "By message type", by_type.iter().map(|(name, group)| (*name, group)));
    let by_set = report.by_set();
    table(&mut out, "By set", by_set.iter().map(|(name, group)| (*name, group)));
    misses(&mut out, report);
    worst(&mut out, &report.worst());
    if !report.other_kinds.is_empty() {
        let kinds: Vec<_> = report.other_kinds.iter().map(|(kind, n)| format!("{} ({n})", text(kind))).collect();
        let _ = write!(out, "<p class=note>Not converted by this version: {}.</p>", kinds.join(", "));
    }
    out.push_str(
        "<p class=note>A fact counts when one resource of an allowed type holds all its values. In elements: without the help of \
        extensions, in which what has no home is kept. Pieces are \
        the deepest non-empty parts of the input; back: those that return at their place after FHIR to HL7 v2;
        added: those that return where nothing stood. The \
        mean is over inputs with core facts. Refused inputs lose all their facts.</p></body></html>\n",
    );
    out
}

fn table<'g>(out: &mut String, title: &str, groups: impl Iterator<Item = (&'g str, &'g Group)>) {
    let _ = write!(
        out,
        "<h2>{title}</h2><table><tr><th>what<th>inputs<th>refused<th>failed<th>core %<th>core facts<th>in elements %<th>mean %\
         <th>extended %<th>trace %<th>pieces<th>mapped %<th>kept<th>dropped<th>silent<th>back %<th>added<th>differ<th>invalid\
         <th>as expected</tr>"
    );
    for (name, g) in groups {
        let (core, extended, trace) = (g.tier(Tier::Core), g.tier(Tier::Extended), g.tier(Tier::Trace));
        let share = |n: usize, of: usize| percent((n * 10_000).checked_div(of).unwrap_or(10_000));
        let _ = write!(
            out,
            "<tr><td class=name>{}<td>{}<td>{}<td{}>{}<td class={}>{}<td>{}/{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td{}>{}<td>{}<td>{}<td{}>{}<td{}>{}<td>{}/{}</tr>",
            text(name),
            g.inputs,
            g.refused,
            bad(g.panicked),
            g.panicked,
            mark(core.basis_points()),
            core.percent(),
            core.found,
            core.all,
            g.tier_in_elements(Tier::Core).percent(),
            percent(g.core_macro),
            extended.percent(),
            trace.percent(),
            g.loss.pieces,
            share(g.loss.mapped, g.loss.pieces),
            g.loss.kept,
            g.loss.dropped,
            bad(g.loss.unbalanced),
            g.loss.unbalanced,
            share(g.round_trip.equal, g.round_trip.pieces),
            g.round_trip.added,
            bad(g.not_deterministic),
            g.not_deterministic,
            bad(g.invalid),
            g.invalid,
            g.as_expected.found,
            g.as_expected.all,
        );
    }
    out.push_str("</table>");
}

fn misses(out: &mut String, report: &Report) {
    let rows = report.misses();
    if rows.is_empty() {
        return;
    }
    out.push_str("<h2>Missed most often</h2><table><tr><th>tier<th>place<th>looked for in<th>times</tr>");
    for ((tier, src, resources), count) in rows.into_iter().take(MISSES) {
        let _ = write!(
            out,
            "<tr><td>{}<td class=name>{}<td class=name>{}<td>{count}</tr>",
            tier.as_str(),
            text(&src),
            text(&resources)
        );
    }
    out.push_str("</table>");
}

fn worst(out: &mut String, files: &[&FileScore]) {
    if files.is_empty() {
        return;
    }
    out.push_str(
        "<h2>Worst inputs</h2><table><tr><th>input<th>type<th>outcome<th>core<th>what is missing or wrong</tr>",
    );
    for file in files.iter().take(WORST) {
        let [core, ..] = file.facts;
        let _ = write!(
            out,
            "<tr><td class=name>{}/{}<td>{}<td>{}<td>{}/{}<td class=name>{}</tr>",
            text(&file.set),
            text(&file.input),
            text(&file.message_type),
            file.outcome.as_str(),
            core.found,
            core.all,
            text(&remarks(file))
        );
    }
    out.push_str("</table>");
}

fn remarks(file: &FileScore) -> String {
    let mut remarks = Vec::new();
    if let Outcome::Refused(reason) = &file.outcome {
        remarks.push(reason.clone());
    }
    if file.loss.unbalanced > 0 {
        remarks.push("pieces unaccounted for".to_owned());
    }
    if !file.deterministic {
        remarks.push("two runs differ".to_owned());
    }
    if file.as_expected == Some(false) {
        remarks.push(format!("not as expected ({} messages)", file.messages));
    }
    remarks.extend(file.invalid.iter().take(3).cloned());
    let mut places: Vec<_> = file
        .missed
        .iter()
        .filter(|missed| missed.tier == Tier::Core)
        .map(|missed| match missed.values.as_slice() {
            [] => missed.src.clone(),
            values => format!("{} = {}", missed.src, values.join(" + ")),
        })
        .collect();
    places.dedup();
    let more = places.len().saturating_sub(8);
    places.truncate(8);
    if more > 0 {
        places.push(format!("{more} more"));
    }
    remarks.extend(places);
    remarks.join("; ")
}

fn bad(count: usize) -> &'static str {
    if count > 0 { " class=low" } else { "" }
}

fn mark(basis_points: usize) -> &'static str {
    match basis_points {
        9_700.. => "high",
        9_000..9_700 => "middle",
        _ => "low",
    }
}

fn text(raw: &str) -> String {
    raw.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const HEAD: &str = "<!DOCTYPE html><html lang=en><head><meta charset=utf-8><title>Mapping score</title><style>\
body{font:14px/1.45 system-ui,sans-serif;margin:2rem;color:#1b1f23;background:#fff}\
h1{margin-bottom:.2rem}h2{margin-top:2rem}.lead{font-size:1.15rem}.note{color:#57606a;max-width:60rem}\
table{border-collapse:collapse;font-variant-numeric:tabular-nums}\
th{text-align:right;font-weight:600;border-bottom:2px solid #1b1f23;padding:.2rem .5rem;vertical-align:bottom}\
td{text-align:right;border-bottom:1px solid #d0d7de;padding:.2rem .5rem;vertical-align:top}\
th:first-child,.name{text-align:left}.name{overflow-wrap:anywhere;max-width:40rem}\
.high{background:#dafbe1}.middle{background:#fff8c5}.low{background:#ffebe9}\
</style></head><body>";
