//! Honesty of the ledger: one segment less, and only its pieces are gone; one value changed, and only that changes.

use std::collections::BTreeMap;

use formats::hl7v2::Message;
use mappers::{Loss, Package};
use model::json::Json;

use super::Options;
use super::hl7v2::map;
use super::report::Tally;
use super::subject::Made;

/// Segments that nothing else hangs on, if no other segment follows that belongs to them.
const LEAVES: [&str; 7] = ["NTE", "OBX", "AL1", "DG1", "NK1", "GT1", "IAM"];

/// Two questions to one message; those that cannot be asked of it do not count.
pub(super) fn ask(package: &Package, message: &Message, made: &Made<'_>, options: &Options) -> Tally {
    let mut tally = Tally::default();
    // Written again as UTF-8 another character set would be another message.
    if !message.text().is_ascii() {
        return tally;
    }
    if let Some(honest) = one_segment_less(package, message, made, options) {
        tally.count(honest);
    }
    if let Some(honest) = one_value_changed(package, message, made, options) {
        tally.count(honest);
    }
    tally
}

/// Fates by place, places without the number of the segment.
fn fates(loss: &Loss) -> BTreeMap<(String, &'static str), usize> {
    let lists = [(&loss.mapped, "mapped"), (&loss.kept, "kept"), (&loss.dropped, "dropped")];
    let mut out = BTreeMap::new();
    for (list, fate) in lists {
        for (at, _) in list {
            *out.entry((without_ordinal(at), fate)).or_default() += 1;
        }
    }
    out
}

fn without_ordinal(at: &str) -> String {
    match (at.find('['), at.find('-')) {
        (Some(open), Some(dash)) if open < dash => {
            let segment = at.get(..open).unwrap_or_default();
            format!("{segment}{}", at.get(dash..).unwrap_or_default())
        }
        _ => at.to_owned(),
    }
}

fn one_segment_less(package: &Package, message: &Message, made: &Made<'_>, options: &Options) -> Option<bool> {
    let segments: Vec<_> = message.segments().collect();
    // The last of them: what stands before it keeps its numbers.
    let gone = segments.iter().enumerate().rev().find(|(n, segment)| {
        let next = segments.get(n + 1).map(|next| next.name());
        LEAVES.contains(&segment.name()) && !matches!(next, Some("NTE" | "PRT" | "ROL"))
    });
    let (gone, segment) = gone?;
    let text: Vec<&str> = segments.iter().enumerate().filter(|(n, _)| *n != gone).map(|(_, s)| s.raw()).collect();
    let less = Message::parse(text.join("\r").as_bytes()).ok()?.message;
    let (before, after) = (fates(&made.ledger), fates(&map(package, &less, options).loss()));
    let name = segment.name();
    // The set ids after a segment that is gone no longer agree with their order: they are kept instead.
    let counted = |at: &str| !at.starts_with(&format!("{name}-")) && !at.ends_with("-1");
    let others = |fates: &BTreeMap<(String, &'static str), usize>| -> BTreeMap<_, _> {
        fates.iter().filter(|((at, _), _)| counted(at)).map(|(key, n)| (key.clone(), *n)).collect()
    };
    let sum = |fates: &BTreeMap<(String, &'static str), usize>| fates.values().sum::<usize>();
    let pieces = segment.leaves().count();
    Some(others(&before) == others(&after) && sum(&before) == sum(&after) + pieces)
}

/// Fields whose texts make no ids and choose no rows.
const FREE: [(&str, u32); 6] = [("PID", 5), ("NTE", 3), ("PID", 11), ("NK1", 2), ("OBX", 7), ("GT1", 3)];

fn one_value_changed(package: &Package, message: &Message, made: &Made<'_>, options: &Options) -> Option<bool> {
    let leaf = message.segments().flat_map(|segment| segment.leaves()).find(|leaf| {
        let place = &leaf.place;
        let plain = leaf.raw.len() > 3 && leaf.raw.bytes().all(|b| b.is_ascii_alphabetic());
        plain && FREE.contains(&(place.segment.as_str(), place.field)) && place.component.unwrap_or(1) <= 2
    })?;
    let text = String::from_utf8_lossy(&message.write()).into_owned();
    // Only where the text stands once: else another value would change too.
    let (old, new) = (leaf.raw, "Qzxwvy");
    if text.matches(old).count() != 1 {
        return None;
    }
    let changed = Message::parse(text.replace(old, new).as_bytes()).ok()?.message;
    let again = map(package, &changed, options).bundle;
    Some(only_that_changed(&made.output, &again, old, new))
}

/// Whether two outputs differ only where one says the old text and the other the new, and there they do.
pub(super) fn only_that_changed(one: &Json, other: &Json, old: &str, new: &str) -> bool {
    let mut changes = Some(0_usize);
    differ(one, other, old, new, &mut changes);
    changes.is_some_and(|changes| changes > 0)
}

/// Counts leaves that changed; `None` once one changed that did not hold the text, or the form itself.
fn differ(one: &Json, other: &Json, old: &str, new: &str, honest: &mut Option<usize>) {
    match (one, other) {
        (Json::Object(a), Json::Object(b)) if a.len() == b.len() => {
            for ((name, a), (other, b)) in a.iter().zip(b.iter()) {
                if name != other {
                    *honest = None;
                    return;
                }
                differ(a, b, old, new, honest);
            }
        }
        (Json::Array(a), Json::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).for_each(|(a, b)| differ(a, b, old, new, honest));
        }
        (a, b) if a == b => {}
        (Json::String(a), Json::String(b)) if a.replace(old, new) == b.as_str() => {
            if let Some(changes) = honest {
                *changes += 1;
            }
        }
        _ => *honest = None,
    }
}
