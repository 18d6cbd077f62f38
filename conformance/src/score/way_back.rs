//! To FHIR and back: what returns at its place, and why the rest does not.
//!
//! The way back sees no copy of the message: a Binary, a DocumentReference that holds or names a document, and every
//! element that holds more than one field as it stood are taken out of the Bundle first.

use std::collections::{BTreeMap, HashMap, HashSet};

use formats::hl7v2::{Message, Place};
use mappers::{Package, RenderContext};
use model::json::Json;

use super::report::Tally;
use super::subject::Made;

/// What returned of one input, or of many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoundTrip {
    /// Pieces of the input; of a document the facts it says.
    pub pieces: usize,
    /// Pieces that came back at the same place with the same text.
    pub equal: usize,
    /// The same when no DocumentReference at all is left in the Bundle.
    pub strict: usize,
    /// Pieces that came back at a place where nothing stood.
    pub added: usize,
    /// What did not come back: by field and reason, how often.
    pub missed: BTreeMap<(String, &'static str), usize>,
}

impl RoundTrip {
    /// Adds another's counts.
    pub(super) fn add(&mut self, other: &Self) {
        self.pieces += other.pieces;
        self.equal += other.equal;
        self.strict += other.strict;
        self.added += other.added;
        for (key, count) in &other.missed {
            *self.missed.entry(key.clone()).or_insert(0) += count;
        }
    }

    /// The reasons and how often each, the most frequent first.
    pub(super) fn reasons(&self) -> Vec<(&'static str, usize)> {
        let mut reasons: BTreeMap<&'static str, usize> = BTreeMap::new();
        for ((_, reason), count) in &self.missed {
            *reasons.entry(reason).or_insert(0) += count;
        }
        let mut reasons: Vec<_> = reasons.into_iter().collect();
        reasons.sort_by_key(|(reason, count)| (std::cmp::Reverse(*count), *reason));
        reasons
    }

    /// What did not come back: `{"reasons": {…}, "places": [{"at", "reason", "count"}]}`, the most frequent first.
    pub(super) fn missed_json(&self) -> Json {
        let count = |n: usize| Json::from(u64::try_from(n).unwrap_or(u64::MAX));
        let reasons = self.reasons().into_iter().map(|(reason, n)| (reason, count(n)));
        let mut places: Vec<_> = self.missed.iter().collect();
        places.sort_by_key(|(key, n)| (std::cmp::Reverse(**n), (*key).clone()));
        let places = places.into_iter().take(PLACES).map(|((at, reason), n)| {
            Json::object([("at", Json::from(at.as_str())), ("reason", Json::from(*reason)), ("count", count(*n))])
        });
        Json::object([("reasons", Json::object(reasons)), ("places", Json::array(places))])
    }
}

/// The same as a part of the page.
pub(super) fn page(round_trip: &RoundTrip) -> String {
    if round_trip.missed.is_empty() {
        return String::new();
    }
    let mut out = "<h2>What does not come back</h2><table><tr><th>why<th>pieces</tr>".to_owned();
    for (reason, count) in round_trip.reasons() {
        out.push_str(&format!("<tr><td class=name>{reason}<td>{count}</tr>"));
    }
    let share = Tally { found: round_trip.strict, all: round_trip.pieces };
    let percent = share.percent();
    out.push_str(&format!(
        "</table><p class=note>Without any DocumentReference in the Bundle {percent} % come back.</p>"
    ));
    out.push_str("<table><tr><th>field<th>why<th>times</tr>");
    let mut places: Vec<_> = round_trip.missed.iter().collect();
    places.sort_by_key(|(key, count)| (std::cmp::Reverse(**count), (*key).clone()));
    for ((at, reason), count) in places.into_iter().take(60) {
        // Places come from outside: segment names are letters and digits, and still nothing is trusted here.
        let plain: String = at.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        out.push_str(&format!("<tr><td class=name>{plain}<td class=name>{reason}<td>{count}</tr>"));
    }
    out.push_str("</table>");
    out
}

/// More places than these are not listed.
const PLACES: usize = 400;

/// Header fields that a gateway writes anew (HL7 v2.8.2 chapter 2, MSH): delimiters, time, control id.
const OWN_FIELDS: [u32; 4] = [1, 2, 7, 10];

