//! The rows of a table, and the resources each is about.

use model::json::Json;
use smol_str::SmolStr;

use crate::map::{AliasId, Row, Source, Table, Via, Way};
use crate::path::{At, Step};

use super::super::plan::{FlatRole, FlatTable};
use super::cells::{Line, kept_beside};
use super::walk::{any_at, each_at, says};
use super::{Bound, Reverse};

/// What a row is about.
#[derive(Debug, Default)]
pub(super) struct About {
    /// The resources of its roles and of those above.
    pub(super) bound: Bound,
    /// Those of them that no row was written of before.
    pub(super) new: Vec<usize>,
}

/// What takes a row; false ends.
pub(super) type Put<'p, 'a> = dyn FnMut(&mut Reverse<'a>, &Line, &About) -> bool + 'p;

impl<'a> Reverse<'a> {
    fn is_a(&self, number: usize, kind: &str) -> bool {
        self.resource(number).is_some_and(|resource| resource.text_at(&["resourceType"]) == Some(kind))
    }

    /// The next resource of a type, or Basic resource, in which a row may be kept.
    fn next(&self, kind: &str, from: usize) -> Option<usize> {
        let (own, basic) = (self.pool.next(kind, from), self.pool.next("Basic", from));
        own.into_iter().chain(basic).min()
    }

    /// The rows of a table that makes resources of its own.
    pub(super) fn table(&mut self, flat: &'a FlatTable, put: &mut Put<'_, 'a>) {
        let Some(main) = flat.roles.get(flat.main) else { return };
        let Some(table) = self.compiled.tables.get(main.table) else { return };
        let mut from = 0;
        while let Some(number) = self.next(&table.root, from) {
            from = number + 1;
            if let Some(line) = self.kept_row(flat, number) {
                let new = self.mark(number).then_some(number).into_iter().collect();
                if !put(self, &line, &About { bound: Bound::new(), new }) {
                    return;
                }
                continue;
            }
            if !self.is_a(number, &table.root) || !self.fits(table, number) {
                continue;
            }
            let bound = self.bind(flat, main.alias, number);
            let line = self.line(flat, &bound);
            let own = flat.roles.iter().filter_map(|role| bound.get(&role.alias).copied());
            let new = own.collect::<Vec<_>>().into_iter().filter(|number| self.mark(*number)).collect();
            if !put(self, &line, &About { bound, new }) {
                return;
            }
        }
    }

    /// The row that the resources of its roles say.
    pub(super) fn line(&mut self, flat: &'a FlatTable, bound: &Bound) -> Line {
        let mut line = Line::new(flat);
        for role in &flat.roles {
            if let (Some(own), Some(table)) = (bound.get(&role.alias), self.compiled.tables.get(role.table)) {
                self.fill(flat, table, *own, None, &mut line);
            }
        }
        let mut numbers: Vec<usize> = bound.values().copied().collect();
        numbers.sort_unstable();
        for number in numbers {
            self.kept_cells(flat, number, &mut line);
        }
        self.parent_key(flat, bound, &mut line);
        line
    }

    /// The rows of a table that adds to its parent's resources: one for each item of an array.
    pub(super) fn items(&mut self, flat: &'a FlatTable, put: &mut Put<'_, 'a>) {
        for (place, role) in flat.roles.iter().enumerate() {
            let Some(table) = self.compiled.tables.get(role.table) else { continue };
            let mut from = 0;
            while let Some(number) = self.next(&table.root, from) {
                from = number + 1;
                if let Some(line) = self.kept_row(flat, number).filter(|_| place == 0) {
                    let new = self.mark(number).then_some(number).into_iter().collect();
                    if !put(self, &line, &About { bound: Bound::new(), new }) {
                        return;
                    }
                    continue;
                }
                if !self.is_a(number, &table.root) {
                    continue;
                }
                for line in self.items_of(flat, role, number) {
                    let bound = Bound::from([(role.alias, number)]);
                    // The row above says what became of the resource.
                    if !put(self, &line, &About { bound, new: Vec::new() }) {
                        return;
                    }
                }
            }
        }
    }

    /// The rows that one resource gives a table which adds to it.
    pub(super) fn items_of(&mut self, flat: &'a FlatTable, role: &FlatRole, number: usize) -> Vec<Line> {
        let mut out = Vec::new();
        let Some(table) = self.compiled.tables.get(role.table) else { return out };
        let array: Option<SmolStr> = table.rows.iter().find_map(|row| {
            let first = row.target.steps.first()?;
            matches!(first.at, At::PerSegment | At::Append).then(|| first.name.clone())
        });
        let (Some(array), Some(resource)) = (array, self.resource(number)) else { return out };
        let items = resource.as_object().and_then(|object| object.get(&array)).and_then(Json::as_array);
        for (at, item) in items.unwrap_or_default().iter().enumerate() {
            let mut line = Line::new(flat);
            self.fill(flat, table, number, Some((&array, at)), &mut line);
            kept_beside(flat, item, &mut line);
            if line.cells.iter().all(String::is_empty) {
                continue;
            }
            self.parent_key(flat, &Bound::from([(role.alias, number)]), &mut line);
            out.push(line);
        }
        out
    }

    /// Whether a resource has the constants that every resource of a table has.
    fn fits(&self, table: &Table, number: usize) -> bool {
        let Some(resource) = self.resource(number) else { return false };
        let Some(object) = resource.as_object() else { return false };
        let constants = table.rows.iter().filter(|row| {
            matches!((&row.source, &row.via), (Source::Constant, Via::Literal(_)))
                && row.when.is_empty()
                && row.way == Way::Both
        });
        constants.into_iter().all(|row| match &row.via {
            Via::Literal(wanted) => any_at(object, &row.target.steps, &|json| says(json, wanted)),
            _ => true,
        })
    }

    /// Finds a resource for each role, from the one the row is about along the references that the rows set.
    pub(super) fn bind(&self, flat: &FlatTable, main: AliasId, number: usize) -> Bound {
        let mut bound = Bound::from([(main, number)]);
        let above = flat.parent.map(|_| self.compiled.flat.ancestors_of(flat)).unwrap_or_default();
        let roles: Vec<_> = flat.roles.iter().chain(above.iter().flat_map(|table| &table.roles)).collect();
        loop {
            let before = bound.len();
            for role in &roles {
                let Some(table) = self.compiled.tables.get(role.table) else { continue };
                for row in &table.rows {
                    let (Source::Alias(to) | Source::Each(to)) = &row.source else { continue };
                    match (bound.get(&role.alias).copied(), bound.get(to).copied()) {
                        (Some(own), None) => {
                            let found = self.follow(own, &row.target.steps).into_iter().find(|found| {
                                self.is_a(*found, self.compiled.alias_type(*to)) && self.fits_role(&roles, *to, *found)
                            });
                            found.map(|found| bound.insert(*to, found));
                        }
                        (None, Some(target)) => {
                            if !(table.rows.iter().any(is_constant) || flat.roles.len() == 2) {
                                continue;
                            }
                            let taken: Vec<usize> = bound.values().copied().collect();
                            let mut found = None;
                            self.pool.referring(target, &table.root, &mut |number| {
                                let fits = !taken.contains(&number)
                                    && self.follow(number, &row.target.steps).contains(&target)
                                    && self.fits(table, number);
                                found = fits.then_some(number);
                                !fits
                            });
                            found.map(|found| bound.insert(role.alias, found));
                        }
                        _ => {}
                    }
                }
            }
            if bound.len() == before {
                return bound;
            }
        }
    }

    fn fits_role(&self, roles: &[&FlatRole], alias: AliasId, number: usize) -> bool {
        let table = roles.iter().find(|role| role.alias == alias).and_then(|role| self.compiled.tables.get(role.table));
        table.is_none_or(|table| self.fits(table, number))
    }

    /// The resources that references at a path lead to.
    fn follow(&self, number: usize, steps: &[Step]) -> Vec<usize> {
        let mut out = Vec::new();
        let Some(resource) = self.resource(number) else { return out };
        let Some(object) = resource.as_object() else { return out };
        each_at(object, steps, &mut |json| {
            let text = json.text_at(&["reference"]).unwrap_or_default();
            out.extend(self.pool.named(text));
            false
        });
        out
    }
}

fn is_constant(row: &Row) -> bool {
    matches!((&row.source, &row.via), (Source::Constant, Via::Literal(_))) && row.when.is_empty()
}
