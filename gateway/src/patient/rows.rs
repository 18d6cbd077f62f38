//! From AuditEvents to lines that a patient reads: who, when, what, why, under which consent.
//!
//! A line tells of nobody else: no other patient, no consent of another patient, no token, no grant.

use std::ops::ControlFlow;

use model::json::{Json, Object};
use store::{Cursor, ExchangeId, Order, Resources, Search};

use super::{Asked, Subject, names, words};
use crate::app::App;
use crate::audit::{EXCHANGE_SYSTEM, PARTNER_SYSTEM};

/// Events looked at for one page.
const SCAN_MOST: usize = 20_000;
const DCM_DESTINATION: &str = "110152";

/// What was done. The words are those of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    Read,
    Searched,
    Operation,
    Added,
    Changed,
    Deleted,
    Forwarded,
    EmergencySearch,
    EmergencyDeclared,
    EmergencyRead,
    EmergencyEnded,
}

impl Done {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Searched => "searched",
            Self::Operation => "overview",
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Deleted => "deleted",
            Self::Forwarded => "forwarded",
            Self::EmergencySearch => "emergency-search",
            Self::EmergencyDeclared => "emergency-declared",
            Self::EmergencyRead => "emergency-read",
            Self::EmergencyEnded => "emergency-ended",
        }
    }

    /// `None` for events that are no access: what came in, decisions, operators' acts.
    fn of(event: &Json) -> Option<Self> {
        let kind = event.text_at(&["type", "code"])?;
        let subtype = event.items("subtype").first().and_then(|it| it.text_at(&["code"])).unwrap_or_default();
        Some(match (kind, subtype) {
            ("110106", _) => Self::Forwarded,
            ("110112", _) => Self::EmergencySearch,
            ("110113", "110127") => Self::EmergencyDeclared,
            ("110113", "110138") => Self::EmergencyEnded,
            ("rest", "read" | "vread" | "history") => Self::Read,
            ("rest", "search") => Self::Searched,
            ("rest", "create") => Self::Added,
            ("rest", "update" | "patch") => Self::Changed,
            ("rest", "delete") => Self::Deleted,
            ("rest", "operation") if detail(event, "grant").is_some() => Self::EmergencyRead,
            ("rest", "operation") if detail(event, "operation") == Some("transaction") => Self::Changed,
            ("rest", "operation") => Self::Operation,
            _ => return None,
        })
    }
}

/// One line.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) at: String,
    pub(super) done: Done,
    /// Types and how many of each.
    pub(super) resources: Vec<(String, u64)>,
    /// Who looked, or who received.
    pub(super) name: String,
    pub(super) reference: Option<String>,
    pub(super) address: Option<String>,
    pub(super) electronic: Option<String>,
    pub(super) organisation: Option<String>,
    pub(super) you: bool,
    pub(super) purposes: Vec<(String, String)>,
    pub(super) reason: Option<String>,
    pub(super) outcome: &'static str,
    pub(super) decided_by: Vec<Json>,
    pub(super) policy: Option<&'static str>,
    pub(super) exchange: Option<ExchangeId>,
    pub(super) partner: Option<String>,
    request: Option<String>,
}

/// A page of lines, newest first, and where the next one begins.
pub(super) struct Page {
    pub(super) rows: Vec<Row>,
    pub(super) next: Option<u64>,
}

/// The lines about a patient that `wanted` keeps.
pub(super) fn page(
    app: &App,
    subject: &Subject,
    asked: &Asked,
    count: usize,
    wanted: impl Fn(&Row) -> bool,
) -> Result<Page, store::Error> {
    let search = Search {
        types: vec!["AuditEvent".to_owned()],
        patients: subject.records.clone(),
        updated_since: asked.since,
        updated_until: asked.until.map(|until| until.after(std::time::Duration::from_millis(1))),
        order: Order::NewestFirst,
        after: asked.before.map(Cursor),
        ..Search::default()
    };
    let (mut rows, mut next, mut scanned, mut last) = (Vec::<Row>::new(), None, 0_usize, None);
    app.store.visit(&search, &mut |stored| {
        scanned += 1;
        if rows.len() >= count || scanned > SCAN_MOST {
            next = last;
            return ControlFlow::Break(());
        }
        let cursor = stored.cursor.0;
        if let Some(event) = words::read(&stored.body)
            && let Some(row) = row(app, subject, &event)
        {
            // The use of a grant and the request it was used for are one access.
            let same = rows.last_mut().filter(|before| before.request.is_some() && before.request == row.request);
            match same {
                Some(before) if row.done == Done::EmergencyRead => {
                    before.done = Done::EmergencyRead;
                    before.exchange = before.exchange.or(row.exchange);
                }
                Some(before) if before.done == Done::EmergencyRead => {
                    *before = Row { done: Done::EmergencyRead, exchange: before.exchange, ..row };
                }
                _ if wanted(&row) => rows.push(row),
                _ => {}
            }
        }
        last = Some(cursor);
        ControlFlow::Continue(())
    })?;
    Ok(Page { rows, next })
}

