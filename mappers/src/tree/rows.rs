//! Runs one row: finds its value, or each of them, and puts what it becomes at the target.

use formats::cda::Element;
use model::json::{Json, Object};
use model::outcome::Severity;
use smallvec::SmallVec;
use smol_str::SmolStr;

use super::attachment::{attachment, hash, size};
use super::narrative;
use super::path::{Part, Path, Value};
use super::run::{Filling, Run};
use super::table::{Row, Source, Table, Via};
use crate::build::{self, Indexes, Located};
use crate::eval::{LEXEME, absent, beside, constant_beside, is_missing, put, reference};
use crate::function::attachment::encoded;
use crate::function::{self, Call, Output};
use crate::path::{At, Holds};
use crate::quick::trim;
use crate::trace::{Fate, NO_PIECE, Node};

/// Values of one path at most; more are kept.
const MOST: usize = 100_000;

impl<'a, 'd> Run<'a, 'd> {
    /// Runs one row into what it fills.
    pub(super) fn row(&mut self, row: &'a Row, to: &mut Filling<'_>, element: Element<'d>) {
        if row.way == crate::map::Way::Backward {
            return;
        }
        match &row.source {
            Source::Path(path) => {
                if !self.holds(&row.when, element, Some(to)) {
                    return;
                }
                for value in self.values(path, element) {
                    if !self.value(row, value, to) {
                        continue;
                    }
                    if path.is_below() && !matches!(row.via, Via::Drop(_)) {
                        self.mark_between(value.element, element);
                    }
                    if !row.each {
                        break;
                    }
                }
            }
            Source::Role(role) => {
                if let Some(other) = self.role(*role) {
                    self.refer(row, other, to, element);
                }
            }
            Source::Parent => {
                if let Some(other) = self.parent() {
                    self.refer(row, other, to, element);
                }
            }
            Source::Each(role) => {
                for other in 0..self.resources.len() {
                    let is = self.resources.get(other).is_some_and(|resource| resource.role() == *role);
                    if is {
                        self.refer(row, other, to, element);
                    }
                }
            }
            Source::Constant => {
                if self.holds(&row.when, element, Some(to)) {
                    self.constant(row, to);
                }
            }
        }
    }

    /// What a row has read of a statement inside is said: that statement is no resource of its own.
    fn mark_between(&mut self, inner: Element<'d>, outer: Element<'d>) {
        let mut here = Some(inner).filter(|inner| inner.id() != outer.id());
        while let Some(element) = here {
            if self.tables.entries.contains_key(element.name()) {
                self.mark_read(element);
            }
            here = element.parent().filter(|parent| parent.id() != outer.id());
        }
    }

    fn values(&self, path: &Path, element: Element<'d>) -> SmallVec<[Value<'d>; 4]> {
        let mut found = SmallVec::new();
        path.each(element, &|id| self.is_read(id), &mut |value| {
            found.push(value);
            found.len() < MOST
        });
        found
    }

    /// Puts one value; whether it gave anything.
    fn value(&mut self, row: &'a Row, value: Value<'d>, to: &mut Filling<'_>) -> bool {
        match &row.via {
            Via::Drop(why) => {
                let why = why.clone();
                self.drop_value(value, &why);
                return true;
            }
            Via::Rows(number) => {
                let Some(table) = self.tables.tables.get(*number) else { return false };
                let before = self.said;
                self.mark_read(value.element);
                let mut shared = Vec::new();
                let mut inner =
                    Filling { object: to.object, resource: to.resource, node: to.node, shared: &mut shared };
                self.rows(table, value.element, &mut inner);
                return self.said > before;
            }
            Via::Resource(number) => {
                let made = self.template(*number, value.element);
                return made.is_some_and(|made| self.refer_to(row, made, to));
            }
            Via::Dispatch(types) => {
                let mut made = Vec::new();
                self.dispatch(value.element, &mut made);
                let mut any = false;
                for number in made {
                    let kind = self.resources.get(number).map(|resource| resource.kind.clone());
                    if types.is_empty() || kind.is_some_and(|kind| types.contains(&kind)) {
                        any |= self.refer_to(row, number, to);
                    }
                }
                return any;
            }
            _ => {}
        }
        let at = build::locate(to.object, row.role, &row.target.steps, to.shared, &mut self.trace, to.node);
        if at.taken {
            return false;
        }
        if let Via::Table { table, map } = &row.via {
            let Some(inner) = self.tables.tables.get(*table) else { return false };
            return self.element(row, inner, *map, value.element, to, &at);
        }
        if at.exists {
            return false;
        }
        let Some((json, lossy)) = self.primitive(row, value, at.node) else { return false };
        self.put_primitive(row, value, json, lossy, to, &at)
    }

