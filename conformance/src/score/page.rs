//! The report as a page for people: self-contained, without scripts, safe under a strict content security policy.
//!
//! On top what a manager asks (how much is kept, is anything made up, does it ever fail), below it the sums, at the end
//! the worst inputs, opened.

use std::fmt::Write;

use super::facts::Tier;
use super::report::{Detail, Group, Report, Tally, percent};
use super::run::FileScore;

/// More rows than anybody reads; the JSON has all.
const WORST: usize = 60;
const MISSES: usize = 60;

pub(super) fn page(report: &Report, others: &[Report]) -> String {
    let mut out = format!(
        "<!DOCTYPE html><html lang=en><head><meta charset=utf-8><meta http-equiv=Content-Security-Policy \
         content=\"default-src 'none'; style-src 'sha256-{STYLE_HASH}'\"><title>Mapping score</title><style>{STYLE}</style></head><body>"
    );
    summary(&mut out, report);
    compared(&mut out, report, others);
    let (total, served) = (report.total(), report.served());
    let groups = [("all inputs", &total), ("types with a table", &served)];
    table(&mut out, "Sums", groups.into_iter());
    for (title, groups) in [
        ("By part of the corpus", report.by_group()),
        ("By mapping package", report.by_package()),
        ("By sender", report.by_sender()),
        ("By message type", report.by_type()),
        ("By set", report.by_set()),
    ] {
        if groups.is_empty() {
            continue;
        }
        table(&mut out, title, groups.iter().map(|(name, group)| (*name, group)));
    }
    second_opinions(&mut out, &total);
    pairs(&mut out, report);
    misses(&mut out, report);
    out.push_str(&super::way_back::page(&total.round_trip));
    worst(&mut out, &report.worst());
    report.details.iter().for_each(|detail| opened(&mut out, detail, report));
    if !report.other_kinds.is_empty() {
        let kinds: Vec<_> = report.other_kinds.iter().map(|(kind, n)| format!("{} ({n})", text(kind))).collect();
        let _ = write!(out, "<p class=note>Not converted by this version: {}.</p>", kinds.join(", "));
    }
    out.push_str(
        "<p class=note>A fact counts when one resource of an allowed type holds all its values. In elements: without the help of \
        extensions, in which what has no home is kept. Said: leaves of the output that the input or a table of the mapping \
        says. Pieces are \
        the deepest non-empty parts of the input; back: those that return at their place after FHIR to HL7 v2;\
        added: those that return where nothing stood. Honest: one segment less, or one value changed, and the ledger and \
        the output show that and nothing else. The \
        mean is over inputs with core facts. Refused inputs lose all their facts.</p></body></html>\n",
    );
    out
}

/// The few sentences that are read by who reads nothing else.
fn summary(out: &mut String, report: &Report) {
    let (total, served) = (report.total(), report.served());
    let core = served.tier(Tier::Core);
    let failures = total.panicked + total.not_deterministic + total.loss.unbalanced + total.unsafe_narratives;
    let _ = write!(
        out,
        "<h1>Mapping score: {}</h1><p class=lead>{} of {} inputs were converted, {} refused with a reason; the program failed \
         on {}.</p><ul class=cards>",
        text(&report.converter),
        total.inputs - total.refused - total.panicked,
        total.inputs,
        total.refused,
        total.panicked,
    );
    let tile = |out: &mut String, class: &str, value: &str, words: &str| {
        let _ = write!(out, "<li class={class}><b>{value}</b> {words}</li>");
    };
    let of = |tally: Tally| format!("{}&nbsp;%", tally.percent());
    if core.all > 0 {
        let words = "of the facts that must be kept were found, in messages of the types with a table";
        tile(out, mark(core.basis_points()), &of(core), words);
    }
    if total.loss.mapped + total.loss.kept > 0 {
        let accounted = Tally { found: total.loss.mapped + total.loss.kept, all: total.loss.pieces };
        tile(
            out,
            mark(accounted.basis_points()),
            &of(accounted),
            "of every piece of input is in the output; the rest is left out with a reason",
        );
        let back = Tally { found: total.round_trip.equal, all: total.round_trip.pieces };
        tile(out, mark(back.basis_points()), &of(back), "comes back at its place after FHIR to HL7 v2");
    }
    tile(
        out,
        mark(total.invention.basis_points()),
        &of(total.invention),
        "of the output is said by the input or by a table: the rest would be made up",
    );
    let class = if total.invalid > 0 { "low" } else { "high" };
    tile(out, class, &total.invalid.to_string(), "outputs are not valid FHIR R4");
    let class = if failures > 0 { "low" } else { "high" };
    tile(out, class, &failures.to_string(), "failures, differing runs, active narratives or silent losses");
    if total.honesty.all > 0 {
        tile(
            out,
            mark(total.honesty.basis_points()),
            &of(total.honesty),
            "of the checks of the ledger were answered truly",
        );
    }
    let [median, p95, _] = total.speed;
    tile(
        out,
        "plain",
        &format!("{}&nbsp;ms", millis(median)),
        &format!("for a message in the middle; 95 of 100 take less than {}&nbsp;ms", millis(p95)),
    );
    out.push_str("</ul>");
}