/// The value of a fact of an event.
fn detail<'e>(event: &'e Json, name: &str) -> Option<&'e str> {
    details(event, name).next()
}

fn details<'e>(event: &'e Json, name: &str) -> impl Iterator<Item = &'e str> {
    let all = event.items("entity").iter().flat_map(|entity| entity.items("detail"));
    let named = all.filter(move |detail| detail.text_at(&["type"]) == Some(name));
    named.filter_map(|detail| detail.text_at(&["valueString"]))
}

fn row(app: &App, subject: &Subject, event: &Json) -> Option<Row> {
    let done = Done::of(event)?;
    let agents = event.items("agent");
    let is_destination = |agent: &&Json| {
        let codings = agent.get("type").map(|kind| kind.items("coding")).unwrap_or_default();
        codings.iter().any(|coding| coding.text_at(&["code"]) == Some(DCM_DESTINATION))
    };
    let requestor = |agent: &&Json| agent.get("requestor").and_then(Json::as_bool) == Some(true);
    let agent = match done {
        Done::Forwarded => agents.iter().find(is_destination),
        _ => agents.iter().find(requestor),
    };
    let who = agent.and_then(|agent| agent.get("who"));
    let reference = who.and_then(|who| who.text_at(&["reference"])).map(str::to_owned);
    let own = |text: &str| text.strip_prefix("Patient/").is_some_and(|id| subject.records.iter().any(|it| it == id));
    let you = reference.as_deref().is_some_and(own);
    let partner = who
        .filter(|who| who.text_at(&["identifier", "system"]) == Some(PARTNER_SYSTEM))
        .and_then(|who| who.text_at(&["identifier", "value"]))
        .map(str::to_owned);
    let known = match (&reference, &partner) {
        (Some(reference), _) => names::of(app, reference),
        (None, Some(partner)) => recipient(app, partner),
        (None, None) => None,
    };
    let plain = || {
        let who = who?;
        let text = who.text_at(&["display"]).or_else(|| who.text_at(&["identifier", "value"]))?;
        Some(text.to_owned())
    };
    let (name, address) = match known {
        Some((name, address)) => (Some(name), address),
        None => (None, None),
    };
    let name = match (you, name) {
        (true, _) => "you".to_owned(),
        (false, Some(name)) => name,
        // Another patient (somebody who may act for this one) is not named.
        (false, None) if reference.as_deref().is_some_and(|it| it.starts_with("Patient/")) => {
            "another person with a patient's token".to_owned()
        }
        (false, None) => reference.clone().or_else(plain).unwrap_or_else(|| "not named".to_owned()),
    };
    let purposes: Vec<(String, String)> = event
        .items("purposeOfEvent")
        .iter()
        .flat_map(|concept| concept.items("coding"))
        .filter_map(|it| Some((it.text_at(&["system"])?.to_owned(), it.text_at(&["code"])?.to_owned())))
        .collect();
    let reason = event.items("purposeOfEvent").iter().find_map(|it| it.text_at(&["text"])).map(str::to_owned);
    let outcome = match (event.text_at(&["outcome"]), detail(event, "withheld")) {
        (Some("0"), None) => "released",
        (Some("0"), Some(_)) => "released-in-part",
        (Some("8" | "12"), _) => "failed",
        _ => "refused",
    };
    let outcome = if outcome == "released" && detail(event, "decision").is_some_and(|it| it.starts_with("redact")) {
        "released-in-part"
    } else {
        outcome
    };
    let decided_by: Vec<Json> = details(event, "consent").filter_map(|trace| decided(app, subject, trace)).collect();
    let exchange = event.items("entity").iter().find_map(|entity| {
        let identifier = entity.at(&["what", "identifier"])?;
        (identifier.text_at(&["system"]) == Some(EXCHANGE_SYSTEM)).then_some(())?;
        ExchangeId::parse(identifier.text_at(&["value"])?)
    });
    let request = event.items("entity").iter().find_map(|entity| {
        (entity.text_at(&["type", "code"]) == Some("XrequestId")).then_some(())?;
        entity.text_at(&["what", "identifier", "value"]).map(str::to_owned)
    });
    let in_emergency = purposes.iter().any(|(_, code)| code == "BTG");
    let resources = resources(event, done);
    let administrative =
        !resources.is_empty() && resources.iter().all(|(name, _)| matches!(name.as_str(), "AuditEvent" | "Task"));
    let policy = match (you, done, outcome) {
        (true, ..) => Some("It is your own record."),
        (_, Done::Added | Done::Changed | Done::Deleted, _) => None,
        (_, Done::EmergencySearch | Done::EmergencyDeclared | Done::EmergencyEnded, "refused") => {
            Some("The rules for emergencies refused it.")
        }
        (_, Done::EmergencySearch | Done::EmergencyDeclared | Done::EmergencyEnded, _) => {
            Some("The rules of this organisation for emergencies. Each access is reviewed by a second person.")
        }
        (_, _, "released" | "released-in-part") if in_emergency => {
            Some("Emergency access: it goes beyond your choices, is recorded, told to you and reviewed.")
        }
        _ if !decided_by.is_empty() => None,
        (_, _, "refused") => Some("Nothing that you or this organisation said allows it."),
        _ if administrative => Some("Those who run or audit this gateway look at its records of access."),
        _ => Some("No choice of yours decides this: the standard rule of this organisation allows it."),
    };
    Some(Row {
        at: event.text_at(&["recorded"])?.to_owned(),
        done,
        resources,
        name,
        reference: reference.filter(|it| you || !it.starts_with("Patient/")),
        address,
        electronic: agent.and_then(|it| it.text_at(&["network", "address"])).map(str::to_owned),
        organisation: organisation(app, agents),
        you,
        purposes,
        reason,
        outcome,
        decided_by,
        policy,
        exchange,
        partner,
        request,
    })
}

