//! Where a search is asked: of a type, of the whole system, in a compartment.

use auth::{Access, Action};
use http::StatusCode;
use model::id::{Reference, ResourceId, ResourceType};
use search::{Chain, Clause, Query, Term};

use super::evaluate::Evaluation;
use crate::api::outcome::Failure;
use crate::api::{Call, Who};

/// Where a search is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    System,
    Type(ResourceType),
    /// Of one type, or of all that the compartment has.
    Compartment(Reference, Option<ResourceType>),
}

impl Scope {
    /// Of the path.
    pub(super) fn of(call: &Call) -> Result<Self, Failure> {
        let (compartment, name) = (call.params.text("compartment"), call.params.text("type"));
        let no_type =
            || Failure::new(StatusCode::NOT_FOUND, "not-supported", "the path names no resource type of FHIR R4");
        let of = |name: &str| ResourceType::parse(name).map_err(|_| no_type());
        if compartment.is_empty() {
            return if name.is_empty() { Ok(Self::System) } else { of(name).map(Self::Type) };
        }
        let rows = search::compartment(compartment).ok_or_else(|| {
            let known = search::compartments().collect::<Vec<_>>().join(", ");
            Failure::new(StatusCode::NOT_FOUND, "not-supported", format!("there are compartments of {known} alone"))
        })?;
        let id = ResourceId::parse(call.params.text("id")).map_err(|_| Failure::unknown("this id"))?;
        let one = match name {
            "*" => None,
            name => Some(of(name)?),
        };
        if one.is_some_and(|one| one.as_str() != compartment && !rows.iter().any(|(known, _)| *known == one.as_str())) {
            let text = format!("no {name} is in the compartment of a {compartment}");
            return Err(Failure::new(StatusCode::NOT_FOUND, "not-supported", text));
        }
        Ok(Self::Compartment(Reference::new(of(compartment)?, id), one))
    }

    /// The address without its parameters.
    pub(super) fn address(&self, base: &str) -> String {
        match self {
            Self::System => base.to_owned(),
            Self::Type(of) => format!("{base}/{of}"),
            Self::Compartment(named, of) => format!("{base}/{named}/{}", of.map_or("*", |of| of.as_str())),
        }
    }

    /// For the audit log.
    pub(super) fn named(&self) -> String {
        match self {
            Self::System => "system".to_owned(),
            Self::Type(of) => of.to_string(),
            Self::Compartment(named, of) => {
                format!("{} compartment, {}", named.resource_type, of.map_or("every type", |of| of.as_str()))
            }
        }
    }

    /// The patient whose compartment it is.
    pub(super) fn patient(&self) -> Option<&str> {
        match self {
            Self::Compartment(named, _) if named.resource_type.as_str() == "Patient" => Some(named.id.as_str()),
            _ => None,
        }
    }

    /// The types that a query is read for; empty: `_type` says it.
    pub(super) fn types(&self) -> Vec<ResourceType> {
        match self {
            Self::System => Vec::new(),
            Self::Type(of) | Self::Compartment(_, Some(of)) => vec![*of],
            Self::Compartment(named, None) => {
                let rows = search::compartment(named.resource_type.as_str()).unwrap_or_default();
                let types = rows.iter().filter_map(|(name, _)| ResourceType::parse(name).ok());
                let mut types: Vec<ResourceType> = types.chain([named.resource_type]).collect();
                types.sort_unstable();
                types.dedup();
                types
            }
        }
    }

    /// Leaves those types that the roles of the caller reach; 403 if that is none.
    pub(super) fn reached(&self, who: &Who, query: &mut Query) -> Result<(), Failure> {
        let several = query.types.len() != 1;
        if query.types.is_empty() {
            query.types = ResourceType::all().collect();
        }
        if several {
            query.types.retain(|of| who.may(Action::Read(of.as_str())) != Access::Refused);
        }
        match query.types.first() {
            Some(first) => who.must(Action::Read(first.as_str())).map(|_| ()),
            None => Err(Failure::forbidden("the roles and scopes of this caller do not reach this")),
        }
    }

    /// The searches that together find what is asked: one, but where a compartment holds what it is named after.
    pub(super) fn searches(&self, query: Query, evaluation: &Evaluation<'_>) -> Result<Vec<Query>, Failure> {
        let Self::Compartment(named, _) = self else { return Ok(vec![query]) };
        let rows = search::compartment(named.resource_type.as_str()).unwrap_or_default();
        let records = evaluation.persons(std::slice::from_ref(named))?;
        let (mut all, mut each) = (Vec::new(), Vec::new());
        for of in &query.types {
            let codes = rows.iter().find(|(known, _)| *known == of.as_str()).map_or(&[][..], |(_, codes)| *codes);
            let mut any = Vec::new();
            for code in codes {
                let Some(parameter) = evaluation.registry.find(*of, code) else { continue };
                let chain = Chain { code: parameter.code.clone(), param: parameter.own_rows(), links: Vec::new() };
                if let Term::AnyOf(more) = chain.term(&records, evaluation.base) {
                    any.extend(more);
                }
            }
            all.extend(any.iter().cloned());
            each.push(Clause::All(vec![Clause::Types(vec![*of]), Clause::Rows(Term::AnyOf(any))]));
        }
        let itself = query.types.contains(&named.resource_type).then(|| {
            let mut own = query.clone();
            let records: Vec<String> = records.iter().map(|record| record.id.to_string()).collect();
            own.ids = Some(match own.ids.take() {
                None => records,
                Some(asked) => asked.into_iter().filter(|id| records.contains(id)).collect(),
            });
            own.types = vec![named.resource_type];
            own
        });
        let mut within = query;
        // What the store looks for: any of the parameters; then for each type its own.
        within.clauses.push(Clause::Rows(Term::AnyOf(all)));
        if within.types.len() > 1 {
            within.clauses.push(Clause::Any(each));
        }
        Ok(itself.into_iter().chain([within]).collect())
    }
}
