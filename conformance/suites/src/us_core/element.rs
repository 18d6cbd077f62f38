//! Finding elements: paths as requirement tables write them, slices, must-support.

use model::json::Json;

use super::requirement::{By, Element, Profile, Slice};

/// The values at a path such as `name.family`, `effective`, `value[x]`, `category:VSCat.coding.code` or
/// `extension.where(url='…').valueDateTime`; a name may stand for every type of a choice element.
pub(super) fn values<'j>(resource: &'j Json, path: &str, slices: &[Slice]) -> Vec<&'j Json> {
    let mut found = vec![resource];
    let mut before = String::new();
    for step in steps(path) {
        let (name, slice) = match step.split_once(':') {
            Some((name, slice)) if !step.contains('(') => (name, Some(slice)),
            _ => (step, None),
        };
        if let Some(url) = condition(name) {
            found.retain(|value| value.text_at(&["url"]) == Some(url));
            continue;
        }
        found = found.into_iter().flat_map(|value| members(value, name)).collect();
        if !before.is_empty() {
            before.push('.');
        }
        before.push_str(name);
        if let Some(slice) = slice
            && let Some(slice) = slices.iter().find(|known| known.name == slice && known.path == before)
        {
            found.retain(|value| fits(value, slice));
        }
    }
    found
}

/// The steps of a path; dots inside parentheses do not part them.
fn steps(path: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    path.split(|letter: char| {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == '.' && depth == 0
    })
    .filter(|step| !step.is_empty())
    .collect()
}

/// The url in `where(url='…')`.
fn condition(step: &str) -> Option<&str> {
    let inner = step.strip_prefix("where(")?.strip_suffix(')')?;
    let value = inner.trim().strip_prefix("url")?.trim_start().strip_prefix('=')?;
    Some(value.trim().trim_matches(['\'', '"']))
}

/// The values of a member, lists opened; of every type if the name is that of a choice element.
fn members<'j>(value: &'j Json, name: &str) -> Vec<&'j Json> {
    let Some(object) = value.as_object() else { return Vec::new() };
    let open = |value: &'j Json| match value {
        Json::Array(items) => items.iter().collect(),
        Json::Null => Vec::new(),
        value => vec![value],
    };
    let stem = name.strip_suffix("[x]").unwrap_or(name);
    if let Some(value) = object.get(stem) {
        return open(value);
    }
    let typed = |known: &str| {
        known.strip_prefix(stem).is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_uppercase()))
    };
    object.iter().filter(|(known, _)| typed(known)).flat_map(|(_, value)| open(value)).collect()
}

/// Whether an item belongs to a slice. A slice by type has no items: its element's name says the type.
fn fits(item: &Json, slice: &Slice) -> bool {
    match &slice.by {
        By::Any | By::Type(_) => true,
        By::System(system) => item.text_at(&["system"]) == Some(system),
        By::Values(wanted) => wanted
            .iter()
            .all(|(path, wanted)| values(item, path, &[]).iter().any(|value| value.as_str() == Some(wanted))),
        By::Coding { path, any } => values(item, path, &[]).into_iter().flat_map(codings).any(|(system, code)| {
            any.iter().any(|(wanted_system, wanted)| {
                code == wanted && (wanted_system.is_empty() || system == Some(wanted_system))
            })
        }),
    }
}

/// System and code of every coding in a CodeableConcept, a Coding or a code.
pub(super) fn codings(value: &Json) -> Vec<(Option<&str>, &str)> {
    if let Some(code) = value.as_str() {
        return vec![(None, code)];
    }
    let list = value.items("coding");
    let list = if list.is_empty() { std::slice::from_ref(value) } else { list };
    list.iter().filter_map(|coding| Some((coding.text_at(&["system"]), coding.text_at(&["code"])?))).collect()
}

/// What no resource has of what the profile marks as must-support.
pub(super) fn missing(profile: &Profile, resources: &[Json]) -> Vec<String> {
    let mut missing = Vec::new();
    for element in &profile.elements {
        let chosen = profile.choices.iter().find(|paths| paths.contains(&element.path));
        let enough = match chosen {
            // Of a choice one is enough, wherever it is found.
            Some(paths) => paths.iter().any(|path| any_has(profile, resources, &of(profile, path))),
            None => any_has(profile, resources, element),
        };
        if !enough {
            missing.push(match &element.fixed {
                Some(fixed) => format!("{} = {fixed}", element.path),
                None => element.path.clone(),
            });
        }
    }
    for url in &profile.extensions {
        let has = |resource: &Json| {
            resource.items("extension").iter().any(|extension| extension.text_at(&["url"]) == Some(url))
        };
        if !resources.iter().any(has) {
            missing.push(format!("extension {url}"));
        }
    }
    for slice in &profile.slices {
        let has = |resource: &Json| match &slice.by {
            By::Type(code) => {
                let stem = slice.path.strip_suffix("[x]").unwrap_or(&slice.path);
                let mut letters = code.chars();
                let first = letters.next().map(|letter| letter.to_ascii_uppercase()).unwrap_or_default();
                !values(resource, &format!("{stem}{first}{}", letters.as_str()), &[]).is_empty()
            }
            _ => values(resource, &slice.path, &[]).into_iter().any(|item| fits(item, slice)),
        };
        if !resources.iter().any(has) {
            missing.push(format!("{}:{}", slice.path, slice.name));
        }
    }
    missing.dedup();
    missing
}

fn of(profile: &Profile, path: &str) -> Element {
    let known = profile.elements.iter().find(|element| element.path == path);
    known.cloned().unwrap_or_else(|| Element { path: path.to_owned(), fixed: None })
}

fn any_has(profile: &Profile, resources: &[Json], element: &Element) -> bool {
    resources.iter().any(|resource| {
        values(resource, &element.path, &profile.slices)
            .into_iter()
            .any(|value| element.fixed.as_deref().is_none_or(|fixed| value.as_str() == Some(fixed)))
    })
}
