//! The compiled form of a StructureDefinition: what an instance is checked against.
//!
//! FHIR R4 structuredefinition.html, elementdefinition.html and profiling.html. A [`Profile`] is a snapshot read once:
//! a tree of elements by index, with slices apart from children, so that a check walks it without looking at JSON.

use model::json::Json;
use smol_str::SmolStr;

mod compile;
mod element;

pub(crate) use compile::{MAX_BELOW, MAX_DEPTH, MAX_ELEMENTS, MAX_SLICES_OF_SLICES, compile, head};
pub(crate) use element::{choice_type, read as element};

/// A StructureDefinition with its snapshot, read for use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// `StructureDefinition.url`.
    pub url: String,
    /// `StructureDefinition.version`.
    pub version: Option<String>,
    /// `StructureDefinition.name`.
    pub name: String,
    /// `StructureDefinition.title`, for people.
    pub title: Option<String>,
    /// `StructureDefinition.status`.
    pub status: Option<String>,
    /// The type it constrains or defines: `Patient`, `Extension`; of a logical model the last part of its URL.
    pub type_name: String,
    /// What it defines.
    pub kind: Kind,
    /// Whether no instance may claim to be just this.
    pub is_abstract: bool,
    /// Whether it defines a type or constrains one.
    pub derivation: Derivation,
    /// `StructureDefinition.baseDefinition`; none of `Element` and `Resource`.
    pub base_definition: Option<String>,
    /// Where an extension may stand; empty of what is no extension.
    pub context: Vec<ExtensionContext>,
    /// FHIRPath that must be true of the element that has the extension.
    pub context_invariants: Vec<String>,
    /// Profiles that an instance has to fulfil as well (extension `structuredefinition-imposeProfile`).
    pub imposes: Vec<String>,
    /// What of its differential could not be applied, for its author; empty of a snapshot that was published with it.
    pub issues: Vec<DifferentialIssue>,
    /// The elements of the snapshot in its order; `[0]` is the root.
    pub elements: Vec<Element>,
}

/// Something in a differential that its author should mend; the profile is made without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DifferentialIssue {
    /// Which element of the differential, from 0; none: the whole.
    pub element: Option<usize>,
    /// What is wrong with it.
    pub kind: DifferentialFault,
    /// For people. Names elements and canonicals of definitions.
    pub text: String,
}

/// What may be wrong with an element of a differential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DifferentialFault {
    /// It is no element of what is constrained.
    Unplaced,
    /// It stands before an element that it has to follow. The elements of a differential have the order of the snapshot.
    Order,
    /// It allows fewer or more values than the base.
    Cardinality,
    /// Its path is missing or too deep.
    Path,
    /// A profile that it builds on is not loaded or not usable.
    Profile,
    /// The base is of another type than what is constrained, or an element has a type that its base does not allow.
    Type,
}

/// What a StructureDefinition defines. FHIR R4 valueset-structure-definition-kind.html.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `primitive-type`.
    Primitive,
    /// `complex-type`.
    Complex,
    /// `resource`.
    Resource,
    /// `logical`.
    Logical,
}

/// How a StructureDefinition relates to its base. FHIR R4 valueset-type-derivation-rule.html.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Derivation {
    /// It defines a new type.
    Specialization,
    /// It constrains a type.
    Constraint,
}

/// Where an extension may stand. FHIR R4 defining-extensions.html, "Context".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionContext {
    /// How the expression is meant.
    pub kind: ContextKind,
    /// An element, the URL of an extension, or FHIRPath.
    pub expression: String,
}

/// FHIR R4 valueset-extension-context-type.html.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContextKind {
    /// `element`: an element id, such as `Patient.name`, also `url#id`.
    Element,
    /// `extension`: the URL of an extension, `url#code` for a part of it.
    Extension,
    /// `fhirpath`: a selection of elements.
    Fhirpath,
}

/// Names an [`Element`] of its [`Profile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ElementId(pub(crate) u32);

impl ElementId {
    /// The root.
    pub const ROOT: Self = Self(0);

