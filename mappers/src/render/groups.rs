//! The groups of a message table: for which resources each is written.

use model::json::Json;
use smol_str::SmolStr;

use crate::map::{AliasId, Driver, MessageRow, MessageTable};
use crate::reverse::{Base, Pieces, Roles, items_of_kind, role};

use super::{Line, Render};

impl<'a> Render<'a, '_> {
    /// Writes a group once, for the roles given.
    pub(super) fn group(&mut self, group: usize, roles: &Roles) {
        let mut roles = roles.clone();
        let table = self.table;
        let mut bound = Vec::new();
        if let Some(group) = table.groups.get(group) {
            for (alias, driver) in &group.bindings {
                if let Some(number) = self.driven(driver, &roles).first().copied() {
                    roles.push((*alias, number));
                    bound.push(number);
                }
            }
        }
        for number in bound {
            self.mark(number);
        }
        let mut children: Vec<usize> = Vec::new();
        for row in &table.rows {
            if row.group == group {
                self.row(row, &mut roles);
            } else if let Some(child) = self.child_of(group, row.group)
                && !children.contains(&child)
            {
                children.push(child);
                self.instances(child, &roles);
            }
        }
    }

    /// Writes by the fallback table what the message's own table has no group for.
    pub(super) fn rest(&mut self, fallback: &'a MessageTable) {
        if std::ptr::eq(self.table, fallback) {
            return;
        }
        self.table = fallback;
        let patient = self.compiled.alias("Patient");
        let number = patient.and_then(|alias| self.cast.playing(alias).iter().copied().find(|n| self.is_used(*n)));
        let roles: Roles = patient.zip(number).into_iter().collect();
        let outer = fallback.groups.iter().position(|group| group.name == "PATIENT");
        for (number, group) in fallback.groups.iter().enumerate().skip(1) {
            let within = group.parent == Some(0) || (group.parent.is_some() && group.parent == outer);
            if within && Some(number) != outer {
                self.instances(number, &roles);
            }
        }
    }

    /// The child of `group` that holds `inner`.
    fn child_of(&self, group: usize, inner: usize) -> Option<usize> {
        let mut at = inner;
        while let Some(parent) = self.table.groups.get(at)?.parent {
            if parent == group {
                return Some(at);
            }
            at = parent;
        }
        None
    }

    /// Writes a group for each resource its drivers find.
    fn instances(&mut self, group: usize, roles: &Roles) {
        let table = self.table;
        let Some(drivers) = table.groups.get(group).map(|group| &group.drivers) else { return };
        // A list that comes second adds to what the group is for.
        let followed = matches!(drivers.first(), Some(Driver::Follow { from, .. }) if role(roles, *from).is_some());
        for driver in drivers {
            // Where a resource lists its own, what nobody lists waits for a group without one.
            if followed && matches!(driver, Driver::Each { .. }) {
                continue;
            }
            let alias = match driver {
                Driver::Each { alias, .. } | Driver::Follow { alias, .. } => *alias,
                Driver::Items { alias, array } => {
                    for item in self.items(group, *alias, array, roles) {
                        let outer = self.reverse.item.replace((*alias, array.clone(), item));
                        self.group(group, roles);
                        self.reverse.item = outer;
                    }
                    continue;
                }
                Driver::Once => {
                    if self.waits(group, roles) {
                        self.group(group, roles);
                    }
                    continue;
                }
            };
            let found = self.driven(driver, roles);
            // A message may lack the segment of its patient: what belongs to the patient is said all the same.
            if found.is_empty() && self.compiled.alias_type(alias) == "Patient" && self.cast.playing(alias).is_empty() {
                self.group(group, roles);
            }
            for number in found {
                // What an earlier turn has said is not said twice.
                if matches!(driver, Driver::Each { .. }) && self.is_used(number) {
                    continue;
                }
                self.mark(number);
                let mut inner = roles.clone();
                inner.push((alias, number));
                self.group(group, &inner);
            }
        }
    }

    /// Puts the patient's segment where a message of the table begins to speak of a patient nobody has named: every
    /// structure that has it asks for it.
    pub(super) fn head(&mut self, table: &MessageTable) {
        let name = |row: &MessageRow| self.compiled.segment_name(row.segment);
        let has = |wanted: &str| table.rows.iter().any(|row| name(row) == wanted);
        let there = self.lines.iter().any(|line| line.name == "PID");
        if there || !has("PID") || has("SCH") {
            return;
        }
        let before =
            |line: &&Line| matches!(line.name.as_str(), "MSH" | "SFT" | "UAC" | "EVN" | "MSA" | "ERR" | "QAK" | "QPD");
        let at = self.lines.iter().take_while(before).count();
        if at < self.lines.len() {
            let mut pieces = Pieces::default();
            pieces.set(Base::field(1, 1), "1");
            self.lines.insert(at, Line { name: "PID".into(), pieces });
        }
    }

    /// Whether a group below has something to say that nothing else has said.
    fn waits(&self, group: usize, roles: &Roles) -> bool {
        let children = (0..self.table.groups.len())
            .filter(|child| self.table.groups.get(*child).is_some_and(|g| g.parent == Some(group)));
        children.into_iter().any(|child| {
            let drivers = self.table.groups.get(child).map(|group| group.drivers.as_slice()).unwrap_or_default();
            drivers.iter().any(|driver| match driver {
                Driver::Each { .. } => !self.driven(driver, roles).is_empty(),
                Driver::Items { alias, array } => !self.items(child, *alias, array, roles).is_empty(),
                Driver::Follow { .. } | Driver::Once => false,
            })
        })
    }

    /// The items of a role's array that the first table of a group fits.
    fn items(&self, group: usize, alias: AliasId, array: &str, roles: &Roles) -> Vec<usize> {
        let first = self.table.rows.iter().find(|row| row.group == group).and_then(|row| row.tables.first());
        let table = first.and_then(|number| self.compiled.tables.get(*number)).filter(|table| table.alias == alias);
        let (Some(table), Some(object)) = (table, self.reverse.resource(roles, alias)) else { return Vec::new() };
        let fits = |row: &crate::map::Row| row.target.steps.first().is_some_and(|step| step.name == array);
        if !table.rows.iter().any(fits) {
            return Vec::new();
        }
        items_of_kind(self.compiled, self.library, table, object)
    }

    pub(super) fn mark(&mut self, number: usize) {
        if let Some(used) = self.used.get_mut(number) {
            *used = true;
        }
    }

    pub(super) fn is_used(&self, number: usize) -> bool {
        self.used.get(number).copied().unwrap_or(true)
    }

    fn driven(&self, driver: &Driver, roles: &Roles) -> Vec<usize> {
        match driver {
            Driver::Once | Driver::Items { .. } => Vec::new(),
            Driver::Each { alias, by, without } => self.each(*alias, by.as_ref(), without.as_ref(), roles),
            Driver::Follow { alias, from, path } => {
                let Some(resource) = role(roles, *from).and_then(|number| self.library.resources.get(number)) else {
                    return Vec::new();
                };
                // An order is reported on more than once, an organization pays for more than one.
                let again = matches!(self.compiled.alias_type(*alias), "ServiceRequest" | "Organization");
                let mut found = Vec::new();
                follow(resource, path, &mut |reference| {
                    if let Some(number) = self.library.find(reference)
                        && (again || !self.is_used(number))
                        && self.plays(number, *alias)
                    {
                        found.push(number);
                    }
                });
                // In the order of the list, each once.
                let mut seen = std::collections::HashSet::new();
                found.retain(|number| seen.insert(*number));
                found
            }
        }
    }

    fn each(
        &self,
        alias: AliasId,
        by: Option<&(SmolStr, AliasId)>,
        without: Option<&SmolStr>,
        roles: &Roles,
    ) -> Vec<usize> {
        let elsewhere = |number: usize| without.is_some_and(|member| self.cast.refers(number, member));
        let free = |number: &usize| !self.is_used(*number) && self.plays(*number, alias) && !elsewhere(*number);
        let Some((member, other)) = by else {
            return self.cast.playing(alias).iter().copied().filter(free).collect();
        };
        let mut found: Vec<usize> = Vec::new();
        match role(roles, *other) {
            Some(role) => {
                found.extend(self.cast.referring(member, role).iter().copied().filter(free));
                // A Bundle of one patient may leave the subject out; what points outside is not ours.
                if self.compiled.alias_type(*other) == "Patient" {
                    found.extend(self.cast.silent(member).iter().copied().filter(free));
                    found.sort_unstable();
                }
            }
            None if self.compiled.alias_type(*other) == "Patient" => {
                let all = self.cast.playing(alias).iter().copied().filter(free);
                found.extend(all.filter(|number| !self.cast.refers(*number, member)));
            }
            None => {}
        }
        found
    }
}

fn follow<'j>(json: &'j Json, path: &[SmolStr], found: &mut dyn FnMut(&'j Json)) {
    let Some((first, rest)) = path.split_first() else {
        found(json);
        return;
    };
    match json.get(first) {
        Some(Json::Array(items)) => items.iter().for_each(|item| follow(item, rest, found)),
        Some(value) => follow(value, rest, found),
        None => {}
    }
}
