//! Rows of our own, beside those of parameters.

use model::id::Reference;
use model::json::Json;

use crate::row::{IndexRow, Match, RowKind, Term, Test, number};

/// `Binary/id` that a DocumentReference has as its content: whoever may read the one may read the other.
const ATTACHED: &str = "anchorline:attached";

/// Finds the DocumentReferences whose content is this Binary.
pub fn attached(binary: &Reference) -> Term {
    one_key(ATTACHED, binary)
}

/// Finds the Provenances of this resource.
pub fn referring(target: &Reference) -> Term {
    one_key("target", target)
}

fn one_key(name: &str, reference: &Reference) -> Term {
    let test = Test::Equals(reference.to_string().into_bytes());
    Term::AnyOf(vec![Match { param: number(name), test, kind: RowKind::Key }])
}

/// Finds what has this identifier; without a system in any.
pub fn identified(system: Option<&str>, value: &str) -> Term {
    let form = crate::values::token::form(system.unwrap_or_default(), value);
    let test = if system.is_some() { Test::Equals(form) } else { Test::Prefix(form) };
    Term::AnyOf(vec![Match { param: number("identifier"), test, kind: RowKind::Key }])
}

/// Whether rows of this parameter say by which identifiers a resource is found.
pub fn is_identifier(param: u32) -> bool {
    ["identifier", "identifier:of-type", "identifier:text"].iter().any(|name| number(name) == param)
}

pub(crate) fn rows(resource_type: &str, resource: &Json) -> Option<Vec<IndexRow>> {
    if resource_type != "DocumentReference" {
        return None;
    }
    let contents = resource.items("content").iter();
    let urls = contents.filter_map(|content| Reference::parse(content.text_at(&["attachment", "url"])?).ok());
    let binaries = urls.filter(|reference| reference.resource_type.as_str() == "Binary");
    let row = |binary: Reference| IndexRow {
        param: number(ATTACHED),
        value: binary.to_string().into_bytes(),
        kind: RowKind::Key,
    };
    Some(binaries.map(row).collect())
}
