//! Terminology operations (FHIR R4 terminology-service.html) over what is embedded, installed and stored here.
//!
//! A CodeSystem, ValueSet or ConceptMap that is stored and that the caller may read goes before one that is built in.

use std::sync::Arc;

use auth::Action;
use http::StatusCode;
use model::id::{Reference, ResourceId, ResourceType};
use model::json::Json;
use terminology::{Coding, ExpandError, LookupError, Reason, Subsumption, Terminology};

use super::input::{Input, parameter, parameters};
use super::table::{self, Operation};
use crate::api::outcome::Failure;
use crate::api::router::Endpoint;
use crate::api::{Call, Who, answer, fhir};
use crate::audit::random_id;
use crate::layers::Response;

mod answers;
mod stored;

pub use stored::Compiled;

/// Codes of an expansion that is not asked for in pages.
const WHOLE_MOST: usize = 5_000;
/// Codes of one page.
const PAGE_MOST: usize = 10_000;
/// The value set of a request that has no canonical of its own.
const GIVEN: &str = "urn:anchorline:given";

/// One request: what it asks and with what it is answered.
struct Asked {
    input: Input,
    terminology: Arc<Terminology>,
    /// The resource of the address, or the one that came along.
    own: Option<Json>,
}

/// Reads a request. `kind` is the type whose operation it is, `bare` the parameter that may hold such a resource.
async fn asked(
    call: &mut Call,
    who: &Who,
    endpoint: Endpoint,
    kind: &'static str,
    bare: Option<&'static str>,
) -> Result<Asked, Failure> {
    who.must(Action::Read(kind))?;
    let operation = operation(endpoint)?;
    let input = Input::read(call, operation, bare).await?;
    let mut own = bare.and_then(|name| input.resource(name)).cloned();
    let id = call.params.text("id");
    if !id.is_empty() {
        if own.is_some() || input.text("url").is_some() {
            let text = "url: the address names a resource already";
            return Err(Failure::new(StatusCode::BAD_REQUEST, "invalid", text).at("url"));
        }
        let target = ResourceType::parse(kind).ok().zip(ResourceId::parse(id).ok());
        let (of, id) = target.ok_or_else(|| Failure::unknown("this id"))?;
        own = Some(fhir::stored(call, who, &Reference::new(of, id)).await?);
    }
    let terminology = stored::terminology(call, who).await?;
    let terminology = match own.clone() {
        Some(own) => Arc::new(terminology.with(Arc::new(stored::One::new(own, GIVEN)))),
        None => terminology,
    };
    Ok(Asked { input, terminology, own })
}

fn operation(endpoint: Endpoint) -> Result<&'static Operation, Failure> {
    table::of(endpoint).ok_or_else(|| Failure::unknown("this address"))
}

impl Asked {
    /// The canonical of what is asked about, with the version where one is asked for.
    fn canonical(&self, url: &str, version: &str) -> Option<String> {
        if let Some(own) = &self.own {
            return Some(own.text_at(&["url"]).unwrap_or(GIVEN).to_owned());
        }
        let url = self.input.text(url)?;
        Some(match self.input.text(version) {
            Some(version) if !url.contains('|') => format!("{url}|{version}"),
            _ => url.to_owned(),
        })
    }
}

/// `$lookup` of a code system.
pub(crate) async fn lookup(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    let asked = asked(call, who, Endpoint::Lookup, "CodeSystem", None).await?;
    blocking(move || {
        let input = &asked.input;
        let coding = one_coding(input, "coding", ("code", "system", "version"))?;
        if coding.system.is_none() {
            return Err(required("system: expected the code system of the code", "system"));
        }
        let found = asked.terminology.lookup(&coding).map_err(|error| not_found(&error))?;
        let language = input.text("displayLanguage");
        let display = asked.terminology.display(&coding, language).or_else(|| found.display.clone());
        Ok(answers::lookup(&found, (coding.system.unwrap_or_default(), coding.code), display, &input.texts("property")))
    })
    .await
}

/// `$validate-code` of a code system.
pub(crate) async fn validate_code(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    let asked = asked(call, who, Endpoint::ValidateCode, "CodeSystem", Some("codeSystem")).await?;
    blocking(move || {
        let url = asked.canonical("url", "");
        let codings = codings(&asked.input, ("code", "", "version"), url.as_deref())?;
        let other = |coding: &Coding<'_>| coding.system.is_some_and(|system| Some(system) != url.as_deref());
        if let Some(url) = &url
            && codings.iter().all(other)
        {
            let message = format!("the coding is of another code system than {url}");
            return Ok(answers::validity(false, Some(message), None));
        }
        validity(&asked, None, &codings)
    })
    .await
}

