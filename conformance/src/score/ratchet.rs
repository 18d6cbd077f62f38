//! What was once reached must not be lost again: a small file with the figures of the last accepted run.

use model::json::Json;

use super::facts::Tier;
use super::report::{Group, Report};

/// The figures to keep: sums by message type, without anything of an input.
pub fn ratchet(report: &Report) -> Json {
    let types = report.by_type().into_iter().filter(|(_, group)| group.refused < group.inputs);
    let rows = types.map(|(name, group)| (name.to_owned(), row(&group)));
    Json::object([("served".to_owned(), row(&report.served()))].into_iter().chain(rows))
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

fn figures(group: &Group) -> [(&'static str, usize, Better); 8] {
    let recall = |tier: Tier| group.tier(tier).basis_points();
    let back = (group.round_trip.equal * 10_000).checked_div(group.round_trip.pieces).unwrap_or(10_000);
    [
        ("core", recall(Tier::Core), Better::Higher),
        ("coreInElements", group.tier_in_elements(Tier::Core).basis_points(), Better::Higher),
        ("extended", recall(Tier::Extended), Better::Higher),
        ("trace", recall(Tier::Trace), Better::Higher),
        ("roundTrip", back, Better::Higher),
        ("refused", group.refused, Better::Lower),
        ("failed", group.panicked + group.not_deterministic + group.loss.unbalanced, Better::Lower),
        ("invalid", group.invalid, Better::Lower),
    ]
}

/// What is worse than in `kept`, one sentence each; empty if nothing is. Shares are in hundredths of a percent.
pub fn compare(report: &Report, kept: &Json) -> Vec<String> {
    let by_type = report.by_type();
    let served = report.served();
    let mut worse = Vec::new();
    for (name, row) in kept.as_object().into_iter().flat_map(|object| object.iter()) {
        let group = if name == "served" { Some(&served) } else { by_type.get(name) };
        let Some(group) = group else {
            worse.push(format!("{name}: no input of this type any more"));
            continue;
        };
        for (figure, now, better) in figures(group) {
            let Some(then) = row.get(figure).and_then(Json::as_number).and_then(|n| n.as_u64()) else { continue };
            let now = now as u64;
            let is_worse = match better {
                Better::Higher => now < then,
                Better::Lower => now > then,
            };
            if is_worse {
                worse.push(format!("{name}: {figure} was {then}, is {now}"));
            }
        }
    }
    worse
}
