//! Which table reads an element: the first row of `entries.csv` that fits.

use formats::cda::Element;
use model::json::Object;

use super::path::has_template;
use super::run::{DEEPEST, Filling, Run};
use super::table::Entry;

impl<'d> Run<'_, 'd> {
    /// Reads an element by whatever table fits, or what it holds where none does; gives back the resources made.
    pub(super) fn dispatch(&mut self, element: Element<'d>, made: &mut Vec<usize>) {
        if self.is_read(element.id()) {
            return;
        }
        let tables = self.tables;
        let named = tables.entries.get(element.name()).into_iter().flatten();
        let any = tables.entries.get("").into_iter().flatten();
        let entry = named.chain(any).find(|entry| self.fits(entry, element));
        match entry {
            Some(Entry { through: Some(table), .. }) => self.through(*table, element, made),
            Some(entry) if !entry.tables.is_empty() => {
                // What several tables read together is kept once all have read it, with the first.
                let whole = entry.tables.len() > 1;
                let outer = if whole { self.shared.replace(element.id()) } else { self.shared };
                let mut first = None;
                for table in &entry.tables {
                    let resource = self.template(*table, element);
                    first = first.or(resource);
                }
                self.shared = outer;
                let Some(first) = first else { return };
                if whole {
                    self.keep_with(first, element);
                }
                if !made.contains(&first) {
                    made.push(first);
                }
            }
            Some(_) => {
                self.mark_read(element);
                let before = made.len();
                self.below(element, made);
                if let Some(first) = made.get(before).copied() {
                    self.keep_around(first, element);
                }
            }
            None => self.below(element, made),
        }
    }

    /// Runs a table that makes no resource itself; what it leaves is kept with the first that its rows make.
    fn through(&mut self, table: usize, element: Element<'d>, made: &mut Vec<usize>) {
        let tables = self.tables;
        let (Some(table), true) = (tables.tables.get(table), self.depth < DEEPEST) else { return };
        self.mark_read(element);
        let outer = std::mem::take(&mut self.loose);
        let (mut object, resource) = (Object::new(), self.open.last().copied().unwrap_or_default());
        self.depth += 1;
        self.rows(table, element, &mut Filling { object: &mut object, resource, node: 0, shared: &mut Vec::new() });
        self.depth -= 1;
        let inner = std::mem::replace(&mut self.loose, outer);
        if let Some(first) = inner.first() {
            self.keep_around(*first, element);
        }
        for number in inner {
            if !made.contains(&number) {
                made.push(number);
            }
        }
    }

    /// Reads the elements that relationships of an element lead to.
    fn below(&mut self, element: Element<'d>, made: &mut Vec<usize>) {
        if self.depth >= DEEPEST {
            return;
        }
        self.depth += 1;
        for child in element.children() {
            if matches!(child.name(), "entryRelationship" | "component" | "entry" | "sequence" | "section") {
                for inner in child.children() {
                    if self.tables.entries.contains_key(inner.name()) {
                        self.dispatch(inner, made);
                    }
                }
            }
        }
        self.depth -= 1;
    }

    fn fits(&self, entry: &Entry, element: Element<'d>) -> bool {
        let template = entry.templates.is_empty() || entry.templates.iter().any(|oid| has_template(element, oid));
        let coded = || {
            let code = element.children().find(|child| child.name() == "code").and_then(|code| code.attribute("code"));
            code.is_some_and(|code| entry.codes.iter().any(|known| known == code))
        };
        template && (entry.codes.is_empty() || coded()) && self.holds(&entry.when, element, None)
    }
}