/// `$validate-code` of a value set.
pub(crate) async fn validate_member(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    let asked = asked(call, who, Endpoint::ValidateMember, "ValueSet", Some("valueSet")).await?;
    blocking(move || {
        let canonical = asked.canonical("url", "valueSetVersion");
        let canonical = canonical.ok_or_else(|| required("url: expected a value set", "url"))?;
        asked.terminology.value_set(&canonical).map_err(|reason| undecided(&reason))?;
        let codings = codings(&asked.input, ("code", "system", "systemVersion"), None)?;
        validity(&asked, Some(&canonical), &codings)
    })
    .await
}

fn validity(asked: &Asked, value_set: Option<&str>, codings: &[Coding<'_>]) -> Result<Json, Failure> {
    let found = asked.terminology.validate_code(value_set, codings);
    let Some(result) = found.result else {
        let text = found.message.unwrap_or_else(|| "the code cannot be decided with what is loaded".to_owned());
        return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "not-supported", text));
    };
    let language = asked.input.text("displayLanguage");
    let by_language = || {
        let coding = codings.get(found.coding?)?;
        asked.terminology.display(coding, Some(language?))
    };
    let display = by_language().or(found.display);
    Ok(answers::validity(result, found.message, display))
}

/// `$subsumes` of a code system.
pub(crate) async fn subsumes(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    let asked = asked(call, who, Endpoint::Subsumes, "CodeSystem", None).await?;
    blocking(move || {
        let own = asked.own.as_ref().and_then(|own| own.text_at(&["url"]));
        let one = one_coding(&asked.input, "codingA", ("codeA", "system", "version"))?;
        let other = one_coding(&asked.input, "codingB", ("codeB", "system", "version"))?;
        let system = own.or(one.system).or(other.system);
        let system = system.ok_or_else(|| required("system: expected the code system of the codes", "system"))?;
        if [one.system, other.system].into_iter().flatten().any(|named| named != system) {
            return Err(Failure::bad("system: expected both codes of one code system").at("system"));
        }
        let version = one.version.or(other.version);
        let found = asked.terminology.subsumes(system, version, one.code, other.code);
        let outcome = match found.map_err(|error| not_found(&error))? {
            Subsumption::Equivalent => "equivalent",
            Subsumption::Subsumes => "subsumes",
            Subsumption::SubsumedBy => "subsumed-by",
            Subsumption::NotSubsumed => "not-subsumed",
        };
        Ok(parameters([parameter("outcome", "valueCode", outcome)]))
    })
    .await
}

/// `$expand` of a value set.
pub(crate) async fn expand(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    let asked = asked(call, who, Endpoint::Expand, "ValueSet", Some("valueSet")).await?;
    let now = call.app.clock.now();
    blocking(move || {
        let input = &asked.input;
        let canonical = asked.canonical("url", "valueSetVersion");
        let canonical = canonical.ok_or_else(|| required("url: expected a value set", "url"))?;
        let count = input.number("count");
        if count.is_some_and(|count| count > PAGE_MOST) {
            return Err(Failure::new(
                StatusCode::BAD_REQUEST,
                "too-costly",
                format!("count: expected at most {PAGE_MOST}"),
            )
            .at("count"));
        }
        let request = terminology::ExpandRequest {
            filter: input.text("filter"),
            offset: input.number("offset").unwrap_or(0),
            count,
            active_only: input.boolean("activeOnly").unwrap_or(false),
            exclude_nested: input.boolean("excludeNested").unwrap_or(false),
            include_designations: input.boolean("includeDesignations").unwrap_or(false),
            language: input.text("displayLanguage"),
            ..terminology::ExpandRequest::default()
        };
        let found = asked.terminology.expand(&canonical, &request).map_err(|error| match error {
            ExpandError::TooCostly { limit } => {
                let text = format!("the value set has more than {limit} codes; ask for part of it with filter");
                Failure::new(StatusCode::BAD_REQUEST, "too-costly", text)
            }
            ExpandError::Undecided(reason) => undecided(&reason),
            other => Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "not-supported", other.to_string()),
        })?;
        if count.is_none() && found.total > WHOLE_MOST {
            let text = format!("the value set has {} codes; ask for pages with count and offset", found.total);
            return Err(Failure::new(StatusCode::BAD_REQUEST, "too-costly", text));
        }
        let own = asked.own.clone().map(Arc::new);
        let definition = own.or_else(|| asked.terminology.definition("ValueSet", &canonical));
        Ok(answers::expansion(definition.as_deref(), &canonical, input, &found, (&random_id(), now)))
    })
    .await
}

