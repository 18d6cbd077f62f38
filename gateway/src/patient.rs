//! What patients do here themselves: see who saw their record and under which consent, choose who may, see every exchange
//! about them. Whose record it is comes from the signed token alone, never from a path, a query or a body.

use auth::{Access, Action as Reach};
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, StatusCode};
use model::id::ResourceId;
use model::json::Json;
use model::time::Instant;

use crate::api::outcome::Failure;
use crate::api::query::{moment, pairs, unknown_parameter};
use crate::api::{Call, Who, answer};
use crate::layers::Response;
use crate::merges;

pub(crate) mod accesses;
pub mod choices;
mod csv;
pub(crate) mod exchanges;
pub(crate) mod filing;
mod names;
mod rows;
mod words;

/// The patient a request is about, with every record that is the same person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    /// The record that the token, or the auditor, names.
    pub(crate) patient: ResourceId,
    /// That one and those merged with it.
    pub(crate) records: Vec<String>,
}

impl Subject {
    /// Whether everything of these patients is this one's.
    pub(crate) fn is_all_of(&self, patients: &[String]) -> bool {
        !patients.is_empty() && patients.iter().all(|patient| self.records.contains(patient))
    }

    fn reference(&self) -> String {
        format!("Patient/{}", self.patient)
    }
}

/// The patient themselves: a token of role patient, bound to a patient who is its actor, for the purpose PATRQT alone.
///
/// # Errors
/// 403 for every other caller, in one text.
pub(crate) fn themselves(who: &Who) -> Result<Subject, Failure> {
    let refused =
        || Failure::forbidden("this takes a patient's own token: role patient, bound to them, purpose PATRQT");
    if who.is_open() || !who.has(auth::Role::Patient) {
        return Err(refused());
    }
    let (caller, bound) = (who.caller().ok_or_else(refused)?, who.bound_patient().ok_or_else(refused)?);
    let patient = ResourceId::parse(&bound).map_err(|_| refused())?;
    let own = format!("Patient/{patient}");
    let for_themselves = matches!(who.purposes().as_slice(), [purpose] if purpose.is_patient_request());
    if !for_themselves || !caller.refs().contains(&own) {
        return Err(refused());
    }
    Ok(Subject { patient, records: who.own_records() })
}

/// Whose record is asked about: the patient's own, or for an auditor the one that `patient` names.
fn subject(call: &Call, who: &Who, asked: Option<&str>) -> Result<Subject, Failure> {
    if who.must(Reach::Accounting)? == Access::Own || (asked.is_none() && who.has(auth::Role::Patient)) {
        let own = themselves(who)?;
        // Also the own id is refused: whoever sends one believes that it decides.
        return match asked {
            None => Ok(own),
            Some(_) => Err(Failure::forbidden("a patient's own token sees their own record: leave out patient")),
        };
    }
    let asked = asked.ok_or_else(|| Failure::bad("patient: expected the patient to look at"))?;
    let id = asked.strip_prefix("Patient/").unwrap_or(asked);
    let patient = ResourceId::parse(id).map_err(|_| Failure::bad("patient: expected an id or Patient/ID"))?;
    let records = merges::person(&call.app.store, patient.as_str())?;
    Ok(Subject { patient, records })
}

/// What can be asked of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    patient: Option<String>,
    since: Option<Instant>,
    until: Option<Instant>,
    count: Option<usize>,
    before: Option<u64>,
    csv: bool,
}

const KNOWN: &str = "patient, since, until, _count, before, _format";

impl Asked {
    fn read(call: &Call) -> Result<Self, Failure> {
        let accepts = call.header(http::header::ACCEPT).unwrap_or_default().contains("text/csv");
        Self::parse(&call.query, accepts)
    }

    fn parse(query: &str, csv: bool) -> Result<Self, Failure> {
        let mut asked = Self { patient: None, since: None, until: None, count: None, before: None, csv };
        for (name, value) in pairs(query)? {
            match name.as_str() {
                "patient" => asked.patient = Some(value),
                "since" => asked.since = Some(moment("since", &value)?.earliest()),
                "until" => asked.until = Some(moment("until", &value)?.latest()),
                "_count" => {
                    let count = value.parse().map_err(|_| Failure::bad("_count: expected a whole number"))?;
                    asked.count = Some(count);
                }
                "before" => {
                    let before = value.parse().map_err(|_| Failure::bad("before: expected what 'next' said"))?;
                    asked.before = Some(before);
                }
                "_format" => match value.as_str() {
                    "csv" | "text/csv" => asked.csv = true,
                    "json" | "application/json" => asked.csv = false,
                    _ => return Err(Failure::bad("_format: expected json or csv")),
                },
                _ => return Err(unknown_parameter(&name, KNOWN)),
            }
        }
        Ok(asked)
    }
}

/// A table, as a file that a browser keeps and no cache does.
fn table(text: String, name: &'static str, next: Option<&str>) -> Response {
    let mut response = answer::json(StatusCode::OK, &Json::Null);
    *response.body_mut() = http_body_util::Full::from(text);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    answer::header(&mut response, http::header::CONTENT_DISPOSITION, &format!("attachment; filename=\"{name}\""));
    if let Some(next) = next {
        answer::header(&mut response, HeaderName::from_static("link"), &format!("<{next}>; rel=\"next\""));
    }
    response
}
