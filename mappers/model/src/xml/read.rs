//! From XML to the tree of the JSON form.

use std::fmt;

use smol_str::SmolStr;
use xml::{Lexer, Tag, Token};

use super::{Document, ErrorKind, FHIR, Fault, XHTML, lexer, narrative};
use crate::json::{Json, Limits, Number, Object};
use crate::outcome::Issue;
use crate::types::{Element, Kind, Primitive, Shape, Table, Type};

/// More names than any shape has; a search among the members stays short.
const MAX_NAMES: usize = 256;

pub(super) fn document(bytes: &[u8], limits: &Limits, table: &'static Table) -> Result<Document, Fault> {
    if bytes.len() > limits.bytes {
        return Err(Fault(ErrorKind::TooLong { limit: limits.bytes }, limits.bytes));
    }
    let lexer = lexer(bytes)?;
    let mut reader =
        Reader { lexer, table, issues: Vec::new(), depth: limits.depth.min(Limits::MAX_DEPTH), is_full: false };
    let resource = reader.root()?;
    Ok(Document { resource, issues: reader.issues })
}

/// Where the reader is: a stack of steps that is written out only when there is a finding.
#[derive(Clone, Copy)]
pub(super) enum Place<'p> {
    Root(&'p str),
    Member { parent: &'p Place<'p>, name: &'p str, of_type: Option<&'p str>, index: Option<usize> },
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(name) => formatter.write_str(name),
            Self::Member { parent, name, of_type, index } => {
                write!(formatter, "{parent}.{name}")?;
                if let Some(of_type) = of_type {
                    write!(formatter, ".ofType({of_type})")?;
                }
                match index {
                    Some(index) => write!(formatter, "[{index}]"),
                    None => Ok(()),
                }
            }
        }
    }
}

pub(super) struct Reader<'t> {
    pub(super) lexer: Lexer<'t>,
    table: &'static Table,
    issues: Vec<Issue>,
    /// The deepest nesting of the tree.
    depth: usize,
    is_full: bool,
}

/// What an element's own attributes say.
#[derive(Default)]
struct Own {
    id: Option<SmolStr>,
    url: Option<SmolStr>,
    value: Option<SmolStr>,
}

/// The attributes that an element may have besides namespace declarations.
#[derive(Clone, Copy)]
struct Allowed {
    id: bool,
    url: bool,
    value: bool,
}

impl Allowed {
    const NONE: Self = Self { id: false, url: false, value: false };
    const ALL: Self = Self { id: true, url: true, value: true };
    const PRIMITIVE: Self = Self { id: true, url: false, value: true };

    fn of(shape: &Shape) -> Self {
        Self { id: !shape.is_resource, url: shape.path == "Extension", value: false }
    }
}

impl<'t> Reader<'t> {
    fn root(&mut self) -> Result<Json, Fault> {
        let tag = loop {
            match self.lexer.next()? {
                Token::Start(tag) => break tag,
                Token::Over => return Err(Fault(ErrorKind::Xml(xml::ErrorKind::Empty), self.lexer.start())),
                _ => {}
            }
        };
        let is_fhir = self.lexer.namespace(tag.prefix) == Some(FHIR);
        if !is_fhir && self.table.resource(tag.name).is_none() {
            return Err(Fault(ErrorKind::NotFhir, self.lexer.start()));
        }
        let place = Place::Root(tag.name);
        if !is_fhir {
            self.wrong_namespace(&place, FHIR);
        }
        let resource = self.resource(tag, &place, 1)?;
        loop {
            if let Token::Over = self.lexer.next()? {
                return Ok(resource);
            }
        }
    }

    /// A resource whose start tag has been read.
    fn resource(&mut self, tag: Tag<'t>, place: &Place<'_>, depth: usize) -> Result<Json, Fault> {
        self.deep(depth)?;
        let shape = self.table.resource(tag.name);
        self.own(Allowed::NONE, place);
        let mut members = Members::default();
        members.push("resourceType", Json::from(tag.name));
        self.children(shape, &mut members, place, depth)?;
        Ok(members.finish())
    }

    /// An element with a shape whose start tag has been read: a data type or a backbone element.
    fn object(&mut self, shape: &'static Shape, place: &Place<'_>, depth: usize) -> Result<Json, Fault> {
        self.deep(depth)?;
        let own = self.own(Allowed::of(shape), place);
        let mut members = Members::default();
        members.attributes(own);
        self.children(Some(shape), &mut members, place, depth)?;
        Ok(members.finish())
    }

