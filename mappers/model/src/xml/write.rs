//! From the tree to XML.

use std::fmt::Write as _;

use super::{FHIR, narrative};
use crate::json::{Json, Limits, Object};
use crate::types::{Kind, Primitive, Shape, Table, r4};
use xml::{is_character, is_name};

/// How the XML is laid out. A narrative keeps its own layout in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Without white space.
    Compact,
    /// An element a line, indented by two blanks.
    Indented,
}

/// Why a tree has no XML, and where. Never quotes a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {kind}")]
pub struct WriteError {
    /// What XML has no form for.
    pub kind: WriteErrorKind,
    /// Names of elements from the type on.
    pub at: String,
}

/// What XML has no form for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteErrorKind {
    /// No object with a `resourceType`.
    #[error("expected a resource")]
    Resource,
    /// The tree is nested too deep.
    #[error("nested deeper than the limit of {limit}")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// A member name that is no name in XML.
    #[error("a member name that XML does not have")]
    Name,
    /// A character that XML 1.0 does not have: most control characters.
    #[error("a character that XML does not have")]
    Character,
    /// The text of a narrative is no well-formed `div` element.
    #[error("expected one well-formed div element")]
    Narrative,
    /// An array in an array, a null without a companion, an object where a value stands.
    #[error("JSON of a shape that FHIR does not have")]
    Shape,
}

type Fault = WriteErrorKind;

/// Writes a resource as XML with its declaration; elements stand in the order of the specification, unknown ones last.
///
/// Reading it again with [`super::parse`] gives the same tree, apart from the order of members, for every tree whose
/// elements the tables know.
///
/// # Errors
/// [`WriteError`] if something in the tree has no form in XML: nothing is left out in silence.
pub fn write(resource: &Json, layout: Layout) -> Result<String, WriteError> {
    write_as(resource, layout, r4())
}

/// The same for a resource of another version of FHIR.
///
/// # Errors
/// As [`write`].
pub fn write_as(resource: &Json, layout: Layout, table: &'static Table) -> Result<String, WriteError> {
    let mut writer = Writer {
        table,
        out: String::with_capacity(1024),
        is_indented: layout == Layout::Indented,
        level: 0,
        path: Vec::new(),
    };
    writer.out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    if writer.is_indented {
        writer.out.push('\n');
    }
    match writer.resource(resource, true) {
        Ok(()) => Ok(writer.out),
        Err(kind) => {
            let at = writer.path.join(".");
            Err(WriteError { kind, at: if at.is_empty() { "(root)".to_owned() } else { at } })
        }
    }
}

struct Writer {
    table: &'static Table,
    out: String,
    is_indented: bool,
    level: usize,
    /// Names of the elements on the way here, for an error.
    path: Vec<String>,
}

/// A member with its companion, and its place among the elements of its shape.
struct Member<'j> {
    order: usize,
    name: &'j str,
    value: Option<&'j Json>,
    companion: Option<&'j Json>,
    known: Option<Kind>,
}

impl Writer {
    fn resource(&mut self, resource: &Json, is_root: bool) -> Result<(), Fault> {
        let object = resource.as_object().ok_or(Fault::Resource)?;
        let name = object.get("resourceType").and_then(Json::as_str).ok_or(Fault::Resource)?;
        if !is_name(name) {
            return Err(Fault::Resource);
        }
        self.path.push(name.to_owned());
        self.out.push('<');
        self.out.push_str(name);
        if is_root {
            let _ = write!(self.out, " xmlns=\"{FHIR}\"");
        }
        let members = members(object, self.table.resource(name), Skip::Type)?;
        self.content(name, &members)?;
        self.path.pop();
        Ok(())
    }

