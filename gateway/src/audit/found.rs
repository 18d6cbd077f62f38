//! What an audit event has keys for: its agents. Two events are written with every read, so these rows are made of the event
//! and not of its text; a test proves them those that the search parameters would make. Rows without a key are made when an
//! event is looked at.

use std::sync::LazyLock;

use search::number;
use store::{IndexRow, RowKind};

/// How `who` names somebody.
pub(super) enum FoundBy<'a> {
    Reference(&'a str),
    /// System and value.
    Identifier(&'a str, &'a str),
    /// By a text alone.
    Nothing,
}

/// The numbers of the rows of `agent` and of `agent:identifier`.
static NUMBERS: LazyLock<(u32, u32)> = LazyLock::new(|| (number("agent"), number("agent:identifier")));

/// The key rows of an event with these agents.
pub(super) fn rows<'a>(agents: impl Iterator<Item = FoundBy<'a>>) -> Vec<IndexRow> {
    let (own, identifier) = *NUMBERS;
    let mut rows = Vec::with_capacity(4);
    for one in agents {
        match one {
            FoundBy::Reference(text) => {
                let bare = text.split_once("/_history/").map(|(bare, _)| bare);
                rows.extend(std::iter::once(text).chain(bare).map(|form| key(own, form.as_bytes().to_vec())));
            }
            FoundBy::Identifier(system, value) => {
                rows.push(key(identifier, [value.as_bytes(), &[0], system.as_bytes()].concat()));
            }
            FoundBy::Nothing => {}
        }
    }
    if !rows.iter().any(|row| row.param == own) {
        // There are some, if none that can be found by.
        rows.push(key(own, Vec::new()));
    }
    rows.sort_unstable();
    rows.dedup();
    rows
}

fn key(param: u32, value: Vec<u8>) -> IndexRow {
    IndexRow { param, value, kind: RowKind::Key }
}