    pub(crate) fn at(index: usize) -> Self {
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// The place in `elements`.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// An ElementDefinition of a snapshot. FHIR R4 elementdefinition.html.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// `ElementDefinition.id`; made of path and slice names where it is absent.
    pub id: String,
    /// `ElementDefinition.path`.
    pub path: String,
    /// The last step of the path, without `[x]`.
    pub name: SmolStr,
    /// Whether the JSON name ends in the type (`value[x]`).
    pub is_choice: bool,
    /// The slice it is.
    pub slice_name: Option<String>,
    /// The least number of values.
    pub min: u32,
    /// The greatest number of values; none: any number.
    pub max: Option<u32>,
    /// The greatest number in the type that defines the element: above 1 (or none), JSON has an array.
    pub base_max: Option<u32>,
    /// The types it may have; empty for a reference to the content of another element and for a root.
    pub types: Vec<TypeRef>,
    /// The elements below it in this snapshot, slices not among them. Empty: those of the profile or type.
    pub children: Vec<ElementId>,
    /// Its slices, in order. Those of a slice are its re-slices.
    pub slices: Vec<ElementId>,
    /// How its slices are told apart.
    pub slicing: Option<Slicing>,
    /// Which element's content it has, if it says `contentReference`.
    pub content_reference: Option<ContentReference>,
    /// `fixed[x]`: the value must be exactly this.
    pub fixed: Option<Value>,
    /// `pattern[x]`: the value must have at least this.
    pub pattern: Option<Value>,
    /// `minValue[x]`.
    pub min_value: Option<Value>,
    /// `maxValue[x]`.
    pub max_value: Option<Value>,
    /// The greatest number of characters.
    pub max_length: Option<u32>,
    /// The regular expression of a primitive's value (extension `regex` on its type).
    pub regex: Option<String>,
    /// The value set its codes come from.
    pub binding: Option<Binding>,
    /// Its invariants, inherited ones too, each key once.
    pub constraints: Vec<Constraint>,
    /// Keys of invariants that have to do with whether it is present.
    pub condition: Vec<String>,
    /// Whether it changes the meaning of what it stands in.
    pub is_modifier: bool,
    /// Whether systems that claim the profile must support it.
    pub must_support: bool,
    /// Whether it is part of a summary.
    pub is_summary: bool,
}

impl Element {
    /// Whether JSON has an array for it: it may repeat in the type that defines it.
    pub fn repeats(&self) -> bool {
        self.base_max.is_none_or(|max| max > 1)
    }

    /// Whether a profile has forbidden it.
    pub fn is_prohibited(&self) -> bool {
        self.max == Some(0)
    }
}

/// A value in a definition, with the type that its member name says (`fixedUri`: `uri`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// `uri`, `CodeableConcept`.
    pub type_name: SmolStr,
    /// The value.
    pub value: Json,
}

/// One of the types of an element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeRef {
    /// The FHIR type: `Quantity`, `dateTime`. FHIRPath's `System.String` is replaced by what it stands for (`id`,
    /// `string`, `uri`); the value of a primitive keeps the primitive's own name. A logical model's URL stays.
    pub code: SmolStr,
    /// One of these profiles; empty: the type's own definition.
    pub profiles: Vec<String>,
    /// What a Reference or canonical may point to: one of these; empty: anything.
    pub target_profiles: Vec<String>,
    /// How the target may be reached; empty: any way.
    pub aggregation: Vec<Aggregation>,
    /// Whether the reference has to name a version.
    pub versioning: Option<Versioning>,
}

/// FHIR R4 valueset-resource-aggregation-mode.html.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregation {
    /// In the same resource.
    Contained,
    /// Elsewhere.
    Referenced,
    /// In the same Bundle.
    Bundled,
}

/// FHIR R4 valueset-reference-version-rules.html.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versioning {
    /// Either way.
    Either,
    /// Without a version.
    Independent,
    /// With a version.
    Specific,
}

/// How slices are told apart. FHIR R4 profiling.html, "Slicing".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slicing {
    /// What to look at; empty: no rule, each slice is tried.
    pub discriminators: Vec<Discriminator>,
    /// Whether there may be others.
    pub rules: SlicingRules,
    /// Whether the slices stand in their order.
    pub ordered: bool,
}

/// What decides which slice a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discriminator {
    /// What of the element at the path decides.
    pub kind: DiscriminatorKind,
    /// A restricted FHIRPath (`$this`, `coding.code`, `value.ofType(Quantity)`, `extension('url').value`, `resolve()`).
    pub path: String,
}

