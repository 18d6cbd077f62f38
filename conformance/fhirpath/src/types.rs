//! What an item is: types of the FHIR model and of the System namespace, and how they are based on each other.
//!
//! FHIRPath 2.0.0, "Types and Reflection"; FHIR R4 fhirpath.html, "Using FHIR types in expressions".

use std::sync::LazyLock;

use model::types::{Kind, Primitive, Shape, r4};

/// A type of FHIR R4, as the tables of the model know it.
#[derive(Clone, Copy, Default)]
pub enum Type {
    /// A primitive type.
    Primitive(Primitive),
    /// A data type, a resource type or a backbone element.
    Object(&'static Shape),
    /// Nothing is known: a logical model, or an element that R4 does not have.
    #[default]
    Unknown,
}

impl std::fmt::Debug for Type {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Object(shape) => out.write_str(&shape.path),
            other => out.write_str(other.name()),
        }
    }
}

impl PartialEq for Type {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Primitive(left), Self::Primitive(right)) => left == right,
            (Self::Object(left), Self::Object(right)) => std::ptr::eq(*left, *right),
            (Self::Unknown, Self::Unknown) => true,
            _ => false,
        }
    }
}

impl Eq for Type {}

impl Type {
    /// The type of a name or of the path of a backbone element: `date`, `HumanName`, `Patient`, `Patient.contact`.
    pub fn find(name: &str) -> Option<Self> {
        if let Some(primitive) = Primitive::parse(name) {
            return Some(Self::Primitive(primitive));
        }
        // Profiles of Quantity that the specification names like types.
        let name = match name {
            "SimpleQuantity" | "MoneyQuantity" => "Quantity",
            name => name,
        };
        r4().find(name).map(|(_, shape)| Self::Object(shape))
    }

    pub(crate) fn of_kind(kind: Kind) -> Self {
        match kind {
            Kind::Primitive(primitive) => Self::Primitive(primitive),
            Kind::Object(id) | Kind::Reference(id, _) => Self::Object(r4().shape(id)),
            Kind::Resource => *RESOURCE,
        }
    }

    /// The name as FHIR has it; a backbone element goes by `BackboneElement` or `Element`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Primitive(primitive) => primitive_name(primitive),
            Self::Object(shape) if shape.path.contains('.') => {
                shape.base.map_or("BackboneElement", |base| r4().shape(base).path.as_str())
            }
            Self::Object(shape) => &shape.path,
            Self::Unknown => "Element",
        }
    }

    /// Whether it is a resource type.
    pub(crate) fn is_resource(self) -> bool {
        matches!(self, Self::Object(shape) if shape.is_resource)
    }

    /// Whether it is that type or is based on it. FHIR R4 fhirpath.html: `is` follows the hierarchy.
    pub(crate) fn is(self, name: &str) -> bool {
        match self {
            Self::Primitive(primitive) => {
                let own = primitive_name(primitive);
                own == name || name == "Element" || base_of(primitive).is_some_and(|base| primitive_name(base) == name)
            }
            Self::Object(shape) => {
                let mut at = Some(shape);
                while let Some(shape) = at {
                    if shape.path == name {
                        return true;
                    }
                    at = shape.base.map(|base| r4().shape(base));
                }
                false
            }
            Self::Unknown => false,
        }
    }

    /// Whether `as` and `ofType` let it pass: a primitive only as itself, an object also as what it is based on.
    pub(crate) fn passes(self, name: &str) -> bool {
        match self {
            Self::Primitive(primitive) => primitive_name(primitive) == name,
            _ => self.is(name),
        }
    }

    /// Whether it is a Quantity or based on it.
    pub(crate) fn is_quantity(self) -> bool {
        matches!(self, Self::Object(shape) if !shape.is_resource) && self.is("Quantity")
    }
}

static RESOURCE: LazyLock<Type> = LazyLock::new(|| Type::find("Resource").unwrap_or_default());

/// The type of extensions.
pub(crate) static EXTENSION: LazyLock<Type> = LazyLock::new(|| Type::find("Extension").unwrap_or_default());

