//! From a Bundle to a message: the same rows the other way, group by group of the message's table.

use std::collections::BTreeMap;

use formats::hl7v2::{Delimiters, MessageBuilder};
use model::json::{Json, Object};
use model::outcome::{Issue, Severity};
use smol_str::SmolStr;

use crate::compile::Compiled;
use crate::eval::{KEPT, KEPT_RAW, SEGMENT_SYSTEM};
use crate::map::{AliasId, Driver, MessageRow, MessageTable, Row, SELF, Source, Via};
use crate::package::Package;
use crate::reverse::{Base, Library, Pieces, Reverse, Roles, address, own_items, resolve, role, says};
use crate::trace::Loss;
use crate::types::{RenderContext, Rendered};

mod account;
mod header;

use account::loss;
use header::Header;

/// A segment that is ready to be written.
struct Line {
    name: SmolStr,
    pieces: Pieces,
}

struct Render<'a, 'b> {
    compiled: &'a Compiled,
    library: &'a Library<'b>,
    reverse: Reverse<'a, 'b>,
    table: &'a MessageTable,
    used: Vec<bool>,
    lines: Vec<Line>,
    /// Segments written, by name, since what they belong to.
    counts: BTreeMap<SmolStr, u32>,
    /// Rows of constants without conditions, by role.
    constants: Vec<Vec<&'a Row>>,
}

pub(crate) fn render(package: &Package, bundle: &Json, context: &RenderContext) -> Rendered {
    run(package, bundle, context, None)
}

pub(crate) fn render_with_loss(package: &Package, bundle: &Json, context: &RenderContext) -> (Rendered, Loss) {
    let mut loss = Loss::default();
    let rendered = run(package, bundle, context, Some(&mut loss));
    (rendered, loss)
}

fn run(package: &Package, bundle: &Json, context: &RenderContext, account: Option<&mut Loss>) -> Rendered {
    let compiled: &Compiled = &package.compiled;
    let library = Library::new(bundle);
    let mut issues = Vec::new();
    let (code, trigger) = message_type(compiled, &library, context);
    let known = compiled.message_type(&code, &trigger, "").cloned();
    let (number, structure) = match known {
        Some((number, structure)) => (Some(number), structure),
        None => {
            issues.push(Issue::warning("not-supported", "no table for this message type: the fallback table is used"));
            (compiled.fallback, SmolStr::default())
        }
    };
    let Some(table) = number.and_then(|number| compiled.messages.get(number)) else {
        issues.push(Issue::error("not-supported", "the package has no table to write a message with"));
        return Rendered { bytes: Vec::new(), issues };
    };
    let reverse = Reverse { compiled, library: &library, taken: Vec::new(), read: Vec::new(), segment: 0 };
    let used = vec![false; library.resources.len()];
    let constants = constants(compiled);
    let mut render = Render {
        compiled,
        library: &library,
        reverse,
        table,
        used,
        lines: Vec::new(),
        counts: BTreeMap::new(),
        constants,
    };
    render.group(0, &Roles::new());
    if let Some(fallback) = compiled.fallback.and_then(|number| compiled.messages.get(number)) {
        render.rest(fallback);
    }
    render.basics();
    let header = Header { bundle, code: &code, trigger: &trigger, structure: &structure, context };
    let mut builder = MessageBuilder::new(Delimiters::default());
    header.complete(&mut render.lines);
    for line in &render.lines {
        let segment = builder.segment(&line.name);
        let narrow = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
        for ((field, repetition, component, subcomponent), text) in line.pieces.iter() {
            if !(line.name == "MSH" && *field < 3) {
                segment.set(narrow(*field), narrow(*repetition), narrow(*component), narrow(*subcomponent), text);
            }
        }
        for (field, raw) in &line.pieces.raw {
            segment.set_raw(narrow(*field), raw);
        }
    }
    for number in &render.reverse.read {
        if let Some(used) = render.used.get_mut(*number) {
            *used = true;
        }
    }
    for (number, resource) in library.resources.iter().enumerate() {
        let read = render.used.get(number).copied().unwrap_or(false);
        let kind = model::resource::resource_type(resource).unwrap_or_default();
        if !read && !matches!(kind, "Provenance" | "MessageHeader") {
            let text = "no segment of the message says this resource";
            issues.push(Issue::new(Severity::Information, "not-supported", text).at(kind));
        }
    }
    if let Some(account) = account {
        *account = loss(compiled, bundle, &render.reverse);
    }
    Rendered { bytes: builder.to_bytes(), issues }
}