    fn put_primitive(
        &mut self,
        row: &Row,
        value: Value<'d>,
        json: Json,
        lossy: Option<&'static str>,
        to: &mut Filling<'_>,
        at: &Located,
    ) -> bool {
        let steps = &row.target.steps;
        let list = matches!(steps.last(), Some(step) if matches!(step.at, At::Append));
        let twice = list && build::place_of(to.object, steps, &at.indexes, &json).is_some();
        if !twice {
            put(to.object, steps, &at.indexes, json);
        }
        self.said += 1;
        if matches!(row.via, Via::Size | Via::Hash) {
            // Reckoned from what is mapped elsewhere.
            self.trace.record(NO_PIECE, at.node, row.rule, Fate::Mapped);
        } else if !matches!(row.via, Via::Narrative | Via::Referred | Via::Note) {
            let mut leaves: SmallVec<[u32; 4]> = SmallVec::new();
            value.leaves(|leaf| leaves.push(leaf));
            for leaf in leaves {
                self.mapped(leaf, at.node, row.rule);
            }
        }
        if let Some(why) = lossy.filter(|_| !twice) {
            let text = value.text();
            beside(to.object, steps, &at.indexes, LEXEME, "valueString", Json::from(text.trim()));
            if !why.is_empty() {
                self.issue(Severity::Information, "value", why, value.element, row.rule);
            }
        }
        self.settle(row, to.object, &at.indexes);
        true
    }

    pub(super) fn settle(&mut self, row: &Row, object: &mut Object, indexes: &Indexes) {
        for with in &row.with {
            constant_beside(&row.target, with, object, indexes);
        }
    }

    fn drop_value(&mut self, value: Value<'d>, why: &SmolStr) {
        let leaves: Vec<u32> = match value.part {
            Part::Whole => value.element.leaf_range().collect(),
            _ => {
                let mut leaves = Vec::new();
                value.leaves(|leaf| leaves.push(leaf));
                leaves
            }
        };
        for leaf in leaves.into_iter().filter(|leaf| self.is_unused(*leaf)).collect::<Vec<_>>() {
            self.consume(leaf);
            self.trace.drop_piece(leaf, why);
        }
    }

    /// Refers to a resource if the row's conditions hold.
    fn refer(&mut self, row: &'a Row, other: usize, to: &mut Filling<'_>, element: Element<'d>) {
        if self.holds(&row.when, element, Some(to)) {
            // A reference to what is there anyway says nothing of its own.
            let said = self.said;
            self.refer_to(row, other, to);
            self.said = said;
        }
    }

