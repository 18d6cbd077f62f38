//! What an emergency access leaves behind: a notice to the patient and a review for the privacy officer.

use fhir_sdk::r4b::codes::{EventStatus, RequestPriority, TaskIntent, TaskStatus};
use fhir_sdk::r4b::resources as r4b;
use fhir_sdk::r4b::types::Period;
use model::id::ResourceId;
use model::json::Json;
use model::time::Instant;

use crate::Error;
use crate::element::{Code, Party, concept, concepts, date_time, reference};
use crate::tree::Tree;

/// A notice to a patient that their record was opened.
#[derive(Clone, Debug)]
pub struct Notice<'a> {
    /// The id of the resource.
    pub id: &'a str,
    /// Who is told, and whose record it is.
    pub patient: &'a ResourceId,
    /// When the notice was made.
    pub sent: Instant,
    /// Who tells: the gateway or its organisation.
    pub sender: Party<'a>,
    /// What it is about, for example the AuditEvent of the declaration.
    pub about: &'a [String],
    /// Why the record was opened.
    pub reasons: &'a [Code<'a>],
    /// The text for the patient.
    pub text: &'a str,
}

/// Builds the Communication of a notice: preparation, until somebody has handed it over.
///
/// # Errors
/// [`Error`] if a required element is missing.
pub fn communication(notice: &Notice<'_>) -> Result<Json, Error> {
    let target = format!("Patient/{}", notice.patient);
    let patient = Party::reference(&target);
    let payload = r4b::CommunicationPayload::builder()
        .content(r4b::CommunicationPayloadContent::String(notice.text.to_owned()))
        .build()?;
    let about = notice.about.iter().map(|about| reference(&Party::reference(about)).map(Some));
    let built = r4b::Communication::builder()
        .status(EventStatus::Preparation)
        .category(vec![Some(concept(&Code::new(CATEGORY, "notification", "Notification"))?)])
        .priority(RequestPriority::Urgent)
        .subject(reference(&patient)?)
        .about(about.collect::<Result<_, _>>()?)
        .sent(date_time(notice.sent)?)
        .recipient(vec![Some(reference(&patient)?)])
        .sender(reference(&notice.sender)?)
        .reason_code(concepts(notice.reasons)?)
        .payload(vec![Some(payload)])
        .build()?;
    Ok(Tree::new("Communication", notice.id)
        .one("status", &built.status)?
        .list("category", &built.category)?
        .optional("priority", built.priority.as_ref())?
        .optional("subject", built.subject.as_ref())?
        .list("about", &built.about)?
        .plain("sent", notice.sent.to_rfc3339())
        .list("recipient", &built.recipient)?
        .optional("sender", built.sender.as_ref())?
        .list("reasonCode", &built.reason_code)?
        .list("payload", &built.payload)?
        .into_json())
}

/// A review that somebody other than the declarer has to do.
#[derive(Clone, Debug)]
pub struct Review<'a> {
    /// The id of the resource.
    pub id: &'a str,
    /// Whose record was opened.
    pub patient: &'a ResourceId,
    /// When it was asked for.
    pub authored: Instant,
    /// By when it should be done.
    pub due: Option<Instant>,
    /// Who opened the record.
    pub requester: Party<'a>,
    /// What is to be reviewed, for example the AuditEvent of the declaration.
    pub focus: Option<&'a str>,
    /// What to do, in words.
    pub description: &'a str,
    /// The purpose the record was opened for.
    pub reason: Option<Code<'a>>,
}

/// Builds the Task of a review, status `requested`.
///
/// # Errors
/// [`Error`] if a required element is missing.
pub fn task(review: &Review<'_>) -> Result<Json, Error> {
    let target = format!("Patient/{}", review.patient);
    let code = Code::new(TASK_CODE, "break-glass-review", "Review of an emergency access");
    let mut builder = r4b::Task::builder()
        .status(TaskStatus::Requested)
        .intent(TaskIntent::_Custom("order".to_owned()))
        .priority(RequestPriority::Routine)
        .code(concept(&code)?)
        .description(review.description.to_owned())
        .r#for(reference(&Party::reference(&target))?)
        .authored_on(date_time(review.authored)?)
        .last_modified(date_time(review.authored)?)
        .requester(reference(&review.requester)?);
    if let Some(focus) = review.focus {
        builder = builder.focus(reference(&Party::reference(focus))?);
    }
    if let Some(reason) = &review.reason {
        builder = builder.reason_code(concept(reason)?);
    }
    if let Some(due) = review.due {
        let period = Period::builder().end(date_time(due)?).build()?;
        builder = builder.restriction(r4b::TaskRestriction::builder().period(period).build()?);
    }
    let built = builder.build()?;
    Ok(Tree::new("Task", review.id)
        .one("status", &built.status)?
        .one("intent", &built.intent)?
        .optional("priority", built.priority.as_ref())?
        .optional("code", built.code.as_ref())?
        .optional("description", built.description.as_ref())?
        .optional("focus", built.focus.as_ref())?
        .optional("for", built.r#for.as_ref())?
        .plain("authoredOn", review.authored.to_rfc3339())
        .plain("lastModified", review.authored.to_rfc3339())
        .optional("requester", built.requester.as_ref())?
        .optional("reasonCode", built.reason_code.as_ref())?
        .optional("restriction", built.restriction.as_ref())?
        .into_json())
}

/// FHIR R4 codesystem-communication-category.html.
const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/communication-category";
/// Ours: R4's own task codes are about requests.
const TASK_CODE: &str = "urn:gateway:task";