/// The rows of each role that set a constant whatever the message says.
fn constants(compiled: &Compiled) -> Vec<Vec<&Row>> {
    let mut out: Vec<Vec<&Row>> = vec![Vec::new(); compiled.aliases.len()];
    for row in compiled.tables.iter().flat_map(|table| table.rows.iter().filter(|row| row.alias == table.alias)) {
        let constant = row.when.is_empty() && matches!((&row.source, &row.via), (Source::Constant, Via::Literal(_)));
        if let (true, Some(rows)) = (constant, out.get_mut(usize::from(row.alias))) {
            rows.push(row);
        }
    }
    out
}

/// MSH-9.1 and MSH-9.2: as asked, else as the MessageHeader says, else by what the Bundle holds.
fn message_type(compiled: &Compiled, library: &Library<'_>, context: &RenderContext) -> (String, String) {
    if !context.message_code.is_empty() && !context.trigger.is_empty() {
        return (context.message_code.clone(), context.trigger.clone());
    }
    let of = |kind: &str| {
        let found = library.resources.iter().filter(|json| model::resource::resource_type(json) == Some(kind));
        found.copied().collect::<Vec<_>>()
    };
    let header = of("MessageHeader");
    let event = header.first().and_then(|header| header.text_at(&["eventCoding", "code"]));
    let kept = header.first().and_then(|header| kept(header, "MSH-9.1"));
    if let Some(event) = event {
        let by_event = compiled.types.keys().find(|kind| kind.ends_with(&format!("^{event}")));
        let code = kept.or_else(|| by_event.and_then(|kind| kind.split_once('^')).map(|(code, _)| code));
        if let Some(code) = code {
            return (code.to_owned(), event.to_owned());
        }
    }
    let replaced = of("Patient").iter().any(|patient| {
        patient.items("link").iter().any(|link| link.get("type").and_then(Json::as_str) == Some("replaced-by"))
    });
    let text = |code: &str, trigger: &str| (code.to_owned(), trigger.to_owned());
    if replaced {
        return text("ADT", "A40");
    }
    if !of("DiagnosticReport").is_empty() || (!of("Observation").is_empty() && of("Encounter").is_empty()) {
        return text("ORU", "R01");
    }
    match of("Encounter")
        .first()
        .map(|encounter| (encounter.text_at(&["status"]), encounter.text_at(&["class", "code"])))
    {
        Some((Some("finished"), _)) => text("ADT", "A03"),
        Some((Some("in-progress"), Some("IMP" | "ACUTE" | "NONAC"))) => text("ADT", "A01"),
        Some((Some("planned" | "arrived" | "in-progress"), _)) => text("ADT", "A04"),
        _ => text("ADT", "A08"),
    }
}

fn kept<'j>(resource: &'j Json, place: &str) -> Option<&'j str> {
    let url = format!("{KEPT}{place}");
    let item = resource.items("extension").iter().find(|item| item.get("url").and_then(Json::as_str) == Some(&url))?;
    item.get("valueString").and_then(Json::as_str)
}