fn millis(micros: u64) -> String {
    format!("{}.{:02}", micros / 1_000, micros % 1_000 / 10)
}

/// One measure of a group, as text.
type Measure = fn(&Group) -> String;

/// The same measures of two converters or more, side by side.
fn compared(out: &mut String, report: &Report, others: &[Report]) {
    if others.is_empty() {
        return;
    }
    let groups: Vec<(&str, Group)> =
        std::iter::once(report).chain(others).map(|report| (report.converter.as_str(), report.total())).collect();
    out.push_str("<h2>Compared on the same inputs</h2><table><tr><th>measure");
    for (name, _) in &groups {
        let _ = write!(out, "<th>{}", text(name));
    }
    out.push_str("</tr>");
    let rows: [(&str, Measure); 14] = [
        ("converted", |g| (g.inputs - g.refused - g.panicked).to_string()),
        ("refused", |g| g.refused.to_string()),
        ("failed, too slow or too large", |g| g.panicked.to_string()),
        ("core facts %", |g| g.tier(Tier::Core).percent()),
        ("core facts, mean of inputs %", |g| percent(g.means.first().copied().unwrap_or_default())),
        ("extended facts %", |g| g.tier(Tier::Extended).percent()),
        ("document facts %", |g| g.tier(Tier::Document).percent()),
        ("trace %", |g| g.tier(Tier::Trace).percent()),
        ("said by input or tables %", |g| g.invention.percent()),
        ("outputs not valid", |g| g.invalid.to_string()),
        ("outputs with an active narrative", |g| g.unsafe_narratives.to_string()),
        ("two runs differ", |g| g.not_deterministic.to_string()),
        ("median ms", |g| millis(g.speed.first().copied().unwrap_or_default())),
        ("95 % ms", |g| millis(g.speed.get(1).copied().unwrap_or_default())),
    ];
    for (name, value) in rows {
        let _ = write!(out, "<tr><td class=name>{name}");
        for (_, group) in &groups {
            let _ = write!(out, "<td>{}", value(group));
        }
        out.push_str("</tr>");
    }
    out.push_str("</table>");
}

fn second_opinions(out: &mut String, total: &Group) {
    if total.expected.is_empty() {
        return;
    }
    out.push_str("<h2>What other systems make of the same</h2><p class=note>A second opinion: no two systems agree, and none is the truth.</p><table><tr><th>system<th>their leaves<th>found in ours %</tr>");
    for (system, tally) in &total.expected {
        let _ = write!(out, "<tr><td class=name>{}<td>{}<td>{}</tr>", text(system), tally.all, tally.percent());
    }
    out.push_str("</table>");
}

fn pairs(out: &mut String, report: &Report) {
    if report.pairs.is_empty() {
        return;
    }
    let total = report.pairs_total();
    let _ = write!(
        out,
        "<h2>FHIR to HL7 v2</h2><p class=note>{}&nbsp;% of {} values that the Bundle and another system's message both hold stand \
         in ours, in the same field.</p><table><tr><th>Bundle<th>values<th>found %<th>missed in</tr>",
        total.percent(),
        total.all
    );
    for pair in &report.pairs {
        let mut missed = pair.missed.clone();
        missed.dedup();
        let _ = write!(
            out,
            "<tr><td class=name>{}/{}<td>{}<td>{}<td class=name>{}</tr>",
            text(&pair.set),
            text(&pair.input),
            pair.values.all,
            pair.values.percent(),
            text(&missed.join(" "))
        );
    }
    out.push_str("</table>");
}

