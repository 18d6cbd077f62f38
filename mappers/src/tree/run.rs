//! One run: the resources being made, the roles at hand, and a template's table on its element.

use std::collections::HashMap;

use formats::cda::{Document, Element};
use jiff::tz::TimeZone;
use model::id::UuidName;
use model::json::Object;
use model::outcome::{Issue, Severity};
use smol_str::SmolStr;
use uuid::Uuid;

use super::identity::absorb;
use super::table::{Row, Table, Tables};
use crate::build::Shared;
use crate::compile::Compiled;
use crate::eval::{Resource, zone_of};
use crate::function::Authorities;
use crate::map::{AliasId, SELF};
use crate::trace::{Account, Fate, Node, Trace};
use crate::types::Context;

/// How deep elements are read into each other; deeper ones are kept as they are.
pub(super) const DEEPEST: usize = 64;

/// One run.
pub(crate) struct Run<'a, 'd> {
    pub(super) compiled: &'a Compiled,
    pub(super) tables: &'a Tables,
    pub(super) document: &'d Document,
    pub(super) context: &'a Context<'a>,
    pub(super) zone: Option<TimeZone>,
    pub(super) resources: Vec<Resource>,
    /// The first resource of each role.
    pub(super) first: Vec<Option<usize>>,
    /// Number of the resource of an id.
    pub(super) ids: HashMap<Uuid, usize>,
    pub(super) name: UuidName,
    /// What names this document among those of its source.
    pub(super) key: String,
    /// The resources around what is read, the innermost last.
    pub(super) open: Vec<usize>,
    /// Leaves that something was made of, or that were kept.
    pub(super) used: Vec<bool>,
    /// Elements that a template's table has read or is reading.
    pub(super) read: Vec<bool>,
    pub(super) trace: Trace,
    pub(super) issues: Vec<Issue>,
    /// Values put so far: whether a table has said anything.
    pub(super) said: u32,
    /// Places at which a resource is said again, by its number.
    pub(super) again: Vec<(usize, Element<'d>)>,
    /// Members that only a default has filled, by the number of their resource: what the document says elsewhere goes
    /// before.
    pub(super) soft: Vec<(usize, SmolStr)>,
    /// The first resource of each identity without what describes it beside its identifier.
    pub(super) short: HashMap<Uuid, usize>,
    pub(super) depth: usize,
    /// Resources that rows without a target made.
    pub(super) loose: Vec<usize>,
    /// An element that several tables read: what they leave is kept afterwards.
    pub(super) shared: Option<u32>,
}

/// What rows fill.
pub(super) struct Filling<'o> {
    pub(super) object: &'o mut Object,
    /// Number of the resource it is in, or of the one around.
    pub(super) resource: usize,
    pub(super) node: Node,
    pub(super) shared: &'o mut Shared,
}

impl<'a, 'd> Run<'a, 'd> {
    pub(super) fn new(
        compiled: &'a Compiled,
        document: &'d Document,
        context: &'a Context<'a>,
        account: Account,
    ) -> Self {
        let leaves = document.leaves() as usize;
        let mut run = Self {
            compiled,
            tables: &compiled.tree,
            document,
            context,
            zone: None,
            resources: Vec::with_capacity(64),
            first: Vec::new(),
            ids: HashMap::new(),
            name: UuidName::default(),
            key: String::new(),
            open: Vec::new(),
            used: vec![false; leaves],
            read: vec![false; document.len()],
            trace: Trace::new(account, leaves),
            issues: Vec::new(),
            said: 0,
            again: Vec::new(),
            soft: Vec::new(),
            short: HashMap::new(),
            depth: 0,
            loose: Vec::new(),
            shared: None,
        };
        run.zone = zone_of(context, &mut run.issues);
        run
    }

