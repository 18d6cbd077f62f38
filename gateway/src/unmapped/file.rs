//! The sums as a file: one JSON object, replaced as a whole.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use model::json::{Json, Limits, parse};
use model::time::Instant;
use store::ExchangeId;

use super::{Code, Line, Sender, Sums};

/// Form of the file; another one is counted anew.
const FORM: u64 = 1;
/// Largest file that is read.
const BYTES_MOST: usize = 256 << 20;

pub(super) fn write(sums: &Sums) -> String {
    let senders = sums.senders.iter().map(|(sender, it)| Json::array([sender_json(sender), line(it)]));
    let places = sums
        .places
        .iter()
        .map(|((sender, at), it)| Json::array([sender_json(sender), Json::from(at.as_str()), line(it)]));
    let codes = sums.codes.iter().map(|(code, it)| {
        let names = [&code.at, &code.map, &code.code].map(|text| Json::from(text.as_str()));
        Json::array([sender_json(&code.sender), Json::array(names), line(it)])
    });
    Json::object([
        ("form", Json::from(FORM)),
        ("next", Json::from(sums.next)),
        ("last", sums.last.map_or(Json::Null, |id| Json::from(id.to_string()))),
        ("waiting", Json::array(sums.waiting.iter().map(|number| Json::from(*number)))),
        ("left_off", Json::from(sums.left_off)),
        ("senders", Json::array(senders)),
        ("places", Json::array(places)),
        ("codes", Json::array(codes)),
    ])
    .to_text()
}

/// Puts a new file in the place of the old one.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

/// What the file says; `None` if it is not there, or not whole.
pub(super) fn read(path: &Path) -> Option<Sums> {
    let bytes = fs::read(path).ok().filter(|bytes| bytes.len() <= BYTES_MOST)?;
    let limits = Limits { bytes: bytes.len().max(1), ..Limits::default() };
    let json = parse(&bytes, &limits).ok()?;
    if number(json.get("form")?)? != FORM {
        return None;
    }
    let mut sums = Sums {
        next: number(json.get("next")?)?,
        last: json.get("last").and_then(Json::as_str).and_then(ExchangeId::parse),
        waiting: json.items("waiting").iter().filter_map(number).collect(),
        left_off: number(json.get("left_off")?)?,
        ..Sums::default()
    };
    for entry in json.items("senders") {
        let [sender, line] = entry.as_array()? else { return None };
        sums.senders.insert(read_sender(sender)?, read_line(line)?);
    }
    for entry in json.items("places") {
        let [sender, at, line] = entry.as_array()? else { return None };
        sums.places.insert((read_sender(sender)?, at.as_str()?.to_owned()), read_line(line)?);
    }
    for entry in json.items("codes") {
        let [sender, names, line] = entry.as_array()? else { return None };
        let [at, map, code] = names.as_array()? else { return None };
        let code = Code {
            sender: read_sender(sender)?,
            at: at.as_str()?.to_owned(),
            map: map.as_str()?.to_owned(),
            code: code.as_str()?.to_owned(),
        };
        sums.codes.insert(code, read_line(line)?);
    }
    Some(sums)
}

fn sender_json(sender: &Sender) -> Json {
    Json::array(
        [&sender.source, &sender.application, &sender.facility, &sender.kind].map(|text| Json::from(text.as_str())),
    )
}

fn read_sender(json: &Json) -> Option<Sender> {
    let [source, application, facility, kind] = json.as_array()? else { return None };
    Some(Sender {
        source: source.as_str()?.to_owned(),
        application: application.as_str()?.to_owned(),
        facility: facility.as_str()?.to_owned(),
        kind: kind.as_str()?.to_owned(),
    })
}

fn line(line: &Line) -> Json {
    let moment = |at: Option<(ExchangeId, Instant)>| match at {
        Some((id, at)) => Json::array([Json::from(id.to_string()), Json::from(at.to_rfc3339())]),
        None => Json::Null,
    };
    let days = line
        .days
        .iter()
        .map(|(day, count)| Json::array([Json::from(u64::try_from(*day).unwrap_or(0)), Json::from(*count)]));
    // As text: no number of JSON readers holds 64 bits for certain.
    let patients = line.patients.iter().map(|hash| Json::from(format!("{hash:016x}")));
    Json::array([
        Json::from(line.exchanges),
        Json::from(line.kept),
        Json::from(line.dropped),
        moment(line.first),
        moment(line.last),
        Json::array(days),
        Json::array(patients),
    ])
}

fn read_line(json: &Json) -> Option<Line> {
    let [exchanges, kept, dropped, first, last, days, patients] = json.as_array()? else { return None };
    let moment = |json: &Json| {
        let [id, at] = json.as_array()? else { return None };
        Some((ExchangeId::parse(id.as_str()?)?, Instant::parse(at.as_str()?).ok()?))
    };
    let mut by_day = BTreeMap::new();
    for pair in days.as_array()? {
        let [day, count] = pair.as_array()? else { return None };
        by_day.insert(i64::try_from(number(day)?).ok()?, number(count)?);
    }
    Some(Line {
        exchanges: number(exchanges)?,
        kept: number(kept)?,
        dropped: number(dropped)?,
        first: moment(first),
        last: moment(last),
        days: by_day,
        patients: patients.as_array()?.iter().filter_map(|hash| u64::from_str_radix(hash.as_str()?, 16).ok()).collect(),
    })
}

fn number(json: &Json) -> Option<u64> {
    match json {
        Json::Number(number) => number.as_u64(),
        _ => None,
    }
}
