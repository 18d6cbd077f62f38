//! What happened to an exchange, for those who may know: `/exchanges`.

use auth::{Access, Action, Role};
use http::StatusCode;
use model::json::{Json, Limits, Object, parse};
use store::{Exchange, ExchangeId, ExchangeKind, ExchangeQuery, ExchangeState, ExchangeSummary, Exchanges};

use super::outcome::Failure;
use super::query::{moment, pairs, unknown_parameter};
use super::{Call, Who, answer};
use crate::audit::Kind;
use crate::layers::Response;

#[cfg(test)]
mod tests;

/// Lines of a page unless asked otherwise, and the most that can be asked for.
const PAGE: usize = 50;
const PAGE_MOST: usize = 500;
/// Exchanges looked at for one page when a filter is not one of the store's.
const SCAN_MOST: usize = 5_000;

/// `GET /exchanges?…`
pub(super) fn list(call: &Call, who: &Who) -> Result<Response, Failure> {
    let reach = who.must(Action::Exchanges)?;
    if reach == Access::Own && who.has(Role::Patient) {
        return crate::patient::exchanges::list(call, who);
    }
    let (mut query, unmapped) = parse_query(&call.query)?;
    if reach != Access::Direct {
        // A source sees its own exchanges and may not even ask for another's.
        let own = who.source().unwrap_or_default();
        if query.source.as_deref().is_some_and(|asked| asked != own) {
            return Err(Failure::forbidden("a source sees its own exchanges"));
        }
        query.source = Some(own.to_owned());
    }
    let store = &call.app.store;
    let mut lines = Vec::new();
    let mut scanned = 0;
    let (total, next) = loop {
        let page = store.exchanges(&query)?;
        scanned += page.exchanges.len();
        for summary in &page.exchanges {
            let whole = store.exchange(&summary.id)?;
            let places = match &unmapped {
                None => None,
                Some(place) => match whole.as_ref().map(|whole| unmapped_at(whole, place)) {
                    Some(places) if !places.is_empty() => Some(places),
                    _ => continue,
                },
            };
            lines.push(line(summary, whole.as_ref(), places));
        }
        if unmapped.is_none() {
            break (page.total, page.next);
        }
        if lines.len() >= query.limit || page.next.is_none() || scanned >= SCAN_MOST {
            // The store cannot count this; what was found so far is said, and whether there is more.
            break (lines.len() as u64, page.next);
        }
        query.before = page.next;
    };
    let mut body = Object::new();
    body.insert("total", total);
    body.insert("exchanges", Json::Array(lines));
    if let Some(next) = next {
        body.insert("next", next.to_string());
    }
    Ok(answer::json(StatusCode::OK, &body.into()))
}

/// `GET /exchanges/{id}`
pub(super) fn one(call: &Call, who: &Who) -> Result<Response, Failure> {
    if who.must(Action::Exchanges)? == Access::Own && who.has(Role::Patient) {
        let answered = crate::patient::exchanges::one(call, who, &known(call)?)?;
        return answered.ok_or_else(unknown);
    }
    let exchange = visible(call, who)?;
    Ok(answer::json(StatusCode::OK, &whole(&exchange)))
}

/// `GET /exchanges/{id}/opening`: the salts, so that a record's commitments can be opened. Audited.
pub(super) async fn opening(call: &Call, who: &Who) -> Result<Response, Failure> {
    who.must(Action::Opening)?;
    let exchange = known(call)?;
    let event = who.event(Kind::Opening, call.app.clock.now()).exchange(exchange.id);
    super::audited(&call.app, event).await?;
    let mut commitments = Vec::new();
    for opening in call.app.store.opening(&exchange.id)? {
        for salt in opening.salts {
            commitments.push(Json::object([
                ("label", Json::from(salt.label.as_str())),
                ("salt", Json::from(hex(&salt.salt).as_str())),
                ("index", Json::from(opening.index)),
            ]));
        }
    }
    Ok(answer::json(StatusCode::OK, &Json::object([("commitments", Json::Array(commitments))])))
}

/// `POST /exchanges/{id}/replay`
pub(super) async fn replay(call: &Call, who: &Who) -> Result<Response, Failure> {
    who.must(Action::Replay)?;
    let exchange = known(call)?;
    crate::pipeline::replay(&call.app, &exchange.id).await?;
    let body = Json::object([("id", Json::from(exchange.id.to_string().as_str()))]);
    let mut response = answer::json(StatusCode::ACCEPTED, &body);
    answer::header(&mut response, http::header::LOCATION, &format!("/exchanges/{}", exchange.id));
    Ok(response)
}

