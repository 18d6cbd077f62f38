//! A commit of the emergency path as an entry of the emergency journal, and back: JSON, so that a person can read what a
//! refused store still owes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use model::json::{Json, Limits, Object, parse};
use model::time::Instant;
use store::{
    Arrival, Author, Commit, ExchangeChange, ExchangeId, ExchangeKind, ExchangeState, Expect, Grant, GrantChange,
    IndexRow, NewLedgerRecord, NewVersion, RowKind, Salt, Stage, StateChange,
};

#[cfg(test)]
mod tests;

/// The commit as text. Only what the emergency path puts into a commit is carried.
pub(super) fn write(commit: &Commit) -> Vec<u8> {
    let mut entry = Object::new();
    entry.insert("v", 1_u64);
    entry.insert("resources", Json::array(commit.resources.iter().map(resource)));
    if let Some(ExchangeChange { id, arrival: Some(arrival), patient, stages, .. }) = commit.exchanges.first() {
        let mut exchange = Object::new();
        exchange.insert("id", id.to_string());
        exchange.insert("use", matches!(arrival.kind, ExchangeKind::EmergencyUse));
        exchange.insert("source", arrival.source.as_str());
        exchange.insert("received", number(arrival.received));
        exchange.insert("raw", STANDARD.encode(&arrival.raw));
        exchange.insert("sha256", STANDARD.encode(arrival.sha256));
        exchange.insert("patient", patient.as_deref().unwrap_or_default());
        let outcome = stages.first().map_or("", |stage| stage.outcome.as_str());
        exchange.insert("stage", stages.first().map_or("", |stage| stage.name.as_str()));
        exchange.insert("outcome", outcome);
        entry.insert("exchange", exchange);
    }
    entry.insert("ledger", Json::array(commit.ledger.iter().map(record)));
    entry.insert("grants", Json::array(commit.grants.iter().map(change)));
    Json::from(entry).to_bytes()
}

/// The commit of an entry; `None` if it is none of ours.
pub(super) fn read(bytes: &[u8]) -> Option<Commit> {
    let entry = parse(bytes, &Limits::default()).ok()?;
    let mut commit = Commit::default();
    for item in entry.items("resources") {
        let body = text(item, "body")?;
        let resource_type = text(item, "type")?;
        // Rows are made anew: a journal of an older release then follows the rows of this one.
        let mut index = crate::index::rows(&parse(body.as_bytes(), &Limits::default()).ok()?);
        // Not in the body: that the person has searched counts for the limit.
        let searched = item.get("searched").and_then(Json::as_str).and_then(|value| STANDARD.decode(value).ok());
        index.extend(searched.map(|value| IndexRow {
            param: crate::index::searched_param(),
            value,
            kind: RowKind::Key,
        }));
        commit.resources.push(NewVersion {
            resource_type,
            id: text(item, "id")?,
            // Replayed again after a crash, the same ids stand there already: nothing is written twice.
            expect: Expect::Absent,
            body: Bytes::from(body),
            index,
            patients: item.items("patients").iter().filter_map(Json::as_str).map(str::to_owned).collect(),
            deleted: false,
            author: Author {
                source: text(item, "author")?,
                exchange: item.get("exchange").and_then(Json::as_str).and_then(ExchangeId::parse),
            },
            skip_unchanged: false,
            method: store::Method::Put,
            lean: false,
        });
    }
    if let Some(item) = entry.get("exchange") {
        let received = instant(item, "received")?;
        let arrival = Arrival {
            kind: match item.get("use").and_then(Json::as_bool)? {
                true => ExchangeKind::EmergencyUse,
                false => ExchangeKind::Emergency,
            },
            source: text(item, "source")?,
            format: "application/json".to_owned(),
            received,
            message_control_id: None,
            sending_application: None,
            sending_facility: None,
            raw: Bytes::from(binary(item, "raw")?),
            sha256: binary(item, "sha256")?.try_into().ok()?,
        };
        let mut change = ExchangeChange::open(ExchangeId::parse(item.get("id")?.as_str()?)?, arrival);
        change.state = Some(StateChange::Set(ExchangeState::Done));
        change.patient = text(item, "patient").filter(|id| !id.is_empty());
        change.stages.push(Stage { name: text(item, "stage")?, at: received, outcome: text(item, "outcome")? });
        commit.exchanges.push(change);
    }
    for item in entry.items("ledger") {
        let salt = |salt: &Json| Some(Salt { label: text(salt, "label")?, salt: Bytes::from(binary(salt, "salt")?) });
        commit.ledger.push(NewLedgerRecord {
            exchange: ExchangeId::parse(item.get("exchange")?.as_str()?)?,
            bytes: Bytes::from(binary(item, "bytes")?),
            salts: item.items("salts").iter().map(salt).collect::<Option<_>>()?,
        });
    }
    for item in entry.items("grants") {
        commit.grants.push(match item.get("ended") {
            Some(_) => GrantChange::End { id: text(item, "id")?, at: instant(item, "ended")? },
            None => GrantChange::Open(Grant {
                id: text(item, "id")?,
                patient: text(item, "patient")?,
                person: text(item, "person")?,
                holder: text(item, "holder")?,
                declared: instant(item, "declared")?,
                expires: instant(item, "expires")?,
                ended: None,
                exchange: ExchangeId::parse(item.get("exchange")?.as_str()?)?,
                detail: text(item, "detail")?,
            }),
        });
    }
    Some(commit)
}

