//! FHIR to HL7 v2: what another system's message says and the Bundle holds too must stand in ours.
//!
//! Receivers' settings shape the rest of such a message: only segments that speak of patient, order, result and
//! specimen are compared, by segment, field and text.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use formats::hl7v2::{Message, unescape};
use mappers::{Packages, RenderContext};
use model::json::{Json, Limits, parse};

use super::corpus::{CorpusError, bytes};
use super::facts::fold;
use super::report::Tally;

/// A Bundle and the message another system makes of it.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    /// The set it belongs to.
    pub(super) set: String,
    /// The Bundle.
    pub(super) input: PathBuf,
    /// The message.
    pub(super) expected: PathBuf,
}

/// What became of a pair.
#[derive(Clone, Debug)]
pub struct PairScore {
    /// The set it belongs to.
    pub set: String,
    /// File name of the Bundle.
    pub input: String,
    /// Values found in the same field, and all that could be.
    pub values: Tally,
    /// Fields that are missed, by name.
    pub missed: Vec<String>,
}

const SEGMENTS: [&str; 4] = ["PID", "OBR", "OBX", "SPM"];

pub(super) fn run(pair: &Pair, packages: &Packages) -> Result<PairScore, CorpusError> {
    let form = |path: &Path, reason: String| CorpusError::Form { path: path.to_owned(), reason };
    let text = bytes(&pair.input)?;
    // FHIR R4 json.html has no byte order mark, but people's editors do.
    let bundle = parse(text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&text), &Limits::default());
    let expected = Message::parse(&bytes(&pair.expected)?).map_err(|e| form(&pair.expected, e.to_string()))?.message;
    let mut score = PairScore {
        set: pair.set.clone(),
        input: pair.input.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        values: Tally::default(),
        missed: Vec::new(),
    };
    let bundle = match bundle {
        Ok(bundle) => bundle,
        Err(error) => {
            score.missed.push(format!("refused: {error}"));
            return Ok(score);
        }
    };
    let Some(package) = packages.named(mappers::BASE) else { return Ok(score) };
    let rendered = package.render(&bundle, &RenderContext::default());
    let ours = Message::parse(&rendered.bytes).map(|parsed| values(&parsed.message)).unwrap_or_default();
    // Some cut the fractions of a second, we write them: the time is there.
    let whole = |(segment, field, value): &(String, u32, String)| {
        whole_second(value).map(|value| (segment.clone(), *field, value))
    };
    let ours_whole: BTreeSet<_> = ours.iter().filter_map(whole).collect();
    let mut held = BTreeSet::new();
    leaves(&bundle, &mut held);
    for (segment, field, value) in values(&expected).into_iter().filter(|(_, _, value)| is_held(&held, value)) {
        let found = ours.contains(&(segment.clone(), field, value.clone()))
            || whole_second(&value).is_some_and(|value| ours_whole.contains(&(segment.clone(), field, value)));
        score.values.count(found);
        if !found && score.missed.len() < 40 {
            score.missed.push(format!("{segment}-{field}"));
        }
    }
    Ok(score)
}

fn values(message: &Message) -> BTreeSet<(String, u32, String)> {
    let text = |raw: &str| fold(&unescape(raw, message.delimiters(), message.charset()));
    message
        .segments()
        .filter(|segment| SEGMENTS.contains(&segment.name()))
        .flat_map(|segment| segment.leaves())
        .filter(|leaf| leaf.place.field > 1)
        .map(|leaf| (leaf.place.segment.as_str().to_owned(), leaf.place.field, text(leaf.raw)))
        .filter(|(_, _, value)| !value.is_empty() && value != "\"\"")
        .collect()
}

/// A time to the second, without fractions of it; none if it is no such time.
fn whole_second(value: &str) -> Option<String> {
    let clock = value.bytes().take_while(u8::is_ascii_digit).count();
    let (seconds, rest) = value.split_at_checked(clock).filter(|_| clock == 14)?;
    let zone = rest.find(['+', '-']).and_then(|at| rest.get(at..)).unwrap_or_default();
    Some(format!("{seconds}{zone}"))
}

/// A value of a message counts if a leaf of the Bundle says it: as it stands, or a time by its digits.
fn is_held(held: &BTreeSet<String>, value: &str) -> bool {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let time = value.len() >= 8 && value.bytes().take(8).all(|b| b.is_ascii_digit());
    held.contains(value) || (time && held.iter().any(|leaf| leaf.contains('-') && digits(leaf) == digits(value)))
}

fn leaves(json: &Json, out: &mut BTreeSet<String>) {
    match json {
        Json::Object(object) => {
            object.iter().filter(|(name, _)| !matches!(*name, "div" | "id")).for_each(|(_, value)| leaves(value, out));
        }
        Json::Array(items) => items.iter().for_each(|item| leaves(item, out)),
        Json::String(text) => drop(out.insert(fold(text))),
        Json::Number(number) => drop(out.insert(number.as_str().to_owned())),
        _ => {}
    }
}