/// `$translate` of a concept map.
pub(crate) async fn translate(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    let asked = asked(call, who, Endpoint::Translate, "ConceptMap", Some("conceptMap")).await?;
    blocking(move || {
        let input = &asked.input;
        let map = asked.canonical("url", "conceptMapVersion");
        let codings = codings(input, ("code", "system", "version"), None)?;
        let dependencies = dependencies(input)?;
        let mut all = terminology::Translation::default();
        for coding in &codings {
            let request = terminology::TranslateRequest {
                map: map.as_deref(),
                coding: *coding,
                source: input.text("source"),
                target: input.text("target"),
                target_system: input.text("targetsystem"),
                depends_on: &dependencies,
                direction: match input.boolean("reverse") {
                    Some(true) => terminology::Direction::Reverse,
                    _ => terminology::Direction::Forward,
                },
            };
            let found = asked.terminology.translate(&request).map_err(|reason| undecided(&reason))?;
            all.result |= found.result;
            all.matches.extend(found.matches);
        }
        Ok(answers::translation(&all))
    })
    .await
}

/// `dependency` with its parts.
fn dependencies(input: &Input) -> Result<Vec<terminology::Dependency>, Failure> {
    let mut found = Vec::new();
    for dependency in input.parts("dependency") {
        let part = |name: &str| dependency.items("part").iter().find(|part| part.text_at(&["name"]) == Some(name));
        let element = part("element").and_then(|part| part.text_at(&["valueUri"]));
        let concept = part("concept").and_then(|part| part.get("valueCodeableConcept"));
        let (Some(element), Some(concept)) = (element, concept) else {
            return Err(required("dependency: expected the parts element and concept", "dependency"));
        };
        for coding in concept.items("coding") {
            found.push(terminology::Dependency {
                property: element.into(),
                system: coding.text_at(&["system"]).map(Into::into),
                value: coding.text_at(&["code"]).unwrap_or_default().into(),
            });
        }
    }
    Ok(found)
}

/// The one code of a request: a Coding, or a code with its system.
fn one_coding<'i>(
    input: &'i Input,
    coding: &str,
    (code, system, version): (&str, &str, &str),
) -> Result<Coding<'i>, Failure> {
    match (input.value(coding), input.text(code)) {
        (Some(_), Some(_)) => {
            Err(Failure::bad(format!("{coding}: expected it or {code}, not both")).at(coding.to_owned()))
        }
        (Some(given), None) => {
            of_coding(given).ok_or_else(|| required(&format!("{coding}.code: expected a code"), coding))
        }
        (None, Some(text)) => {
            Ok(Coding { system: input.text(system), version: input.text(version), code: text, display: None })
        }
        (None, None) => Err(required(&format!("{code}: expected it or {coding}"), code)),
    }
}

/// The codes of a request that takes a code, a Coding or a CodeableConcept.
fn codings<'i>(
    input: &'i Input,
    names: (&str, &str, &str),
    system: Option<&'i str>,
) -> Result<Vec<Coding<'i>>, Failure> {
    if let Some(concept) = input.value("codeableConcept") {
        if input.value("coding").is_some() || input.text(names.0).is_some() {
            return Err(
                Failure::bad("codeableConcept: expected one of code, coding and codeableConcept").at("codeableConcept")
            );
        }
        let found: Vec<Coding<'_>> = concept.items("coding").iter().filter_map(of_coding).collect();
        return match found.is_empty() {
            true => Err(required("codeableConcept: expected a coding with a code", "codeableConcept")),
            false => Ok(found),
        };
    }
    let mut coding = one_coding(input, "coding", names)?;
    coding.display = coding.display.or_else(|| input.text("display"));
    coding.system = coding.system.or(system);
    Ok(vec![coding])
}

fn of_coding(coding: &Json) -> Option<Coding<'_>> {
    Some(Coding {
        system: coding.text_at(&["system"]),
        version: coding.text_at(&["version"]),
        code: coding.text_at(&["code"])?,
        display: coding.text_at(&["display"]),
    })
}

fn required(text: &str, at: &str) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, "required", text).at(at.to_owned())
}

fn not_found(error: &LookupError) -> Failure {
    match error {
        LookupError::Undecided(reason) => undecided(reason),
        other => Failure::new(StatusCode::NOT_FOUND, "not-found", other.to_string()),
    }
}

/// 404 for what is not loaded, 422 for what is and gives no answer.
fn undecided(reason: &Reason) -> Failure {
    let status = match reason {
        Reason::ValueSet(_) | Reason::System(_) | Reason::Version(..) | Reason::Map(_) => StatusCode::NOT_FOUND,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let code = if status == StatusCode::NOT_FOUND { "not-found" } else { "not-supported" };
    Failure::new(status, code, reason.to_string())
}

/// Looks things up on the blocking pool: a first question compiles code systems, a server may be asked.
async fn blocking(work: impl FnOnce() -> Result<Json, Failure> + Send + 'static) -> Result<Response, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    let body =
        done.map_err(|_| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "exception", "an error of the gateway"))??;
    Ok(answer::fhir(StatusCode::OK, body.to_bytes()))
}
