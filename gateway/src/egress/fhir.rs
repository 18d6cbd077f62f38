//! A partner's FHIR endpoint: a transaction Bundle by POST to its base. FHIR R4 http.html, "batch/transaction".

use std::sync::Arc;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use model::json::{Json, Limits, parse};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::send::{ANSWER_LIMIT_BYTES, Failure, Outgoing};
use crate::config::PeerAddress;

/// What the partner takes and what it is asked to answer in.
const FHIR_JSON: &str = "application/fhir+json";

/// A client of one endpoint. A connection for each message: deliveries are rare beside arrivals, and a connection kept
/// open is one more way for a message to be lost between "sent" and "taken".
#[derive(Debug, Clone)]
pub(super) struct Client {
    address: PeerAddress,
    tls: Option<Arc<ClientConfig>>,
}

impl Client {
    pub(super) fn new(address: &PeerAddress, tls: Option<Arc<ClientConfig>>) -> Self {
        Self { address: address.clone(), tls }
    }

    pub(super) async fn send(&self, outgoing: Outgoing) -> Result<(), Failure> {
        let stream = connect(&self.address).await?;
        match &self.tls {
            None => self.exchange(stream, outgoing).await,
            Some(config) => self.exchange(secure(stream, &self.address, config).await?, outgoing).await,
        }
    }

    async fn exchange<S>(&self, stream: S, outgoing: Outgoing) -> Result<(), Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|_| Failure::Broken)?;
        // Ends with the request: the sender is dropped at the end of this function.
        let driver = tokio::spawn(connection);
        let path = if self.address.path.is_empty() { "/" } else { self.address.path.as_str() };
        let request = Request::post(path)
            .header(http::header::HOST, format!("{}:{}", self.address.host, self.address.port))
            .header(CONTENT_TYPE, FHIR_JSON)
            .header(ACCEPT, FHIR_JSON)
            // What the partner has seen under this id is the same message again (RFC 9110 has no such field; it is ours).
            .header("x-request-id", outgoing.control_id)
            .body(Full::new(outgoing.bytes))
            .map_err(|_| Failure::Refused("the address is no URL path".to_owned()))?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(|_| Failure::Broken)?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_LIMIT_BYTES).collect().await;
            let body = body.map_err(|_| Failure::Garbage("a body that is too long or breaks off"))?.to_bytes();
            judge(status, &body)
        };
        let answer = answer.await;
        drop(sender);
        driver.abort();
        answer
    }
}

/// What an answer means. A transaction is answered 200 with a Bundle; a partner that only queues answers 202.
fn judge(status: StatusCode, body: &[u8]) -> Result<(), Failure> {
    match status {
        StatusCode::CREATED | StatusCode::ACCEPTED | StatusCode::NO_CONTENT => Ok(()),
        StatusCode::OK => taken(body),
        StatusCode::REQUEST_TIMEOUT
        | StatusCode::TOO_EARLY
        | StatusCode::TOO_MANY_REQUESTS
        | StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN => Err(Failure::NotNow(format!("HTTP {}", status.as_u16()))),
        // Conflicts come from concurrent writers at the partner and pass.
        StatusCode::CONFLICT => Err(Failure::NotNow("HTTP 409".to_owned())),
        status if status.is_client_error() => Err(Failure::Refused(format!("HTTP {}", status.as_u16()))),
        status if status.is_server_error() => Err(Failure::NotNow(format!("HTTP {}", status.as_u16()))),
        _ => Err(Failure::Garbage("a status that is no answer to a transaction")),
    }
}

/// Whether a body says that a transaction was done: a Bundle, or nothing in particular. A page for people, another
/// resource and an outcome that names an error come from something that is not the endpoint we mean.
fn taken(body: &[u8]) -> Result<(), Failure> {
    if body.trim_ascii().is_empty() {
        return Ok(());
    }
    let answer = parse(body, &Limits::default()).map_err(|_| Failure::Garbage("200 and no FHIR"))?;
    if answer.as_object().is_none() {
        return Err(Failure::Garbage("200 and no FHIR"));
    }
    let failed = |issue: &Json| matches!(issue.text_at(&["severity"]), Some("error" | "fatal"));
    match answer.get("resourceType").and_then(Json::as_str) {
        None | Some("Bundle") => Ok(()),
        Some("OperationOutcome") if !answer.items("issue").iter().any(failed) => Ok(()),
        Some("OperationOutcome") => Err(Failure::Garbage("200 and an outcome that names an error")),
        Some(_) => Err(Failure::Garbage("200 and another resource than a Bundle")),
    }
}

pub(super) async fn connect(address: &PeerAddress) -> Result<TcpStream, Failure> {
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await;
    let stream = stream.map_err(|error| Failure::Connect(error.kind()))?;
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

pub(super) async fn secure(
    stream: TcpStream,
    address: &PeerAddress,
    config: &Arc<ClientConfig>,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Failure> {
    let name = ServerName::try_from(address.host.clone())
        .map_err(|_| Failure::Garbage("a name that no certificate can hold"))?;
    let connector = TlsConnector::from(config.clone());
    connector.connect(name, stream).await.map_err(|error| Failure::Connect(error.kind()))
}
