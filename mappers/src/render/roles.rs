//! Which roles the resources of a Bundle may play, and what refers to what.

use std::collections::HashMap;

use model::json::{Json, Object};
use smol_str::SmolStr;

use crate::compile::Compiled;
use crate::map::{AliasId, Driver, MessageTable, Row, Source, Via};
use crate::reverse::{Library, resolve, says};

use super::Render;

/// Who plays what: found once, so that a Bundle of ten thousand entries is not searched for each of its groups.
#[derive(Default)]
pub(super) struct Cast {
    /// Resources by role, in the Bundle's order.
    players: Vec<Vec<usize>>,
    /// Resources by a member and what it refers to.
    referring: HashMap<SmolStr, HashMap<usize, Vec<usize>>>,
    /// Resources without a reference in a member.
    silent: HashMap<SmolStr, Vec<usize>>,
    /// Resources whose member refers to something of the Bundle.
    refers: HashMap<SmolStr, Vec<bool>>,
}

impl Cast {
    pub(super) fn new(compiled: &Compiled, library: &Library<'_>, tables: &[&MessageTable]) -> Self {
        let mut cast = Self { players: vec![Vec::new(); compiled.aliases.len()], ..Self::default() };
        let constants = constants(compiled);
        let mut by_type: HashMap<&str, Vec<AliasId>> = HashMap::new();
        for alias in 0..AliasId::try_from(compiled.aliases.len()).unwrap_or(AliasId::MAX) {
            by_type.entry(compiled.alias_type(alias)).or_default().push(alias);
        }
        for (number, resource) in library.resources.iter().enumerate() {
            let Some(object) = resource.as_object() else { continue };
            let aliases = by_type.get(library.kind(number)).map(Vec::as_slice).unwrap_or_default();
            let name = |alias: AliasId| compiled.aliases.get(usize::from(alias)).map_or("", SmolStr::as_str);
            let rows = |alias: AliasId| constants.get(usize::from(alias)).map_or(&[][..], Vec::as_slice);
            let fits = |alias: AliasId| rows(alias).iter().all(|row| has_constant(row, object));
            for alias in aliases.iter().copied() {
                // A role of a name of its own needs what its tables set whatever the message says, and yields to
                // none; a plain one yields to all that are marked so.
                let special = |other: AliasId| name(other).contains('@') && !rows(other).is_empty() && fits(other);
                let own = !name(alias).contains('@') || fits(alias);
                let plays = own && !aliases.iter().any(|other| *other != alias && special(*other));
                if let (true, Some(players)) = (plays, cast.players.get_mut(usize::from(alias))) {
                    players.push(number);
                }
            }
        }
        for member in tables.iter().flat_map(|table| members(table)) {
            cast.look(&member, library);
        }
        cast
    }

    fn look(&mut self, member: &SmolStr, library: &Library<'_>) {
        if self.refers.contains_key(member) {
            return;
        }
        let mut referring: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut silent = Vec::new();
        let mut refers = vec![false; library.resources.len()];
        for (number, resource) in library.resources.iter().enumerate() {
            let references = match resource.get(member) {
                Some(Json::Array(items)) => items.as_slice(),
                Some(one) => std::slice::from_ref(one),
                None => &[],
            };
            let named = |json: &Json| json.get("reference").is_some() || json.get("identifier").is_some();
            if !references.iter().any(named) {
                silent.push(number);
            }
            for found in references.iter().filter_map(|reference| library.find(reference)) {
                let list = referring.entry(found).or_default();
                if list.last() != Some(&number) {
                    list.push(number);
                }
                if let Some(refers) = refers.get_mut(number) {
                    *refers = true;
                }
            }
        }
        self.referring.insert(member.clone(), referring);
        self.silent.insert(member.clone(), silent);
        self.refers.insert(member.clone(), refers);
    }

    pub(super) fn playing(&self, alias: AliasId) -> &[usize] {
        self.players.get(usize::from(alias)).map_or(&[], Vec::as_slice)
    }

    /// The resources whose member refers to one.
    pub(super) fn referring(&self, member: &SmolStr, to: usize) -> &[usize] {
        self.referring.get(member).and_then(|map| map.get(&to)).map_or(&[], Vec::as_slice)
    }

    /// The resources that refer to nothing with a member.
    pub(super) fn silent(&self, member: &SmolStr) -> &[usize] {
        self.silent.get(member).map_or(&[], Vec::as_slice)
    }

    /// Whether a resource's member refers to something of the Bundle.
    pub(super) fn refers(&self, number: usize, member: &SmolStr) -> bool {
        self.refers.get(member).and_then(|all| all.get(number)).copied().unwrap_or(false)
    }
}

/// The members by which the groups of a table find their resources.
fn members(table: &MessageTable) -> Vec<SmolStr> {
    let bound = table.groups.iter().flat_map(|group| group.bindings.iter().map(|(_, driver)| driver));
    let drivers = table.groups.iter().flat_map(|group| &group.drivers).chain(bound);
    let of = |driver: &Driver| match driver {
        Driver::Each { by, without, .. } => {
            by.iter().map(|(member, _)| member.clone()).chain(without.clone()).collect::<Vec<_>>()
        }
        _ => Vec::new(),
    };
    drivers.flat_map(of).collect()
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

fn has_constant(row: &Row, object: &Object) -> bool {
    let Via::Literal(wanted) = &row.via else { return true };
    match row.target.steps.as_slice() {
        [only] => match object.get(&only.name) {
            Some(Json::Array(items)) => items.iter().any(|item| says(item, wanted)),
            Some(there) => says(there, wanted),
            None => false,
        },
        steps => resolve(object, steps, None, None).is_some_and(|there| says(there, wanted)),
    }
}

impl Render<'_, '_> {
    /// Whether a resource may play a role: of its type, with the constants of the role's tables, and not with those of
    /// a more special role.
    pub(super) fn plays(&self, number: usize, alias: AliasId) -> bool {
        self.cast.playing(alias).binary_search(&number).is_ok()
    }
}
