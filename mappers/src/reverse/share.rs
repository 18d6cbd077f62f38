//! Which item of a repeating element belongs to which row.

use model::json::{Json, Object};
use smol_str::SmolStr;

use crate::map::{AliasId, Place, Row, SELF, Source, Table, Via, With};
use crate::path::{At, Step};

use super::{PLACE, Reverse, Share, has_const, resolve, says};

impl Reverse<'_, '_> {
    /// Gives the items of each appended array to the rows: by their constants first, the rest to the first row without.
    pub(super) fn share(&self, table: &Table, alias: AliasId, object: &Object) -> Share {
        let mut out = Share::default();
        let rows: Vec<(usize, &Row)> = table
            .rows
            .iter()
            .enumerate()
            .filter(|(_, row)| {
                (row.alias == alias || alias == SELF)
                    && row.way.is_back(self.library.made)
                    && row.target.appends()
                    && (matches!(row.source, Source::Place(_)) || matches!(row.via, Via::New(_)))
            })
            .collect();
        let mut arrays: Vec<Vec<SmolStr>> = Vec::new();
        for (_, row) in &rows {
            let path = array_path(&row.target.steps);
            if !arrays.contains(&path) {
                arrays.push(path);
            }
        }
        for path in arrays {
            let among: Vec<(usize, &Row)> =
                rows.iter().filter(|(_, row)| array_path(&row.target.steps) == path).copied().collect();
            let Some(items) = items_at(object, &path) else { continue };
            // Fields whose items say so themselves: items that say nothing are not theirs.
            let named: Vec<&str> = items.iter().filter_map(place_of).collect();
            let single = |row: &Row| {
                matches!(row.source, Source::Place(Place::Part { .. }))
                    || matches!(row.source, Source::Place(Place::Own { repetition: 1.., .. }))
                    || matches!(row.via, Via::New(_))
            };
            for (index, item) in items.iter().enumerate() {
                let base = item.as_object();
                let of_url = |row: &Row| match append_step(&row.target.steps) {
                    Some(At::AppendExtension(url)) => item.get("url").and_then(Json::as_str) == Some(url.as_str()),
                    _ => true,
                };
                // A constant of the table says this item: no piece is behind it.
                let constant =
                    table.rows.iter().any(|row| match (&row.source, &row.via, row.target.steps.as_slice()) {
                        (Source::Constant, Via::Literal(wanted), [step]) => {
                            path.as_slice() == [step.name.as_str()] && says(item, wanted)
                        }
                        _ => false,
                    });
                if constant {
                    continue;
                }
                let place = place_of(item);
                let its = |row: &Row| {
                    let Source::Place(Place::Own { field, .. }) = &row.source else {
                        // What makes a resource says by its constants which field it is of.
                        return place.is_none() || !row.with.is_empty();
                    };
                    let own = format!("{}-{field}", table.source);
                    match place {
                        Some(place) => is_within(place, &own),
                        None => !named.iter().any(|place| is_within(place, &own)) || !self.contested(table, row, item),
                    }
                };
                let there = |row: &Row| its(row) && resolve(object, &row.target.steps, Some(index), None).is_some();
                let of_type = |row: &Row| match (&row.via, reference_in(item, &row.target.steps)) {
                    (Via::New(kind), Some(reference)) => self.library.find_as(reference, kind).is_some(),
                    (Via::Table { table, .. }, Some(reference)) => {
                        let root = self
                            .compiled
                            .tables
                            .get(*table)
                            .filter(|table| table.resource)
                            .map(|table| table.root.as_str());
                        root.is_none_or(|root| {
                            self.library.find(reference).is_none() || self.library.find_as(reference, root).is_some()
                        })
                    }
                    _ => true,
                };
                let free = |number: usize, row: &Row, out: &Share| !single(row) || !out.of.contains_key(&number);
                let hard = |row: &Row| row.with.iter().filter(|with| !with.soft).count();
                let mut ranked: Vec<(usize, &Row)> =
                    among.iter().filter(|(_, row)| !row.with.is_empty()).copied().collect();
                ranked.sort_by_key(|(_, row)| std::cmp::Reverse(hard(row)));
                let by_const = ranked.iter().find(|(number, row)| {
                    of_url(row)
                        && of_type(row)
                        && free(*number, row, &out)
                        && there(row)
                        && consts_fit(row, object, index)
                });
                let plain = |(number, row): &&(usize, &Row)| {
                    of_url(row) && of_type(row) && there(row) && free(*number, row, &out) && hard(row) == 0
                };
                // A row that makes this type of resource comes before one that would look through it.
                let makes = |row: &&(usize, &Row)| matches!(row.1.via, Via::New(_)) && plain(row);
                let rest = || among.iter().find(makes).or_else(|| among.iter().find(plain));
                let told =
                    || among.iter().find(|(_, row)| place.is_some() && of_url(row) && of_type(row) && there(row));
                let primitive_rest = || among.iter().rfind(|(_, row)| of_url(row) && hard(row) == 0 && base.is_none());
                // An identifier without a type: no constant speaks for a row, and none against it.
                let untold = || {
                    among.iter().find(|(number, row)| {
                        let open = |with: &With| {
                            let first = with.target.steps.first();
                            first.is_some_and(|step| step.name != "extension" && item.get(&step.name).is_none())
                        };
                        let open = base.is_some() && row.with.iter().filter(|with| !with.soft).all(open);
                        open && of_url(row) && of_type(row) && there(row) && free(*number, row, &out)
                    })
                };
                let chosen = by_const
                    .or_else(rest)
                    .or_else(untold)
                    .or_else(told)
                    .or_else(primitive_rest)
                    .map(|(number, _)| *number);
                if let Some(number) = chosen {
                    out.of.entry(number).or_default().push(index);
                }
            }
        }
        out
    }
}

