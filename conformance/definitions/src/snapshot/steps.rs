//! Where the elements of a differential belong.
//!
//! Path and slice name say it together with the order: what follows a slice and lies below it is of that slice. Ids say
//! it without the order (elementdefinition.html, "id"): the id of an element counts if it fits its path and slice name, and
//! none counts if the id of a slice does not name the slice.

use model::json::Json;

use crate::profile::{DifferentialFault, DifferentialIssue, MAX_DEPTH};

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// As the path has it: `identifier`, `value[x]`, `valueQuantity`.
    pub(super) name: String,
    /// The slice, if it leads into one.
    pub(super) slice: Option<String>,
}

/// An element of the differential.
pub(super) struct Placed<'j> {
    /// Its place in the differential.
    pub(super) at: usize,
    /// Where it belongs, below the root.
    pub(super) steps: Vec<Step>,
    pub(super) json: &'j Json,
}

/// What is found on the way.
#[derive(Default)]
pub(super) struct Issues {
    /// The element at hand.
    pub(super) at: Option<usize>,
    pub(super) found: Vec<DifferentialIssue>,
}

impl Issues {
    pub(super) fn say(&mut self, kind: DifferentialFault, text: String) {
        // Whoever has so many mistakes mends some of them first.
        if self.found.len() < 1_000 {
            self.found.push(DifferentialIssue { element: self.at, kind, text });
        }
    }
}

/// The steps below the root of each element, in the order of the differential.
pub(super) fn of<'j>(listed: &'j [Json], first: usize, issues: &mut Issues) -> Vec<Placed<'j>> {
    // Ids that were written without slices say the wrong place of everything below a slice.
    let say_slices = listed.iter().all(|json| json.text_at(&["sliceName"]).is_none() || by_id(json).is_some());
    let mut found = Vec::with_capacity(listed.len());
    // The steps of the element before.
    let mut before: Vec<Step> = Vec::new();
    for (json, at) in listed.iter().zip(first..) {
        let steps = match say_slices.then(|| by_id(json)).flatten() {
            Some(steps) => steps,
            None => match by_order(json, &before) {
                Ok(steps) => steps,
                Err(why) => {
                    issues.at = Some(at);
                    issues.say(DifferentialFault::Path, why.to_owned());
                    continue;
                }
            },
        };
        before.clone_from(&steps);
        found.push(Placed { at, steps, json });
    }
    found
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

/// The steps of the path; what is the same as in the element before leads into the same slices.
fn by_order(json: &Json, before: &[Step]) -> Result<Vec<Step>, &'static str> {
    let path = json.text_at(&["path"]).ok_or("an element of the differential has no path")?;
    let names: Vec<&str> = path.split('.').skip(1).take(MAX_DEPTH + 1).collect();
    if names.len() > MAX_DEPTH {
        return Err("a path of the differential is too deep");
    }
    let mut steps: Vec<Step> = Vec::with_capacity(names.len());
    let mut together = true;
    for (depth, name) in names.iter().enumerate() {
        let last = depth + 1 == names.len();
        let same = before.get(depth).filter(|before| together && before.name == *name);
        let slice = match last {
            true => json.text_at(&["sliceName"]).map(str::to_owned),
            false => same.and_then(|same| same.slice.clone()),
        };
        together = same.is_some();
        steps.push(Step { name: (*name).to_owned(), slice });
    }
    Ok(steps)
}
