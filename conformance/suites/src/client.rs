//! The HTTP client of the suites: one request, one answer, both kept for the report.
//!
//! No redirects are followed and nothing is sent twice: a suite judges what the server answered the first time.
//! Bodies and waits are bounded. A bearer token goes to the servers named on the command line and to no other, wherever
//! a link in an answer may point.

mod curl;
mod tls;
pub mod url;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Uri, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

pub(crate) use curl::INLINE_BODY_BYTES;
pub use curl::Mask;
pub use tls::TlsError;

#[cfg(test)]
mod tests;

/// Connections kept open to one server while nobody uses them.
const IDLE_CONNECTIONS: usize = 16;

/// How the client reaches servers.
#[derive(Clone, Debug)]
pub struct Options {
    /// Longest wait for a whole answer, connecting included.
    pub timeout: Duration,
    /// Largest body that is read.
    pub body_limit_bytes: usize,
    /// A file of certificates to trust instead of the machine's own.
    pub authorities: Option<PathBuf>,
    /// A client certificate and its key, both PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Takes any certificate, of servers on loopback only.
    pub insecure: bool,
    /// Sent to the servers under test.
    pub bearer: Option<String>,
    /// Sent with every request to the servers under test.
    pub headers: Vec<(String, String)>,
    /// The servers under test: their addresses as given.
    pub bases: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            body_limit_bytes: 64 << 20,
            authorities: None,
            identity: None,
            insecure: false,
            bearer: None,
            headers: Vec::new(),
            bases: Vec::new(),
        }
    }
}

/// What is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST` …
    pub method: String,
    /// The whole address.
    pub url: String,
    /// Names as written, with their values.
    pub headers: Vec<(String, String)>,
    /// Empty for none.
    pub body: Bytes,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        Self { method: method.to_owned(), url: url.into(), ..Self::default() }
    }

    /// The request with one header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The request with a body of this type.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header("Content-Type", content_type)
    }

    /// The first header of that name.
    pub fn header_value(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The media type without parameters, in lower case; empty if none is given.
    pub fn media_type(&self) -> String {
        media_type(self.header("content-type").unwrap_or_default())
    }
}

/// The media type in a header's value: without parameters, in lower case.
pub(crate) fn media_type(value: &str) -> String {
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Why there is no answer. Quotes nothing of a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// Fault of whoever wrote the address, method or header.
    #[error("expected {0}")]
    Request(&'static str),
    /// The server is not there or does not speak TLS as expected.
    #[error("no connection: {0}")]
    Connect(String),
    /// The connection ended or broke before the answer was whole.
    #[error("no whole answer: {0}")]
    Answer(String),
    /// Nothing within the time allowed.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// More bytes than the limit.
    #[error("a body of more than {0} bytes")]
    TooLarge(usize),
}

/// A request with what came of it.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// As sent, with the headers that the client adds, secrets masked by whoever prints it.
    pub request: Request,
    /// The answer, or why there is none.
    pub answer: Result<Answer, HttpError>,
    /// How long it took.
    pub took: Duration,
}

impl Exchange {
    /// The status; `None` without an answer.
    pub fn status(&self) -> Option<u16> {
        self.answer.as_ref().ok().map(|answer| answer.status)
    }
}

type Sender = SendRequest<Full<Bytes>>;

/// A client. Cheap to share: connections are kept and used again.
pub struct Client {
    options: Options,
    authorities: Vec<String>,
    tls: Arc<ClientConfig>,
    insecure_tls: Option<Arc<ClientConfig>>,
    idle: Mutex<HashMap<String, Vec<Sender>>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("authorities", &self.authorities).finish_non_exhaustive()
    }
}

impl Client {
    /// Reads the certificates named by the options.
    ///
    /// # Errors
    /// [`TlsError`] naming the file that holds no certificate or key.
    pub fn new(options: Options) -> Result<Self, TlsError> {
        let tls = tls::config(options.authorities.as_deref(), options.identity.as_ref())?;
        let insecure_tls = if options.insecure { Some(tls::insecure(options.identity.as_ref())?) } else { None };
        let authorities = options.bases.iter().filter_map(|base| authority(base)).collect();
        Ok(Self { options, authorities, tls, insecure_tls, idle: Mutex::new(HashMap::new()) })
    }

    /// The options as given.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// What hides the secrets of these options in a report.
    pub fn mask(&self) -> Mask {
        Mask::new(&self.options)
    }

    /// Sends a request and waits for the whole answer. Cancel safe in that nothing but the connection is lost.
    pub async fn send(&self, request: Request) -> Arc<Exchange> {
        let started = Instant::now();
        let request = self.complete(request);
        let answer = match tokio::time::timeout(self.options.timeout, Box::pin(self.exchange(&request))).await {
            Ok(answer) => answer,
            Err(_) => Err(HttpError::Timeout(self.options.timeout)),
        };
        Arc::new(Exchange { request, answer, took: started.elapsed() })
    }

