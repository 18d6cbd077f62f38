//! Codes the other way: the sender's own where they are there, else the ones a vocabulary map leads back to.

use model::json::{Json, Object};
use smol_str::SmolStr;

use crate::concept::CodeMap;
use crate::eval::{LEXEME, PLACE, WIRE};
use crate::map::{Place, Source, Table, Via};

use super::pieces::{Base, Pieces};
use super::{Reverse, extension, system_name};

impl<'b> Reverse<'_, 'b> {
    /// A Coding that came by a vocabulary map; false if it did not.
    pub(super) fn mapped_coding(&mut self, map: &CodeMap, object: &'b Object, base: Base, out: &mut Pieces) -> bool {
        let system = object.get("system").and_then(Json::as_str);
        let Some(code) = object.get("code") else { return false };
        let Some(found) = code.as_str().and_then(|code| map.backward(system, code)) else { return false };
        let extensions = object.get("extension").and_then(Json::as_array).unwrap_or_default();
        let lexeme = extensions.iter().find(|item| item.get("url").and_then(Json::as_str) == Some(LEXEME));
        let text = lexeme.and_then(|item| item.get("valueString")).and_then(Json::as_str).unwrap_or(found);
        if let Some(at) = base.part(1, 0) {
            for member in ["system", "code", "display"].iter().filter_map(|name| object.get(name)) {
                self.take(member, at);
            }
            out.set(at, text);
        }
        true
    }

    /// A CodeableConcept with a vocabulary map: the sender's own codes if they are there, else the mapped one's.
    pub(super) fn mapped_concept(
        &mut self,
        table: &Table,
        map: &CodeMap,
        object: &'b Object,
        base: Base,
        out: &mut Pieces,
    ) {
        let codings = object.get("coding").and_then(Json::as_array).unwrap_or_default();
        let code_of = |coding: &'b Json| coding.get("code").and_then(Json::as_str);
        let system_of = |coding: &'b Json| coding.get("system").and_then(Json::as_str);
        let back = |coding: &'b Json| {
            // A code of the sender's own table needs no way back.
            let own = system_of(coding).is_some() && system_of(coding) == map.table.as_ref().map(SmolStr::as_str);
            code_of(coding).filter(|_| !own).and_then(|code| map.backward(system_of(coding), code))
        };
        // The first coding is the mapped one if the map makes it of the code of another.
        let derived = |coding: &'b Json| {
            codings.iter().skip(1).any(|other| {
                let concept = code_of(other).and_then(|code| map.forward(code));
                concept.is_some_and(|concept| {
                    Some(concept.target.as_str()) == code_of(coding)
                        && Some(concept.system.as_str()) == system_of(coding)
                })
            })
        };
        let mut own: Vec<&'b Json> = Vec::new();
        let mut mapped: Option<(&'b Json, SmolStr)> = None;
        let mut from_code = false;
        for (number, coding) in codings.iter().enumerate() {
            if number == 0 && derived(coding) {
                from_code = true;
                for member in ["system", "code", "display"].iter().filter_map(|name| coding.get(name)) {
                    self.take(member, base);
                }
                continue;
            }
            match back(coding) {
                Some(code) if mapped.is_none() && !from_code => mapped = Some((coding, code.clone())),
                _ => own.push(coding),
            }
        }
        if let Some((coding, code)) = mapped {
            let said = own.iter().any(|other| {
                let same = code_of(other).is_some_and(|text| {
                    map.forward(text).is_some_and(|concept| Some(concept.target.as_str()) == code_of(coding))
                });
                same && (system_of(other).is_none() || system_of(other) == map.table.as_ref().map(SmolStr::as_str))
            }) || own.iter().any(|other| code_of(other) == Some(code.as_str()));
            if said {
                for member in ["system", "code", "display"].iter().filter_map(|name| coding.get(name)) {
                    self.take(member, base);
                }
            } else if let Some(at) = base.part(1, 0) {
                for member in ["system", "code", "display"].iter().filter_map(|name| coding.get(name)) {
                    self.take(member, at);
                }
                out.set(at, &code);
                self.codings(table, Some(map), &own, 1, base, out);
                self.text_of(table, object, base, out);
                return;
            }
        }
        self.codings(table, Some(map), &own, 0, base, out);
        self.text_of(table, object, base, out);
    }

    pub(super) fn text_of(&mut self, table: &Table, object: &'b Object, base: Base, out: &mut Pieces) {
        let written = table.rows.iter().any(|row| row.target.steps.last().is_some_and(|step| step.name == "text"));
        if let (true, Some(text), Some(at)) = (written, object.get("text"), base.part(9, 0)) {
            self.take(text, at);
            out.set(at, text.as_str().unwrap_or_default());
        }
    }

    /// Codings into CWE.1-3, CWE.4-6 and CWE.10-12, from the n-th triplet on.
    pub(super) fn codings(
        &mut self,
        table: &Table,
        map: Option<&CodeMap>,
        codings: &[&'b Json],
        from: usize,
        base: Base,
        out: &mut Pieces,
    ) {
        let table_uri = map.and_then(|map| map.table.as_ref()).map(SmolStr::as_str);
        let from = if codings.first().is_some_and(|coding| is_alternate(coding)) { 1 } else { from };
        const TRIPLETS: [(u32, u32); 3] = [(1, 7), (4, 8), (10, 13)];
        for (coding, (first, version)) in codings.iter().zip(TRIPLETS.iter().skip(from)) {
            for row in &table.rows {
                let (Source::Place(Place::Part { component, .. }), Some(last)) = (&row.source, row.target.steps.last())
                else {
                    continue;
                };
                let wanted = match last.name.as_str() {
                    "code" => 1,
                    "display" => 2,
                    "system" => 3,
                    "version" => *version,
                    _ => continue,
                };
                // A table of one code (ID) reads the whole value: there is no place for a second one.
                let whole = *component == 0;
                if whole {
                    let first = from == 0 && codings.first().is_some_and(|it| std::ptr::eq(*it, *coding));
                    if let (true, Some(member)) = (first && last.name == "code", coding.get("code")) {
                        for member in ["system", "code", "display"].iter().filter_map(|name| coding.get(name)) {
                            self.take(member, base);
                        }
                        out.set(base, member.as_str().unwrap_or_default());
                    }
                    continue;
                }
                if *component != wanted && !(last.name == "version" && *component == 7) {
                    continue;
                }
                let Some(member) = coding.get(&last.name) else { continue };
                let component = if last.name == "version" { *version } else { first + wanted - 1 };
                let Some(at) = base.part(component, 0) else { continue };
                self.take(member, at);
                let bare = last.name == "system"
                    && member.as_str() == table_uri
                    && coding.get("display").is_none()
                    && coding.get("_system").is_none();
                if bare {
                    continue;
                }
                if let Some(wire) = beside_of(coding, &last.name, WIRE) {
                    out.set_wire(at, wire);
                    continue;
                }
                let text = match (&row.via, beside_of(coding, &last.name, LEXEME)) {
                    (_, Some(lexeme)) => lexeme.to_owned(),
                    (Via::System { map }, None) => self
                        .compiled
                        .maps
                        .get(*map)
                        .map(|map| system_name(map, member.as_str().unwrap_or_default()))
                        .unwrap_or_default(),
                    _ => member.as_str().unwrap_or_default().to_owned(),
                };
                out.set(at, &text);
            }
        }
    }
}

/// Whether a coding says that it stood in the second triplet, with nothing before it.
pub(super) fn is_alternate(coding: &Json) -> bool {
    let of = |item: &&Json| item.get("url").and_then(Json::as_str) == Some(PLACE);
    coding.items("extension").iter().find(of).and_then(|item| item.text_at(&["valueString"])) == Some("CWE.4")
}

/// The text kept beside a member.
fn beside_of<'j>(coding: &'j Json, member: &str, url: &str) -> Option<&'j str> {
    let companion = coding.get(&format!("_{member}"))?.as_object()?;
    extension(companion, url)?.as_str()
}
