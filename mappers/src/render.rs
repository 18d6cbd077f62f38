//! From a Bundle to a message: the same rows the other way, group by group of the message's table.

use std::collections::BTreeMap;

use model::json::Json;
use model::outcome::{Issue, Severity};
use smol_str::SmolStr;

use crate::compile::Compiled;
use crate::map::MessageTable;
use crate::package::Package;
use crate::reverse::{Library, Pieces, Reverse, Roles};
use crate::trace::Loss;
use crate::types::{RenderContext, Rendered};
use crate::versions::Version;

mod account;
mod groups;
mod header;
mod kind;
mod roles;
mod segments;
mod write;

use account::loss;
use header::Header;
use kind::message_type;
use roles::Cast;

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
    cast: Cast,
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
    let compiled: &Compiled = package.compiled();
    let library = Library::new(bundle);
    let mut issues = Vec::new();
    let (mut code, mut trigger) = message_type(compiled, &library, context);
    let asked = Version::parse(&context.version);
    let older = asked.and_then(|version| compiled.versions.message_type(version, &code, &trigger));
    if let Some((old_code, old_trigger)) = older.map(|(code, trigger)| (code.to_owned(), trigger.to_owned())) {
        (code, trigger) = (old_code, old_trigger);
    }
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
    let reverse = Reverse {
        compiled,
        library: &library,
        authorities: &context.authorities,
        taken: Vec::new(),
        read: Vec::new(),
        segment: 0,
        item: None,
        ours: Vec::new(),
    };
    let used = vec![false; library.resources.len()];
    let fallback = compiled.fallback.and_then(|number| compiled.messages.get(number));
    let tables: Vec<&MessageTable> = std::iter::once(table).chain(fallback).collect();
    let cast = Cast::new(compiled, &library, &tables);
    let mut render =
        Render { compiled, library: &library, reverse, table, used, lines: Vec::new(), counts: BTreeMap::new(), cast };
    render.group(0, &Roles::new());
    if let Some(fallback) = fallback {
        render.rest(fallback);
    }
    render.head(table);
    render.basics();
    let header = Header { bundle, code: &code, trigger: &trigger, structure: &structure, context };
    let says = |line: &Line| !matches!(line.name.as_str(), "MSH" | "EVN" | "SFT");
    let headed = library.resources.iter().any(|json| model::resource::resource_type(json) == Some("MessageHeader"));
    if !headed && !render.lines.iter().any(says) {
        let text = "expected a resource that a segment can say";
        issues.push(Issue::error("not-supported", text));
        return Rendered { bytes: Vec::new(), issues };
    }
    header.complete(&mut render.lines);
    if let Some(version) = asked {
        write::fit(&mut render.lines, &compiled.versions, version, &context.version, &mut issues);
    }
    let bytes = write::bytes(&mut render.lines, context.delimiters.unwrap_or_default(), &mut issues);
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
    Rendered { bytes, issues }
}

#[cfg(test)]
mod tests;