/// The System type behind a primitive. FHIR R4 fhirpath.html, "Using FHIR types in expressions".
pub(crate) fn system_of(primitive: Primitive) -> System {
    match primitive {
        Primitive::Boolean => System::Boolean,
        Primitive::Integer | Primitive::PositiveInt | Primitive::UnsignedInt => System::Integer,
        Primitive::Decimal => System::Decimal,
        Primitive::Date => System::Date,
        Primitive::DateTime | Primitive::Instant => System::DateTime,
        Primitive::Time => System::Time,
        _ => System::String,
    }
}

fn base_of(primitive: Primitive) -> Option<Primitive> {
    match primitive {
        Primitive::Code | Primitive::Id | Primitive::Markdown => Some(Primitive::String),
        Primitive::Canonical | Primitive::Oid | Primitive::Url | Primitive::Uuid => Some(Primitive::Uri),
        Primitive::PositiveInt | Primitive::UnsignedInt => Some(Primitive::Integer),
        _ => None,
    }
}

fn primitive_name(primitive: Primitive) -> &'static str {
    match primitive {
        Primitive::Base64Binary => "base64Binary",
        Primitive::Boolean => "boolean",
        Primitive::Canonical => "canonical",
        Primitive::Code => "code",
        Primitive::Date => "date",
        Primitive::DateTime => "dateTime",
        Primitive::Decimal => "decimal",
        Primitive::Id => "id",
        Primitive::Instant => "instant",
        Primitive::Integer => "integer",
        Primitive::Integer64 => "integer64",
        Primitive::Markdown => "markdown",
        Primitive::Oid => "oid",
        Primitive::PositiveInt => "positiveInt",
        Primitive::String => "string",
        Primitive::Time => "time",
        Primitive::UnsignedInt => "unsignedInt",
        Primitive::Uri => "uri",
        Primitive::Url => "url",
        Primitive::Uuid => "uuid",
        Primitive::Xhtml => "xhtml",
    }
}

/// The types of the System namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum System {
    Boolean,
    String,
    Integer,
    Decimal,
    Date,
    DateTime,
    Time,
    Quantity,
}

impl System {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "Boolean" => Self::Boolean,
            "String" => Self::String,
            "Integer" => Self::Integer,
            "Decimal" => Self::Decimal,
            "Date" => Self::Date,
            "DateTime" => Self::DateTime,
            "Time" => Self::Time,
            "Quantity" => Self::Quantity,
            _ => return None,
        })
    }

    /// `Boolean`, `DateTime`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Boolean => "Boolean",
            Self::String => "String",
            Self::Integer => "Integer",
            Self::Decimal => "Decimal",
            Self::Date => "Date",
            Self::DateTime => "DateTime",
            Self::Time => "Time",
            Self::Quantity => "Quantity",
        }
    }

    /// The FHIR type that carries such a value: `boolean`, `dateTime`.
    pub(crate) fn fhir_name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Date => "date",
            Self::DateTime => "dateTime",
            Self::Time => "time",
            Self::Quantity => "Quantity",
        }
    }
}

/// A type as an expression names it: `Quantity`, `System.String`, `FHIR.Patient`.
///
/// A name without a namespace is looked for in the namespace of the item at hand.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TypeName {
    pub(crate) namespace: Option<smol_str::SmolStr>,
    pub(crate) name: smol_str::SmolStr,
    /// In the System namespace, if it may be meant.
    pub(crate) system: Option<System>,
    /// In the FHIR namespace, if it may be meant.
    pub(crate) fhir: Option<&'static str>,
}

impl TypeName {
    pub(crate) fn new(namespace: Option<smol_str::SmolStr>, name: smol_str::SmolStr) -> Self {
        let system = match namespace.as_deref() {
            None | Some("System") => System::parse(&name),
            Some(_) => None,
        };
        let fhir = match namespace.as_deref() {
            None | Some("FHIR") => Type::find(&name).map(Type::name),
            Some(_) => None,
        };
        Self { namespace, name, system, fhir }
    }

    /// Whether any namespace has a type of that name; `System.Patient` is known and never met.
    pub(crate) fn is_known(&self) -> bool {
        self.system.is_some()
            || self.fhir.is_some()
            || matches!(self.namespace.as_deref(), Some("System" | "FHIR"))
                && (System::parse(&self.name).is_some() || Type::find(&self.name).is_some())
    }
}
