//! Fetching files of a log over HTTP(S), one after the other on one connection.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::Failure;
use crate::tls;

/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Largest file of a log: an entry bundle of 256 entries of 64 KiB.
const BODY_LIMIT_BYTES: usize = 256 * (1 << 16) + (1 << 16);

/// A log's address, with a connection to it.
pub(crate) struct Remote {
    runtime: tokio::runtime::Runtime,
    base: Uri,
    authorities: Option<std::path::PathBuf>,
    connection: Option<SendRequest<Empty<Bytes>>>,
}

/// Why a file was not fetched. Names no content.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct FetchError(String);

impl Remote {
    /// A log served under `base`, such as `https://localhost:8443/ledger`.
    ///
    /// # Errors
    /// If it is no address.
    pub(crate) fn new(base: &str, authorities: Option<&Path>) -> Result<Self, Failure> {
        let base: Uri = base.trim_end_matches('/').parse().map_err(|_| {
            Failure::usage("--log: expected a directory or an address such as https://host:8443/ledger")
        })?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::refused)?;
        Ok(Self { runtime, base, authorities: authorities.map(Path::to_owned), connection: None })
    }

    /// The file at a path of the log; `None` if there is none.
    pub(crate) fn fetch(&mut self, path: &str) -> Result<Option<Bytes>, FetchError> {
        let (base, authorities) = (self.base.clone(), self.authorities.clone());
        let connection = &mut self.connection;
        self.runtime.block_on(async {
            tokio::time::timeout(TIMEOUT, get(connection, &base, authorities.as_deref(), path))
                .await
                .map_err(|_| FetchError(format!("no answer within {} s", TIMEOUT.as_secs())))?
        })
    }
}

async fn get(
    connection: &mut Option<SendRequest<Empty<Bytes>>>,
    base: &Uri,
    authorities: Option<&Path>,
    path: &str,
) -> Result<Option<Bytes>, FetchError> {
    let mut sender = match connection.take() {
        Some(sender) if !sender.is_closed() => sender,
        _ => connect(base, authorities).await?,
    };
    sender.ready().await.map_err(said)?;
    let authority = base.authority().map(|authority| authority.as_str()).unwrap_or_default();
    let request = Request::get(format!("{}/{path}", base.path().trim_end_matches('/')))
        .header(header::HOST, authority)
        .body(Empty::new())
        .map_err(said)?;
    let answer = sender.send_request(request).await.map_err(said)?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), BODY_LIMIT_BYTES).collect().await.map_err(said)?.to_bytes();
    *connection = Some(sender);
    match status {
        StatusCode::OK => Ok(Some(body)),
        StatusCode::NOT_FOUND => Ok(None),
        other => Err(FetchError(format!("the server answered {other}"))),
    }
}

async fn connect(base: &Uri, authorities: Option<&Path>) -> Result<SendRequest<Empty<Bytes>>, FetchError> {
    let host = base.host().ok_or_else(|| FetchError("the address names no host".into()))?.to_owned();
    let secure = match base.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(FetchError("expected an address beginning with https:// or http://".into())),
    };
    let port = base.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await.map_err(said)?;
    if !secure {
        return begin(stream).await;
    }
    let config = tls::client(authorities).map_err(said)?;
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(said)?;
    let stream = tokio_rustls::TlsConnector::from(Arc::clone(&config)).connect(name, stream).await.map_err(said)?;
    begin(stream).await
}

async fn begin(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<SendRequest<Empty<Bytes>>, FetchError> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(said)?;
    // It ends with the runtime, which lives as long as the one command.
    tokio::spawn(connection);
    Ok(sender)
}

fn said(error: impl std::fmt::Display) -> FetchError {
    FetchError(error.to_string())
}
