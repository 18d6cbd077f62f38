//! What MSH says besides its table.

use model::json::Json;

use crate::eval::zone;
use crate::reverse::{Base, Pieces};
use crate::types::RenderContext;

use crate::versions::{STRUCTURED, Version};

use super::Line;

/// What MSH says besides its table.
pub(super) struct Header<'a> {
    pub(super) bundle: &'a Json,
    pub(super) code: &'a str,
    pub(super) trigger: &'a str,
    pub(super) structure: &'a str,
    pub(super) context: &'a RenderContext,
}

impl Header<'_> {
    /// Puts MSH first and fills what the context says.
    pub(super) fn complete(&self, lines: &mut Vec<Line>) {
        let at = lines.iter().position(|line| line.name == "MSH");
        let mut header = match at {
            Some(at) => lines.remove(at),
            None => Line { name: "MSH".into(), pieces: Pieces::default() },
        };
        let context = self.context;
        let pieces = &mut header.pieces;
        let places = [
            (3, &context.sending_application),
            (4, &context.sending_facility),
            (5, &context.receiving_application),
            (6, &context.receiving_facility),
        ];
        for (field, text) in places {
            pieces.replace(field, text);
        }
        let zone = context.timezone.as_deref();
        let written = self.bundle.get("timestamp").and_then(Json::as_str).map(|text| stamp(text, zone));
        if let Some(time) = context.time {
            pieces.replace(7, &stamp(&time.to_rfc3339(), zone));
        } else if let Some(text) = &written {
            pieces.set(Base::field(7, 1), text);
        }
        let control = self.bundle.text_at(&["identifier", "value"]).unwrap_or_default();
        if !context.control_id.is_empty() {
            pieces.replace(10, &context.control_id);
        } else {
            pieces.set(Base::field(10, 1), control);
        }
        if !self.code.is_empty() {
            let asked = !context.message_code.is_empty();
            let said = [pieces.get(Base::field(9, 1)), pieces.get(Base::field(9, 1).within(2, 0))];
            let other = said[0].is_some() && said != [Some(self.code), Some(self.trigger)];
            if asked || (other && !context.version.is_empty()) {
                pieces.replace(9, self.code);
            }
            pieces.set(Base::field(9, 1), self.code);
            pieces.set(Base::field(9, 1).within(2, 0), self.trigger);
        }
        pieces.set(Base::field(11, 1), "P");
        pieces.replace(12, &context.version);
        pieces.set(Base::field(12, 1), "2.5.1");
        let version = pieces.get(Base::field(12, 1)).and_then(Version::parse);
        // MSH-9.3 came with version 2.3.1.
        if !self.code.is_empty() && version.is_none_or(|version| version >= STRUCTURED) {
            pieces.set(Base::field(9, 1).within(3, 0), self.structure);
        }
        lines.insert(0, header);
        // Every ADT structure requires EVN and its EVN-2 (HL7 v2.5.1 ch. 3); what is forwarded has no Provenance to make
        // it of. The time of the message is when this event was recorded here.
        if self.code == "ADT" && !lines.iter().any(|line| line.name == "EVN") {
            let recorded = context.time.map(|time| stamp(&time.to_rfc3339(), zone)).or(written);
            if let Some(recorded) = recorded {
                let mut event = Line { name: "EVN".into(), pieces: Pieces::default() };
                event.pieces.set(Base::field(1, 1), self.trigger);
                event.pieces.set(Base::field(2, 1), &recorded);
                lines.insert(1, event);
            }
        }
    }
}

/// An instant as HL7 v2 writes it, in a zone if one is asked for.
fn stamp(rfc3339: &str, zone_name: Option<&str>) -> String {
    let zoned = zone_name.and_then(zone).and_then(|zone| {
        let timestamp: jiff::Timestamp = rfc3339.parse().ok()?;
        Some(timestamp.to_zoned(zone).strftime("%Y%m%d%H%M%S%z").to_string())
    });
    zoned.unwrap_or_else(|| {
        let text = rfc3339.replace('Z', "+0000");
        let (clock, zone) = match text.rfind(['+', '-']).filter(|at| *at > 10).and_then(|at| text.split_at_checked(at))
        {
            Some((clock, zone)) => (clock, zone),
            None => (text.as_str(), ""),
        };
        let digits: String = clock.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
        format!("{}{}", digits.strip_suffix(".000").unwrap_or(&digits), zone.replace(':', ""))
    })
}
