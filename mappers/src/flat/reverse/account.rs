//! What of a resource is in a row, and what has no column: the row is mapped again by the same package, and what comes of it
//! is compared with the resource. So an element counts as written only if the file says it.

use std::collections::HashMap;

use formats::flat::Rows;
use model::json::Json;
use smol_str::{SmolStr, format_smolstr};

use crate::compile::Compiled;
use crate::trace::{Account, Explained, Loss};
use crate::types::Context;

use super::super::eval::{self, End, Eval, Event, Resource};
use super::super::plan::FlatTable;
use super::super::shape::Shape;
use super::Reverse;
use super::cells::Line;
use super::rows::About;
use super::text::lexeme;

const NO_ROW: &str = "the package writes no row of this resource";
const NO_COLUMN: &str = "no column of the file says it";
const ID: &str = "an id is made anew of what tells the row apart";
const LESS: &str = "the file says something else or less of it";

/// Maps rows again that were written.
pub(super) struct Auditor<'a> {
    eval: Eval<'a>,
}

impl<'a> Auditor<'a> {
    pub(super) fn new(compiled: &'a Compiled, context: &'a Context<'a>) -> Self {
        Self { eval: Eval::new(compiled, context, Account::Full) }
    }
}

/// A row as it would be read.
struct Again {
    table: usize,
    shape: Shape,
    rows: Rows,
}

impl Again {
    fn new(table: usize, flat: &FlatTable, number: u64, line: &Line, others: &[String]) -> Self {
        let mut rows = Rows::default();
        let more = others.iter().map(|name| line.others.get(name).map_or("", String::as_str));
        rows.push(number, line.cells.iter().map(String::as_str).chain(more));
        Self { table, shape: Shape::written(flat, others), rows }
    }

    fn line(&self) -> Option<eval::Line<'_>> {
        Some(eval::Line { table: self.table, shape: &self.shape, cells: self.rows.row(0)? })
    }
}

impl<'a> Reverse<'a> {
    /// What became of the resources that this row is the first of.
    pub(super) fn account(
        &mut self,
        table: usize,
        line: &Line,
        row: u64,
        others: &[String],
        about: &About,
    ) -> (Loss, Vec<Explained>) {
        let Some(mut auditor) = self.auditor.take() else { return (Loss::default(), Vec::new()) };
        let (mut loss, mut explain) = (Loss::default(), Vec::new());
        if let Some(flat) = self.compiled.flat.tables.get(table).filter(|_| !about.new.is_empty()) {
            let own = Again::new(table, flat, row, line, others);
            let above = self.above(table, about);
            let below = self.below(table, about);
            if let Some(line) = own.line() {
                let above: Vec<eval::Line<'_>> = above.iter().filter_map(Again::line).collect();
                let below: Vec<eval::Line<'_>> = below.iter().filter_map(Again::line).collect();
                auditor.eval.unit(&line, &above, &below);
                let place = self.compiled.flat.place_of(table, row);
                for number in &about.new {
                    self.compare(*number, &place, about, &auditor.eval, &mut loss, &mut explain);
                }
                auditor.eval.events.clear();
                auditor.eval.made.clear();
                auditor.eval.issues.clear();
            }
        }
        self.auditor = Some(auditor);
        (loss, explain)
    }

    fn above(&mut self, table: usize, about: &About) -> Vec<Again> {
        let mut out = Vec::new();
        for number in self.compiled.flat.ancestors(table) {
            let Some(flat) = self.compiled.flat.tables.get(number) else { continue };
            let line = self.parent_line(flat, &about.bound);
            out.push(Again::new(number, flat, 0, &line, &[]));
        }
        out
    }

    fn below(&mut self, table: usize, about: &About) -> Vec<Again> {
        let mut out = Vec::new();
        for (number, flat) in self.compiled.flat.tables.iter().enumerate() {
            if !flat.adds || flat.parent != Some(table) {
                continue;
            }
            for role in &flat.roles {
                let Some(resource) = about.bound.get(&role.alias).copied() else { continue };
                let lines = self.items_of(flat, role, resource);
                out.extend(lines.iter().map(|line| Again::new(number, flat, 0, line, &[])));
            }
        }
        out
    }

