//! What rules ask definitions, terminology and FHIRPath for.

use std::cmp::Ordering;
use std::sync::Arc;

use definitions::profile::{Profile, ProfileError};
use fhirpath::{Context, Expression, Node, Strictness, Type};
use model::json::Json;
use model::resource::{id, resource_type};
use model::types;
use terminology::ucum::{self, Decimal};
use terminology::{CodeCheck, Coding, DisplayCheck, Membership, Reason};

use super::compare;
use super::read::{scalar, text};
use crate::scope::Scope;

/// Whether a code is in a value set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Member {
    In,
    NotIn,
    /// It cannot be decided here.
    Unknown,
    /// The value set is not known here.
    NoSet,
}

impl From<Membership> for Member {
    fn from(answer: Membership) -> Self {
        match answer {
            Membership::In => Self::In,
            Membership::NotIn => Self::NotIn,
            Membership::Unknown(Reason::ValueSet(_)) => Self::NoSet,
            Membership::Unknown(_) => Self::Unknown,
        }
    }
}

impl Scope<'_> {
    /// A conformance resource among the definitions.
    pub(super) fn find(&self, kind: &str, canonical: &str) -> Option<Arc<Json>> {
        self.validator.definitions().find(Some(kind), canonical)
    }

    /// Any conformance resource of a canonical.
    pub(super) fn find_any(&self, canonical: &str) -> Option<Arc<Json>> {
        self.validator.definitions().find(None, canonical)
    }

    /// The compiled profile of a canonical.
    pub(super) fn profile(&self, canonical: &str) -> Option<Arc<Profile>> {
        self.validator.definitions().profile(canonical).ok()
    }

    /// Makes the snapshot of the StructureDefinition that is validated from its differential.
    pub(super) fn generate(&self, structure: &Json) -> Result<Profile, ProfileError> {
        self.validator.definitions().generate(structure)
    }

    /// Whether a type is another one or based on it.
    pub(super) fn is_a(&self, of_type: &str, base: &str) -> bool {
        let mut at = types::r4().find(of_type).map(|(_, shape)| shape);
        while let Some(shape) = at {
            if shape.path == base {
                return true;
            }
            at = shape.base.map(|id| types::r4().shape(id));
        }
        of_type == base
    }

    /// Whether a text is FHIRPath.
    pub(super) fn parses(&self, expression: &str) -> Result<(), String> {
        let parsed = Expression::parse(expression).map_err(|error| format!("expected FHIRPath: {error}"))?;
        parsed.check(None, Strictness::Lenient).map_err(|error| format!("expected FHIRPath that has a result: {error}"))
    }

    /// Whether an expression names elements that one of these resource types has.
    pub(super) fn fits(&self, expression: &str, of_types: &[&str]) -> Result<(), String> {
        match of_types {
            [of_type] if !matches!(*of_type, "Resource" | "DomainResource") => self.fits_on(expression, of_type),
            _ => self.parses(expression),
        }
    }

    /// Whether an expression names elements that a type has.
    pub(super) fn fits_on(&self, expression: &str, of_type: &str) -> Result<(), String> {
        let parsed = Expression::parse(expression).map_err(|error| format!("expected FHIRPath: {error}"))?;
        let Some(of) = Type::find(of_type) else { return Ok(()) };
        let checked = parsed.check(Some(of), Strictness::Strict);
        checked.map_err(|error| format!("expected FHIRPath on {of_type}: {error}"))
    }

    /// Whether a FHIRPath expression is true of a resource; nothing if it cannot be evaluated.
    pub(super) fn holds(&self, expression: &str, focus: &Json) -> Option<bool> {
        let parsed = Expression::parse(expression).ok()?;
        let node = Node::resource(focus);
        parsed.test(&Context::new(node), node).ok()
    }

    /// Whether any system of a value set has a code.
    pub(super) fn has_code(&self, value_set: &str, code: &str) -> Member {
        self.validator.terminology().member(value_set, &Coding::code(code)).into()
    }

    /// Whether a value set has a Coding.
    pub(super) fn has_coding(&self, value_set: &str, coding: &Json) -> Member {
        match read(coding) {
            Some(coding) => self.validator.terminology().member(value_set, &coding).into(),
            None => Member::NotIn,
        }
    }

    /// Whether the value set of a question, perhaps contained in its questionnaire, has a Coding.
    pub(super) fn answer_coding(&self, questionnaire: &Json, value_set: &str, coding: &Json) -> Member {
        let Some(local) = value_set.strip_prefix('#') else { return self.has_coding(value_set, coding) };
        let is_it = |inner: &&Json| id(inner) == Some(local) && resource_type(inner) == Some("ValueSet");
        let Some(contained) = questionnaire.items("contained").iter().find(is_it) else { return Member::NoSet };
        let Some(coding) = read(coding) else { return Member::NotIn };
        let terminology = self.validator.terminology();
        terminology.member_of(&terminology.compile(contained), &coding).into()
    }

    /// Whether the display of a Coding is one that its code has, as far as that is known.
    pub(super) fn has_display(&self, coding: &Json) -> bool {
        let check = read(coding).map(|coding| self.validator.terminology().validate(&coding));
        !matches!(check, Some(CodeCheck::Known { display: DisplayCheck::Differs(_), .. }))
    }

    /// Whether a code system has a code.
    pub(super) fn is_code(&self, system: &str, version: Option<&str>, code: &str) -> Member {
        let coding = Coding { version, ..Coding::new(system, code) };
        match self.validator.terminology().validate(&coding) {
            CodeCheck::Known { .. } => Member::In,
            CodeCheck::UnknownCode => Member::NotIn,
            _ => Member::Unknown,
        }
    }

    /// The order of two quantities; nothing if their units do not compare.
    pub(crate) fn order_quantities(&self, one: &Json, other: &Json) -> Option<Ordering> {
        let (system, code) = (text(one, "system")?, text(one, "code")?);
        let (other_system, other_code) = (text(other, "system")?, text(other, "code")?);
        if system != other_system {
            return None;
        }
        let (value, bound) = (scalar(one.get("value")?)?, scalar(other.get("value")?)?);
        if code == other_code {
            return compare::decimals(&value, &bound);
        }
        if system != "http://unitsofmeasure.org" {
            return None;
        }
        let converted = ucum::convert(Decimal::parse(&value).ok()?, code, other_code).ok()?;
        compare::decimals(&converted.to_string(), &bound)
    }
}

fn read(coding: &Json) -> Option<Coding<'_>> {
    Some(Coding {
        system: text(coding, "system"),
        version: text(coding, "version"),
        code: text(coding, "code")?,
        display: text(coding, "display"),
    })
}