/// One of the worst inputs: before and after, and below what is known about it.
fn opened(out: &mut String, detail: &Detail, report: &Report) {
    let file = report.files.iter().find(|file| file.set == detail.set && file.input == detail.input);
    let _ = write!(
        out,
        "<details><summary>{}/{}</summary><div class=pair><pre>{}</pre><pre>{}</pre></div><h3>Missing</h3><ul>",
        text(&detail.set),
        text(&detail.input),
        text(&detail.before),
        text(&detail.after)
    );
    for missed in file.into_iter().flat_map(|file| &file.missed) {
        let _ = write!(
            out,
            "<li>{} {}: {} {}",
            missed.tier.as_str(),
            text(&missed.src),
            text(&missed.resources.join(" ")),
            text(&missed.values.join(" + "))
        );
    }
    for invalid in file.into_iter().flat_map(|file| &file.invalid) {
        let _ = write!(out, "<li>not valid: {}", text(invalid));
    }
    for place in file.into_iter().flat_map(|file| &file.invented) {
        let _ = write!(out, "<li>said by nothing: {}", text(place));
    }
    out.push_str("</ul><h3>Findings and losses</h3><ul>");
    for remark in &detail.remarks {
        let _ = write!(out, "<li>{}", text(remark));
    }
    out.push_str("</ul></details>");
}

fn table<'g>(out: &mut String, title: &str, groups: impl Iterator<Item = (&'g str, &'g Group)>) {
    let _ = write!(
        out,
        "<h2>{title}</h2><table><tr><th>what<th>inputs<th>refused<th>failed<th>core %<th>core facts<th>in elements %<th>mean %\
         <th>extended %<th>mean %<th>document %<th>trace %<th>said %<th>pieces<th>mapped %<th>kept<th>dropped<th>silent<th>back %<th>added<th>honest\
         <th>differ<th>invalid<th>as expected<th>median ms<th>95 % ms</tr>"
    );
    for (name, g) in groups {
        let (core, extended, document, trace) =
            (g.tier(Tier::Core), g.tier(Tier::Extended), g.tier(Tier::Document), g.tier(Tier::Trace));
        let share = |n: usize, of: usize| percent((n * 10_000).checked_div(of).unwrap_or(10_000));
        let [core_mean, extended_mean, ..] = g.means;
        let [median, p95, _] = g.speed;
        let _ = write!(
            out,
            "<tr><td class=name>{}<td>{}<td>{}<td{}>{}<td class={}>{}<td>{}/{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td{}>{}<td>{}<td>{}<td>{}/{}<td{}>{}<td{}>{}<td>{}/{}<td>{}<td>{}</tr>",
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
            percent(core_mean),
            extended.percent(),
            percent(extended_mean),
            document.percent(),
            trace.percent(),
            g.invention.percent(),
            g.loss.pieces,
            share(g.loss.mapped, g.loss.pieces),
            g.loss.kept,
            g.loss.dropped,
            bad(g.loss.unbalanced),
            g.loss.unbalanced,
            share(g.round_trip.equal, g.round_trip.pieces),
            g.round_trip.added,
            g.honesty.found,
            g.honesty.all,
            bad(g.not_deterministic),
            g.not_deterministic,
            bad(g.invalid),
            g.invalid,
            g.as_expected.found,
            g.as_expected.all,
            millis(median),
            millis(p95),
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
            text(&file.remarks())
        );
    }
    out.push_str("</table>");
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

pub(super) const STYLE: &str = "body{font:14px/1.45 system-ui,sans-serif;margin:2rem;color:#1b1f23;background:#fff}\
h1{margin-bottom:.2rem}h2{margin-top:2rem}.lead{font-size:1.15rem}.note{color:#57606a;max-width:60rem}\
.cards{display:flex;flex-wrap:wrap;gap:.8rem;padding:0;list-style:none}.cards li{flex:0 1 14rem;padding:.7rem 1rem;border-radius:.4rem}\
.cards b{display:block;font-size:1.5rem}.plain{background:#f0f2f4}\
table{border-collapse:collapse;font-variant-numeric:tabular-nums;display:block;overflow-x:auto}\
th{text-align:right;font-weight:600;border-bottom:2px solid #1b1f23;padding:.2rem .5rem;vertical-align:bottom}\
td{text-align:right;border-bottom:1px solid #d0d7de;padding:.2rem .5rem;vertical-align:top}\
th:first-child,.name{text-align:left}.name{overflow-wrap:anywhere;max-width:40rem}\
.high{background:#dafbe1}.middle{background:#fff8c5}.low{background:#ffebe9}\
details{margin:.6rem 0;border:1px solid #d0d7de;padding:.4rem .8rem}summary{cursor:pointer;font-weight:600}\
.pair{display:grid;grid-template-columns:1fr 1fr;gap:1rem}\
pre{max-height:40rem;overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere;background:#f6f8fa;padding:.6rem;font-size:12px}";

/// SHA-256 of [`STYLE`] in base64, as Content Security Policy Level 3 wants it; a test compares.
pub(super) const STYLE_HASH: &str = "+4AUVZ/jSchkpdr4y7cf3KTWDGh7pXiDggTcdk4SiTQ=";
