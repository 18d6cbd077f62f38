//! How the demonstration talks to the gateway: over the network, as a hospital, a browser or an ambulance would.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use formats::hl7v2::Message;
use formats::mllp::{Decoder, encode};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use model::json::{Json, Limits, parse};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Unmet;
use crate::tls;

/// Longest wait for one answer: a slow disk under a debug build.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const ANSWER_LIMIT_BYTES: usize = 16 << 20;

/// An answer over HTTP.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// The answer itself if its status is the one expected.
    pub(super) fn with_status(self, status: u16, what: &str) -> Result<Self, Unmet> {
        if self.status == status {
            return Ok(self);
        }
        let said = self.diagnostics();
        Err(Unmet::new(format!("HTTP {status} to {what}"), format!("HTTP {} {said}", self.status)))
    }

    pub(super) fn json(&self) -> Result<Json, Unmet> {
        parse(&self.body, &Limits::default()).map_err(|error| Unmet::new("an answer in JSON", error))
    }

    /// A header's value; empty without one.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// What the first issue of an OperationOutcome says; empty for another answer.
    pub(super) fn diagnostics(&self) -> String {
        let outcome = self.json().unwrap_or(Json::Null);
        let issue = outcome.items("issue").first();
        issue.and_then(|issue| issue.text_at(&["diagnostics"])).unwrap_or_default().to_owned()
    }
}

/// What is sent besides method and path.
#[derive(Debug, Default)]
pub(super) struct Content<'a> {
    pub(super) token: Option<&'a str>,
    pub(super) media_type: &'a str,
    pub(super) body: Bytes,
}

/// A client of one of the gateway's listeners.
#[derive(Debug, Clone)]
pub(super) struct Http {
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
}

impl Http {
    pub(super) fn plain(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }

    /// Trusts the gateway's own certificate and nothing besides.
    pub(super) fn secure(address: SocketAddr, certificate: &Path) -> Result<Self, Unmet> {
        let tls = tls::client(Some(certificate)).map_err(|error| Unmet::new("the gateway's certificate", error))?;
        Ok(Self { address, tls: Some(tls) })
    }

    pub(super) async fn get(&self, path: &str, token: Option<&str>) -> Result<Answer, Unmet> {
        self.send(Method::GET, path, Content { token, ..Content::default() }).await
    }

    pub(super) async fn send(&self, method: Method, path: &str, content: Content<'_>) -> Result<Answer, Unmet> {
        let what = format!("an answer to {method} {path}");
        let mut request =
            Request::builder().method(method).uri(path).header(HOST, format!("localhost:{}", self.address.port()));
        if let Some(token) = content.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if !content.body.is_empty() {
            request = request.header(CONTENT_TYPE, content.media_type);
        }
        let request = request.body(Full::new(content.body)).map_err(|error| Unmet::new("a request", error))?;
        match tokio::time::timeout(ANSWER_TIMEOUT, self.exchange(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Unmet::new(what, error)),
            Err(_) => Err(Unmet::new(what, format!("none within {} s", ANSWER_TIMEOUT.as_secs()))),
        }
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => ask(stream, request).await,
            Some(config) => {
                let name = ServerName::try_from("localhost")?;
                ask(TlsConnector::from(Arc::clone(config)).connect(name, stream).await?, request).await
            }
        }
    }
}

async fn ask<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = Limited::new(response.into_body(), ANSWER_LIMIT_BYTES).collect().await?.to_bytes();
    driver.abort();
    Ok(Answer { status, headers, body })
}

/// What an HL7 v2 acknowledgement says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Acknowledged {
    /// The whole answer.
    pub(super) bytes: Vec<u8>,
    /// MSA-1: `AA`, `AE`, `AR`.
    pub(super) code: String,
    /// The id of the exchange in MSA-3.
    pub(super) exchange: String,
    /// ERR-8 of the first ERR: why not.
    pub(super) reason: String,
}

/// Sends one message in an MLLP frame and reads its acknowledgement.
pub(super) async fn mllp(address: SocketAddr, message: &[u8]) -> Result<Acknowledged, Unmet> {
    match tokio::time::timeout(ANSWER_TIMEOUT, frame(address, message)).await {
        Ok(Ok(answer)) => acknowledged(answer),
        Ok(Err(error)) => Err(Unmet::new("an HL7 v2 acknowledgement", error)),
        Err(_) => Err(Unmet::new("an HL7 v2 acknowledgement", format!("none within {} s", ANSWER_TIMEOUT.as_secs()))),
    }
}

async fn frame(address: SocketAddr, message: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(&encode(message)).await?;
    let mut decoder = Decoder::new(ANSWER_LIMIT_BYTES);
    let mut buffer = vec![0; 4096];
    loop {
        if let Some(frame) = decoder.next() {
            return frame.map_err(std::io::Error::other);
        }
        match stream.read(&mut buffer).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            count => decoder.push(buffer.get(..count).unwrap_or_default()),
        }
    }
}

fn acknowledged(bytes: Vec<u8>) -> Result<Acknowledged, Unmet> {
    let parsed = Message::parse(&bytes).map_err(|error| Unmet::new("an HL7 v2 acknowledgement", error))?;
    let field = |segment: &str, number: usize| {
        parsed.message.segment(segment).map(|segment| segment.field(number).text().into_owned()).unwrap_or_default()
    };
    let text = field("MSA", 3);
    let exchange = text.rsplit_once("exchange ").map(|(_, id)| id.to_owned()).unwrap_or_default();
    // Before v2.5 an ERR has one field only; what it says stands in MSA-3 then.
    let reason = Some(field("ERR", 8)).filter(|reason| !reason.is_empty()).unwrap_or(text);
    let code = field("MSA", 1);
    Ok(Acknowledged { bytes, code, exchange, reason })
}
