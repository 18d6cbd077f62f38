//! `$validate` (FHIR R4 resource-operation-validate.html): the findings about a resource, nothing stored.
//!
//! The answer is 200 with an OperationOutcome whatever the findings are; only what cannot be read as FHIR at all, or is
//! asked for in a way that has no meaning, is refused.

use auth::Action;
use bytes::Bytes;
use conformance::file;
use conformance::validate::{Level, Options};
use http::StatusCode;
use model::id::{Reference, ResourceId, ResourceType};
use model::json::{Json, Limits};
use model::outcome::{Issue, operation_outcome};

use super::{read, resource_type, target};
use crate::api::format;
use crate::api::outcome::Failure;
use crate::api::query::{pairs, unknown_parameter};
use crate::api::{Call, Who, answer};
use crate::app::App;
use crate::layers::Response;

/// Profiles of one request: each is looked at for every element.
const MOST_PROFILES: usize = 16;

/// `POST /fhir/$validate`, `/fhir/{type}/$validate`, `/fhir/{type}/{id}/$validate`; the last also by GET.
pub(in crate::api) async fn validate(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    let issues = judged(call, who).await?;
    Ok(answer::fhir(StatusCode::OK, operation_outcome(&issues).to_bytes()))
}

/// What is asked, from the query and from Parameters.
#[derive(Debug, Default)]
struct Asked {
    profiles: Vec<String>,
    mode: Option<Mode>,
}

/// What the resource is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Create,
    Update,
    Delete,
    Profile,
}

impl Asked {
    fn profile(&mut self, url: &str) -> Result<(), Failure> {
        if self.profiles.len() >= MOST_PROFILES {
            return Err(Failure::new(
                StatusCode::BAD_REQUEST,
                "too-costly",
                format!("profile: expected at most {MOST_PROFILES}"),
            ));
        }
        if !self.profiles.iter().any(|known| known == url) {
            self.profiles.push(url.to_owned());
        }
        Ok(())
    }

    fn mode(&mut self, word: &str) -> Result<(), Failure> {
        self.mode = Some(match word {
            "create" => Mode::Create,
            "update" => Mode::Update,
            "delete" => Mode::Delete,
            "profile" => Mode::Profile,
            _ => {
                let text = "mode: expected create, update, delete or profile";
                return Err(Failure::new(StatusCode::BAD_REQUEST, "code-invalid", text));
            }
        });
        Ok(())
    }
}

/// The type and id of the address, where it has them.
#[derive(Debug, Clone)]
struct Address {
    resource_type: Option<ResourceType>,
    id: Option<ResourceId>,
}

async fn judged(call: &mut Call, who: &Who) -> Result<Vec<Issue>, Failure> {
    who.must(Action::Convert)?;
    let asked = asked(call)?;
    let has = |name: &str| !call.params.text(name).is_empty();
    let address = Address {
        resource_type: if has("type") { Some(resource_type(call)?) } else { None },
        id: if has("id") { Some(target(call)?.1) } else { None },
    };
    format::of_body(call)?;
    let body = call.body().await?;
    // What is asked about a stored resource has no resource in it.
    let (asked, given) =
        if body.is_empty() { (asked, None) } else { work(call, move || parts(&body, asked)).await?? };
    let (resource, mut issues) = match given {
        Some(given) => given,
        None => (stored(call, who, &address).await?, Vec::new()),
    };
    let app = call.app.clone();
    issues.extend(work(call, move || findings(&app, &resource, &address, asked)).await??);
    Ok(issues)
}

/// Runs on the blocking pool, in one of the places for validations: a flood waits, and workers go on answering.
async fn work<T: Send + 'static>(call: &Call, job: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let broken = || Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "exception", "an error of the gateway");
    let place = call.app.validation.places().clone().acquire_owned().await.map_err(|_| broken())?;
    // The place goes along: a request that timed out still holds it until its work is done.
    let done = tokio::task::spawn_blocking(move || {
        let _place = place;
        job()
    });
    done.await.map_err(|_| broken())
}

/// What the body holds: the resource with what its XML alone shows, and what Parameters ask for.
type Parts = (Asked, Option<(Json, Vec<Issue>)>);