/// The exchange of the path, if the caller may see it. Somebody else's answers like an unknown one.
fn visible(call: &Call, who: &Who) -> Result<Exchange, Failure> {
    let access = who.must(Action::Exchanges)?;
    let exchange = known(call)?;
    let is_own = who.source().is_some_and(|own| own == exchange.source);
    if access == Access::Direct || is_own { Ok(exchange) } else { Err(unknown()) }
}

/// The exchange of the path.
fn known(call: &Call) -> Result<Exchange, Failure> {
    let id = ExchangeId::parse(call.params.text("id")).ok_or_else(unknown)?;
    call.app.store.exchange(&id)?.ok_or_else(unknown)
}

fn unknown() -> Failure {
    Failure::unknown("this exchange")
}

const KNOWN: &str = "message-control-id, source, patient, state, since, until, unmapped, _count, before";

/// The query, and at which places something must have found no home; an empty place is any.
fn parse_query(text: &str) -> Result<(ExchangeQuery, Option<String>), Failure> {
    let mut query = ExchangeQuery { limit: PAGE, ..ExchangeQuery::default() };
    let mut unmapped = None;
    for (name, value) in pairs(text)? {
        match name.as_str() {
            "message-control-id" => query.message_control_id = Some(value),
            "source" => query.source = Some(value),
            "patient" => query.patient = Some(value.strip_prefix("Patient/").unwrap_or(&value).to_owned()),
            "state" => {
                for state in value.split(',') {
                    let known = ExchangeState::parse(state);
                    query
                        .states
                        .push(known.ok_or_else(|| Failure::bad(format!("state: expected one of {}", states())))?);
                }
            }
            "since" => query.since = Some(moment("since", &value)?.earliest()),
            "until" => query.until = Some(moment("until", &value)?.earliest()),
            "unmapped" => {
                unmapped = match value.as_str() {
                    "true" | "" => Some(String::new()),
                    "false" => None,
                    place if is_place(place) => Some(place.to_owned()),
                    _ => {
                        return Err(Failure::bad(
                            "unmapped: expected true, false or a place such as PID-10 or PV1-7.3",
                        ));
                    }
                };
            }
            "_count" | "limit" => {
                let count: usize = value.parse().map_err(|_| Failure::bad("_count: expected a whole number"))?;
                query.limit = count.min(PAGE_MOST);
            }
            "before" => {
                query.before = Some(value.parse().map_err(|_| Failure::bad("before: expected what 'next' said"))?)
            }
            _ => return Err(unknown_parameter(&name, KNOWN)),
        }
    }
    Ok((query, unmapped))
}

fn states() -> String {
    ExchangeState::ALL.map(ExchangeState::as_str).join(", ")
}