    /// Compares a resource with what its row becomes again.
    fn compare(
        &self,
        number: usize,
        place: &str,
        about: &About,
        eval: &Eval<'_>,
        loss: &mut Loss,
        explain: &mut Vec<Explained>,
    ) {
        let Some(resource) = self.resource(number) else { return };
        let alias = about.bound.iter().find(|(_, bound)| **bound == number).map(|(alias, _)| *alias);
        let again = eval.resources.iter().find(|again| match alias {
            Some(alias) => again.alias == alias,
            None => again.kind == "Basic",
        });
        let name = name_of(&resource);
        let Some(again) = again else {
            loss.dropped.append(&mut whole(&name, &resource).dropped);
            return;
        };
        let mut there: HashMap<(String, SmolStr), Vec<String>> = HashMap::new();
        let mut paths: Vec<String> = Vec::new();
        leaves(&Json::Object(again.object.clone()), &again.kind, &again.kind, &mut |path, bare, value| {
            there.entry((bare.to_owned(), value)).or_default().push(path.to_owned());
            paths.push(bare.to_owned());
        });
        let mut homes: HashMap<String, String> = HashMap::new();
        let kind = resource.text_at(&["resourceType"]).unwrap_or_default();
        leaves(&resource, kind, kind, &mut |path, bare, value| {
            let at = format!("{name}#{path}");
            // What is referred to is another row's, and has another id here.
            let value = if bare.ends_with(".reference") {
                there.keys().find(|(known, _)| known == bare).map_or(value, |(_, value)| value.clone())
            } else {
                value
            };
            match there.get_mut(&(bare.to_owned(), value)).and_then(Vec::pop) {
                Some(found) => {
                    loss.mapped
                        .push((at.clone(), cell(&eval.events, again, &found).unwrap_or_else(|| place.to_owned())));
                    homes.insert(found, at);
                }
                None if bare.split_once('.').is_some_and(|(_, rest)| rest == "id") => {
                    loss.dropped.push((at, ID.to_owned()));
                }
                None => {
                    let why = if paths.iter().any(|known| known == bare) { LESS } else { NO_COLUMN };
                    loss.dropped.push((at, why.to_owned()));
                }
            }
        });
        for made in &eval.made {
            let Some(path) = made.to.strip_prefix(again.name.as_str()).and_then(|rest| rest.strip_prefix('#')) else {
                continue;
            };
            let Some(from) = &made.from else { continue };
            let home = homes.iter().filter(|(found, _)| is_under(found, path)).map(|(_, at)| at.clone()).min();
            if let Some(home) = home {
                let rule = self.compiled.rule(made.rule);
                explain.push(Explained { to: from.to_string(), from: vec![home], rule });
            }
        }
    }
}

/// A resource that no row is written of.
pub(super) fn whole(name: &str, resource: &Json) -> Loss {
    let mut loss = Loss::default();
    let kind = resource.text_at(&["resourceType"]).unwrap_or_default();
    leaves(resource, kind, kind, &mut |path, _, _| loss.dropped.push((format!("{name}#{path}"), NO_ROW.to_owned())));
    loss
}

fn name_of(resource: &Json) -> String {
    let text = |name| resource.text_at(&[name]).unwrap_or("?");
    format!("{}/{}", text("resourceType"), text("id"))
}

/// The cell that an element came from.
fn cell(events: &[Event], resource: &Resource, path: &str) -> Option<String> {
    let under = |to: &str| {
        let place = to.strip_prefix(resource.name.as_str()).and_then(|rest| rest.strip_prefix('#'));
        place.filter(|place| is_under(path, place)).map(str::len)
    };
    let of = |event: &Event| match &event.end {
        End::Mapped(to) | End::Kept(to) => under(to).map(|length| (length, event.at.to_string())),
        End::Dropped(_) => None,
    };
    events.iter().filter_map(of).max_by_key(|(length, _)| *length).map(|(_, at)| at)
}

fn is_under(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Every value of a resource but its type, with its path, that path without numbers, and its text.
fn leaves(json: &Json, path: &str, bare: &str, take: &mut dyn FnMut(&str, &str, SmolStr)) {
    match json {
        Json::Object(object) => {
            for (name, value) in object.iter() {
                if name != "resourceType" {
                    let name = name.strip_prefix('_').unwrap_or(name);
                    leaves(value, &format!("{path}.{name}"), &format!("{bare}.{name}"), take);
                }
            }
        }
        Json::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                leaves(item, &format!("{path}[{at}]"), bare, take);
            }
        }
        Json::Null => {}
        json => take(path, bare, lexeme(json).unwrap_or_else(|| format_smolstr!("{}", json.to_text()))),
    }
}
