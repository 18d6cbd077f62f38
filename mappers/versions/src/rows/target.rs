//! Paths of rows and what they lead to.

use model::types::{Kind, Shape, ShapeId, Table, Type};
use smol_str::{SmolStr, format_smolstr};

/// A place in the target: a type and the JSON names from it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// `Encounter`, `Dosage`.
    pub(crate) root: SmolStr,
    /// The last is the element, those before are the elements it stands in.
    pub(crate) steps: Vec<SmolStr>,
}

/// An element that a path names: the shape it stands in and its JSON names, one for each type of a choice.
pub(super) struct Named {
    pub(super) shape: ShapeId,
    /// Without `[x]`.
    pub(super) base: SmolStr,
    /// JSON name and the type at its end (empty where it is no choice).
    pub(super) names: Vec<(SmolStr, &'static str)>,
    pub(super) parents: Vec<SmolStr>,
    pub(super) root: SmolStr,
}

/// What a path like `Encounter.hospitalization.origin`, `Provenance.agent.who[x]` or `…whoUri` names.
pub(super) fn find(table: &'static Table, path: &str) -> Result<Named, String> {
    let mut steps = path.split('.');
    let root = steps.next().unwrap_or_default();
    let (mut id, mut shape) = table.find(root).ok_or_else(|| format!("expected a type, found {root}"))?;
    let mut parents = Vec::new();
    let mut steps = steps.peekable();
    while let Some(step) = steps.next() {
        let names = names_of(shape, step).ok_or_else(|| format!("{} has no element {step}", shape.path))?;
        if steps.peek().is_none() {
            return Ok(Named {
                shape: id,
                base: step.trim_end_matches("[x]").into(),
                names,
                parents,
                root: root.into(),
            });
        }
        let inner = names.first().and_then(|(name, _)| shape.find(name)).map(|(_, _, of_type)| of_type.kind);
        let (Some(Kind::Object(inner) | Kind::Reference(inner, _)), [(name, _)]) = (inner, names.as_slice()) else {
            return Err(format!("{step} holds no elements of its own"));
        };
        parents.push(name.clone());
        id = inner;
        shape = table.shape(inner);
    }
    Err("expected an element of a type".to_owned())
}

fn names_of(shape: &'static Shape, step: &str) -> Option<Vec<(SmolStr, &'static str)>> {
    if let Some(base) = step.strip_suffix("[x]") {
        let element = shape.elements.iter().find(|element| element.is_choice && element.name == base)?;
        return Some(element.types.iter().map(|of_type| (choice_name(base, of_type), of_type.name)).collect());
    }
    let (_, element, of_type) = shape.find(step)?;
    Some(vec![(step.into(), if element.is_choice { of_type.name } else { "" })])
}

/// `value` and `dateTime` give `valueDateTime`.
pub(crate) fn choice_name(base: &str, of_type: &Type) -> SmolStr {
    let mut letters = of_type.name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase()).unwrap_or_default();
    format_smolstr!("{base}{first}{}", letters.as_str())
}
