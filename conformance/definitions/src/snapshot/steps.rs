//! Where the elements of a differential belong.
//!
//! Path and slice name say it together with the order: what follows a slice and lies below it is of that slice. Ids say
//! it without the order (elementdefinition.html, "id"); they count if they fit path and slice name everywhere.

use model::json::Json;

use crate::profile::MAX_DEPTH;

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// As the path has it: `identifier`, `value[x]`, `valueQuantity`.
    pub(super) name: String,
    /// The slice, if it leads into one.
    pub(super) slice: Option<String>,
}

/// The steps below the root of each element, in the order of the differential.
pub(super) fn of<'j>(listed: &'j [Json], issues: &mut Vec<String>) -> Vec<(Vec<Step>, &'j Json)> {
    let by_id: Option<Vec<(Vec<Step>, &Json)>> =
        listed.iter().map(|json| by_id(json).map(|steps| (steps, json))).collect();
    match by_id {
        Some(found) => found,
        None => by_order(listed, issues),
    }
}

/// For messages: `Patient.identifier:a.system`.
pub(super) fn text(type_name: &str, steps: &[Step]) -> String {
    steps.iter().fold(type_name.to_owned(), |text, step| match &step.slice {
        Some(slice) => format!("{text}.{}:{slice}", step.name),
        None => format!("{text}.{}", step.name),
    })
}

fn by_id(json: &Json) -> Option<Vec<Step>> {
    let (id, path) = (json.text_at(&["id"])?, json.text_at(&["path"])?);
    if path.split('.').count() > MAX_DEPTH {
        return None;
    }
    let mut names = path.split('.');
    let mut steps: Vec<Step> = Vec::new();
    for part in id.split('.') {
        let (name, slice) = match part.split_once(':') {
            Some((name, slice)) => (name, Some(slice)),
            None => (part, None),
        };
        let in_path = names.next()?;
        // The id may have the choice where the path has one of its forms.
        let same = in_path == name || name.strip_suffix("[x]").is_some_and(|base| in_path.starts_with(base));
        if !same || slice.is_some_and(str::is_empty) {
            return None;
        }
        steps.push(Step { name: name.to_owned(), slice: slice.map(str::to_owned) });
    }
    if names.next().is_some() {
        return None;
    }
    let last = steps.last_mut()?;
    match (json.text_at(&["sliceName"]), &last.slice) {
        (Some(name), Some(slice)) if name != slice => return None,
        // A typed form of a choice may be given a name of its own.
        (Some(name), None) if last.name == name => last.slice = Some(name.to_owned()),
        (Some(_), None) => return None,
        _ => {}
    }
    // The root has no slices.
    let root = steps.remove(0);
    root.slice.is_none().then_some(steps)
}

fn by_order<'j>(listed: &'j [Json], issues: &mut Vec<String>) -> Vec<(Vec<Step>, &'j Json)> {
    let mut found = Vec::with_capacity(listed.len());
    // The steps of the element before.
    let mut open: Vec<Step> = Vec::new();
    for json in listed {
        let Some(path) = json.text_at(&["path"]) else {
            issues.push("an element of the differential has no path".to_owned());
            continue;
        };
        let names: Vec<&str> = path.split('.').skip(1).take(MAX_DEPTH + 1).collect();
        if names.len() > MAX_DEPTH {
            issues.push("a path of the differential is too deep".to_owned());
            continue;
        }
        let slice = json.text_at(&["sliceName"]);
        let mut steps: Vec<Step> = Vec::with_capacity(names.len());
        let mut together = true;
        for (depth, name) in names.iter().enumerate() {
            let last = depth + 1 == names.len();
            let before = open.get(depth).filter(|before| together && before.name == *name);
            let slice = match last {
                true => slice.map(str::to_owned),
                false => before.and_then(|before| before.slice.clone()),
            };
            together = before.is_some();
            steps.push(Step { name: (*name).to_owned(), slice });
        }
        open.clone_from(&steps);
        found.push((steps, json));
    }
    found
}