    /// A primitive whose start tag has been read: its value, and what stands in its companion.
    fn primitive(
        &mut self,
        of_type: Primitive,
        place: &Place<'_>,
        depth: usize,
    ) -> Result<(Option<Json>, Option<Json>), Fault> {
        let own = self.own(Allowed::PRIMITIVE, place);
        let value = own.value.as_deref().map(|text| scalar(of_type, text));
        let mut members = Members::default();
        members.attributes(Own { value: None, ..own });
        // Nearly every primitive has a value and nothing else.
        if self.lexer.is_empty_element() {
            self.lexer.next()?;
        } else {
            self.children(Some(self.table.element()), &mut members, place, depth + 1)?;
        }
        if members.0.is_empty() && value.is_some() {
            return Ok((value, None));
        }
        self.deep(depth + 1)?;
        // Neither value nor children: `{}` shows what is wrong, and gives the same XML again.
        Ok((value, Some(members.finish())))
    }

    /// The children of an element up to its end tag. Without a shape whatever comes is kept by its name.
    fn children(
        &mut self,
        shape: Option<&'static Shape>,
        members: &mut Members,
        place: &Place<'_>,
        depth: usize,
    ) -> Result<(), Fault> {
        // The furthest element so far: xml.html, "the order of the property definitions".
        let mut furthest = 0;
        let mut has_text = false;
        loop {
            match self.lexer.next()? {
                Token::Start(tag) => {
                    if members.0.len() > MAX_NAMES {
                        return Err(Fault(ErrorKind::TooManyNames { limit: MAX_NAMES }, self.lexer.start()));
                    }
                    let known = shape.and_then(|shape| shape.find(tag.name));
                    let Some((order, element, of_type)) = known else {
                        self.unknown(tag, members, place, depth)?;
                        continue;
                    };
                    let index = element.repeats().then(|| members.count(tag.name));
                    let of_choice = element.is_choice.then_some(of_type.name);
                    let name = if element.is_choice { element.name } else { tag.name };
                    let child = Place::Member { parent: place, name, of_type: of_choice, index };
                    if order < furthest {
                        self.problem(&child, "expected the elements in the order of the specification");
                    }
                    furthest = furthest.max(order);
                    let is_attribute = shape.is_some_and(|shape| {
                        let allowed = Allowed::of(shape);
                        allowed.id && tag.name == "id" || allowed.url && tag.name == "url"
                    });
                    if is_attribute {
                        self.problem(&child, "expected an attribute, found an element");
                    }
                    self.member(tag, element, of_type, members, &child, depth + 1)?;
                }
                Token::End => return Ok(()),
                Token::Text(text) if !text.is_blank => {
                    if !has_text {
                        self.problem(place, "text between elements: FHIR has values in attributes only");
                    }
                    has_text = true;
                }
                Token::Text(_) | Token::Nothing => {}
                Token::Over => return Err(Fault(ErrorKind::Xml(xml::ErrorKind::UnexpectedEnd), self.lexer.start())),
            }
        }
    }

    /// A child that the tables know.
    fn member(
        &mut self,
        tag: Tag<'t>,
        element: &Element,
        of_type: &Type,
        members: &mut Members,
        place: &Place<'_>,
        depth: usize,
    ) -> Result<(), Fault> {
        let repeats = element.repeats();
        let depth = depth + usize::from(repeats);
        let expected = if matches!(of_type.kind, Kind::Primitive(Primitive::Xhtml)) { XHTML } else { FHIR };
        if self.lexer.namespace(tag.prefix) != Some(expected) {
            self.wrong_namespace(place, expected);
        }
        match of_type.kind {
            Kind::Primitive(Primitive::Xhtml) => {
                let text = narrative::read(&mut self.lexer, tag)?;
                members.put(tag.name, Json::from(text), repeats);
            }
            Kind::Primitive(primitive) => {
                let (value, companion) = self.primitive(primitive, place, depth)?;
                members.put_primitive(tag.name, value, companion, repeats);
            }
            Kind::Object(id) | Kind::Reference(id, _) => {
                let object = self.object(self.table.shape(id), place, depth)?;
                members.put(tag.name, object, repeats);
            }
            Kind::Resource => self.resources(tag, members, place, depth, repeats)?,
        }
        Ok(())
    }

