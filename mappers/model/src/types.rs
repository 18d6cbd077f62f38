//! What resources and data types are made of: elements, types, cardinality, required bindings.
//!
//! Compiled once from `generated/r4.tables`. FHIR R4 (4.0.1), StructureDefinitions of the core package. Profiles and
//! invariants are not in here. Tables of other versions are read with [`Table::read`].

use std::collections::HashMap;
use std::sync::LazyLock;

/// The text of the tables. Its grammar stands in mappers/model/generator/README.md.
const TEXT: &str = include_str!("../generated/r4.tables");

/// The R4 tables; read at the first call.
#[expect(clippy::expect_used, reason = "the text is part of the build and a test reads it")]
pub fn r4() -> &'static Table {
    static TABLE: LazyLock<Table> =
        LazyLock::new(|| Table::read(TEXT).expect("the embedded R4 tables are well formed"));
    &TABLE
}

/// All types of one version of FHIR.
pub struct Table {
    shapes: Vec<Shape>,
    value_sets: Vec<ValueSet>,
    /// Concrete resource types, sorted.
    resources: Vec<(&'static str, ShapeId)>,
    /// Every type and backbone element by its path, sorted.
    paths: Vec<(String, ShapeId)>,
    element: ShapeId,
}

/// Names a [`Shape`] of the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ShapeId(u32);

/// The elements that an object may have: of a type, or of a backbone element.
#[derive(Default)]
pub struct Shape {
    /// `Patient`, `Patient.contact`, `HumanName`.
    pub path: String,
    /// Whether it is a resource type, and so has a `resourceType`.
    pub is_resource: bool,
    /// The type it is based on: `DomainResource` of `Patient`, `BackboneElement` of `Patient.contact`; none of `Element`.
    pub base: Option<ShapeId>,
    /// With those of the base, in the order of the specification.
    pub elements: Vec<Element>,
    /// JSON names, sorted: index of the element and of its type.
    names: Vec<(String, u8, u8)>,
}

/// One element of a shape.
pub struct Element {
    /// Without `[x]`.
    pub name: &'static str,
    /// Whether it is written `[x]` and its JSON name ends in the type.
    pub is_choice: bool,
    /// The least number of values.
    pub min: u16,
    /// `u16::MAX`: any number.
    pub max: u16,
    /// More than one only for a choice.
    pub types: Vec<Type>,
    /// Its required binding, for [`Table::value_set`].
    pub binding: Option<usize>,
    /// Whether it changes what the rest means.
    pub is_modifier: bool,
}

impl Element {
    /// Whether JSON has an array for it.
    pub fn repeats(&self) -> bool {
        self.max > 1
    }
}

/// One of the types of an element.
pub struct Type {
    /// `Quantity`, `dateTime`.
    pub name: &'static str,
    /// What its JSON is.
    pub kind: Kind,
}

/// What the JSON of a type is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A scalar, with its companion (`_name`).
    Primitive(Primitive),
    /// An object of that shape.
    Object(ShapeId),
    /// An object that is a Reference; the targets stand in the table as `A|B`, empty for any.
    Reference(ShapeId, &'static str),
    /// An object that says its own type.
    Resource,
}

/// The primitive types. FHIR R4 datatypes.html, "Primitive Types".
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub enum Primitive {
    Base64Binary,
    Boolean,
    Canonical,
    Code,
    Date,
    DateTime,
    Decimal,
    Id,
    Instant,
    Integer,
    /// R5 only; a string in JSON.
    Integer64,
    Markdown,
    Oid,
    PositiveInt,
    String,
    Time,
    UnsignedInt,
    Uri,
    Url,
    Uuid,
    Xhtml,
}

/// The codes of a required binding.
pub struct ValueSet {
    /// Its name in the specification.
    pub name: &'static str,
    /// Codes by system, both sorted.
    systems: Vec<(&'static str, Vec<&'static str>)>,
    all: Vec<&'static str>,
}

impl ValueSet {
    /// Whether any system has the code.
    pub fn has_code(&self, code: &str) -> bool {
        self.all.binary_search(&code).is_ok()
    }

