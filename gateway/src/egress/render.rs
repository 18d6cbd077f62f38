//! From what was permitted to the bytes a partner takes. Takes nothing but [`Release`], which only a decision makes.

use mappers::RenderContext;
use model::bundle::{Request, transaction};
use model::id::uuid_v5;
use model::json::Json;
use store::{Exchange, Exchanges};

use super::decide::Release;
use super::mllp::asking;
use super::{document, parts};
use crate::app::App;
use crate::config::{Acknowledgement, Destination, DestinationTransport};

/// How we name ourselves as sender.
const APPLICATION: &str = "ANCHORLINE";

/// Bytes for a partner, not yet recorded.
pub(super) struct Rendered {
    pub(super) parts: Vec<Vec<u8>>,
    /// MSH-10 of what is sent, to find the answer by.
    pub(super) control_id: String,
}

/// Renders, for a partner that takes at most so many bytes at a time; the same permitted content gives the same bytes, so that
/// a retry can be told from a change.
///
/// # Errors
/// One sentence for the delivery: what cannot be written in the partner's format.
pub(super) fn render(
    app: &App,
    destination: &Destination,
    exchange: &Exchange,
    release: Release,
    most_bytes: usize,
) -> Result<Rendered, &'static str> {
    let name = uuid_v5(&app.namespace, &["delivery", &destination.name, &exchange.id.to_string()]);
    let control_id: String = name.simple().to_string().chars().take(20).collect();
    let contents = release.contents.into_inner();
    let is_whole = release.decision.is_whole && !contents.iter().any(|content| content.redacted);
    let resources: Vec<Json> = contents.into_iter().map(|content| content.json).collect();
    let parts = match destination.transport {
        DestinationTransport::Fhir => parts::parts(&app.namespace, resources, &destination.fhir, most_bytes)?,
        DestinationTransport::Http => document::documents(app, destination, exchange, resources, is_whole)?,
        DestinationTransport::Mllp => {
            let requests: Option<Vec<Request>> = resources.into_iter().map(Request::put).collect();
            let bundle = transaction(requests.ok_or("a resource without type or id")?);
            let (code, trigger) = message_type(app, exchange);
            let set = app.packages.current();
            let writer = set.packages().select_writer(&destination.packages, &bundle);
            let package = writer.map_err(|_| "no package writes HL7 v2")?;
            let context = RenderContext {
                message_code: code,
                trigger,
                sending_application: APPLICATION.to_owned(),
                control_id: control_id.clone(),
                time: Some(exchange.received),
                version: destination.hl7_version.clone().unwrap_or_default(),
                delimiters: destination.hl7_delimiters,
                authorities: authorities(app, destination, exchange),
                ..RenderContext::default()
            };
            let bytes = package.render(&bundle, &context).bytes;
            vec![match destination.mllp.acknowledgement {
                Acknowledgement::Original => bytes,
                Acknowledgement::Enhanced(application) => asking(&bytes, "AL", application.as_str()),
            }]
        }
    };
    Ok(Rendered { parts, control_id })
}

/// The receiver's own names, then those by which the source was read.
pub(super) fn authorities(app: &App, destination: &Destination, exchange: &Exchange) -> Vec<(String, String)> {
    let source = app.config.source(&exchange.source);
    destination.authorities.iter().chain(source.iter().flat_map(|source| &source.authorities)).cloned().collect()
}

/// The type of the message that came in; what came as FHIR lets the package choose.
fn message_type(app: &App, exchange: &Exchange) -> (String, String) {
    if exchange.format != "hl7v2" {
        return (String::new(), String::new());
    }
    let raw = app.store.raw(&exchange.id).ok().flatten().unwrap_or_default();
    match formats::hl7v2::Message::parse(&raw) {
        Ok(parsed) => (parsed.message.message_code(), parsed.message.trigger()),
        Err(_) => (String::new(), String::new()),
    }
}
