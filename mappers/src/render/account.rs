//! What became of each leaf of a Bundle.

use model::json::Json;
use smol_str::SmolStr;

use crate::compile::Compiled;
use crate::reverse::{Reverse, address};
use crate::trace::Loss;

/// What became of each leaf of the Bundle's resources.
pub(super) fn loss(compiled: &Compiled, bundle: &Json, reverse: &Reverse<'_, '_>) -> Loss {
    let mut taken: Vec<(usize, String)> = reverse
        .taken
        .iter()
        .map(|(address, segment, (field, repetition, component, subcomponent))| {
            let name = compiled.segment_names.get(usize::from(*segment)).map_or("", SmolStr::as_str);
            (*address, format!("{name}-{field}[{repetition}].{component}.{subcomponent}"))
        })
        .collect();
    taken.sort();
    let mut out = Loss::default();
    for resource in model::bundle::resources(bundle) {
        let kind = model::resource::resource_type(resource).unwrap_or_default();
        let id = model::resource::id(resource).unwrap_or_default();
        walk(resource, &format!("{kind}/{id}#{kind}"), &taken, &mut out);
    }
    out
}

fn walk(json: &Json, path: &str, taken: &[(usize, String)], out: &mut Loss) {
    match json {
        Json::Object(object) => {
            for (name, value) in object.iter() {
                walk(value, &format!("{path}.{name}"), taken, out);
            }
        }
        Json::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                walk(item, &format!("{path}[{n}]"), taken, out);
            }
        }
        _ => {
            let at = address(json);
            let from = taken.partition_point(|(address, _)| *address < at);
            match taken.get(from).filter(|(address, _)| *address == at) {
                Some((_, place)) => out.mapped.push((path.to_owned(), place.clone())),
                None => out.dropped.push((path.to_owned(), "no field of the message says it".to_owned())),
            }
        }
    }
}