    /// The names of assigning authorities that have a URI.
    pub(super) fn authorities(&self) -> Authorities<'a> {
        Authorities { source: self.context.authorities, package: self.compiled.authorities() }
    }

    /// Runs a template's table on an element; gives back the resource that it made or added to.
    pub(super) fn template(&mut self, number: usize, element: Element<'d>) -> Option<usize> {
        let tables = self.tables;
        let table = tables.tables.get(number)?;
        if self.depth >= DEEPEST {
            let text = "elements are nested too deep: what is below is kept as it stands";
            self.issues.push(Issue::warning("too-long", text).at(element.xpath()));
            return None;
        }
        self.depth += 1;
        self.mark_read(element);
        let made = self.fill(table, element);
        self.depth -= 1;
        made
    }

    fn fill(&mut self, table: &'a Table, element: Element<'d>) -> Option<usize> {
        let Some(identity) = &table.identity else {
            // A table without an identity adds to the resource of its role that is at hand.
            let own = if table.resource { self.role(table.role)? } else { *self.open.last()? };
            let mut object = std::mem::take(&mut self.resources.get_mut(own)?.object);
            let node = self.resources.get(own)?.node;
            self.rows(
                table,
                element,
                &mut Filling { object: &mut object, resource: own, node, shared: &mut Vec::new() },
            );
            self.resources.get_mut(own)?.object = object;
            return Some(own);
        };
        let seed = self.seed(&table.root, identity, element)?;
        let id = seed.id;
        let own = self.add(&table.root, id, table.role);
        let said = std::mem::replace(&mut self.said, 0);
        self.open.push(own);
        let node = self.resources.get(own)?.node;
        let mut object = std::mem::take(&mut self.resources.get_mut(own)?.object);
        self.rows(table, element, &mut Filling { object: &mut object, resource: own, node, shared: &mut Vec::new() });
        let built = self.said > 0;
        self.said = said + u32::from(built);
        if built {
            self.defaults(table, element, &mut object);
            // A Binary has no extensions: what it leaves is kept by the resource that names it.
            if self.shared != Some(element.id()) && table.root != "Binary" {
                self.keep_rest(element, &mut object, node);
            }
        }
        let slot = &mut self.resources.get_mut(own)?.object;
        // What tables further in have added to it meanwhile.
        let pending = std::mem::replace(slot, object);
        absorb(slot, pending);
        self.open.pop();
        if !built {
            self.take_back(own);
            return None;
        }
        Some(self.settle_identity(own, seed, table, identity.each, element))
    }

    /// The rows of a table into what they fill.
    pub(super) fn rows(&mut self, table: &'a Table, element: Element<'d>, to: &mut Filling<'_>) {
        for row in &table.rows {
            if row.role == SELF {
                self.row(row, to, element);
            } else {
                self.row_elsewhere(row, to, element);
            }
        }
    }

    /// A row that fills another resource than the table's.
    fn row_elsewhere(&mut self, row: &'a Row, to: &mut Filling<'_>, element: Element<'d>) {
        let Some(other) = self.role(row.role) else { return };
        if other == to.resource {
            return self.row(row, to, element);
        }
        let Some(resource) = self.resources.get_mut(other) else { return };
        let (node, mut object) = (resource.node, std::mem::take(&mut resource.object));
        self.row(row, &mut Filling { object: &mut object, resource: other, node, shared: to.shared }, element);
        if let Some(resource) = self.resources.get_mut(other) {
            resource.object = object;
        }
    }

    /// The nearest resource of a role: of those around, else the first there is.
    pub(super) fn role(&self, role: AliasId) -> Option<usize> {
        let is = |number: &usize| self.resources.get(*number).is_some_and(|resource| resource.role() == role);
        let around = self.open.iter().rev().copied().find(is);
        around.or_else(|| self.first.get(usize::from(role)).copied().flatten())
    }

    /// The resource around the one being made.
    pub(super) fn parent(&self) -> Option<usize> {
        self.open.iter().rev().nth(1).copied()
    }

    pub(super) fn mark_read(&mut self, element: Element<'d>) {
        if let Some(slot) = self.read.get_mut(element.id() as usize) {
            *slot = true;
        }
    }

    pub(super) fn is_read(&self, element: u32) -> bool {
        self.read.get(element as usize).copied().unwrap_or(true)
    }

    pub(super) fn consume(&mut self, leaf: u32) {
        if let Some(used) = self.used.get_mut(leaf as usize) {
            *used = true;
        }
    }

    pub(super) fn is_unused(&self, leaf: u32) -> bool {
        !self.used.get(leaf as usize).copied().unwrap_or(true)
    }

    /// Notes that an element was made of a leaf.
    pub(super) fn mapped(&mut self, leaf: u32, at: Node, rule: u32) {
        self.consume(leaf);
        self.trace.record(leaf, at, rule, Fate::Mapped);
    }

    pub(super) fn issue(&mut self, severity: Severity, code: &'static str, text: &str, at: Element<'d>, rule: u32) {
        self.issues.push(Issue::new(severity, code, text).at(at.xpath()).rule(self.compiled.rule(rule)));
    }

    /// The name `Type/id` of a resource.
    pub(super) fn name_of(&self, number: usize) -> Option<&SmolStr> {
        self.resources.get(number).map(|resource| &resource.name)
    }
}