    /// Whether the system has the code in this value set.
    pub fn has(&self, system: &str, code: &str) -> bool {
        self.systems.iter().any(|(name, codes)| *name == system && codes.binary_search(&code).is_ok())
    }

    /// The codes of a system in this value set.
    pub fn codes_of(&self, system: &str) -> impl Iterator<Item = &'static str> {
        self.systems.iter().filter(move |(name, _)| *name == system).flat_map(|(_, codes)| codes.iter().copied())
    }
}

impl Shape {
    /// The element and type behind a JSON name.
    pub fn find(&self, name: &str) -> Option<(usize, &Element, &Type)> {
        let index = self.names.binary_search_by(|(candidate, ..)| candidate.as_str().cmp(name)).ok()?;
        let (_, element, of_type) = self.names.get(index)?;
        let at = usize::from(*element);
        let element = self.elements.get(at)?;
        Some((at, element, element.types.get(usize::from(*of_type))?))
    }
}

/// A line of the table that is not as its grammar says.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {0} of the table is not as its grammar says")]
pub struct BadLine(usize);

impl Table {
    /// The shape of an id of this table.
    pub fn shape(&self, id: ShapeId) -> &Shape {
        #[expect(clippy::indexing_slicing, reason = "ids are made with their shapes and never leave the table")]
        &self.shapes[id.0 as usize]
    }

    /// A data type, a resource type (abstract ones too) or a backbone element: `HumanName`, `Patient.contact`.
    pub fn find(&self, path: &str) -> Option<(ShapeId, &Shape)> {
        let index = self.paths.binary_search_by(|(candidate, _)| candidate.as_str().cmp(path)).ok()?;
        self.paths.get(index).map(|(_, id)| (*id, self.shape(*id)))
    }

    /// A concrete resource type.
    pub fn resource(&self, name: &str) -> Option<&Shape> {
        let index = self.resources.binary_search_by(|(candidate, _)| (*candidate).cmp(name)).ok()?;
        self.resources.get(index).map(|(_, id)| self.shape(*id))
    }