/// Maps back and compares.
pub(super) fn measure(
    package: &Package,
    message: &Message,
    made: &Made<'_>,
    timezone: Option<&str>,
    out: &mut RoundTrip,
) {
    let context = RenderContext { timezone: timezone.map(str::to_owned), ..RenderContext::default() };
    let back = |bundle: &Json| {
        let rendered = package.render(bundle, &context);
        Message::parse(&rendered.bytes).map(|parsed| leaves(&parsed.message)).unwrap_or_default()
    };
    let bundle = without_copies(&made.output, message);
    let returned = back(&bundle);
    let sent = leaves(message);
    let counts = |at: &Place| at.segment.as_str() != "MSH" || !OWN_FIELDS.contains(&at.field);
    let dropped: HashSet<&String> = made.ledger.dropped.iter().map(|(at, _)| at).collect();
    let said = said(&returned);
    let mut equal = 0;
    for (at, (text, name)) in sent.iter().filter(|(at, _)| counts(at)) {
        out.pieces += 1;
        if returned.get(at).is_some_and(|(there, _)| there == text) {
            equal += 1;
            continue;
        }
        let reason = if dropped.contains(name) {
            "dropped on the way to FHIR, with a reason"
        } else if said.contains(&(at.segment.as_str(), Some(at.field), text.as_str())) {
            "in another segment, repetition or component of the same field"
        } else if said.contains(&(at.segment.as_str(), None, text.as_str())) {
            "in another field of the segment"
        } else if returned.contains_key(at) {
            "another text at its place"
        } else {
            "not there"
        };
        *out.missed.entry((format!("{}-{}", at.segment.as_str(), at.field), reason)).or_insert(0) += 1;
    }
    out.equal += equal;
    out.added += returned.keys().filter(|at| counts(at) && !sent.contains_key(*at)).count();
    let bare = without(&bundle, &|resource| kind(resource) == "DocumentReference");
    out.strict += match bare {
        Some(bare) => {
            let returned = back(&bare);
            let same = |(at, (text, _)): &(&Place, &(String, String))| {
                counts(at) && returned.get(*at).is_some_and(|(there, _)| there == text)
            };
            sent.iter().filter(same).count()
        }
        None => equal,
    };
}

/// Texts by segment and field, and by segment alone.
fn said(returned: &HashMap<Place, (String, String)>) -> HashSet<(&str, Option<u32>, &str)> {
    let mut out = HashSet::new();
    for (at, (text, _)) in returned {
        out.insert((at.segment.as_str(), Some(at.field), text.as_str()));
        out.insert((at.segment.as_str(), None, text.as_str()));
    }
    out
}

fn kind(resource: &Json) -> &str {
    model::resource::resource_type(resource).unwrap_or_default()
}

/// The Bundle without what could hold the message as it came: then nothing would be proven.
fn without_copies(bundle: &Json, message: &Message) -> Json {
    let copy = |resource: &Json| match kind(resource) {
        "Binary" => true,
        "DocumentReference" => resource.items("content").iter().any(|content| {
            content.at(&["attachment", "data"]).or_else(|| content.at(&["attachment", "url"])).is_some()
        }),
        _ => false,
    };
    let mut bundle = without(bundle, &copy).unwrap_or_else(|| bundle.clone());
    let separator = char::from(message.delimiters().field);
    let pairs: Vec<String> = message.segments().flat_map(|segment| neighbours(segment.raw(), separator)).collect();
    scrub(&mut bundle, separator, &pairs);
    bundle
}

/// The Bundle without some resources; none if it has none of them.
pub(super) fn without(bundle: &Json, taken: &dyn Fn(&Json) -> bool) -> Option<Json> {
    if !model::bundle::resources(bundle).any(taken) {
        return None;
    }
    let mut bundle = bundle.clone();
    if let Some(entries) = bundle.get_mut("entry").and_then(Json::as_array_mut) {
        entries.retain(|entry| !entry.get("resource").is_some_and(taken));
    }
    Some(bundle)
}

/// Each two fields of a segment that follow each other, as they stand, with what divides them.
fn neighbours(raw: &str, separator: char) -> Vec<String> {
    let fields: Vec<&str> = raw.split(separator).collect();
    let filled: Vec<usize> = (0..fields.len()).filter(|n| fields.get(*n).is_some_and(|f| !f.is_empty())).collect();
    let mut out = Vec::new();
    for (from, to) in filled.iter().zip(filled.iter().skip(1)) {
        let between = fields.get(*from..=*to).unwrap_or_default();
        out.push(between.join(&separator.to_string()));
    }
    out
}

/// Takes out every element that holds two fields or more as they stood.
fn scrub(json: &mut Json, separator: char, pairs: &[String]) {
    let copied = |json: &Json| match json {
        Json::String(text) => text.contains(separator) && pairs.iter().any(|pair| text.contains(pair.as_str())),
        _ => false,
    };
    let holds = |json: &Json| {
        json.get("url").is_some() && json.as_object().is_some_and(|object| object.iter().any(|(_, v)| copied(v)))
    };
    match json {
        Json::Object(object) => {
            let gone: Vec<String> =
                object.iter().filter(|(_, value)| copied(value)).map(|(name, _)| name.to_owned()).collect();
            for name in gone {
                object.remove(&name);
            }
            for (_, value) in object.iter_mut() {
                scrub(value, separator, pairs);
            }
        }
        Json::Array(items) => {
            items.retain(|item| !copied(item) && !holds(item));
            items.iter_mut().for_each(|item| scrub(item, separator, pairs));
        }
        _ => {}
    }
}

/// Texts by their places in full: `PID-3` and `PID-3[1].1.1` are the same place; with the place's own name.
fn leaves(message: &Message) -> HashMap<Place, (String, String)> {
    let d = message.delimiters();
    let text = |raw: &str| formats::hl7v2::unescape(raw, d, message.charset()).trim().to_owned();
    let full = |n: Option<u32>| Some(n.unwrap_or(1));
    let whole = |at: Place| Place {
        ordinal: full(at.ordinal),
        repetition: full(at.repetition),
        component: full(at.component),
        subcomponent: full(at.subcomponent),
        ..at
    };
    let all = message.segments().flat_map(|segment| segment.leaves());
    all.map(|leaf| (whole(leaf.place), (text(leaf.raw), leaf.place.to_string()))).collect()
}