fn resource(version: &NewVersion) -> Json {
    let mut item = Object::new();
    item.insert("type", version.resource_type.as_str());
    item.insert("id", version.id.as_str());
    item.insert("body", String::from_utf8_lossy(&version.body).as_ref());
    item.insert("patients", Json::array(version.patients.iter().map(|id| Json::from(id.as_str()))));
    item.insert("author", version.author.source.as_str());
    if let Some(row) = version.index.iter().find(|row| row.param == crate::index::searched_param()) {
        item.insert("searched", STANDARD.encode(&row.value));
    }
    if let Some(exchange) = version.author.exchange {
        item.insert("exchange", exchange.to_string());
    }
    item.into()
}

fn record(record: &NewLedgerRecord) -> Json {
    let salt = |salt: &Salt| {
        Json::object([
            ("label", Json::from(salt.label.as_str())),
            ("salt", Json::from(STANDARD.encode(&salt.salt).as_str())),
        ])
    };
    Json::object([
        ("exchange", Json::from(record.exchange.to_string().as_str())),
        ("bytes", Json::from(STANDARD.encode(&record.bytes).as_str())),
        ("salts", Json::array(record.salts.iter().map(salt))),
    ])
}

fn change(change: &GrantChange) -> Json {
    let mut item = Object::new();
    match change {
        GrantChange::Open(grant) => {
            item.insert("id", grant.id.as_str());
            item.insert("patient", grant.patient.as_str());
            item.insert("person", grant.person.as_str());
            item.insert("holder", grant.holder.as_str());
            item.insert("declared", number(grant.declared));
            item.insert("expires", number(grant.expires));
            item.insert("exchange", grant.exchange.to_string());
            item.insert("detail", grant.detail.as_str());
        }
        GrantChange::End { id, at } => {
            item.insert("id", id.as_str());
            item.insert("ended", number(*at));
        }
    }
    item.into()
}

fn number(at: Instant) -> Json {
    Json::from(at.to_rfc3339().as_str())
}

fn instant(item: &Json, name: &str) -> Option<Instant> {
    Instant::parse(item.get(name)?.as_str()?).ok()
}

fn text(item: &Json, name: &str) -> Option<String> {
    item.get(name)?.as_str().map(str::to_owned)
}

fn binary(item: &Json, name: &str) -> Option<Vec<u8>> {
    STANDARD.decode(item.get(name)?.as_str()?).ok()
}