fn parts(body: &Bytes, mut asked: Asked) -> Result<Parts, Failure> {
    let limits = Limits { bytes: body.len().max(1), ..Limits::default() };
    let (resource, issues) =
        file::read(body, &limits).map_err(|issue| Failure::of(StatusCode::BAD_REQUEST, vec![issue]))?;
    if !is_request(&resource) {
        return Ok((asked, Some((resource, issues))));
    }
    let mut given = None;
    for parameter in resource.items("parameter") {
        let value = |names: &[&str]| names.iter().find_map(|name| parameter.text_at(&[name]));
        match parameter.text_at(&["name"]) {
            Some("resource") => given = parameter.get("resource").cloned(),
            Some("profile") => {
                let url = value(&["valueUri", "valueCanonical", "valueString"]);
                asked.profile(url.ok_or_else(|| Failure::bad("profile: expected a valueUri"))?)?;
            }
            _ => asked.mode(value(&["valueCode", "valueString"]).unwrap_or_default())?,
        }
    }
    Ok((asked, given.map(|resource| (resource, issues))))
}

/// Whether these Parameters are the operation's own, not a resource to look at.
fn is_request(resource: &Json) -> bool {
    let parameters = resource.items("parameter");
    resource.text_at(&["resourceType"]) == Some("Parameters")
        && !parameters.is_empty()
        && parameters.iter().all(|parameter| match parameter.text_at(&["name"]) {
            Some("resource") => parameter.get("resource").is_some(),
            Some("profile" | "mode") => true,
            _ => false,
        })
}

/// The resource of the address. One that the caller may not read is unknown.
async fn stored(call: &Call, who: &Who, address: &Address) -> Result<Json, Failure> {
    let (Some(resource_type), Some(id)) = (address.resource_type, &address.id) else {
        return Err(Failure::new(StatusCode::BAD_REQUEST, "required", "expected a resource in the body"));
    };
    who.must(Action::Read(resource_type.as_str()))?;
    let target = Reference::new(resource_type, id.clone());
    let (released, _) = read::released(call, who, read::Version::Current, &target).await?;
    released.json()
}

/// Every finding. CPU only.
fn findings(app: &App, resource: &Json, address: &Address, mut asked: Asked) -> Result<Vec<Issue>, Failure> {
    let mut issues = fits(resource, address, asked.mode)?;
    if matches!(asked.mode, Some(Mode::Create | Mode::Update)) {
        for url in app.validation.fhir().profiles_of(resource) {
            asked.profile(&url)?;
        }
    }
    let options = Options {
        profiles: &asked.profiles,
        level: Level::Profile,
        best_practice: app.validation.best_practice(),
        ..Options::default()
    };
    issues.extend(app.validation.validator().validate(resource, &options));
    Ok(issues)
}

/// Whether the resource is what the address and the mode say.
fn fits(resource: &Json, address: &Address, mode: Option<Mode>) -> Result<Vec<Issue>, Failure> {
    let mut issues = Vec::new();
    let name = model::resource::resource_type(resource);
    if let (Some(expected), Some(name)) = (address.resource_type, name)
        && name != expected.as_str()
    {
        issues.push(Issue::error("invalid", format!("expected a resource of the type {expected}")));
    }
    match (mode, &address.id) {
        (Some(Mode::Update | Mode::Delete), None) => {
            let text = "mode: update and delete are asked at the address of a resource";
            return Err(Failure::new(StatusCode::BAD_REQUEST, "required", text));
        }
        (Some(Mode::Update), Some(id)) if model::resource::id(resource) != Some(id.as_str()) => {
            let at = format!("{}.id", name.unwrap_or("Resource"));
            issues.push(Issue::error("invalid", "expected the id of the address").at(at));
        }
        // Nothing that refers to a resource keeps it from being deleted.
        _ => {}
    }
    Ok(issues)
}

/// The parameters of the query.
fn asked(call: &Call) -> Result<Asked, Failure> {
    let mut asked = Asked::default();
    for (name, value) in pairs(&call.query)? {
        match name.as_str() {
            "profile" => asked.profile(&value)?,
            "mode" => asked.mode(&value)?,
            name if format::GENERAL.contains(&name) => {}
            _ if call.prefers("handling=lenient") => {}
            _ => return Err(unknown_parameter(&name, "profile, mode, _format, _pretty")),
        }
    }
    format::acceptable(call)?;
    Ok(asked)
}