    /// Puts a reference at the target; whether there was room. Without a target the resource alone counts.
    fn refer_to(&mut self, row: &'a Row, other: usize, to: &mut Filling<'_>) -> bool {
        if row.target.steps.is_empty() {
            if !self.loose.contains(&other) {
                self.loose.push(other);
            }
            return true;
        }
        let Some(name) = self.name_of(other).cloned() else { return false };
        let at = build::locate(to.object, row.role, &row.target.steps, to.shared, &mut self.trace, to.node);
        if at.exists || at.taken {
            return false;
        }
        let json = match row.target.holds {
            Holds::Reference => reference(&name),
            _ => Json::String(name),
        };
        let list = matches!(row.target.steps.last(), Some(step) if matches!(step.at, At::Append));
        if list && build::place_of(to.object, &row.target.steps, &at.indexes, &json).is_some() {
            return true;
        }
        put(to.object, &row.target.steps, &at.indexes, json);
        self.settle(row, to.object, &at.indexes);
        self.trace.record(NO_PIECE, at.node, row.rule, Fate::Mapped);
        self.said += 1;
        true
    }

    fn constant(&mut self, row: &'a Row, to: &mut Filling<'_>) {
        let at = build::locate(to.object, row.role, &row.target.steps, to.shared, &mut self.trace, to.node);
        if at.exists || at.taken {
            return;
        }
        let steps = &row.target.steps;
        match &row.via {
            Via::Literal(json) => put(to.object, steps, &at.indexes, json.clone()),
            Via::Copy(from) => {
                let there = build::seek(to.object, row.role, &from.steps, to.shared);
                let Some(copy) = build::find(to.object, &from.steps, &there.indexes).cloned() else { return };
                put(to.object, steps, &at.indexes, copy);
            }
            Via::Written(_) => return,
            Via::Absent(reason) => absent(to.object, &row.target, &at.indexes, reason),
            _ => return,
        }
        self.settle(row, to.object, &at.indexes);
        self.trace.record(NO_PIECE, at.node, row.rule, Fate::Mapped);
    }

    /// Fills required elements that nothing has filled, with an issue for each.
    pub(super) fn defaults(&mut self, table: &'a Table, element: Element<'d>, object: &mut Object) {
        for row in &table.defaults {
            if !is_missing(object, &row.target.steps) {
                continue;
            }
            let node = self.open.last().and_then(|own| self.resources.get(*own)).map_or(0, |own| own.node);
            let resource = self.open.last().copied().unwrap_or_default();
            let mut to = Filling { object, resource, node, shared: &mut Vec::new() };
            if !self.holds(&row.when, element, Some(&to)) {
                continue;
            }
            self.constant(row, &mut to);
            if let Some(first) = row.target.steps.first() {
                self.soft.push((resource, first.name.clone()));
            }
            let names: Vec<&str> = row.target.steps.iter().map(|step| step.name.as_str()).collect();
            let text = format!("{}.{} is required and the document does not say it", table.root, names.join("."));
            self.issue(Severity::Information, "incomplete", &text, element, row.rule);
        }
    }

