//! The sums for people: as JSON and as a table.

use std::cmp::Reverse;

use model::json::{Json, Object};
use model::time::Instant;
use store::ExchangeId;

use super::{Line, Sender, Sums};

/// Which lines are asked for.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Exact source.
    pub source: Option<String>,
    /// MSH-3 or MSH-4, as received or its first component.
    pub sender: Option<String>,
    /// Message type, such as `ADT^A01` or `ADT`.
    pub kind: Option<String>,
    /// Seen at or after.
    pub since: Option<Instant>,
}

/// A line of the answer.
struct Shown<'s> {
    sender: &'s Sender,
    at: &'s str,
    code: Option<(&'s str, Option<&'s str>)>,
    line: &'s Line,
    exchanges: u64,
}

impl Filter {
    fn passes(&self, sender: &Sender) -> bool {
        let same = |asked: &Option<String>, name: &str, short: char| match asked {
            None => true,
            Some(asked) => asked == name || name.split(short).next() == Some(asked),
        };
        self.source.as_ref().is_none_or(|source| *source == sender.source)
            && (same(&self.sender, &sender.application, '^') || same(&self.sender, &sender.facility, '^'))
            && same(&self.kind, &sender.kind, '^')
    }

    fn shown<'s>(&self, sender: &'s Sender, at: &'s str, line: &'s Line) -> Option<Shown<'s>> {
        let exchanges = line.since(self.since);
        (self.passes(sender) && exchanges > 0).then_some(Shown { sender, at, code: None, line, exchanges })
    }
}

impl Sums {
    fn places<'s>(&'s self, filter: &Filter) -> Vec<Shown<'s>> {
        let mut found: Vec<Shown<'s>> =
            self.places.iter().filter_map(|((sender, at), line)| filter.shown(sender, at, line)).collect();
        found.sort_by_key(|shown| Reverse(shown.exchanges));
        found
    }

    fn unknown_codes<'s>(&'s self, filter: &Filter) -> Vec<Shown<'s>> {
        let shown = |code: &'s super::Code, line: &'s Line| {
            let text = Some(code.code.as_str()).filter(|text| !text.is_empty() && line.is_common());
            let shown = filter.shown(&code.sender, &code.at, line)?;
            Some(Shown { code: Some((code.map.as_str(), text)), ..shown })
        };
        let mut found: Vec<Shown<'s>> = self.codes.iter().filter_map(|(code, line)| shown(code, line)).collect();
        found.sort_by_key(|shown| Reverse(shown.exchanges));
        found
    }

    /// The answer to `GET /exchanges/unmapped`.
    pub fn report(&self, filter: &Filter) -> Json {
        let senders = self.senders.iter().filter_map(|(sender, line)| filter.shown(sender, "", line));
        Json::object([
            ("senders", Json::array(senders.map(|shown| shown.json()))),
            ("unmapped", Json::array(self.places(filter).iter().map(Shown::json))),
            ("codes", Json::array(self.unknown_codes(filter).iter().map(Shown::json))),
            ("waiting", Json::from(self.waiting.len() as u64)),
            ("left_off", Json::from(self.left_off)),
        ])
    }

    /// The same as a table (RFC 4180), places before codes.
    pub fn table(&self, filter: &Filter) -> String {
        let mut out = String::from(
            "source,sending_application,sending_facility,type,at,map,code,exchanges,kept,dropped,first,last,last_exchange\r\n",
        );
        for shown in self.places(filter).iter().chain(&self.unknown_codes(filter)) {
            let (map, code) = shown.code.unwrap_or_default();
            let time = |at: Option<(ExchangeId, Instant)>| at.map(|(_, at)| at.to_rfc3339()).unwrap_or_default();
            let last = shown.line.last.map(|(id, _)| id.to_string()).unwrap_or_default();
            let cells = [
                shown.sender.source.clone(),
                shown.sender.application.clone(),
                shown.sender.facility.clone(),
                shown.sender.kind.clone(),
                shown.at.to_owned(),
                map.to_owned(),
                code.unwrap_or_default().to_owned(),
                shown.exchanges.to_string(),
                shown.line.kept.to_string(),
                shown.line.dropped.to_string(),
                time(shown.line.first),
                time(shown.line.last),
                last,
            ];
            out.push_str(&cells.map(|text| cell(&text)).join(","));
            out.push_str("\r\n");
        }
        out
    }
}

impl Shown<'_> {
    fn json(&self) -> Json {
        let moment = |at: Option<(ExchangeId, Instant)>| match at {
            Some((id, at)) => {
                Json::object([("exchange", Json::from(id.to_string())), ("at", Json::from(at.to_rfc3339()))])
            }
            None => Json::Null,
        };
        let mut object = Object::new();
        object.insert("source", self.sender.source.as_str());
        object.insert("sending_application", self.sender.application.as_str());
        object.insert("sending_facility", self.sender.facility.as_str());
        object.insert("type", self.sender.kind.as_str());
        if !self.at.is_empty() {
            object.insert("at", self.at);
        }
        if let Some((map, code)) = self.code {
            object.insert("map", map);
            object.insert("code", code.map_or(Json::Null, Json::from));
        }
        object.insert("exchanges", self.exchanges);
        if self.code.is_none() && !self.at.is_empty() {
            object.insert("kept", self.line.kept);
            object.insert("dropped", self.line.dropped);
        }
        object.insert("first", moment(self.line.first));
        object.insert("last", moment(self.line.last));
        object.into()
    }
}

/// A cell: quoted where it has to be, and no formula for the program that opens the table.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}
