//! Complex elements that a datatype's table builds.

use formats::cda::Element;
use model::json::{Json, Object};
use model::outcome::Severity;
use smol_str::SmolStr;

use super::keep::KEPT;
use super::run::{DEEPEST, Filling, Run};
use super::table::{Row, Table};
use crate::build::{self, Located};
use crate::eval::{LEXEME, coding, put};
use crate::function::{self, Authorities, Back};
use crate::trace::{Fate, NO_PIECE};

impl<'a, 'd> Run<'a, 'd> {
    /// Builds a complex element; whether it said anything.
    pub(super) fn element(
        &mut self,
        row: &'a Row,
        table: &'a Table,
        map: Option<usize>,
        element: Element<'d>,
        to: &mut Filling<'_>,
        at: &Located,
    ) -> bool {
        if self.depth >= DEEPEST {
            return false;
        }
        let steps = &row.target.steps;
        let existing = if at.exists { build::find(to.object, steps, &at.indexes) } else { None };
        let mut built = match existing {
            Some(Json::Object(existing)) => existing.clone(),
            _ => Object::with_capacity(4),
        };
        let (before, said) = (built.clone(), self.said);
        let mut shared = Vec::new();
        let mut inner = Filling { object: &mut built, resource: to.resource, node: at.node, shared: &mut shared };
        self.depth += 1;
        self.rows(table, element, &mut inner);
        self.depth -= 1;
        if table.root == "Period" {
            self.order(row, element, &mut built, at);
        }
        if let Some(map) = map {
            self.mapped_code(row, map, table, element, &mut built, at);
        }
        if built == before || self.said == said {
            return self.said > said;
        }
        put(to.object, steps, &at.indexes, Json::Object(built));
        self.settle(row, to.object, &at.indexes);
        if let Some(same) = build::drop_repeat(to.object, steps, &at.indexes) {
            self.trace.set_index(at.node, same);
        }
        self.trace.record(NO_PIECE, at.node, row.rule, Fate::Mapped);
        true
    }

    /// Puts the end of a Period beside it that is before its start, with the account of it.
    fn order(&mut self, row: &Row, element: Element<'d>, period: &mut Object, at: &Located) {
        let Some(done) = ordered(period) else { return };
        let text = match done {
            Ordered::EndKept(index) => {
                let high = element.children().find(|child| child.name() == "high");
                if let Some(leaf) = high.and_then(|high| high.attribute_leaf("value")) {
                    let beside = self.trace.child(at.node, &SmolStr::new_static("extension"), index);
                    self.trace.keep_instead(leaf, beside);
                }
                "an end before the start: the start alone is said, the end is kept beside it"
            }
            Ordered::Dates => "a start and an end of one day, one without a time that is sure: both are said as dates",
        };
        self.issue(Severity::Warning, "value", text, element, row.rule);
    }

    /// Puts what a vocabulary map makes of an element's code before the code itself.
    fn mapped_code(
        &mut self,
        row: &'a Row,
        map: usize,
        table: &Table,
        element: Element<'d>,
        built: &mut Object,
        at: &Located,
    ) {
        let Some(code) = element.attribute("code").map(str::trim).filter(|code| !code.is_empty()) else { return };
        let Some(map) = self.compiled.maps.get(map) else { return };
        let Some(concept) = map.forward(code) else {
            if !map.knows(code) {
                let text = format!("the code is not in {}", map.name);
                self.issue(Severity::Information, "code-invalid", &text, element, row.rule);
            }
            return;
        };
        let leaf = element.attribute_leaf("code");
        if table.root == "Coding" {
            let Json::Object(made) = coding(&concept.system, &concept.target, &concept.display) else { return };
            for (name, value) in made {
                built.insert(name, value);
            }
            leaf.into_iter().for_each(|leaf| self.mapped(leaf, at.node, row.rule));
            self.said += 1;
            return;
        }
        let list = built.get_or_insert_with("coding", || Json::Array(Vec::new()));
        let Some(items) = list.as_array_mut() else { return };
        let key = |item: &Json| (item.get("system").cloned(), item.get("code").cloned());
        let coding = coding(&concept.system, &concept.target, &concept.display);
        if !items.iter().any(|item| key(item) == key(&coding)) {
            items.insert(0, coding);
        }
        leaf.into_iter().for_each(|leaf| self.mapped(leaf, at.node, row.rule));
        self.said += 1;
    }
}

/// What a Period needed to keep per-1.
enum Ordered {
    /// Its end is kept beside it, in the extension of this number.
    EndKept(u32),
    Dates,
}

/// Makes a Period keep per-1 of FHIR R4 (the start is not after the end); says what had to be done.
///
/// Of two times on one day of which one has lost its time of day, the other is said as a date too: they could not be
/// compared. An end before the start is kept beside the Period. What was said stands in extensions.
fn ordered(period: &mut Object) -> Option<Ordered> {
    let text = |name: &str| period.get(name).and_then(Json::as_str).map(str::to_owned);
    let (start, end) = (text("start")?, text("end")?);
    let day = |time: &str| time.get(..10).unwrap_or(time).to_owned();
    let shorter = day(&start).len().min(day(&end).len());
    let begins = |time: &str| time.get(..shorter).unwrap_or(time).to_owned();
    if begins(&start) < begins(&end) {
        return None;
    }
    if begins(&start) > begins(&end) || (start.len() > 10 && end.len() > 10 && moment(&start) > moment(&end)) {
        period.remove("end");
        let end = Json::from(digits(&end));
        return Some(Ordered::EndKept(build::extend(period, format!("{KEPT}high/@value"), "valueString", end)));
    }
    if (start.len() > 10) == (end.len() > 10) && day(&start).len() == day(&end).len() {
        return None;
    }
    for (name, time) in [("start", start), ("end", end)] {
        let date = begins(&time);
        if date != time {
            period.insert(name, date);
            let companion = period.get_or_insert_with(&format!("_{name}"), || Json::Object(Object::new()));
            if let Some(companion) = companion.as_object_mut() {
                companion.remove("extension");
                build::extend(companion, LEXEME, "valueString", Json::from(digits(&time)));
            }
        }
    }
    Some(Ordered::Dates)
}

/// A time to be compared with others of any zone.
fn moment(time: &str) -> Option<jiff::Timestamp> {
    time.parse().ok()
}

/// A time as a document writes it.
fn digits(time: &str) -> String {
    let back = Back { value: time, authorities: Authorities::default() };
    let written =
        function::named("dateTime").and_then(|function| function.backward).and_then(|backward| backward(&back));
    written.and_then(|texts| texts.into_iter().next()).unwrap_or_else(|| time.to_owned())
}