    /// An element that holds a resource: `contained`, `resource`, `outcome`.
    fn resources(
        &mut self,
        holder: Tag<'t>,
        members: &mut Members,
        place: &Place<'_>,
        depth: usize,
        repeats: bool,
    ) -> Result<(), Fault> {
        self.own(Allowed::NONE, place);
        let mut count = 0;
        loop {
            match self.lexer.next()? {
                Token::Start(tag) => {
                    if self.lexer.namespace(tag.prefix) != Some(FHIR) {
                        self.wrong_namespace(place, FHIR);
                    }
                    count += 1;
                    if count == 2 {
                        self.problem(place, "expected one resource, found several");
                    }
                    let resource = self.resource(tag, place, depth)?;
                    members.put(holder.name, resource, repeats);
                }
                Token::End => break,
                Token::Text(text) if !text.is_blank => self.problem(place, "expected a resource, found text"),
                Token::Text(_) | Token::Nothing => {}
                Token::Over => return Err(Fault(ErrorKind::Xml(xml::ErrorKind::UnexpectedEnd), self.lexer.start())),
            }
        }
        if count == 0 {
            members.put(holder.name, Json::Object(Object::new()), repeats);
        }
        Ok(())
    }

    /// A child that the tables do not know: kept under its name, so that it is found.
    fn unknown(&mut self, tag: Tag<'t>, members: &mut Members, parent: &Place<'_>, depth: usize) -> Result<(), Fault> {
        let extension = self.table.find("Extension").map(|(_, shape)| shape);
        let is_extension = matches!(tag.name, "extension" | "modifierExtension");
        let place = Place::Member { parent, name: tag.name, of_type: None, index: None };
        match self.lexer.namespace(tag.prefix) {
            Some(FHIR) => {}
            Some(XHTML) if tag.name == "div" => {
                let text = narrative::read(&mut self.lexer, tag)?;
                members.put(tag.name, Json::from(text), false);
                return Ok(());
            }
            _ => {
                self.wrong_namespace(&place, FHIR);
            }
        }
        if let (true, Some(shape)) = (is_extension, extension) {
            let object = self.object(shape, &place, depth + 2)?;
            members.put(tag.name, object, true);
            return Ok(());
        }
        // A second one makes an array.
        let depth = depth + 2;
        self.deep(depth)?;
        if tag.name == "resourceType" || tag.name.starts_with('_') {
            // Names that mean something else in the JSON form: kept apart from it.
            self.problem(&place, "expected an element of FHIR");
            return self.children(None, &mut Members::default(), &place, depth);
        }
        let own = self.own(Allowed::ALL, &place);
        let value = own.value.clone().map(Json::String);
        let mut inner = Members::default();
        inner.attributes(Own { value: None, ..own });
        self.children(None, &mut inner, &place, depth)?;
        match value {
            None => members.put(tag.name, inner.finish(), false),
            Some(value) => {
                let companion = (!inner.0.is_empty()).then(|| inner.finish());
                members.put_primitive(tag.name, Some(value), companion, false);
            }
        }
        Ok(())
    }

    /// The attributes of the tag read last; what does not belong there is reported.
    fn own(&mut self, allowed: Allowed, place: &Place<'_>) -> Own {
        let mut own = Own::default();
        let attributes = self.lexer.take_attributes();
        for attribute in &attributes {
            let slot = match attribute.name {
                "value" if allowed.value => &mut own.value,
                "id" if allowed.id => &mut own.id,
                "url" if allowed.url => &mut own.url,
                name if name == "xmlns" || name.starts_with("xmlns:") => continue,
                name => {
                    // Names of FHIR's own may be said; others could be anything.
                    let shown = match name {
                        "value" | "id" | "url" | "xsi:schemaLocation" | "xsi:type" | "xml:lang" => name,
                        _ => "",
                    };
                    let what = if shown.is_empty() { String::new() } else { format!(" '{shown}'") };
                    self.problem(place, &format!("an attribute{what} that FHIR does not have here"));
                    continue;
                }
            };
            *slot = Some(SmolStr::new(attribute.value()));
        }
        self.lexer.reuse(attributes);
        own
    }

    fn deep(&self, depth: usize) -> Result<(), Fault> {
        if depth > self.depth {
            return Err(Fault(ErrorKind::Xml(xml::ErrorKind::TooDeep { limit: self.depth }), self.lexer.start()));
        }
        Ok(())
    }

