//! `GET /patient/accesses`: who saw my record, when, why, under which consent. `GET /patient/disclosures`: the accounting of
//! disclosures (45 CFR 164.528: date, recipient and address, what, purpose).

use http::StatusCode;
use model::json::{Json, Object};
use store::{DeliveryState, Exchanges};

use super::choices::listed;
use super::rows::{self, Done, Page, Row};
use super::{Asked, Subject, csv, subject, table, words};
use crate::api::outcome::Failure;
use crate::api::{Call, Who, answer};
use crate::app::App;
use crate::audit::Kind;
use crate::layers::Response;

const PAGE: usize = 50;
const PAGE_MOST: usize = 500;
/// Lines of a table, which people take home whole.
const TABLE: usize = 5_000;

/// `GET /patient/accesses`
pub(crate) async fn accesses(call: &Call, who: &Who) -> Result<Response, Failure> {
    let asked = Asked::read(call)?;
    let subject = subject(call, who, asked.patient.as_deref())?;
    recorded(call, who, &subject, "accesses").await?;
    let page = rows::page(&call.app, &subject, &asked, count(&asked), |_| true)?;
    let next = next(&page, "/patient/accesses", &asked);
    if asked.csv {
        let mut text = csv::line(&[
            "date",
            "what",
            "resources",
            "who",
            "organisation",
            "purpose",
            "reason",
            "outcome",
            "decided by",
            "exchange",
            "receipt",
        ]);
        for row in &page.rows {
            let (purpose, why) = (purposes(row), decided(row));
            let (exchange, receipt) = exchange(row);
            text.push_str(&csv::line(&[
                &row.at,
                row.done.as_str(),
                &counted(row),
                &row.name,
                row.organisation.as_deref().unwrap_or_default(),
                &purpose,
                row.reason.as_deref().unwrap_or_default(),
                row.outcome,
                &why,
                &exchange,
                &receipt,
            ]));
        }
        return Ok(table(text, "accesses.csv", next.as_deref()));
    }
    let lines = page.rows.iter().map(access);
    let mut body = Object::new();
    body.insert("patient", subject.reference());
    body.insert("accesses", Json::array(lines));
    body.insert("next", next.map_or(Json::Null, |next| Json::from(next.as_str())));
    Ok(answer::json(StatusCode::OK, &body.into()))
}

/// `GET /patient/disclosures`
pub(crate) async fn disclosures(call: &Call, who: &Who) -> Result<Response, Failure> {
    let asked = Asked::read(call)?;
    let subject = subject(call, who, asked.patient.as_deref())?;
    recorded(call, who, &subject, "disclosures").await?;
    let page = rows::page(&call.app, &subject, &asked, count(&asked), is_disclosure)?;
    let next = next(&page, "/patient/disclosures", &asked);
    if asked.csv {
        let mut text = csv::line(&[
            "date",
            "recipient",
            "address",
            "electronic address",
            "description",
            "purpose",
            "delivered",
            "exchange",
            "receipt",
        ]);
        for row in &page.rows {
            let (purpose, (exchange, receipt)) = (purposes(row), exchange(row));
            text.push_str(&csv::line(&[
                &row.at,
                &row.name,
                row.address.as_deref().unwrap_or_default(),
                electronic(row).unwrap_or_default(),
                &counted(row),
                &purpose,
                delivered(&call.app, row).unwrap_or_default(),
                &exchange,
                &receipt,
            ]));
        }
        return Ok(table(text, "disclosures.csv", next.as_deref()));
    }
    let lines = page.rows.iter().map(|row| disclosure(&call.app, row));
    let mut body = Object::new();
    body.insert("patient", subject.reference());
    body.insert("disclosures", Json::array(lines));
    body.insert("next", next.map_or(Json::Null, |next| Json::from(next.as_str())));
    Ok(answer::json(StatusCode::OK, &body.into()))
}

/// The look at the log is itself on record before it is answered.
async fn recorded(call: &Call, who: &Who, subject: &Subject, what: &'static str) -> Result<(), Failure> {
    let event = who
        .event(Kind::Operation, call.app.clock.now())
        .detail("operation", what)
        .detail("released", "AuditEvent 1")
        .patient(subject.patient.as_str());
    crate::api::audited(&call.app, event).await
}

/// What left for somebody: every forwarded message, and accesses for other purposes than treatment, payment, running the
/// organisation and the patient's own request.
fn is_disclosure(row: &Row) -> bool {
    let left = matches!(row.outcome, "released" | "released-in-part");
    let extraordinary = || row.purposes.iter().any(|(system, code)| !words::is_ordinary(system, code));
    let reading = matches!(row.done, Done::Read | Done::Searched | Done::Operation);
    left && !row.you && (row.done == Done::Forwarded || (reading && extraordinary()))
}

fn count(asked: &Asked) -> usize {
    let (standard, most) = if asked.csv { (TABLE, TABLE) } else { (PAGE, PAGE_MOST) };
    asked.count.unwrap_or(standard).clamp(1, most)
}

