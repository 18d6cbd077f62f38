//! What became of each cell; cells that no row has read are kept.

use model::json::{Json, Object};
use model::outcome::{Issue, Severity};
use smol_str::{SmolStr, format_smolstr};

use crate::build::{self, Indexes};
use crate::eval::identity::names;
use crate::eval::put::coding;
use crate::function::escaped;
use crate::map::{Place, SELF};
use crate::path::{At, Step};
use crate::quick::trim;
use crate::trace::{Account, NO_INDEX};

use super::super::plan::{COMPOSITE, FlatTable};
use super::{End, Eval, Event, Here, KEPT, Known, Line, Resource, TABLE_SYSTEM};

const NULL: &str = "null: the file says that there is no value, so the element is absent";

impl<'a> Eval<'a> {
    /// Keeps the cells that no row has read: in the item of an array that the row has added, on the resource the row is
    /// about, else in a Basic resource.
    pub(super) fn keep_rest(&mut self, flat: &FlatTable, line: &Line<'_>, item: Option<(usize, SmolStr, u32)>) {
        if !self.known.contains(&Known::Nothing) {
            return;
        }
        let main = flat.roles.get(flat.main).map(|role| role.alias);
        let mut home = self.resources.iter().position(|resource| Some(resource.alias) == main);
        for position in 0..self.known.len() {
            if self.known.get(position) != Some(&Known::Nothing) {
                continue;
            }
            let text = trim(line.cells.cell(position));
            let number = line.shape.columns().find(|(_, at)| *at == position).map(|(number, _)| number);
            if flat.is_null(number, text) {
                self.mark(position, line, Known::Dropped, NULL);
                continue;
            }
            let own = match home.or_else(|| self.resources.len().checked_sub(1)) {
                Some(own) => own,
                None => self.basic(flat, line),
            };
            home = Some(own);
            let column = self.column_name(flat, line, position);
            let url = format!("{KEPT}{}:{}", flat.name, escaped(&column));
            let Some(resource) = self.resources.get_mut(own) else { continue };
            let within = item.as_ref().filter(|(of, name, index)| {
                let list = resource.object.get(name).filter(|_| *of == own);
                list.and_then(|list| list.item(*index as usize)).is_some_and(|item| item.as_object().is_some())
            });
            let object = match within {
                Some((_, name, index)) => {
                    let list = resource.object.get_mut(name).and_then(Json::as_array_mut);
                    list.and_then(|list| list.get_mut(*index as usize)).and_then(Json::as_object_mut)
                }
                None => Some(&mut resource.object),
            };
            let Some(object) = object else { continue };
            let index = build::extend(object, url, "valueString", Json::from(text));
            let within = within.map_or_else(String::new, |(_, name, index)| format!(".{name}[{index}]"));
            let to = format!("{}#{}{within}.extension[{index}]", resource.name, resource.kind);
            self.mark(position, line, Known::Kept, &to);
        }
    }

    pub(super) fn column_name(&self, flat: &FlatTable, line: &Line<'_>, position: usize) -> SmolStr {
        let known = line.shape.columns().find(|(_, at)| *at == position).and_then(|(number, _)| flat.spec(number));
        let other = || line.shape.others.iter().find(|(at, _)| *at == position).map(|(_, name)| name.clone());
        known.map(|column| column.name.clone()).or_else(other).unwrap_or_else(|| format_smolstr!("#{}", position + 1))
    }

    /// A resource for a row that nothing is made of.
    pub(super) fn basic(&mut self, flat: &FlatTable, line: &Line<'_>) -> usize {
        let kind = SmolStr::new_static("Basic");
        let mut seed = std::mem::take(&mut self.name);
        seed.truncate(0);
        seed.push(self.context.source);
        seed.push(&kind);
        self.position(line, &mut seed);
        let (id, name) = names(&kind, seed.uuid(self.context.namespace));
        self.name = seed;
        let code = coding(&SmolStr::new_static(TABLE_SYSTEM), &flat.name, &SmolStr::default());
        let mut object = Object::with_capacity(4);
        object.insert(SmolStr::new_static("resourceType"), Json::String(kind.clone()));
        object.insert(SmolStr::new_static("id"), Json::String(id.clone()));
        object.insert(SmolStr::new_static("code"), Json::object([("coding", Json::array([code]))]));
        self.resources.push(Resource { kind, id, object, name, alias: SELF });
        let text = "no map makes a resource of this row: its cells are kept in a Basic resource";
        self.issues.push(Issue::warning("incomplete", text).at(self.plan.place_of(line.table, line.cells.number())));
        self.resources.len() - 1
    }