    fn wrong_namespace(&mut self, place: &Place<'_>, expected: &str) {
        self.problem(place, &format!("expected the namespace {expected}"));
    }

    fn problem(&mut self, place: &Place<'_>, expected: &str) {
        if self.issues.len() + 1 < Document::ISSUES {
            self.issues.push(Issue::error("structure", expected).at(place.to_string()));
        } else if !self.is_full {
            self.is_full = true;
            self.issues.push(Issue::error("too-costly", "further findings about the XML are not listed"));
        }
    }
}

/// The JSON of a value, as json.html says for its type. A lexeme that is none stays a string, for the validator.
fn scalar(of_type: Primitive, text: &str) -> Json {
    match of_type {
        Primitive::Boolean => match text {
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            _ => Json::from(text),
        },
        Primitive::Decimal | Primitive::Integer | Primitive::PositiveInt | Primitive::UnsignedInt => {
            Number::parse(text).map_or_else(|_| Json::from(text), Json::Number)
        }
        _ => Json::from(text),
    }
}

/// The members of an object in the making; few, so they are searched from the end.
#[derive(Default)]
struct Members(Vec<(SmolStr, Json)>);

impl Members {
    fn push(&mut self, name: &str, value: Json) {
        self.0.push((SmolStr::new(name), value));
    }

    fn attributes(&mut self, own: Own) {
        for (name, value) in [("id", own.id), ("url", own.url), ("value", own.value)] {
            if let Some(value) = value {
                self.push(name, Json::String(value));
            }
        }
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().rposition(|(key, _)| key == name)
    }

    fn companion(&self, name: &str) -> Option<usize> {
        self.0.iter().rposition(|(key, _)| key.strip_prefix('_') == Some(name))
    }

    /// How many values an element has so far.
    fn count(&self, name: &str) -> usize {
        let length = |at: Option<usize>| match at.and_then(|at| self.0.get(at)) {
            Some((_, Json::Array(items))) => items.len(),
            Some(_) => 1,
            None => 0,
        };
        length(self.position(name)).max(length(self.companion(name)))
    }

    /// Adds a value. One that comes again where none repeats makes an array: the tree shows what was sent.
    fn put(&mut self, name: &str, value: Json, repeats: bool) {
        match self.position(name).and_then(|at| self.0.get_mut(at)) {
            Some((_, present)) => append(present, value),
            None if repeats => self.push(name, Json::Array(vec![value])),
            None => self.push(name, value),
        }
    }

    /// Adds a primitive; the arrays of values and companions stay as long as each other (json.html, "Primitive
    /// Properties").
    fn put_primitive(&mut self, name: &str, value: Option<Json>, companion: Option<Json>, repeats: bool) {
        let count = self.count(name);
        let is_array = repeats || count > 0;
        let (values, companions) = (self.position(name), self.companion(name));
        let end = self.0.len();
        self.slot(values, || SmolStr::new(name), companions.unwrap_or(end), value, count, is_array);
        let (values, companions) = (self.position(name), self.companion(name));
        let end = self.0.len();
        let after = values.map_or(end, |at| at + 1);
        self.slot(companions, || smol_str::format_smolstr!("_{name}"), after, companion, count, is_array);
    }

    fn slot(
        &mut self,
        at: Option<usize>,
        key: impl FnOnce() -> SmolStr,
        insert: usize,
        item: Option<Json>,
        count: usize,
        is_array: bool,
    ) {
        match (at.and_then(|at| self.0.get_mut(at)), item) {
            (Some((_, present)), item) => append(present, item.unwrap_or(Json::Null)),
            (None, None) => {}
            (None, Some(item)) if is_array => {
                let mut items = vec![Json::Null; count];
                items.push(item);
                self.0.insert(insert, (key(), Json::Array(items)));
            }
            (None, Some(item)) => self.0.insert(insert, (key(), item)),
        }
    }

    fn finish(self) -> Json {
        Json::Object(Object::from_distinct(self.0))
    }
}

/// Puts a value behind those that are there; a single one becomes the first of an array.
fn append(present: &mut Json, value: Json) {
    match present {
        Json::Array(items) => items.push(value),
        single => {
            let first = std::mem::replace(single, Json::Null);
            *single = Json::Array(vec![first, value]);
        }
    }
}