    /// Adds what every request to a server under test carries, unless the request says otherwise itself.
    fn complete(&self, mut request: Request) -> Request {
        let ours = authority(&request.url).is_some_and(|name| self.authorities.contains(&name));
        if ours {
            for (name, value) in &self.options.headers {
                if request.header_value(name).is_none() {
                    request.headers.push((name.clone(), value.clone()));
                }
            }
            if let Some(token) = &self.options.bearer
                && request.header_value("authorization").is_none()
            {
                request.headers.push(("Authorization".to_owned(), format!("Bearer {token}")));
            }
        }
        // A request can ask to be anonymous: an empty value is no header.
        request.headers.retain(|(_, value)| !value.is_empty());
        request
    }

    async fn exchange(&self, request: &Request) -> Result<Answer, HttpError> {
        let uri: Uri = request.url.parse().map_err(|_| HttpError::Request("an address that is a URL"))?;
        let key = authority(&request.url).ok_or(HttpError::Request("an address of http:// or https://"))?;
        let mut message = message(request, &uri)?;
        while let Some(mut sender) = self.take_idle(&key) {
            if sender.is_closed() || sender.ready().await.is_err() {
                continue;
            }
            match sender.try_send_request(message).await {
                Ok(answer) => return self.finish(key, sender, answer).await,
                Err(mut error) => match error.take_message() {
                    // The kept connection had ended: the request was never written, so this sends it once.
                    Some(unsent) => message = unsent,
                    None => return Err(HttpError::Answer(said(&error.into_error()))),
                },
            }
        }
        let mut sender = self.connect(&uri).await?;
        sender.ready().await.map_err(|error| HttpError::Connect(said(&error)))?;
        let answer = sender.send_request(message).await.map_err(|error| HttpError::Answer(said(&error)))?;
        self.finish(key, sender, answer).await
    }

    async fn finish(
        &self,
        key: String,
        sender: Sender,
        answer: http::Response<hyper::body::Incoming>,
    ) -> Result<Answer, HttpError> {
        let (head, body) = answer.into_parts();
        let limit = self.options.body_limit_bytes;
        let body = Limited::new(body, limit).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                HttpError::TooLarge(limit)
            } else {
                HttpError::Answer(error.to_string())
            }
        })?;
        self.keep_idle(key, sender);
        let headers = head
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        Ok(Answer { status: head.status.as_u16(), headers, body: body.to_bytes() })
    }

    fn take_idle(&self, key: &str) -> Option<Sender> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).get_mut(key)?.pop()
    }

    fn keep_idle(&self, key: String, sender: Sender) {
        if sender.is_closed() {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.entry(key).or_default();
        if kept.len() < IDLE_CONNECTIONS {
            kept.push(sender);
        }
    }

    async fn connect(&self, uri: &Uri) -> Result<Sender, HttpError> {
        let host = uri.host().ok_or(HttpError::Request("an address that names a host"))?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let secure = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let failed = |error: std::io::Error| HttpError::Connect(error.to_string());
        let stream = TcpStream::connect((host.as_str(), port)).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        if !secure {
            return begin(stream).await;
        }
        let loopback = stream.peer_addr().map_err(failed)?.ip().is_loopback();
        let config = match &self.insecure_tls {
            Some(insecure) if loopback => insecure,
            _ => &self.tls,
        };
        let name = ServerName::try_from(host).map_err(|_| HttpError::Request("a host name that TLS can check"))?;
        let stream = tokio_rustls::TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
        begin(stream.map_err(failed)?).await
    }
}

async fn begin(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Sender, HttpError> {
    let (sender, connection) =
        handshake(TokioIo::new(stream)).await.map_err(|error| HttpError::Connect(said(&error)))?;
    // It ends with its sender, which the client owns.
    tokio::spawn(connection);
    Ok(sender)
}

fn message(request: &Request, uri: &Uri) -> Result<http::Request<Full<Bytes>>, HttpError> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
    // What stands before an `@` is a secret and no part of the Host header (RFC 9110, "Host and :authority").
    let host = host.rsplit('@').next().unwrap_or_default();
    let mut builder = http::Request::builder().method(request.method.as_str()).uri(path).header(header::HOST, host);
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    if request.header_value("user-agent").is_none() {
        builder = builder.header(header::USER_AGENT, concat!("anchorline-conformance/", env!("CARGO_PKG_VERSION")));
    }
    builder
        .body(Full::new(request.body.clone()))
        .map_err(|_| HttpError::Request("a method and headers that HTTP allows"))
}

/// `scheme://host:port` of an address, in lower case.
pub(crate) fn authority(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let scheme = uri.scheme_str()?;
    let port = uri.port_u16().unwrap_or(match scheme {
        "https" => 443,
        "http" => 80,
        _ => return None,
    });
    Some(format!("{scheme}://{}:{port}", uri.host()?.to_ascii_lowercase()))
}

fn said(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