impl<'a, 'b> Render<'a, 'b> {
    /// Writes a group once, for the roles given.
    fn group(&mut self, group: usize, roles: &Roles) {
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
    fn rest(&mut self, fallback: &'a MessageTable) {
        if std::ptr::eq(self.table, fallback) {
            return;
        }
        self.table = fallback;
        let patient = self.compiled.alias("Patient");
        let number = patient.and_then(|alias| {
            (0..self.library.resources.len())
                .find(|number| self.used.get(*number).copied().unwrap_or(false) && self.plays(*number, alias))
        });
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
        let Some(drivers) = self.table.groups.get(group).map(|group| &group.drivers) else { return };
        let followed =
            drivers.iter().any(|driver| matches!(driver, Driver::Follow { from, .. } if role(roles, *from).is_some()));
        for driver in drivers {
            // Where a resource lists its own, what nobody lists waits for a group without one.
            if followed && matches!(driver, Driver::Each { .. }) {
                continue;
            }
            if *driver == Driver::Once {
                if self.waits(group, roles) {
                    self.group(group, roles);
                }
                continue;
            }
            for number in self.driven(driver, roles) {
                let alias = match driver {
                    Driver::Each { alias, .. } | Driver::Follow { alias, .. } => *alias,
                    Driver::Once => continue,
                };
                self.mark(number);
                let mut inner = roles.clone();
                inner.push((alias, number));
                self.group(group, &inner);
            }
        }
    }

    /// Whether a group below has something to say that nothing else has said.
    fn waits(&self, group: usize, roles: &Roles) -> bool {
        let children = (0..self.table.groups.len())
            .filter(|child| self.table.groups.get(*child).is_some_and(|g| g.parent == Some(group)));
        children.into_iter().any(|child| {
            let drivers = self.table.groups.get(child).map(|group| group.drivers.as_slice()).unwrap_or_default();
            let listed = |driver: &&Driver| matches!(driver, Driver::Each { .. });
            drivers.iter().filter(listed).any(|driver| !self.driven(driver, roles).is_empty())
        })
    }

    fn mark(&mut self, number: usize) {
        if let Some(used) = self.used.get_mut(number) {
            *used = true;
        }
    }

    fn driven(&self, driver: &Driver, roles: &Roles) -> Vec<usize> {
        match driver {
            Driver::Once => Vec::new(),
            Driver::Each { alias, by, without } => {
                let all = (0..self.library.resources.len()).filter(|number| self.fits(*number, *alias));
                all.filter(|number| {
                    let Some(resource) = self.library.resources.get(*number) else { return false };
                    let elsewhere =
                        |member: &SmolStr| self.refers(resource, member).is_some_and(|found| !found.is_empty());
                    if without.as_ref().is_some_and(elsewhere) {
                        return false;
                    }
                    let Some((path, other)) = by else { return true };
                    match self.refers(resource, path) {
                        Some(found) if !found.is_empty() => {
                            role(roles, *other).is_some_and(|role| found.contains(&role))
                        }
                        // A Bundle of one patient may leave the subject out; what points outside is not ours.
                        found => found.is_none() && self.compiled.alias_type(*other) == "Patient",
                    }
                })
                .collect()
            }
            Driver::Follow { alias, from, path } => {
                let Some(resource) = role(roles, *from).and_then(|number| self.library.resources.get(number)) else {
                    return Vec::new();
                };
                let mut found = Vec::new();
                let mut seen = vec![false; self.library.resources.len()];
                follow(resource, path, &mut |reference| {
                    if let Some(number) = self.library.find(reference)
                        && !std::mem::replace(seen.get_mut(number).unwrap_or(&mut true), true)
                        && self.plays(number, *alias)
                    {
                        found.push(number);
                    }
                });
                found.retain(|number| {
                    !self.used.get(*number).copied().unwrap_or(true)
                        || self.compiled.alias_type(*alias) == "ServiceRequest"
                });
                found
            }
        }
    }

    /// What a member refers to within the Bundle; none if there is no such member.
    fn refers(&self, resource: &Json, member: &str) -> Option<Vec<usize>> {
        let references = match resource.get(member)? {
            Json::Array(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        };
        Some(references.iter().filter_map(|reference| self.library.find(reference)).collect())
    }

    fn is_of(&self, number: usize, alias: AliasId) -> bool {
        let kind = self.library.resources.get(number).and_then(|json| model::resource::resource_type(json));
        kind == Some(self.compiled.alias_type(alias))
    }

    /// Whether a resource may play a role: of its type, not used, with the constants of the role's tables, and not
    /// with those of a more special role.
    fn fits(&self, number: usize, alias: AliasId) -> bool {
        !self.used.get(number).copied().unwrap_or(true) && self.plays(number, alias)
    }

    fn plays(&self, number: usize, alias: AliasId) -> bool {
        if !self.is_of(number, alias) {
            return false;
        }
        let Some(object) = self.library.resources.get(number).and_then(|json| json.as_object()) else { return false };
        let name = self.compiled.aliases.get(usize::from(alias)).map_or("", SmolStr::as_str);
        let kind = self.compiled.alias_type(alias);
        let special = |alias: &SmolStr| alias.contains('@') && alias.split('@').next() == Some(kind);
        if name.contains('@') && !self.has_constants(alias, object) {
            return false;
        }
        !self.compiled.aliases.iter().enumerate().any(|(other, text)| {
            let other = AliasId::try_from(other).unwrap_or(SELF);
            other != alias && special(text) && self.marks(other) && self.has_constants(other, object)
        })
    }

    fn constants(&self, alias: AliasId) -> &[&Row] {
        self.constants.get(usize::from(alias)).map_or(&[], Vec::as_slice)
    }

    /// Whether a role has constants of its own at all.
    fn marks(&self, alias: AliasId) -> bool {
        !self.constants(alias).is_empty()
    }

    fn has_constants(&self, alias: AliasId, object: &Object) -> bool {
        self.constants(alias).iter().all(|row| {
            let Via::Literal(wanted) = &row.via else { return true };
            match row.target.steps.as_slice() {
                [only] => match object.get(&only.name) {
                    Some(Json::Array(items)) => items.iter().any(|item| says(item, wanted)),
                    Some(there) => says(there, wanted),
                    None => false,
                },
                steps => resolve(object, steps, None, None).is_some_and(|there| says(there, wanted)),
            }
        })
    }

    /// Writes the segments of a row.
    fn row(&mut self, row: &MessageRow, roles: &mut Roles) {
        let compiled = self.compiled;
        let tables: Vec<_> = row.tables.iter().filter_map(|number| compiled.tables.get(*number)).collect();
        // Within a group the other resources of a segment are named by it: a guess could take another segment's.
        let guessed = if row.group == 0 { tables.len() } else { 1 };
        for table in tables.iter().take(guessed) {
            if role(roles, table.alias).is_none() && table.identity.is_some() {
                let found = (0..self.library.resources.len())
                    .find(|number| self.fits(*number, table.alias) && self.belongs(*number, table, roles));
                if let Some(number) = found {
                    self.mark(number);
                    roles.push((table.alias, number));
                }
            }
        }
        let Some(primary) = tables.first() else { return };
        let object = role(roles, primary.alias)
            .and_then(|number| self.library.resources.get(number))
            .and_then(|json| json.as_object());
        let items = object.and_then(|object| own_items(primary, object));
        let name = compiled.segment_names.get(usize::from(row.segment)).cloned().unwrap_or_default();
        self.reverse.segment = row.segment;
        match (items, primary.identity.is_some()) {
            (Some(items), false) => {
                for (nth, item) in items.iter().enumerate() {
                    let mut pieces = Pieces::default();
                    self.give_back(&name, object, nth, &mut pieces);
                    let ordinal = u32::try_from(nth + 1).unwrap_or(1);
                    for table in &tables {
                        self.reverse.segment_table(table, roles, Some(*item), &mut pieces, ordinal);
                    }
                    self.push(&name, pieces);
                }
            }
            _ => {
                let mut pieces = Pieces::default();
                for table in &tables {
                    let object = role(roles, table.alias)
                        .and_then(|number| self.library.resources.get(number))
                        .and_then(|json| json.as_object());
                    self.give_back(&name, object, 0, &mut pieces);
                }
                let ordinal = self.count(row.segment);
                for table in &tables {
                    self.reverse.segment_table(table, roles, None, &mut pieces, ordinal);
                }
                self.push(&name, pieces);
            }
        }
    }

    /// The number the segment has: how many of its name stand since what it belongs to.
    fn count(&self, segment: u16) -> u32 {
        let name = self.compiled.segment_names.get(usize::from(segment)).map_or("", SmolStr::as_str);
        self.counts.get(name).map_or(1, |count| count + 1)
    }

    /// Counts a line, and starts the count of what belongs to it anew.
    fn counted(&mut self, name: &SmolStr) {
        *self.counts.entry(name.clone()).or_insert(0) += 1;
        match name.as_str() {
            "PID" => self.counts.retain(|name, _| name == "PID"),
            "MRG" => self.counts.clear(),
            "OBR" => self.counts.retain(|name, _| name != "OBX" && name != "SPM"),
            "SPM" => self.counts.retain(|name, _| name != "OBX"),
            _ => {}
        }
    }

    /// Whether the references of a table's rows point to the roles at hand.
    fn belongs(&self, number: usize, table: &crate::map::Table, roles: &Roles) -> bool {
        let Some(object) = self.library.resources.get(number).and_then(|json| json.as_object()) else { return false };
        table.rows.iter().filter(|row| row.alias == table.alias).all(|row| {
            let (Source::Alias(other), [step]) = (&row.source, row.target.steps.as_slice()) else { return true };
            match (object.get(&step.name).and_then(|reference| self.library.find(reference)), role(roles, *other)) {
                (Some(found), Some(wanted)) => found == wanted,
                _ => true,
            }
        })
    }

    /// Puts back what was kept of a segment: the n-th of each place for the n-th segment of that name.
    fn give_back(&mut self, name: &str, object: Option<&'b Object>, nth: usize, pieces: &mut Pieces) {
        let extensions = object.and_then(|object| object.get("extension")).and_then(Json::as_array).unwrap_or_default();
        let mut seen: Vec<(&str, usize)> = Vec::new();
        for item in extensions {
            let url = item.get("url").and_then(Json::as_str).unwrap_or_default();
            let (place, raw) = match (url.strip_prefix(KEPT_RAW), url.strip_prefix(KEPT)) {
                (Some(place), _) => (place, true),
                (None, Some(place)) => (place, false),
                _ => continue,
            };
            let Some(place) = place.strip_prefix(name).and_then(|place| place.strip_prefix('-')) else { continue };
            let index = match seen.iter_mut().find(|(known, _)| *known == url) {
                Some((_, count)) => {
                    *count += 1;
                    *count
                }
                None => {
                    seen.push((url, 0));
                    0
                }
            };
            let Some(value) = item.get("valueString").filter(|_| index == nth) else { continue };
            let text = value.as_str().unwrap_or_default();
            let (head, tail) = place.split_once('.').unwrap_or((place, ""));
            let (field, repetition) = head.split_once('~').unwrap_or((head, "1"));
            let number = |text: &str| text.parse::<u32>().ok();
            let (Some(field), Some(repetition)) = (number(field), number(repetition)) else { continue };
            let mut parts = tail.split('.').filter_map(number);
            let base = Base::field(field, repetition);
            let at = base.within(parts.next().unwrap_or(0), parts.next().unwrap_or(0));
            self.reverse.taken.push((address(value), self.reverse.segment, at.key()));
            if raw {
                pieces.raw.insert(field, text.to_owned());
            } else {
                pieces.set(at, text);
            }
        }
    }

    fn push(&mut self, name: &SmolStr, pieces: Pieces) {
        let only_ordinal = pieces.raw.is_empty() && pieces.iter().all(|((field, ..), _)| *field == 1);
        let ordinal = matches!(
            name.as_str(),
            "PID"
                | "NK1"
                | "PV1"
                | "OBX"
                | "OBR"
                | "AL1"
                | "DG1"
                | "PR1"
                | "GT1"
                | "IN1"
                | "IN3"
                | "SPM"
                | "NTE"
                | "TQ1"
                | "FT1"
                | "TXA"
        );
        // OBR-2 and OBR-3 say the same, and an ORC without order control says nothing more.
        let numbers_only =
            name == "ORC" && pieces.raw.is_empty() && pieces.iter().all(|((field, ..), _)| matches!(field, 2 | 3 | 12));
        if pieces.is_empty() || (ordinal && only_ordinal) || numbers_only {
            return;
        }
        self.counted(name);
        self.lines.push(Line { name: name.clone(), pieces });
    }

    /// Segments that were kept as Basic resources.
    fn basics(&mut self) {
        for number in 0..self.library.resources.len() {
            let Some(resource) = self.library.resources.get(number).copied() else { continue };
            if model::resource::resource_type(resource) != Some("Basic") {
                continue;
            }
            let codings = resource.get("code").map(|code| code.items("coding")).unwrap_or_default();
            let coding =
                codings.iter().find(|coding| coding.get("system").and_then(Json::as_str) == Some(SEGMENT_SYSTEM));
            let Some(name) = coding.and_then(|coding| coding.get("code")).and_then(Json::as_str) else { continue };
            let named = name.len() == 3 && name.bytes().all(|b| b.is_ascii_alphanumeric());
            if !named {
                continue;
            }
            self.mark(number);
            let mut pieces = Pieces::default();
            self.give_back(name, resource.as_object(), 0, &mut pieces);
            if !pieces.is_empty() {
                self.lines.push(Line { name: name.into(), pieces });
            }
        }
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