/// `PID`, `PID-10` or `PID-10.3`
fn is_place(text: &str) -> bool {
    let (segment, rest) = text.split_once('-').map_or((text, None), |(segment, rest)| (segment, Some(rest)));
    let number = |text: &str| (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    segment.len() == 3
        && segment.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && rest.is_none_or(|rest| match rest.split_once('.') {
            Some((field, component)) => number(field) && number(component),
            None => number(rest),
        })
}

/// The places below `place` at which something of the message has no home in the mapping, as the pipeline noted them.
fn unmapped_at(exchange: &Exchange, place: &str) -> Vec<String> {
    let Some(detail) = detail(exchange) else { return Vec::new() };
    let below = |at: &str| {
        at.strip_prefix(place).is_some_and(|rest| place.is_empty() || rest.is_empty() || rest.starts_with(['-', '.']))
    };
    let places = detail.items("unmapped").iter().filter_map(|it| it.as_array()?.first()?.as_str());
    places.filter(|at| below(at)).map(str::to_owned).collect()
}

/// What the pipeline noted about the mapping of a message.
fn detail(exchange: &Exchange) -> Option<Json> {
    exchange.detail.as_deref().and_then(|text| parse(text.as_bytes(), &Limits::default()).ok())
}

fn line(summary: &ExchangeSummary, whole: Option<&Exchange>, unmapped: Option<Vec<String>>) -> Json {
    let mut line = Object::new();
    line.insert("id", summary.id.to_string());
    line.insert("kind", kind(summary.kind));
    line.insert("source", summary.source.as_str());
    line.insert("message_control_id", optional(summary.message_control_id.as_deref()));
    line.insert("received", summary.received.to_rfc3339());
    line.insert("state", summary.state.as_str());
    line.insert("patient", optional(summary.patient.as_ref().map(|id| format!("Patient/{id}")).as_deref()));
    line.insert("ledger", ledger(summary.ledger));
    line.insert("issue_count", u64::from(summary.issues));
    if let Some(exchange) = whole {
        line.insert("stages", stages(exchange));
        line.insert("deliveries", deliveries(exchange));
    }
    if let Some(places) = unmapped {
        line.insert("unmapped", Json::array(places.into_iter().map(Json::from)));
    }
    line.into()
}

/// An exchange as its address shows it. No content: ids, states, places and rules.
pub(crate) fn whole(exchange: &Exchange) -> Json {
    let mut body = Object::new();
    body.insert("id", exchange.id.to_string());
    body.insert("kind", kind(exchange.kind));
    body.insert("source", exchange.source.as_str());
    body.insert("format", exchange.format.as_str());
    body.insert("message_control_id", optional(exchange.message_control_id.as_deref()));
    body.insert("received", exchange.received.to_rfc3339());
    body.insert("changed", exchange.changed.to_rfc3339());
    body.insert("state", exchange.state.as_str());
    body.insert("patient", optional(exchange.patient.as_ref().map(|id| format!("Patient/{id}")).as_deref()));
    body.insert("ledger", ledger(exchange.ledger.first().copied()));
    body.insert("ledger_records", Json::array(exchange.ledger.iter().map(|index| Json::from(*index))));
    body.insert("stages", stages(exchange));
    let issues = exchange.issues.iter().filter_map(|text| parse(text.as_bytes(), &Limits::default()).ok());
    body.insert("issues", Json::array(issues));
    let resources = exchange
        .resources
        .iter()
        .map(|it| Json::from(format!("{}/{}/_history/{}", it.resource_type, it.id, it.version).as_str()));
    body.insert("resources", Json::array(resources));
    // Package and loss of the mapping: how many pieces of the message were mapped, kept, dropped.
    body.insert("mapping", detail(exchange).map_or(Json::Null, mapping));
    body.insert("deliveries", deliveries(exchange));
    body.into()
}

/// What is shown of a mapping: of codes that a vocabulary map lacks the map and the place, never the code, which may be
/// something else in a code's place.
fn mapping(detail: Json) -> Json {
    let Json::Object(detail) = detail else { return Json::Null };
    let part =
        |entry: &Json, at: usize| entry.as_array().and_then(|parts| parts.get(at)).cloned().unwrap_or(Json::Null);
    let mut shown = Object::new();
    for (name, value) in detail.iter() {
        let entries = value.as_array().unwrap_or_default().iter();
        let value = match name {
            "unmapped" => Json::array(
                entries.map(|it| Json::object([("at", part(it, 0)), ("kept", part(it, 1)), ("dropped", part(it, 2))])),
            ),
            "codes" => Json::array(entries.map(|it| Json::object([("map", part(it, 0)), ("at", part(it, 1))]))),
            _ => value.clone(),
        };
        shown.insert(name, value);
    }
    shown.into()
}

fn stages(exchange: &Exchange) -> Json {
    Json::array(exchange.stages.iter().map(|stage| {
        Json::object([
            ("name", Json::from(stage.name.as_str())),
            ("at", Json::from(stage.at.to_rfc3339().as_str())),
            ("outcome", Json::from(stage.outcome.as_str())),
        ])
    }))
}

fn deliveries(exchange: &Exchange) -> Json {
    Json::array(exchange.deliveries.iter().map(|delivery| {
        Json::object([
            ("destination", Json::from(delivery.destination.as_str())),
            ("state", Json::from(delivery.state.as_str())),
            ("attempts", Json::from(u64::from(delivery.attempts))),
            ("decision", optional(delivery.decision.as_deref())),
            ("last_error", optional(delivery.last_error.as_deref())),
            ("changed", Json::from(delivery.changed.to_rfc3339().as_str())),
        ])
    }))
}

fn ledger(index: Option<u64>) -> Json {
    index.map_or(Json::Null, |index| Json::object([("index", Json::from(index))]))
}

fn kind(kind: ExchangeKind) -> &'static str {
    match kind {
        ExchangeKind::Arrival => "arrival",
        ExchangeKind::Write => "write",
        ExchangeKind::Export => "export",
        ExchangeKind::Emergency => "emergency",
        ExchangeKind::EmergencyUse => "emergency-use",
        ExchangeKind::AuditDigest => "audit-digest",
        _ => "other",
    }
}

fn optional(text: Option<&str>) -> Json {
    text.map_or(Json::Null, Json::from)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