    /// The primitive a row makes of a value, and whether it says less.
    fn primitive(&mut self, row: &'a Row, value: Value<'d>, at: Node) -> Option<(Json, Option<&'static str>)> {
        match &row.via {
            Via::Narrative => return self.narrative(value.element, at, row.rule),
            Via::Referred => return self.referred(value.element, at, row.rule),
            Via::Attachment => {
                let Some(data) = attachment(value.element) else {
                    let text = "expected base64, as the element says: the text is kept as it stands";
                    self.issue(Severity::Warning, "value", text, value.element, row.rule);
                    return None;
                };
                return Some((Json::from(&*data), None));
            }
            Via::Size => {
                let lexeme = SmolStr::from(size(value.element)?.to_string());
                return Some((row.target.holds.json(lexeme)?, None));
            }
            Via::Hash => return Some((Json::from(hash(value.element)?), None)),
            Via::Note => {
                let (text, _) = self.referred(value.element, at, row.rule)?;
                return Some((Json::from(encoded(text.as_str()?.as_bytes())), None));
            }
            _ => {}
        }
        let text = value.text();
        if trim(&text).is_empty() {
            return None;
        }
        match &row.via {
            Via::Code(map) => {
                let code_map = self.compiled.maps.get(*map)?;
                let Some(concept) = code_map.forward_any(&text) else {
                    let text = format!("the code is not in {}", code_map.name);
                    self.issue(Severity::Warning, "code-invalid", &text, value.element, row.rule);
                    return None;
                };
                let back = code_map.backward(None, &concept.target);
                let lossy = (back.map(SmolStr::as_str) != Some(trim(&text))).then_some("");
                Some((Json::String(concept.target.clone()), lossy))
            }
            Via::System(map) => {
                let name = trim(&text);
                let uri = match self.compiled.maps.get(*map)?.forward(name) {
                    Some(concept) => (concept.target.clone(), None),
                    None => match function::universal_uri(name).filter(|uri| uri.starts_with("urn:uuid:")) {
                        Some(uri) => (uri, None),
                        None => function::system_uri(name),
                    },
                };
                Some((Json::String(uri.0), uri.1))
            }
            Via::Function(function) => {
                let call =
                    Call { value: &text, arguments: &[], zone: self.zone.as_ref(), authorities: self.authorities() };
                match (function.forward)(&call) {
                    Ok(Output { value: lexeme, lossy }) => Some((row.target.holds.json(lexeme)?, lossy)),
                    Err(failure) => {
                        if matches!(function.name, "date" | "dateTime" | "instantUtc") {
                            let digits = function::digits_of_iso(trim(&text));
                            for time in digits.into_iter().chain(function::date_in(trim(&text))) {
                                if let Ok(Output { value: lexeme, .. }) =
                                    (function.forward)(&Call { value: &time, ..call })
                                {
                                    let why = "not a time as CDA writes it: what can be read of it is taken";
                                    return Some((Json::String(lexeme), Some(why)));
                                }
                            }
                        }
                        self.issue(Severity::Warning, "value", failure.0, value.element, row.rule);
                        None
                    }
                }
            }
            _ => None,
        }
    }

    /// The narrative of a section as XHTML.
    fn narrative(&mut self, element: Element<'d>, at: Node, rule: u32) -> Option<(Json, Option<&'static str>)> {
        let made = narrative::narrative(element)?;
        for leaf in made.leaves {
            self.mapped(leaf, at, rule);
        }
        Some((Json::from(made.div), None))
    }

    /// An element's own text, or that of the narrative that its `reference` points to.
    fn referred(&mut self, element: Element<'d>, at: Node, rule: u32) -> Option<(Json, Option<&'static str>)> {
        let own = if element.children().any(|part| part.name() != "reference") {
            apart(element).into()
        } else {
            element.text()
        };
        if let text = trim(&own)
            && !text.is_empty()
        {
            let mut leaves = Vec::new();
            Value { element, part: Part::Whole }.leaves(|leaf| leaves.push(leaf));
            leaves.into_iter().for_each(|leaf| self.mapped(leaf, at, rule));
            return Some((Json::from(folded(text)), None));
        }
        let link = element.children().find(|child| child.name() == "reference")?;
        let id = link.attribute("value")?.trim();
        let there = self.document.with_id(id.strip_prefix('#').unwrap_or(id))?;
        let text = folded(&there.text());
        if text.is_empty() {
            return None;
        }
        if let Some(leaf) = link.attribute_leaf("value") {
            self.mapped(leaf, at, rule);
        }
        Some((Json::from(text), None))
    }
}

/// All text of an element whose parts are a word each, as those of names and addresses are.
fn apart(element: Element<'_>) -> String {
    let (mut out, mut open) = (String::new(), vec![element]);
    while let Some(element) = open.pop() {
        for (text, _) in element.texts() {
            out.push(' ');
            out.push_str(text);
        }
        let before = open.len();
        open.extend(element.children());
        if let Some(added) = open.get_mut(before..) {
            added.reverse();
        }
    }
    out
}

/// A text with white space folded: line breaks of a document are layout.
fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}