/// FHIR R4 valueset-discriminator-type.html.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscriminatorKind {
    /// Its value.
    Value,
    /// Whether it is there.
    Exists,
    /// Its value, against a pattern.
    Pattern,
    /// Its type.
    Type,
    /// Whether it fulfils a profile.
    Profile,
    /// The place of the value among the others (R5).
    Position,
}

/// FHIR R4 valueset-resource-slicing-rules.html.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlicingRules {
    /// None but the slices.
    Closed,
    /// Others anywhere.
    #[default]
    Open,
    /// Others after the slices.
    OpenAtEnd,
}

/// Which element's content an element has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentReference {
    /// An element of this snapshot.
    Here(ElementId),
    /// An element that this snapshot does not list: its path in the definition of `type_name`.
    Type {
        /// `Bundle`.
        type_name: SmolStr,
        /// `Bundle.link`.
        path: String,
    },
}

/// From where codes come. FHIR R4 terminologies.html.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// How far it binds.
    pub strength: Strength,
    /// Canonical of the value set.
    pub value_set: Option<String>,
    /// Canonical of the value set beyond which no extensible binding may go (extension `elementdefinition-maxValueSet`).
    pub max_value_set: Option<String>,
    /// Canonical of the value set that must be supported at least (extension `elementdefinition-minValueSet`).
    pub min_value_set: Option<String>,
    /// Further bindings (extension `additional-binding`, its form of R5, or `additional` itself).
    pub additional: Vec<AdditionalBinding>,
}

/// One of the further bindings of an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdditionalBinding {
    /// `maximum`, `required`, `extensible`, `preferred`, `ui`, `starter` …
    pub purpose: String,
    /// Canonical of the value set.
    pub value_set: String,
    /// Whether it is enough that one of the values of a repeating element fits.
    pub any: bool,
    /// Whether it is only for certain contexts of use, which are not read here.
    pub in_context: bool,
}

/// FHIR R4 valueset-binding-strength.html.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// A suggestion of what is meant.
    Example,
    /// Encouraged.
    Preferred,
    /// Where it has a fitting code.
    Extensible,
    /// Always.
    Required,
}

/// An invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// `ele-1`.
    pub key: SmolStr,
    /// What a breach is.
    pub severity: ConstraintSeverity,
    /// For people.
    pub human: String,
    /// FHIRPath that must be true.
    pub expression: Option<String>,
    /// The definition it comes from.
    pub source: Option<String>,
    /// Whether it is advice (extension `elementdefinition-bestpractice`).
    pub best_practice: bool,
}

/// FHIR R4 valueset-constraint-severity.html.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConstraintSeverity {
    /// The instance is not valid.
    Error,
    /// Somebody should look.
    Warning,
}

/// Why there is no profile behind a canonical.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// No definition of that canonical is loaded.
    #[error("no StructureDefinition of that canonical is loaded")]
    Unknown,
    /// There is one, but it says nothing usable.
    #[error("{0}")]
    Broken(String),
}

impl Profile {
    /// The element that stands for the whole.
    pub fn root(&self) -> &Element {
        self.element(ElementId::ROOT)
    }

    /// The element of an id of this profile.
    pub fn element(&self, id: ElementId) -> &Element {
        #[expect(clippy::indexing_slicing, reason = "ids are made with their profile, which has at least a root")]
        &self.elements[id.index()]
    }

    /// The direct child of that name (without `[x]`) as this snapshot lists it.
    pub fn child(&self, parent: ElementId, name: &str) -> Option<(ElementId, &Element)> {
        let children = &self.element(parent).children;
        children.iter().map(|id| (*id, self.element(*id))).find(|(_, element)| element.name == name)
    }

    /// The slice of that name.
    pub fn slice(&self, sliced: ElementId, name: &str) -> Option<(ElementId, &Element)> {
        let slices = &self.element(sliced).slices;
        slices.iter().map(|id| (*id, self.element(*id))).find(|(_, e)| e.slice_name.as_deref() == Some(name))
    }

    /// The element of that path (the first, so no slice).
    pub fn find_path(&self, path: &str) -> Option<ElementId> {
        let index = self.elements.iter().position(|element| element.path == path && element.slice_name.is_none())?;
        u32::try_from(index).ok().map(ElementId)
    }

    /// Whether it is a profile or definition of the type Extension.
    pub fn is_extension(&self) -> bool {
        self.type_name == "Extension"
    }
}

#[cfg(test)]
mod tests;
