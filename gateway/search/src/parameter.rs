//! One search parameter of one type.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use fhirpath::Expression;
use model::id::ResourceType;
use model::types::{Kind as Shaped, Primitive, ValueSet, r4};
use smol_str::{SmolStr, format_smolstr};

use crate::row::number;

/// How the values of a parameter are compared. FHIR R4 search.html, "Search Parameter Types".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A number.
    Number,
    /// A point in time or a stretch of it.
    Date,
    /// Text.
    String,
    /// A code or an identifier.
    Token,
    /// A reference to a resource.
    Reference,
    /// Several values of one element together.
    Composite,
    /// A number with its unit.
    Quantity,
    /// A URI.
    Uri,
    /// Read by its name.
    Special,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Number,
        Self::Date,
        Self::String,
        Self::Token,
        Self::Reference,
        Self::Composite,
        Self::Quantity,
        Self::Uri,
        Self::Special,
    ];

    /// The code of FHIR's `SearchParamType`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Date => "date",
            Self::String => "string",
            Self::Token => "token",
            Self::Reference => "reference",
            Self::Composite => "composite",
            Self::Quantity => "quantity",
            Self::Uri => "uri",
            Self::Special => "special",
        }
    }

    /// The kind of a code.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == code)
    }

    /// The modifiers its parameters take, `[type]` standing for the name of a resource type.
    pub fn modifiers(self) -> &'static [&'static str] {
        match self {
            Self::Number | Self::Date | Self::Quantity | Self::Composite => &["missing"],
            Self::String => &["missing", "exact", "contains"],
            Self::Token => &["missing", "not", "text", "in", "not-in", "above", "below", "of-type"],
            Self::Reference => &["missing", "identifier", "[type]"],
            Self::Uri => &["missing", "above", "below"],
            Self::Special => &[],
        }
    }

    /// Whether values take a prefix (`ge2026`).
    pub fn takes_prefix(self) -> bool {
        matches!(self, Self::Number | Self::Date | Self::Quantity)
    }
}

/// An expression, compiled when it is first used: a start-up does not pay for 148 types.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) text: SmolStr,
    compiled: OnceLock<Option<Expression>>,
}

impl Clone for Source {
    fn clone(&self) -> Self {
        Self::new(self.text.clone())
    }
}

impl Source {
    pub(crate) fn new(text: SmolStr) -> Self {
        Self { text, compiled: OnceLock::new() }
    }

    /// `None` for an expression that is none: one of the specification's would fail a test, one of an operator's is
    /// refused before it comes here.
    pub(crate) fn expression(&self) -> Option<&Expression> {
        self.compiled.get_or_init(|| Expression::parse(&self.text).ok()).as_ref()
    }
}

/// A search parameter as one type has it.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name in a query.
    pub code: SmolStr,
    /// How its values are compared.
    pub kind: Kind,
    /// The canonical URL of its definition.
    pub url: SmolStr,
    /// The types a reference may lead to; none: any.
    pub targets: Vec<ResourceType>,
    /// The parts of a composite, in the order of its values: each is compared like the parameter of its code, and its
    /// expression begins at the element of the composite.
    pub components: Vec<Parameter>,
    /// Prefixes that its definition allows; none: all that its kind takes.
    pub(crate) comparators: Vec<SmolStr>,
    /// Modifiers that its definition allows; none: all that its kind takes.
    pub(crate) modifiers: Vec<SmolStr>,
    /// Where its values stand.
    pub(crate) source: Source,
    /// The number of its rows.
    pub param: u32,
    pub(crate) text: u32,
    pub(crate) of_type: u32,
    pub(crate) identifier: u32,
    /// Value sets of the `code` elements it finds: they say the system that such a code is of.
    bindings: Vec<usize>,
    /// The numbers of the parameters whose rows it is found by, if it writes none of its own.
    served_by: Vec<[u32; 4]>,
}

impl Parameter {
    pub(crate) fn new(code: SmolStr, kind: Kind, url: SmolStr, expression: SmolStr) -> Self {
        let variant = |variant: &str| number(&format_smolstr!("{code}:{variant}"));
        Self {
            param: number(&code),
            text: variant("text"),
            of_type: variant("of-type"),
            identifier: variant("identifier"),
            code,
            kind,
            url,
            targets: Vec::new(),
            components: Vec::new(),
            comparators: Vec::new(),
            modifiers: Vec::new(),
            source: Source::new(expression),
            bindings: Vec::new(),
            served_by: Vec::new(),
        }
    }