/// The address of the next page, with the same filters.
fn next(page: &Page, path: &str, asked: &Asked) -> Option<String> {
    let mut query = vec![format!("before={}", page.next?)];
    let escaped = crate::api::query::escaped;
    query.extend(asked.patient.as_deref().map(|it| format!("patient={}", escaped(it))));
    query.extend(asked.since.map(|it| format!("since={}", escaped(&it.to_rfc3339()))));
    query.extend(asked.until.map(|it| format!("until={}", escaped(&it.to_rfc3339()))));
    query.extend(asked.count.map(|it| format!("_count={it}")));
    if asked.csv {
        query.push("_format=csv".to_owned());
    }
    Some(format!("{path}?{}", query.join("&")))
}

fn access(row: &Row) -> Json {
    let mut who = Object::new();
    who.insert("name", row.name.as_str());
    who.insert("reference", optional(row.reference.as_deref()));
    who.insert("organisation", optional(row.organisation.as_deref()));
    who.insert("you", row.you);
    let mut why = Object::new();
    why.insert("purposes", purpose_list(row));
    why.insert("reason", optional(row.reason.as_deref()));
    let mut line = Object::new();
    line.insert("at", row.at.as_str());
    line.insert("what", row.done.as_str());
    line.insert("resources", resources(row));
    line.insert("who", who);
    line.insert("why", why);
    line.insert("outcome", row.outcome);
    line.insert("decided_by", Json::array(row.decided_by.iter().cloned()));
    line.insert("policy", optional(row.policy));
    insert_exchange(&mut line, row);
    line.into()
}

fn disclosure(app: &App, row: &Row) -> Json {
    let mut recipient = Object::new();
    recipient.insert("name", row.name.as_str());
    recipient.insert("address", optional(row.address.as_deref()));
    recipient.insert("electronic_address", optional(electronic(row)));
    let mut line = Object::new();
    line.insert("date", row.at.as_str());
    line.insert("recipient", recipient);
    line.insert("description", counted(row));
    line.insert("resources", resources(row));
    line.insert("purpose", purposes(row));
    line.insert("delivered", optional(delivered(app, row)));
    insert_exchange(&mut line, row);
    line.into()
}

fn electronic(row: &Row) -> Option<&str> {
    row.electronic.as_deref().filter(|_| row.done == Done::Forwarded)
}

/// Whether what was recorded as disclosed has arrived.
fn delivered(app: &App, row: &Row) -> Option<&'static str> {
    let partner = row.partner.as_deref().filter(|_| row.done == Done::Forwarded)?;
    let exchange = app.store.exchange(&row.exchange?).ok()??;
    let delivery = exchange.deliveries.iter().find(|delivery| delivery.destination == partner)?;
    Some(match delivery.state {
        DeliveryState::Delivered => "delivered",
        DeliveryState::Pending => "waiting",
        DeliveryState::Withheld => "withheld",
        _ => "given up",
    })
}

fn insert_exchange(line: &mut Object, row: &Row) {
    let (exchange, receipt) = exchange(row);
    line.insert("exchange", optional(Some(exchange.as_str()).filter(|it| !it.is_empty())));
    line.insert("receipt", optional(Some(receipt.as_str()).filter(|it| !it.is_empty())));
}

fn exchange(row: &Row) -> (String, String) {
    match row.exchange {
        Some(id) => (id.to_string(), format!("/ledger/receipts/{id}")),
        None => (String::new(), String::new()),
    }
}

fn resources(row: &Row) -> Json {
    Json::array(row.resources.iter().map(|(name, count)| {
        Json::object([
            ("type", Json::from(name.as_str())),
            ("words", Json::from(words::kind(name))),
            ("count", Json::from(*count)),
        ])
    }))
}

fn counted(row: &Row) -> String {
    row.resources.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
}

fn purposes(row: &Row) -> String {
    row.purposes.iter().map(|(_, code)| words::purpose(code)).collect::<Vec<_>>().join(", ")
}

fn purpose_list(row: &Row) -> Json {
    Json::array(row.purposes.iter().map(|(_, code)| {
        Json::object([("code", Json::from(code.as_str())), ("words", Json::from(words::purpose(code).as_str()))])
    }))
}

/// What decided, as one text.
fn decided(row: &Row) -> String {
    let one = |decided: &Json| {
        let text = |name: &str| decided.text_at(&[name]).unwrap_or_default().to_owned();
        match decided.get("consent") {
            Some(_) => format!("{} of {}: {}", text("title"), text("date"), text("words")),
            None => format!("{}: {}", text("rule"), text("said")),
        }
    };
    let mut parts: Vec<String> = row.decided_by.iter().map(one).collect();
    parts.extend(row.policy.map(str::to_owned));
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    if parts.len() > 1 { parts.join("; ") } else { listed(&parts) }
}

fn optional(text: Option<&str>) -> Json {
    text.map_or(Json::Null, Json::from)
}