    pub(super) fn settle_counts(&mut self) {
        let [total, mapped, kept, dropped] = &mut self.counts;
        for known in &self.known {
            match known {
                Known::Empty => continue,
                Known::Mapped => *mapped += 1,
                Known::Kept => *kept += 1,
                Known::Nothing | Known::Dropped => *dropped += 1,
            }
            *total += 1;
        }
    }

    pub(super) fn mark(&mut self, position: usize, line: &Line<'_>, known: Known, to: &str) {
        let Some(slot) = self.known.get_mut(position).filter(|slot| **slot != Known::Empty && **slot < known) else {
            return;
        };
        *slot = known;
        if self.account == Account::Full {
            let at = self.at(line, position);
            let end = match known {
                Known::Mapped => End::Mapped(to.to_owned()),
                Known::Kept => End::Kept(to.to_owned()),
                _ => End::Dropped(to.into()),
            };
            self.events.push(Event { at, end });
        }
    }

    /// `row,column` of a cell; with the table before it where there are several.
    pub(super) fn at(&self, line: &Line<'_>, position: usize) -> SmolStr {
        let Some(flat) = self.table(line) else { return SmolStr::default() };
        let known = line.shape.columns().find(|(_, at)| *at == position).and_then(|(number, _)| flat.spec(number));
        let other = || line.shape.others.iter().find(|(at, _)| *at == position).map(|(_, name)| name.clone());
        let column = known.map(|column| column.name.clone()).or_else(other);
        let column = column.unwrap_or_else(|| format_smolstr!("#{}", position + 1));
        let row = line.cells.number();
        if self.several { format_smolstr!("{}:{row},{column}", flat.name) } else { format_smolstr!("{row},{column}") }
    }

    pub(super) fn path(&self, own: usize, steps: &[Step], indexes: &Indexes) -> String {
        let Some(resource) = self.resources.get(own) else { return String::new() };
        let mut out = format!("{}#{}", resource.name, resource.kind);
        for (depth, step) in steps.iter().enumerate() {
            out.push('.');
            out.push_str(step.name.strip_prefix('_').unwrap_or(&step.name));
            let index = indexes.get(depth);
            if step.at != At::Single && index != NO_INDEX {
                out.push_str(&format!("[{index}]"));
            }
        }
        out
    }

    /// Says that the cells of a place stand at an element.
    pub(super) fn credit(&mut self, place: &Place, here: Here<'_, '_>, to: &str) {
        match place {
            // The usual case, without a list.
            Place::Own { field, .. } if *field < COMPOSITE => {
                if let Some(position) = here.line.shape.position(*field) {
                    self.mark(position, here.line, Known::Mapped, to);
                }
            }
            _ => {
                for (position, _) in self.columns_of(place, here) {
                    self.mark(position, here.line, Known::Mapped, to);
                }
            }
        }
    }

    pub(super) fn note_cell(&mut self, position: usize, line: &Line<'_>) {
        if !trim(line.cells.cell(position)).is_empty()
            && let Some(slot) = self.known.get_mut(position)
        {
            *slot = Known::Nothing;
        }
    }

    pub(super) fn issue(
        &mut self,
        severity: Severity,
        code: &'static str,
        text: &str,
        place: &Place,
        here: Here<'_, '_>,
        rule: u32,
    ) {
        let issue = Issue::new(severity, code, text).rule(self.compiled.rule(rule));
        let at = self.columns_of(place, here).first().map(|(position, _)| self.at(here.line, *position));
        self.issues.push(match at {
            Some(at) => issue.at(at),
            None => issue.at(self.plan.place_of(here.line.table, here.line.cells.number())),
        });
    }
}