    /// Looks up which value sets bind the `code` elements at its paths.
    pub(crate) fn infer(&mut self) {
        if self.kind != Kind::Token {
            return;
        }
        for branch in self.source.text.split('|') {
            let path = branch.trim().trim_start_matches('(');
            let end = path.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.').unwrap_or(path.len());
            let path = path.get(..end).unwrap_or_default();
            self.bindings.extend(binding(path.strip_suffix(".where").unwrap_or(path)));
        }
    }

    /// Whether a plain code of this parameter is of a system.
    pub(crate) fn has_code(&self, system: &str, code: &str) -> bool {
        self.sets().any(|set| set.has(system, code))
    }

    /// The plain codes of this parameter that are of a system.
    pub(crate) fn codes_of(&self, system: &str) -> impl Iterator<Item = &'static str> {
        self.sets().flat_map(move |set| set.codes_of(system))
    }

    fn sets(&self) -> impl Iterator<Item = &'static ValueSet> {
        self.bindings.iter().filter_map(|index| r4().value_set(*index))
    }

    /// The parts of the union that its expression is.
    pub(crate) fn branches(&self) -> BTreeSet<&str> {
        self.source.text.split(" | ").collect()
    }

    /// Leaves its rows to these, whose values together are its own.
    pub(crate) fn serve_by(&mut self, others: Vec<[u32; 4]>) {
        self.served_by = others;
    }

    /// Whether resources have rows of it.
    pub(crate) fn has_rows(&self) -> bool {
        self.served_by.is_empty()
    }

    /// The numbers of the rows to look at for rows of this number, one of [`Parameter::numbers`].
    pub(crate) fn rows_of(&self, number: u32) -> Vec<u32> {
        let place = self.numbers().iter().position(|own| *own == number);
        match place {
            Some(place) if !self.served_by.is_empty() => {
                self.served_by.iter().filter_map(|other| other.get(place).copied()).collect()
            }
            _ => vec![number],
        }
    }

    /// The number of the rows that say what a reference leads to, or that an order is by.
    pub fn own_rows(&self) -> u32 {
        self.rows_of(self.param).first().copied().unwrap_or(self.param)
    }

    /// The expression its values are found by.
    pub fn expression(&self) -> &str {
        &self.source.text
    }

    /// Whether a reference by it may lead to this type.
    pub fn may_point_to(&self, target: ResourceType) -> bool {
        self.targets.is_empty() || self.targets.contains(&target)
    }

    /// Whether it is the `patient` of a type whose `subject` finds the same, among others.
    pub(crate) fn is_patient_of_subject(&self, all: &[Self]) -> bool {
        let of = |subject: &str| format!("{subject}.where(resolve() is Patient)");
        self.code == "patient"
            && self.kind == Kind::Reference
            && all
                .iter()
                .any(|it| it.code == "subject" && it.kind == self.kind && of(it.expression()) == self.expression())
    }

    /// The only type its references lead to, if the rows it is found by lead to others too.
    pub(crate) fn only(&self) -> Option<ResourceType> {
        match self.targets.as_slice() {
            [one] if !self.has_rows() => Some(*one),
            _ => None,
        }
    }

    /// Every number its rows go by.
    pub(crate) fn numbers(&self) -> [u32; 4] {
        [self.param, self.text, self.of_type, self.identifier]
    }
}

/// The value set of the `code` at a path.
fn binding(path: &str) -> Option<usize> {
    let mut steps = path.split('.');
    let (_, mut shape) = r4().find(steps.next()?)?;
    let mut steps = steps.peekable();
    while let Some(step) = steps.next() {
        let (_, element, of) = shape.find(step)?;
        match of.kind {
            Shaped::Object(id) | Shaped::Reference(id, _) => shape = r4().shape(id),
            Shaped::Primitive(Primitive::Code) if steps.peek().is_none() => return element.binding,
            _ => return None,
        }
    }
    None
}