impl Reverse<'_, '_> {
    /// Whether a row of another field with as many constants would take an item too.
    fn contested(&self, table: &Table, row: &Row, item: &Json) -> bool {
        let (Some(item), Source::Place(Place::Own { field, .. })) = (item.as_object(), &row.source) else {
            return false;
        };
        let hard = |row: &Row| row.with.iter().filter(|with| !with.soft).count();
        let set = (row.rivals as usize).checked_sub(1).and_then(|set| self.compiled.rivals.get(set));
        set.into_iter().flatten().any(|(number, index)| {
            let Some(other_table) = self.compiled.tables.get(*number) else { return false };
            let Some(other) = other_table.rows.get(*index) else { return false };
            let same = other_table.source == table.source
                && matches!(&other.source, Source::Place(Place::Own { field: of, .. }) if of == field);
            !same
                && other.way.is_back(true)
                && hard(other) == hard(row)
                && other.with.iter().filter(|with| !with.soft).all(|with| with.holds(item))
        })
    }
}

/// Whether a row's constants are there. The name of a place alone decides.
fn consts_fit(row: &Row, root: &Object, item: usize) -> bool {
    let anchor = row.target.steps.get(..row.target.anchor);
    let base = anchor.and_then(|anchor| resolve(root, anchor, Some(item), None)).and_then(Json::as_object);
    let Some(base) = base else { return false };
    let place = row
        .with
        .iter()
        .find(|with| with.target.steps.iter().any(|step| matches!(&step.at, At::Extension(url) if url == PLACE)));
    match place {
        Some(place) => {
            has_const(base, root, place)
                && row.with.iter().filter(|with| !with.soft).all(|with| has_const(base, root, with))
        }
        None => row.with.iter().all(|with| has_const(base, root, with)),
    }
}

/// Whether a place is a field or a part of it.
fn is_within(place: &str, field: &str) -> bool {
    place.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The field an item says it is of.
pub(super) fn place_of(item: &Json) -> Option<&str> {
    let holder = if item.get("extension").is_some() { Some(item) } else { value_of(item) };
    let found = holder?.items("extension").iter().find(|item| item.get("url").and_then(Json::as_str) == Some(PLACE));
    found?.get("valueString").and_then(Json::as_str)
}

/// The value of an item that is an extension.
fn value_of(item: &Json) -> Option<&Json> {
    item.get("url")?;
    item.as_object()?.iter().find(|(name, _)| name.starts_with("value")).map(|(_, value)| value)
}

/// The Reference below an item, by the steps after the one that appends.
fn reference_in<'j>(item: &'j Json, steps: &[Step]) -> Option<&'j Json> {
    let from = steps.iter().position(Step::appends)?;
    let mut here = item;
    for step in steps.get(from + 1..)? {
        here = here.get(&step.name)?;
    }
    here.get("reference").map(|_| here)
}

fn append_step(steps: &[Step]) -> Option<&At> {
    steps.iter().find(|step| step.appends()).map(|step| &step.at)
}

/// Names of the members down to the first appended array.
fn array_path(steps: &[Step]) -> Vec<SmolStr> {
    let mut out = Vec::new();
    for step in steps {
        out.push(match &step.at {
            At::Index(index) => format!("{}#{index}", step.name).into(),
            At::Extension(url) => format!("{}@{url}", step.name).into(),
            _ => step.name.clone(),
        });
        if step.appends() {
            break;
        }
    }
    out
}

fn items_at<'j>(object: &'j Object, path: &[SmolStr]) -> Option<&'j [Json]> {
    let (last, before) = path.split_last()?;
    let mut here = object;
    for name in before {
        let value = if let Some((name, index)) = name.split_once('#') {
            here.get(name)?.item(index.parse().ok()?)?
        } else if let Some((name, url)) = name.split_once('@') {
            here.get(name)?.as_array()?.iter().find(|item| item.get("url").and_then(Json::as_str) == Some(url))?
        } else {
            here.get(name)?
        };
        here = value.as_object()?;
    }
    here.get(last)?.as_array()
}