    /// The concrete resource types, sorted.
    pub fn resource_names(&self) -> impl Iterator<Item = &'static str> {
        self.resources.iter().map(|(name, _)| *name)
    }

    /// What a companion (`_birthDate`) may hold.
    pub fn element(&self) -> &Shape {
        self.shape(self.element)
    }

    /// The codes of a required binding.
    pub fn value_set(&self, index: usize) -> Option<&ValueSet> {
        self.value_sets.get(index)
    }

    /// Reads a table; its grammar stands in mappers/model/generator/README.md.
    ///
    /// # Errors
    /// [`BadLine`]: the first line that is not as the grammar says.
    pub fn read(text: &'static str) -> Result<Self, BadLine> {
        let ids = shape_ids(text);
        let mut table = Self {
            shapes: std::iter::repeat_with(Shape::default).take(ids.len()).collect(),
            value_sets: Vec::new(),
            resources: Vec::new(),
            paths: ids.iter().map(|(path, id)| (path.clone(), *id)).collect(),
            element: *ids.get("Element").ok_or(BadLine(0))?,
        };
        table.paths.sort_unstable();
        let mut value_set_ids: HashMap<&str, usize> = HashMap::new();
        // Parents of the element at hand, by depth: the type, then backbone elements.
        let mut open: Vec<String> = Vec::new();
        for (index, line) in text.lines().enumerate().skip(1) {
            let bad = BadLine(index + 1);
            let mut fields = line.split('\t');
            let head = fields.next().ok_or(bad)?;
            let bad = || BadLine(index + 1);
            match head {
                "V" => {
                    let name = fields.next().ok_or_else(bad)?;
                    value_set_ids.insert(name, table.value_sets.len());
                    table.value_sets.push(ValueSet { name, systems: Vec::new(), all: Vec::new() });
                }
                "S" => {
                    let set = table.value_sets.last_mut().ok_or_else(bad)?;
                    let system = fields.next().ok_or_else(bad)?;
                    let mut codes: Vec<&str> = fields.collect();
                    codes.sort_unstable();
                    set.all.extend(&codes);
                    set.all.sort_unstable();
                    set.systems.push((system, codes));
                }
                "U" => {}
                "R" | "C" => {
                    let name = fields.next().ok_or_else(bad)?;
                    let parent = fields.next().ok_or_else(bad)?;
                    let is_abstract = fields.next() == Some("a");
                    let id = *ids.get(name).ok_or_else(bad)?;
                    table.inherit(id, name, parent, &ids);
                    let shape = table.shape_mut(id).ok_or_else(bad)?;
                    shape.is_resource = head == "R";
                    if head == "R" && !is_abstract {
                        table.resources.push((name, id));
                    }
                    open = vec![name.to_owned()];
                }
                dotted => {
                    let name = dotted.trim_start_matches('.');
                    let depth = dotted.len() - name.len();
                    open.truncate(depth);
                    let parent = open.last().ok_or_else(bad)?.clone();
                    let path = format!("{parent}.{name}");
                    let element = element(name, &path, fields, &ids, &value_set_ids).ok_or_else(bad)?;
                    if let [Type { name: base, kind: Kind::Object(id) }] = element.types.as_slice()
                        && ids.get(path.as_str()) == Some(id)
                    {
                        table.inherit(*id, &path, base, &ids);
                    }
                    let shape = ids.get(parent.as_str()).and_then(|id| table.shape_mut(*id)).ok_or_else(bad)?;
                    shape.elements.push(element);
                    open.push(path);
                }
            }
        }
        table.resources.sort_unstable_by_key(|(name, _)| *name);
        for shape in &mut table.shapes {
            shape.index();
        }
        Ok(table)
    }

    /// The number of elements of the largest shape.
    #[cfg(test)]
    fn largest_shape(&self) -> usize {
        self.shapes.iter().map(|shape| shape.elements.len()).max().unwrap_or_default()
    }

    fn shape_mut(&mut self, id: ShapeId) -> Option<&mut Shape> {
        self.shapes.get_mut(id.0 as usize)
    }

    /// Starts a shape with the elements of its base. The text lists a base before what is based on it.
    fn inherit(&mut self, id: ShapeId, path: &str, parent: &str, ids: &HashMap<String, ShapeId>) {
        let elements: Vec<Element> = match ids.get(parent) {
            Some(parent) => self.shape(*parent).elements.iter().map(Element::again).collect(),
            None => Vec::new(),
        };
        if let Some(shape) = self.shape_mut(id) {
            path.clone_into(&mut shape.path);
            shape.elements = elements;
            shape.base = ids.get(parent).copied();
        }
    }
}

impl Element {
    fn again(&self) -> Self {
        let types = self.types.iter().map(|each| Type { name: each.name, kind: each.kind }).collect();
        Self { types, ..*self }
    }
}

impl Shape {
    fn index(&mut self) {
        let mut names = Vec::new();
        for (at, element) in self.elements.iter().enumerate() {
            for (which, each) in element.types.iter().enumerate() {
                let name =
                    if element.is_choice { choice_name(element.name, each.name) } else { element.name.to_owned() };
                names.push((name, u8::try_from(at).unwrap_or(u8::MAX), u8::try_from(which).unwrap_or(u8::MAX)));
            }
        }
        names.sort_unstable();
        self.names = names;
    }
}

/// `value` and `dateTime` give `valueDateTime`.
fn choice_name(element: &str, of_type: &str) -> String {
    let mut name = String::from(element);
    let mut letters = of_type.chars();
    name.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
    name.push_str(letters.as_str());
    name
}