/// The organisation for which the requestor acted, where a decision event or the token names one.
fn organisation(app: &App, agents: &[Json]) -> Option<String> {
    let reference = agents.iter().filter_map(|agent| agent.text_at(&["who", "reference"]));
    reference
        .filter(|text| text.starts_with("Organization/"))
        .find_map(|text| names::of(app, text))
        .map(|(name, _)| name)
}

/// A destination of the configuration, as the organisation it stands for.
fn recipient(app: &App, partner: &str) -> Option<(String, Option<String>)> {
    let destination = app.config.destinations.iter().find(|destination| destination.name == partner)?;
    destination.recipient.iter().find_map(|reference| names::of(app, reference))
}

/// `Observation 3, Condition 1` of the event; else the types of what it names.
fn resources(event: &Json, done: Done) -> Vec<(String, u64)> {
    if let Some(counted) = detail(event, "released") {
        let one = |text: &str| {
            let (name, count) = text.trim().rsplit_once(' ')?;
            Some((name.to_owned(), count.parse().ok()?))
        };
        return counted.split(',').filter_map(one).collect();
    }
    let mut found: Vec<(String, u64)> = Vec::new();
    let touched = matches!(done, Done::Read | Done::Added | Done::Changed | Done::Deleted);
    for entity in event.items("entity").iter().filter(|_| touched) {
        let is_data = entity.text_at(&["role", "code"]) == Some("4");
        let Some(reference) = entity.text_at(&["what", "reference"]).filter(|_| is_data) else { continue };
        let name = reference.split('/').next().unwrap_or_default();
        match found.iter_mut().find(|(known, _)| known == name) {
            Some((_, count)) => *count += 1,
            None => found.push((name.to_owned(), 1)),
        }
    }
    found
}

/// A provision that decided, in words: of a consent of this patient, or a rule of the site. `Consent/id/_history/2#path: said`
fn decided(app: &App, subject: &Subject, trace: &str) -> Option<Json> {
    let (target, rest) = trace.split_once('#')?;
    let (path, said) = rest.rsplit_once(": ")?;
    let (instance, version) = match target.split_once("/_history/") {
        Some((instance, version)) => (instance, version.parse::<u64>().ok()),
        None => (target, None),
    };
    let id = instance.strip_prefix("Consent/")?;
    let stored = match version {
        Some(version) => app.store.vread("Consent", id, version).ok()??,
        None => app.store.read("Consent", id).ok()??,
    };
    let consent = words::read(&stored.body)?;
    let mut made = Object::new();
    if subject.is_all_of(&stored.patients) {
        made.insert("consent", instance);
        made.insert("version", stored.version);
        made.insert("title", words::title(&consent));
        if let Some(date) = consent.text_at(&["dateTime"]) {
            made.insert("date", date);
        }
        made.insert("said", said);
        let text = match said {
            "indeterminate" => Some("It is not fully understood here, so it closes your record.".to_owned()),
            _ => words::at(&consent, path),
        };
        if let Some(text) = text {
            made.insert("words", text);
        }
    } else if consent::is_admin_policy(&consent) {
        made.insert("rule", "a rule of this organisation");
        made.insert("said", said);
    } else {
        // A consent of somebody else whom the same entry names.
        made.insert("rule", "a rule about somebody else whom the same entry names");
        made.insert("said", said);
    }
    Some(made.into())
}
