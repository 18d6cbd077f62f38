//! The segments of a group.

use model::json::{Json, Object};
use smol_str::SmolStr;

use crate::eval::{KEPT, KEPT_RAW, SEGMENT_SYSTEM};
use crate::map::{MessageRow, Source};
use crate::reverse::{Base, Pieces, Roles, address, own_item, own_items, role};

use super::{Line, Render};

impl<'b> Render<'_, 'b> {
    /// Writes the segments of a row.
    pub(super) fn row(&mut self, row: &MessageRow, roles: &mut Roles) {
        let compiled = self.compiled;
        let tables: Vec<_> = row.tables.iter().filter_map(|number| compiled.tables.get(*number)).collect();
        // Within a group the other resources of a segment are named by it: a guess could take another segment's.
        let guessed = if row.group == 0 { tables.len() } else { 1 };
        for table in tables.iter().take(guessed) {
            if role(roles, table.alias).is_none() && table.identity.is_some() {
                let players = self.cast.playing(table.alias).iter().copied();
                let found = players.filter(|number| !self.is_used(*number));
                let found = found.into_iter().find(|number| self.belongs(*number, table, roles));
                if let Some(number) = found {
                    self.mark(number);
                    roles.push((table.alias, number));
                }
            }
        }
        let Some(primary) = tables.first() else { return };
        let object = self.reverse.home(primary, roles);
        let items = match self.reverse.item_of(primary) {
            Some(item) => Some(vec![item]),
            None => object.and_then(|object| own_items(primary, object)),
        };
        let name = compiled.segment_names.get(usize::from(row.segment)).cloned().unwrap_or_default();
        self.reverse.segment = row.segment;
        match (items, primary.identity.is_some()) {
            (Some(items), false) if !items.is_empty() => {
                let single = self.reverse.item_of(primary).is_some();
                for (nth, item) in items.iter().enumerate() {
                    let mut pieces = Pieces::default();
                    let own = object.and_then(|object| own_item(primary, object, *item));
                    self.give_back(&name, own, 0, &mut pieces);
                    self.give_back(&name, object, nth, &mut pieces);
                    let nth = u32::try_from(nth + 1).unwrap_or(1);
                    let ordinal = if single { self.count(row.segment) } else { nth };
                    for table in &tables {
                        self.reverse.segment_table(table, roles, Some(*item), &mut pieces, ordinal);
                    }
                    self.push(&name, pieces);
                }
            }
            // Its item says nothing of this segment.
            _ if primary.within.is_some() => {}
            _ => {
                let mut pieces = Pieces::default();
                for table in &tables {
                    let object = role(roles, table.alias)
                        .and_then(|number| self.library.resources.get(number))
                        .and_then(|json| json.as_object());
                    self.give_back(&name, object, 0, &mut pieces);
                }
                let ordinal = self.count(row.segment);
                for table in &tables {
                    self.reverse.segment_table(table, roles, None, &mut pieces, ordinal);
                }
                self.push(&name, pieces);
            }
        }
    }

    /// The number the segment has: how many of its name stand since what it belongs to.
    fn count(&self, segment: u16) -> u32 {
        let name = self.compiled.segment_names.get(usize::from(segment)).map_or("", SmolStr::as_str);
        self.counts.get(name).map_or(1, |count| count + 1)
    }

    /// Counts a line, and starts the count of what belongs to it anew.
    fn counted(&mut self, name: &SmolStr) {
        *self.counts.entry(name.clone()).or_insert(0) += 1;
        match name.as_str() {
            "PID" => self.counts.retain(|name, _| name == "PID"),
            "MRG" => self.counts.clear(),
            "PV1" => self.counts.retain(|name, _| matches!(name.as_str(), "PID" | "PV1" | "NK1")),
            "ORC" | "RXA" => self.counts.retain(|name, _| name != "OBX" && name != "NTE"),
            "OBR" => self.counts.retain(|name, _| name != "OBX" && name != "SPM"),
            "SPM" => self.counts.retain(|name, _| name != "OBX"),
            _ => {}
        }
    }

    /// Whether the references of a table's rows point to the roles at hand.
    fn belongs(&self, number: usize, table: &crate::map::Table, roles: &Roles) -> bool {
        let Some(object) = self.library.resources.get(number).and_then(|json| json.as_object()) else { return false };
        table.rows.iter().filter(|row| row.alias == table.alias).all(|row| {
            let (Source::Alias(other), [step]) = (&row.source, row.target.steps.as_slice()) else { return true };
            match (object.get(&step.name).and_then(|reference| self.library.find(reference)), role(roles, *other)) {
                (Some(found), Some(wanted)) => found == wanted,
                _ => true,
            }
        })
    }

    /// Puts back what was kept of a segment: the n-th of each place for the n-th segment of that name.
    fn give_back(&mut self, name: &str, object: Option<&'b Object>, nth: usize, pieces: &mut Pieces) {
        let extensions = object.and_then(|object| object.get("extension")).and_then(Json::as_array).unwrap_or_default();
        let mut seen: Vec<(&str, usize)> = Vec::new();
        for item in extensions {
            let url = item.get("url").and_then(Json::as_str).unwrap_or_default();
            let (place, raw) = match (url.strip_prefix(KEPT_RAW), url.strip_prefix(KEPT)) {
                (Some(place), _) => (place, true),
                (None, Some(place)) => (place, false),
                _ => continue,
            };
            let Some(place) = place.strip_prefix(name).and_then(|place| place.strip_prefix('-')) else { continue };
            let index = match seen.iter_mut().find(|(known, _)| *known == url) {
                Some((_, count)) => {
                    *count += 1;
                    *count
                }
                None => {
                    seen.push((url, 0));
                    0
                }
            };
            let Some(value) = item.get("valueString").filter(|_| index == nth) else { continue };
            let text = value.as_str().unwrap_or_default();
            let (head, tail) = place.split_once('.').unwrap_or((place, ""));
            let (field, repetition) = head.split_once('~').unwrap_or((head, "1"));
            let number = |text: &str| text.parse::<u32>().ok();
            let (Some(field), Some(repetition)) = (number(field), number(repetition)) else { continue };
            let mut parts = tail.split('.').filter_map(number);
            let base = Base::field(field, repetition);
            let at = base.within(parts.next().unwrap_or(0), parts.next().unwrap_or(0));
            self.reverse.taken.push((address(value), self.reverse.segment, at.key()));
            if raw {
                pieces.raw.insert(field, text.to_owned());
            } else {
                pieces.set(at, text);
            }
        }
    }

    fn push(&mut self, name: &SmolStr, pieces: Pieces) {
        let only_ordinal = pieces.raw.is_empty() && pieces.iter().all(|((field, ..), _)| *field == 1);
        let ordinal = matches!(
            name.as_str(),
            "ARV"
                | "DB1"
                | "UB1"
                | "UB2"
                | "IAM"
                | "PID"
                | "NK1"
                | "PV1"
                | "OBX"
                | "OBR"
                | "AL1"
                | "DG1"
                | "PR1"
                | "GT1"
                | "IN1"
                | "IN3"
                | "SPM"
                | "NTE"
                | "TQ1"
                | "FT1"
                | "TXA"
                | "LAN"
                | "EDU"
                | "CER"
        );
        // OBR-2 and OBR-3 say the same, and an ORC without order control says nothing more.
        let numbers_only =
            name == "ORC" && pieces.raw.is_empty() && pieces.iter().all(|((field, ..), _)| matches!(field, 2 | 3 | 12));
        if pieces.is_empty() || (ordinal && only_ordinal) || numbers_only {
            return;
        }
        self.counted(name);
        self.lines.push(Line { name: name.clone(), pieces });
    }

    /// Segments that were kept as Basic resources.
    pub(super) fn basics(&mut self) {
        for number in 0..self.library.resources.len() {
            let Some(resource) = self.library.resources.get(number).copied() else { continue };
            if model::resource::resource_type(resource) != Some("Basic") {
                continue;
            }
            let codings = resource.get("code").map(|code| code.items("coding")).unwrap_or_default();
            let coding =
                codings.iter().find(|coding| coding.get("system").and_then(Json::as_str) == Some(SEGMENT_SYSTEM));
            let Some(name) = coding.and_then(|coding| coding.get("code")).and_then(Json::as_str) else { continue };
            let named = name.len() == 3 && name.bytes().all(|b| b.is_ascii_alphanumeric());
            if !named {
                continue;
            }
            self.mark(number);
            let mut pieces = Pieces::default();
            self.give_back(name, resource.as_object(), 0, &mut pieces);
            if !pieces.is_empty() {
                self.lines.push(Line { name: name.into(), pieces });
            }
        }
    }
}
