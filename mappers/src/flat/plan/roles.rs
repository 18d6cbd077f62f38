//! What the rows of a table ask of each other: their order, whom they refer to, and what a cell cannot give.

use crate::compile::Compiled;
use crate::map::{AliasId, Identity, Part, Place, Row, Source, Term, Test, Via};

use super::FlatRole;

pub(super) fn identity<'c>(role: &FlatRole, compiled: &'c Compiled) -> Option<&'c Identity> {
    compiled.tables.get(role.table)?.identity.as_ref()
}

/// Roles in the order in which each comes after those it refers to; those of a ring by name.
pub(super) fn sorted(roles: Vec<FlatRole>, compiled: &Compiled) -> Vec<FlatRole> {
    let refers = |role: &FlatRole| -> Vec<AliasId> {
        let Some(table) = compiled.tables.get(role.table) else { return Vec::new() };
        let parts = table.identity.iter().flat_map(|identity| identity.alternatives.iter().flatten());
        let ids = parts.filter_map(|part| match part {
            Part::Alias(alias) => Some(*alias),
            _ => None,
        });
        table.rows.iter().flat_map(referred).chain(ids).filter(|alias| *alias != role.alias).collect()
    };
    let mut left = roles;
    left.sort_by(|a, b| a.file.cmp(&b.file));
    let mut out: Vec<FlatRole> = Vec::new();
    while !left.is_empty() {
        let waits = |role: &FlatRole| refers(role).iter().any(|alias| left.iter().any(|other| other.alias == *alias));
        let next = left.iter().position(|role| !waits(role)).unwrap_or(0);
        out.push(left.remove(next));
    }
    out
}

/// The roles a row refers to.
pub(super) fn referred(row: &Row) -> Vec<AliasId> {
    let mut out = Vec::new();
    if let Source::Alias(alias) | Source::Each(alias) = &row.source {
        out.push(*alias);
    }
    out.extend(row.when.iter().filter_map(|term: &Term| match &term.test {
        Test::Alias(alias) => Some(*alias),
        _ => None,
    }));
    out
}

/// What a row asks for that a cell does not have.
pub(super) fn unsupported(row: &Row) -> Option<&'static str> {
    match &row.via {
        Via::Lines | Via::Attached | Via::Ordinal | Via::New(_) => return Some("this via is of HL7 v2 fields"),
        _ if row.through.is_some() => return Some("a resource of its own has rows of its own and is referred to by @"),
        _ => {}
    }
    let beside = |place: &Place| matches!(place, Place::Beside(_));
    let odd = row.when.iter().any(|term| match &term.test {
        Test::Anywhere(_) => true,
        Test::Exists(place) | Test::In(place, _) | Test::Form(_, place) | Test::Repeats(place) => beside(place),
        Test::Any(_) | Test::Same(..) | Test::Alias(_) => false,
    });
    odd.then_some("this condition is of HL7 v2 messages")
}
