//! For operators: whether the process lives, whether it takes work, and what it counts. Nothing of a patient.

use http::StatusCode;
use model::json::{Json, Object};
use store::{LedgerQueue, Outbox};

use crate::api::outcome::Failure;
use crate::api::{Call, Who, answer};
use crate::app::App;
use crate::config::{AuthMode, Labelling};
use crate::emergency::reviews;
use crate::layers::Response;
use crate::metrics::Gauge;
use crate::sealing::Status;

/// `GET /health/live`: the process answers.
pub(crate) fn live() -> Response {
    answer::json(StatusCode::OK, &Json::object([("status", Json::from("live"))]))
}

/// `GET /health/ready`: 200 when work is taken in, 503 with the reason when not.
pub(crate) fn ready(app: &App) -> Response {
    let mut problems = Vec::new();
    let sealing = match app.ledger.status() {
        Status::On => "on",
        Status::Off => "off",
        Status::CatchingUp => "catching-up",
        Status::Late(_) => "late",
        Status::Refusing(_) => {
            problems.push("the ledger refuses to seal until an operator decides".to_owned());
            "refusing"
        }
    };
    if app.emergency.has_unwritten() {
        problems.push("an emergency access could be recorded in the log alone".to_owned());
    }
    if app.store.pending("").is_err() {
        problems.push("the store does not answer".to_owned());
    }
    if let Some(reason) = app.store.refusal() {
        problems.push(format!("nothing is taken in: {reason}"));
    }
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut body = Object::new();
    body.insert("status", if problems.is_empty() { "ready" } else { "not-ready" });
    body.insert("sealing", sealing);
    body.insert(
        "auth",
        match app.config.auth.mode {
            AuthMode::Open => "open: access control is off",
            AuthMode::Development => "development",
            AuthMode::Smart => "smart",
        },
    );
    let labelling = match app.config.consent.labelling {
        Labelling::Complete => "complete",
        Labelling::Map => "map",
        Labelling::Unavailable => "unavailable",
    };
    body.insert("labelling", labelling);
    if app.config.consent.labelling == Labelling::Map {
        body.insert("sensitivity_map", crate::sensitivity::described(&app.sensitivity));
    }
    // Time stands until the machine has caught up: nothing that is over comes back, so work goes on.
    if app.steady.is_behind() {
        body.insert("clock", "behind: the clock of the machine was set back");
    }
    // No reason to take nothing in: the packages before go on.
    let faults = app.packages.faults();
    if !faults.is_empty() {
        body.insert("packages", format!("{} errors: those before stay in use, see /packages", faults.len()));
    }
    // No reason to take nothing in: until it is done, rows of older versions are made when they are read.
    body.insert("search_parameters", app.parameters.status());
    let waiting = app.emergency.waiting();
    if waiting > 0 {
        body.insert("emergency_journal", format!("{waiting} entries wait for the store"));
    }
    // No reason to take nothing in, but somebody has to close them: see /emergency/reviews.
    let reviews = reviews::count(&app.emergency, &app.store, app.clock.now()).unwrap_or_default();
    if reviews.overdue > 0 {
        body.insert("emergency_reviews", format!("{} of {} open reviews are overdue", reviews.overdue, reviews.open));
    }
    if !problems.is_empty() {
        body.insert("problems", Json::array(problems.into_iter().map(Json::from)));
    }
    answer::json(status, &body.into())
}

/// `GET /metrics`: from this machine, or by an administrator.
pub(crate) fn metrics(call: &Call, who: &Who) -> Result<Response, Failure> {
    if who.caller().is_some() {
        who.must(auth::Action::Metrics)?;
    }
    let app = &call.app;
    let waiting = app.config.destinations.iter().filter_map(|it| app.store.pending(&it.name).ok()).sum();
    let now = app.clock.now();
    let reviews = reviews::count(&app.emergency, &app.store, now).unwrap_or_default();
    let grants = reviews::open_grants(&app.store, now).unwrap_or_default();
    let gauges = [
        Gauge { name: "outbox_waiting", help: "Deliveries waiting, over all destinations.", value: waiting },
        Gauge { name: "ledger_records", help: "Records in the ledger, sealed or not.", value: app.store.ledger_size() },
        Gauge { name: "ledger_sealed", help: "Records under the last checkpoint.", value: app.ledger.sealed_size() },
        Gauge { name: "emergency_grants_open", help: "Emergency accesses that are open.", value: grants },
        Gauge { name: "emergency_reviews_open", help: "Emergency accesses nobody has reviewed.", value: reviews.open },
        Gauge {
            name: "emergency_reviews_overdue",
            help: "Reviews of emergency accesses that should have been done.",
            value: reviews.overdue,
        },
        Gauge {
            name: "emergency_journal_entries",
            help: "Emergency records that stand in the journal alone.",
            value: app.emergency.waiting() as u64,
        },
    ];
    Ok(answer::bytes(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", app.metrics.render(&gauges)))
}
