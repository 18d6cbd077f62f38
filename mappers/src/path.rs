//! Source places and target paths, read once when a package is loaded.

use model::json::{Json, Number};
use smol_str::SmolStr;

use crate::elements;

/// A place in a segment: `PID-3`, `PID-3[2]`, `PID-3.4`, `PID-3.4.1`; 0 where the place does not go that deep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldPlace {
    pub(crate) segment: SmolStr,
    pub(crate) field: u32,
    pub(crate) repetition: u32,
    pub(crate) component: u32,
    pub(crate) subcomponent: u32,
}

/// A place in a value: `CX.4`, `CX.4.1`, or `CX` for the whole value; 0 where the place does not go that deep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartPlace {
    pub(crate) datatype: SmolStr,
    pub(crate) component: u32,
    pub(crate) subcomponent: u32,
}

/// Where in an array a step goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// The element does not repeat.
    Single,
    /// This item.
    Index(usize),
    /// `[+]`: a new item for each value.
    Append,
    /// `[$]`: a new item for each segment, shared by the rows of its table.
    PerSegment,
    /// `[name]`: the extension of this URL, made if absent.
    Extension(SmolStr),
    /// `[+name]`: a new extension of this URL for each value.
    AppendExtension(SmolStr),
    /// `[$name]`: a new extension of this URL for each segment, shared by the rows of its table.
    SegmentExtension(SmolStr),
}

/// One step of a target path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Member name; `_name` where the path goes on below a primitive.
    pub(crate) name: SmolStr,
    pub(crate) at: At,
    /// Of an element written `[x]`: its name without the type. Only one of its types may stand.
    pub(crate) choice: Option<&'static str>,
}

impl Step {
    /// Whether each value gets an item of its own: `[+]`, `[+name]`.
    pub(crate) fn appends(&self) -> bool {
        matches!(self.at, At::Append | At::AppendExtension(_))
    }
}

/// What the element at the end of a path holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    Boolean,
    Integer,
    Decimal,
    Text,
    Reference,
    Complex(&'static str),
}

impl Holds {
    /// A lexeme as the element holds it; none where it is no number and the element asks for one.
    pub(crate) fn json(self, lexeme: SmolStr) -> Option<Json> {
        Some(match self {
            Self::Boolean => Json::Bool(lexeme == "true"),
            Self::Integer | Self::Decimal => Json::Number(Number::parse(&lexeme).ok()?),
            _ => Json::String(lexeme),
        })
    }
}

/// A target path below its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) steps: Vec<Step>,
    pub(crate) holds: Holds,
    /// Number of steps up to and with the last one that has an index: `with` starts there.
    pub(crate) anchor: usize,
    /// Type at the anchor.
    pub(crate) anchor_kind: SmolStr,
}

impl Target {
    /// Whether an element on the way gets an item for each value.
    pub(crate) fn appends(&self) -> bool {
        self.steps.iter().any(Step::appends)
    }
}

/// Reads `SEG-F[r].C.S`.
pub(crate) fn field_place(text: &str) -> Option<FieldPlace> {
    let (segment, rest) = text.split_once('-')?;
    let named = segment.len() == 3 && segment.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if !named {
        return None;
    }
    let mut parts = rest.split('.');
    let first = parts.next()?;
    let (field, repetition) = match first.split_once('[') {
        Some((field, repetition)) => (number(field)?, number(repetition.strip_suffix(']')?)?),
        None => (number(first)?, 0),
    };
    let component = parts.next().map_or(Some(0), number)?;
    let subcomponent = parts.next().map_or(Some(0), number)?;
    if parts.next().is_some() {
        return None;
    }
    Some(FieldPlace { segment: segment.into(), field, repetition, component, subcomponent })
}

/// Reads `TYPE`, `TYPE.C` or `TYPE.C.S`.
pub(crate) fn part_place(text: &str) -> Option<PartPlace> {
    let mut parts = text.split('.');
    let datatype = parts.next()?;
    if datatype.is_empty() || !datatype.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) {
        return None;
    }
    let component = parts.next().map_or(Some(0), number)?;
    let subcomponent = parts.next().map_or(Some(0), number)?;
    if parts.next().is_some() {
        return None;
    }
    Some(PartPlace { datatype: datatype.into(), component, subcomponent })
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|n| *n > 0)
}

/// Reads a target path below a type, against the list of elements. `names` gives the URL of an extension's name.
pub(crate) fn target(root: &str, path: &str, names: &dyn Fn(&str) -> Option<SmolStr>) -> Result<Target, String> {
    let mut kind: SmolStr = root.into();
    let mut steps: Vec<Step> = Vec::new();
    let (mut anchor, mut anchor_kind) = (0, kind.clone());
    let mut holds = Holds::Complex("");
    if path.is_empty() {
        return Err("expected an element, found only the type".to_owned());
    }
    let mut primitive = false;
    for piece in path.split('.') {
        let (name, index) = match piece.split_once('[') {
            Some((name, index)) => (name, Some(index.strip_suffix(']').ok_or("expected ] after [")?)),
            None => (piece, None),
        };
        if primitive {
            // FHIR R4 json.html, "JSON representation of primitive elements": below a primitive stands `_name`.
            let Some(last) = steps.last_mut() else { return Err("expected an element".to_owned()) };
            if last.at != At::Single {
                return Err(format!("expected no element below {}, which is a repeating primitive", last.name));
            }
            last.name = format!("_{}", last.name).into();
            kind = "Element".into();
        }
        let element = match (kind.as_str(), name) {
            ("Element", "extension") => elements::Element { kind: "Extension", repeats: true },
            _ => elements::child(&kind, name).ok_or_else(|| format!("unknown target: {kind} has no element {name}"))?,
        };
        let at = match (index, element.repeats) {
            (None, false) => At::Single,
            (None, true) => return Err(format!("{name} repeats: expected [+], [$] or a number after it")),
            (Some(_), false) => return Err(format!("{name} does not repeat: expected no index")),
            (Some("+"), true) => At::Append,
            (Some("$"), true) => At::PerSegment,
            (Some(index), true) => match index.parse::<usize>() {
                Ok(index) => At::Index(index),
                Err(_) => {
                    let alias = index.trim_start_matches(['+', '$']);
                    let url = names(alias).ok_or_else(|| format!("unknown name {alias} of an extension"))?;
                    match index.chars().next() {
                        Some('+') => At::AppendExtension(url),
                        Some('$') => At::SegmentExtension(url),
                        _ => At::Extension(url),
                    }
                }
            },
        };
        let indexed = at != At::Single;
        let choice = model::types::r4().find(&kind).and_then(|(_, shape)| shape.find(name));
        let choice = choice.filter(|(_, element, _)| element.is_choice).map(|(_, element, _)| element.name);
        steps.push(Step { name: name.into(), at, choice });
        holds = match element.kind {
            "boolean" => Holds::Boolean,
            "integer" | "positiveInt" | "unsignedInt" => Holds::Integer,
            "decimal" => Holds::Decimal,
            "Reference" => Holds::Reference,
            other if elements::is_complex(other) => Holds::Complex(other),
            _ => Holds::Text,
        };
        primitive = matches!(holds, Holds::Boolean | Holds::Integer | Holds::Decimal | Holds::Text);
        kind = element.kind.into();
        if indexed {
            anchor = steps.len();
            anchor_kind = kind.clone();
        }
    }
    Ok(Target { steps, holds, anchor, anchor_kind })
}

#[cfg(test)]
mod tests;
