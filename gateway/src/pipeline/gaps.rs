//! What a message says that the mapping has no home for, as the exchange keeps it: places and codes, in short.
//!
//! Written in the hot path, so that nothing is counted there; [`crate::unmapped`] counts from the store.

use std::collections::HashMap;

use formats::cda::Document;
use formats::hl7v2::Message;
use model::json::Json;
use model::outcome::Issue;
use model::resource::resource_type;

/// Places kept for one message: a message that has more is not of the kind its package is for.
const PLACES_MOST: usize = 500;
/// Codes kept for one message.
const CODES_MOST: usize = 50;
/// How the engine says that a vocabulary map lacks a code; the map's name follows.
const NO_SUCH_CODE: &str = "the code is not in ";

/// What found no home in a message.
#[derive(Debug, Default, Clone)]
pub(super) struct Gaps {
    /// `ADT^A01`, or the LOINC code of a document; empty where something else than codes stands there.
    pub(super) kind: String,
    places: Vec<mappers::Unmapped>,
    codes: Vec<(String, String, Option<String>)>,
}

impl Gaps {
    pub(super) fn of_document(document: &Document, places: Vec<mappers::Unmapped>, issues: &[Issue]) -> Self {
        let code =
            document.root().children().find(|child| child.name() == "code").and_then(|code| code.attribute("code"));
        let kind = code.filter(|code| is_document_type(code)).unwrap_or_default().to_owned();
        let of_maps = issues.iter().filter(|issue| issue.code == "code-invalid");
        let codes = of_maps.filter_map(|issue| {
            let at = issue.at.as_deref()?;
            Some((issue.diagnostics.strip_prefix(NO_SUCH_CODE)?.to_owned(), plain(at), code_in(document, at)))
        });
        Self { kind, places, codes: codes.take(CODES_MOST).collect() }
    }

    pub(super) fn of(message: &Message, places: Vec<mappers::Unmapped>, issues: &[Issue]) -> Self {
        let (code, trigger) = (message.message_code(), message.trigger());
        let is_code = |text: &str| text.len() <= 3 && text.chars().all(|c| c.is_ascii_alphanumeric());
        let kind = if is_code(&code) && is_code(&trigger) { format!("{code}^{trigger}") } else { String::new() };
        let mut codes = Vec::new();
        for issue in issues.iter().filter(|issue| issue.code == "code-invalid") {
            if let (Some(map), Some(at)) = (issue.diagnostics.strip_prefix(NO_SUCH_CODE), &issue.at)
                && codes.len() < CODES_MOST
            {
                codes.push((map.to_owned(), plain(at), code_at(message, at)));
            }
        }
        Self { kind, places, codes }
    }

    /// Of FHIR of another version: by element, the type of an entry in front. Names that are none of an element are not kept.
    pub(super) fn of_fhir(tree: &Json, loss: &versions::Loss) -> Self {
        let mut places: Vec<mappers::Unmapped> = Vec::new();
        let mut at: HashMap<String, usize> = HashMap::new();
        let kept = loss.kept.iter().map(|entry| (entry, true));
        for (entry, is_kept) in kept.chain(loss.dropped.iter().map(|entry| (entry, false))) {
            let place = element(tree, &entry.at);
            if place.len() > 120 || !place.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_')) {
                continue;
            }
            let index = *at.entry(place.clone()).or_insert_with(|| {
                places.push(mappers::Unmapped { place, kept: 0, dropped: 0 });
                places.len().saturating_sub(1)
            });
            if let Some(found) = places.get_mut(index) {
                let count = if is_kept { &mut found.kept } else { &mut found.dropped };
                *count = count.saturating_add(1);
            }
        }
        let kind = resource_type(tree).filter(|kind| kind.len() <= 40 && kind.bytes().all(|b| b.is_ascii_alphabetic()));
        Self { kind: kind.unwrap_or_default().to_owned(), places, codes: Vec::new() }
    }

    /// `[["PID-10",2,0],…]` and `[["PatientClass","PV1-2","Q"],…]`: place, pieces kept and dropped; map, place, code.
    pub(super) fn members(&self) -> [(&'static str, Json); 3] {
        let place = |it: &mappers::Unmapped| {
            let numbers = [it.kept, it.dropped].map(|number| Json::from(u64::from(number)));
            Json::array(std::iter::once(Json::from(it.place.as_str())).chain(numbers))
        };
        let code = |(map, at, code): &(String, String, Option<String>)| {
            let code = code.as_deref().map_or(Json::Null, Json::from);
            Json::array([Json::from(map.as_str()), Json::from(at.as_str()), code])
        };
        [
            ("type", Json::from(self.kind.as_str())),
            ("unmapped", Json::array(self.places.iter().take(PLACES_MOST).map(place))),
            ("codes", Json::array(self.codes.iter().map(code))),
        ]
    }
}

/// `Bundle.entry[3].resource.reason[0].text` as `Encounter.reason.text`.
fn element(tree: &Json, at: &str) -> String {
    let inner = at.strip_prefix("Bundle.entry[").and_then(|rest| rest.split_once("].resource."));
    let named = inner.and_then(|(number, rest)| {
        let entry = tree.items("entry").get(number.parse::<usize>().ok()?)?;
        Some(format!("{}.{}", resource_type(entry.get("resource")?)?, plain(rest)))
    });
    named.unwrap_or_else(|| plain(at))
}

/// A place without the numbers of segments and repetitions: `PID[2]-3[1].4` is `PID-3.4`.
fn plain(at: &str) -> String {
    let mut out = String::with_capacity(at.len());
    let mut inside = false;
    for c in at.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            c if !inside => out.push(c),
            _ => {}
        }
    }
    out
}

/// The text at a place, if it is of the form of a code. A name or a number of a person does not pass as one: nothing with
/// blanks, nothing long, no run of digits as numbers of patients, telephones and days are.
fn code_at(message: &Message, at: &str) -> Option<String> {
    let segment = at.get(..3)?;
    let found =
        message.segments().filter(|it| it.name() == segment).flat_map(|segment| segment.leaves()).find(|leaf| {
            let place = leaf.place.to_string();
            place == at || place.strip_prefix(at).is_some_and(|rest| rest.starts_with('.'))
        })?;
    Some(found.raw).filter(|text| is_code(text)).map(str::to_owned)
}

/// LOINC codes of document types have five digits and a check digit: more than [`is_code`] lets pass, and nobody's number.
fn is_document_type(code: &str) -> bool {
    let (number, check) = code.split_once('-').unwrap_or((code, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    (1..=6).contains(&number.len()) && check.len() == 1 && digits(number) && digits(check)
}

/// The same in a document: `at` is the place of an element or of an attribute.
fn code_in(document: &Document, at: &str) -> Option<String> {
    let code = format!("{at}/@code");
    let leaf = (0..document.leaves()).find(|leaf| {
        let path = document.leaf_path(*leaf);
        path == at || path == code
    })?;
    document.leaf(leaf).map(|leaf| leaf.value).filter(|text| is_code(text)).map(str::to_owned)
}

pub(crate) fn is_code(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+');
    let mut digits = 0;
    let run = text.chars().any(|c| {
        digits = if c.is_ascii_digit() { digits + 1 } else { 0 };
        digits > 5
    });
    (1..=20).contains(&text.len()) && text.chars().all(plain) && !run
}