/// Every type and every backbone element gets its number before anything refers to it.
fn shape_ids(text: &str) -> HashMap<String, ShapeId> {
    let mut ids = HashMap::new();
    let mut open: Vec<String> = Vec::new();
    let mut give = |path: &str| {
        let next = ShapeId(u32::try_from(ids.len()).unwrap_or(u32::MAX));
        ids.insert(path.to_owned(), next);
    };
    for line in text.lines().skip(1) {
        let mut fields = line.split('\t');
        match fields.next().unwrap_or_default() {
            "R" | "C" => {
                let name = fields.next().unwrap_or_default();
                give(name);
                open = vec![name.to_owned()];
            }
            dotted if dotted.starts_with('.') => {
                let name = dotted.trim_start_matches('.');
                open.truncate(dotted.len() - name.len());
                let path = format!("{}.{name}", open.last().map_or("", String::as_str));
                if fields.nth(1).is_some_and(|types| types.starts_with('>')) {
                    give(&path);
                }
                open.push(path);
            }
            _ => {}
        }
    }
    ids
}

fn element(
    name: &'static str,
    path: &str,
    mut fields: std::str::Split<'static, char>,
    ids: &HashMap<String, ShapeId>,
    value_sets: &HashMap<&str, usize>,
) -> Option<Element> {
    let (min, max) = match fields.next()? {
        "?" => (0, 1),
        "!" => (1, 1),
        "*" => (0, u16::MAX),
        "+" => (1, u16::MAX),
        other => {
            let (min, max) = other.split_once("..")?;
            (min.parse().ok()?, if max == "*" { u16::MAX } else { max.parse().ok()? })
        }
    };
    let types = fields.next()?.split(',').map(|text| kind(text, path, ids)).collect::<Option<Vec<_>>>()?;
    let binding = match fields.next() {
        None | Some("") => None,
        Some(name) => Some(*value_sets.get(name)?),
    };
    let is_modifier = fields.next() == Some("m");
    let (name, is_choice) = match name.strip_suffix("[x]") {
        Some(name) => (name, true),
        None => (name, false),
    };
    Some(Element { name, is_choice, min, max, types, binding, is_modifier })
}

fn kind(text: &'static str, path: &str, ids: &HashMap<String, ShapeId>) -> Option<Type> {
    if let Some(base) = text.strip_prefix('>') {
        return Some(Type { name: base, kind: Kind::Object(*ids.get(path)?) });
    }
    if let Some(target) = text.strip_prefix('=') {
        return Some(Type { name: target, kind: Kind::Object(*ids.get(target)?) });
    }
    if let Some(targets) = text.strip_prefix("Reference") {
        let targets = targets.trim_start_matches('(').trim_end_matches(')');
        return Some(Type { name: "Reference", kind: Kind::Reference(*ids.get("Reference")?, targets) });
    }
    let kind = match text {
        "Resource" => Kind::Resource,
        _ => match Primitive::parse(text) {
            Some(primitive) => Kind::Primitive(primitive),
            None => Kind::Object(*ids.get(text)?),
        },
    };
    Some(Type { name: text, kind })
}

impl Primitive {
    /// The primitive of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "base64Binary" => Self::Base64Binary,
            "boolean" => Self::Boolean,
            "canonical" => Self::Canonical,
            "code" => Self::Code,
            "date" => Self::Date,
            "dateTime" => Self::DateTime,
            "decimal" => Self::Decimal,
            "id" => Self::Id,
            "instant" => Self::Instant,
            "integer" => Self::Integer,
            "integer64" => Self::Integer64,
            "markdown" => Self::Markdown,
            "oid" => Self::Oid,
            "positiveInt" => Self::PositiveInt,
            "string" => Self::String,
            "time" => Self::Time,
            "unsignedInt" => Self::UnsignedInt,
            "uri" => Self::Uri,
            "url" => Self::Url,
            "uuid" => Self::Uuid,
            "xhtml" => Self::Xhtml,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests;
