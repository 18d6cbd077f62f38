//! One value at one path: a text, a code, an element of a datatype, a resource.

use model::json::{Json, Object};

use super::node::{Child, Node};
use super::values::{Found, each, lexeme, says};
use super::{Writer, narrative, place, statement};
use crate::concept::CodeMap;
use crate::function::Back;
use crate::tree::path::{End, Path};
use crate::tree::table::{Row, Source, Table, Test, Via};

/// The vocabulary map of OIDs and the URIs of what they name.
const CODE_SYSTEMS: &str = "CodeSystem";

impl<'b> Writer<'_, 'b> {
    /// Writes one value at a path; whether it could be said.
    pub(super) fn value(&mut self, row: &Row, path: &Path, found: Found<'b>, node: &mut Node) -> bool {
        let text = match &row.via {
            Via::Table { table, map } => return self.datatype(row, path, (*table, *map), found, node),
            Via::Resource(number) => return self.resource(row, path, *number, found, node),
            Via::Dispatch(_) => return self.dispatch(path, found, node),
            Via::Narrative => {
                let Some(div) = lexeme(found.json) else { return false };
                let Some(made) = narrative::narrative(&div) else { return false };
                let Some(there) = place::open(node, path, row.each) else { return false };
                there.children = made;
                return true;
            }
            Via::Attachment => {
                let Some(text) = lexeme(found.json) else { return false };
                let Some(there) = place::open(node, path, row.each) else { return false };
                there.set("representation", "B64");
                return place::write(there, &End::Text, &text);
            }
            // What is reckoned from the data is said with them; without them there is a place for the checksum alone.
            Via::Size | Via::Hash => {
                let Some(there) = place::open(node, path, false) else { return false };
                if there.children.iter().any(|child| matches!(child, Child::Text(_))) {
                    return true;
                }
                return match (&row.via, lexeme(found.json)) {
                    (Via::Hash, Some(text)) => place::write(there, &End::Attribute("integrityCheck".into()), &text),
                    _ => false,
                };
            }
            Via::Referred => lexeme(found.json),
            Via::Code(map) => {
                let code = lexeme(found.json);
                let map = self.compiled.maps.get(*map);
                found.lexeme.map(str::to_owned).or_else(|| map?.backward(None, &code?).map(|code| code.to_string()))
            }
            Via::System(map) => self.system(found, self.compiled.maps.get(*map)),
            Via::Function(function) => match (found.lexeme, lexeme(found.json), function.backward) {
                (Some(text), _, _) => Some(text.to_owned()),
                (None, Some(value), _) if function.name == "contact" => {
                    // The scheme of the address says the system.
                    found.base.get("system").into_iter().for_each(|system| self.taken.take(system));
                    let system = found.base.get("system").and_then(Json::as_str).unwrap_or_default();
                    Some(crate::function::contact_url(&value, system))
                }
                (None, Some(value), Some(backward)) => {
                    let back = Back { value: &value, authorities: self.authorities };
                    backward(&back).and_then(|texts| texts.into_iter().next())
                }
                _ => None,
            },
            _ => None,
        };
        let Some(text) = text.filter(|text| !text.is_empty()) else { return false };
        if path.ancestor().is_some() {
            self.above.push((path.clone(), text));
            return true;
        }
        place::put(node, path, row.each, &text)
    }

    /// The OID or UUID of a system's URI; a URI without one has none in CDA.
    fn system(&self, found: Found<'_>, map: Option<&CodeMap>) -> Option<String> {
        if let Some(text) = found.lexeme {
            return Some(text.to_owned());
        }
        let uri = lexeme(found.json)?;
        oid_of(&uri, map)
    }

    /// An element by a datatype's table.
    fn datatype(
        &mut self,
        row: &Row,
        path: &Path,
        (number, map): (usize, Option<usize>),
        found: Found<'b>,
        node: &mut Node,
    ) -> bool {
        let (Some(table), Some(object)) = (self.tables.tables.get(number), found.json.as_object()) else {
            return false;
        };
        if !statement::matches(table, object, &table.root, None) || contradicts(table, object) {
            return false;
        }
        let mut scratch = Node::new("scratch");
        let Some(there) = place::open(&mut scratch, &path.below(), false) else { return false };
        let bare = there.clone();
        let asked = row.when.iter().any(|term| !term.negated && matches!(term.test, Test::Coded(..)));
        if let Some(map) = map.and_then(|map| self.compiled.maps.get(map)) {
            // A row for codes of a map only says nothing of others.
            if asked && !has_code_of(map, found.json) {
                return false;
            }
            self.mapped_code(map, found.json, there);
        }
        self.rows(table, object, there);
        if *there == bare || there.is_empty() {
            return false;
        }
        if path.ancestor().is_some() {
            self.beside.push((path.clone(), scratch));
            return true;
        }
        place::join(node, path, row.each, there.clone())
    }

    /// The code that a vocabulary map made of the document's.
    fn mapped_code(&mut self, map: &CodeMap, json: &'b Json, node: &mut Node) {
        let codings: Vec<&'b Json> =
            if json.get("code").is_some() { vec![json] } else { json.items("coding").iter().collect() };
        for coding in &codings {
            let (system, code) = (coding.text_at(&["system"]), coding.text_at(&["code"]).unwrap_or_default());
            let Some(back) = map.backward(system, code) else { continue };
            // The document's own code stands beside: it is the code again.
            let own = codings.iter().find(|other| other.text_at(&["code"]) == Some(back.as_str()));
            let systems = self.compiled.maps.iter().find(|map| map.name == CODE_SYSTEMS);
            let from = own.and_then(|own| own.text_at(&["system"])).or(map.table.as_deref());
            self.taken.take_all(coding);
            node.set("code", back.as_str());
            if let Some(oid) = from.and_then(|uri| oid_of(uri, systems)) {
                node.set("codeSystem", oid);
            }
            if let Some(own) = own {
                if let Some(display) = own.text_at(&["display"]) {
                    node.set("displayName", display);
                }
                if own.get("version").is_none() {
                    self.taken.take_all(own);
                }
            }
            return;
        }
    }
}

/// Whether one of a concept's codes, or a code itself, is what a vocabulary map makes.
fn has_code_of(map: &CodeMap, json: &Json) -> bool {
    let made = |coding: &Json| {
        let code = coding.text_at(&["code"]);
        code.is_some_and(|code| map.backward(coding.text_at(&["system"]), code).is_some())
    };
    made(json) || json.items("coding").iter().any(made)
}

/// Whether an element says otherwise than a constant of a table: it is one of another table.
fn contradicts(table: &Table, object: &Object) -> bool {
    table.rows.iter().any(|row| {
        let (Source::Constant, Via::Literal(said)) = (&row.source, &row.via) else { return false };
        let mut other = false;
        if row.when.is_empty() {
            each(object, &row.target.steps, row.target.anchor, &mut |found| other |= !says(found.json, said));
        }
        other
    })
}

/// The OID that a system's URI stands for.
fn oid_of(uri: &str, map: Option<&CodeMap>) -> Option<String> {
    if let Some(oid) = map.and_then(|map| map.backward(None, uri)) {
        return Some(oid.to_string());
    }
    if let Some(bare) = uri.strip_prefix("urn:oid:").or_else(|| uri.strip_prefix("urn:uuid:")) {
        return Some(bare.to_owned());
    }
    let number = crate::function::hl7_table_number(uri)?;
    Some(format!("2.16.840.1.113883.12.{}", number.trim_start_matches('0')))
}