    /// The children after a start tag that is not closed yet, and the end tag.
    fn content(&mut self, name: &str, members: &[Member<'_>]) -> Result<(), Fault> {
        if members.is_empty() {
            self.out.push_str("/>");
            return Ok(());
        }
        self.out.push('>');
        self.level += 1;
        // Each level of the tree is one or two levels of elements.
        if self.level > 2 * Limits::MAX_DEPTH {
            return Err(Fault::TooDeep { limit: Limits::MAX_DEPTH });
        }
        for member in members {
            self.path.push(member.name.to_owned());
            self.member(member)?;
            self.path.pop();
        }
        self.level -= 1;
        self.line();
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
        Ok(())
    }

    /// All values of a member.
    fn member(&mut self, member: &Member<'_>) -> Result<(), Fault> {
        if !is_name(member.name) {
            return Err(Fault::Name);
        }
        let (values, companions) = (several(member.value), several(member.companion));
        if values.is_empty() && companions.is_empty() {
            return Err(Fault::Shape);
        }
        for index in 0..values.len().max(companions.len()) {
            let value = values.get(index).filter(|value| **value != Json::Null);
            let companion = companions.get(index).filter(|value| **value != Json::Null);
            self.line();
            self.value(member, value, companion)?;
        }
        Ok(())
    }

    fn value(&mut self, member: &Member<'_>, value: Option<&Json>, companion: Option<&Json>) -> Result<(), Fault> {
        match (member.known, value, companion) {
            (_, None, None) => Err(Fault::Shape),
            (Some(Kind::Primitive(Primitive::Xhtml)), Some(Json::String(text)), None) => self.div(text),
            (Some(Kind::Primitive(Primitive::Xhtml)), ..) => Err(Fault::Narrative),
            (Some(Kind::Object(id) | Kind::Reference(id, _)), Some(Json::Object(object)), None) => {
                self.object(member.name, None, object, Some(self.table.shape(id)))
            }
            (Some(Kind::Resource), Some(resource @ Json::Object(object)), None) => {
                self.out.push('<');
                self.out.push_str(member.name);
                if object.is_empty() {
                    self.out.push_str("/>");
                    return Ok(());
                }
                self.out.push('>');
                self.level += 1;
                self.line();
                self.resource(resource, false)?;
                self.level -= 1;
                self.line();
                self.out.push_str("</");
                self.out.push_str(member.name);
                self.out.push('>');
                Ok(())
            }
            // An unknown member, or one whose JSON is not that of its type: by what it is.
            (_, Some(Json::Object(object)), None) => self.object(member.name, None, object, None),
            (_, Some(Json::Array(_)), _) => Err(Fault::Shape),
            (_, Some(Json::String(text)), None) if member.name == "div" && narrative::is_element(text) => {
                self.div(text)
            }
            (_, scalar, None | Some(Json::Object(_))) if !matches!(scalar, Some(Json::Object(_))) => {
                let none = Object::new();
                let companion = companion.and_then(Json::as_object).unwrap_or(&none);
                self.object(member.name, scalar, companion, Some(self.table.element()))
            }
            _ => Err(Fault::Shape),
        }
    }

    /// An element with its attributes, and its children.
    fn object(
        &mut self,
        name: &str,
        value: Option<&Json>,
        object: &Object,
        shape: Option<&'static Shape>,
    ) -> Result<(), Fault> {
        self.out.push('<');
        self.out.push_str(name);
        // Outside of what the tables know, a text of that name is taken for an attribute, as the reader does.
        let is_extension = shape.is_some_and(|shape| shape.path == "Extension");
        let has_url = is_extension || shape.is_none() && matches!(object.get("url"), Some(Json::String(_)));
        for (attribute, is_one) in [("id", true), ("url", has_url)] {
            match object.get(attribute) {
                Some(Json::String(text)) if is_one => self.attribute(attribute, text)?,
                // Has no form: an attribute has neither extensions nor another type.
                Some(_) if is_one => return Err(Fault::Shape),
                _ => {}
            }
        }
        match value {
            None => {}
            Some(Json::String(text)) => self.attribute("value", text)?,
            Some(Json::Bool(value)) => self.attribute("value", if *value { "true" } else { "false" })?,
            Some(Json::Number(number)) => self.attribute("value", number.as_str())?,
            Some(Json::Null | Json::Array(_) | Json::Object(_)) => return Err(Fault::Shape),
        }
        let skip = if has_url { Skip::IdAndUrl } else { Skip::Id };
        let members = members(object, shape, skip)?;
        self.content(name, &members)
    }

    fn attribute(&mut self, name: &str, text: &str) -> Result<(), Fault> {
        if !text.chars().all(is_character) {
            return Err(Fault::Character);
        }
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        escape(text, &mut self.out);
        self.out.push('"');
        Ok(())
    }

    fn div(&mut self, text: &str) -> Result<(), Fault> {
        if !narrative::is_element(text) {
            return Err(Fault::Narrative);
        }
        // A carriage return that stood there as it is would be read as a line feed.
        for (index, piece) in text.split('\r').enumerate() {
            if index > 0 {
                self.out.push_str("&#xD;");
            }
            self.out.push_str(piece);
        }
        Ok(())
    }

    fn line(&mut self) {
        if self.is_indented {
            self.out.push('\n');
            for _ in 0..self.level {
                self.out.push_str("  ");
            }
        }
    }
}

/// Members that are no child elements.
#[derive(Clone, Copy)]
enum Skip {
    Type,
    Id,
    IdAndUrl,
}

impl Skip {
    fn has(self, name: &str) -> bool {
        match self {
            Self::Type => name == "resourceType",
            Self::Id => name == "id",
            Self::IdAndUrl => name == "id" || name == "url",
        }
    }
}

/// The members in the order of the specification, each with its companion.
fn members<'j>(object: &'j Object, shape: Option<&'static Shape>, skip: Skip) -> Result<Vec<Member<'j>>, Fault> {
    let mut members: Vec<Member<'j>> = Vec::with_capacity(object.len());
    let mut companions: Vec<(&str, &Json)> = Vec::new();
    for (name, value) in object.iter() {
        match name.strip_prefix('_') {
            Some(name) => {
                if skip.has(name) {
                    return Err(Fault::Shape);
                }
                companions.push((name, value));
            }
            None if skip.has(name) => {}
            None => members.push(member(name, Some(value), shape)),
        }
    }
    for (name, companion) in companions {
        match members.iter_mut().find(|member| member.name == name) {
            Some(member) => member.companion = Some(companion),
            None => {
                let mut member = member(name, None, shape);
                member.companion = Some(companion);
                members.push(member);
            }
        }
    }
    members.sort_by_key(|member| member.order);
    Ok(members)
}

fn member<'j>(name: &'j str, value: Option<&'j Json>, shape: Option<&'static Shape>) -> Member<'j> {
    let known = match shape {
        Some(shape) => shape.find(name).map(|(order, _, of_type)| (order, of_type.kind)),
        // Extensions are the same everywhere.
        None if matches!(name, "extension" | "modifierExtension") => {
            r4().element().find("extension").map(|(_, _, of_type)| (0, of_type.kind))
        }
        None => None,
    };
    match known {
        Some((order, kind)) => Member { order, name, value, companion: None, known: Some(kind) },
        None => Member { order: usize::MAX, name, value, companion: None, known: None },
    }
}

/// The values of a member: those of its array, or the one that it is.
fn several(value: Option<&Json>) -> &[Json] {
    match value {
        Some(Json::Array(items)) => items,
        Some(single) => std::slice::from_ref(single),
        None => &[],
    }
}

/// Escapes the value of an attribute. White space other than blanks would be normalised away by the reader.
pub(super) fn escape(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"', '\t', '\n', '\r']) {
        let (plain, tail) = rest.split_at(at);
        out.push_str(plain);
        let mut letters = tail.chars();
        match letters.next() {
            Some('&') => out.push_str("&amp;"),
            Some('<') => out.push_str("&lt;"),
            Some('>') => out.push_str("&gt;"),
            Some('"') => out.push_str("&quot;"),
            Some('\t') => out.push_str("&#x9;"),
            Some('\n') => out.push_str("&#xA;"),
            _ => out.push_str("&#xD;"),
        }
        rest = letters.as_str();
    }
    out.push_str(rest);
}
