//! The HTTP listener: TCP, TLS, HTTP/1.1 and HTTP/2, each with its time-outs, and an orderly end.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::{Service, ServiceExt};

use crate::layers::Response;

/// The names a TLS client may choose from, best first (RFC 7301).
pub const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// From the first byte to the end of a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// From the start of a request's head to its end; also how long an idle connection is kept.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// An HTTP/2 peer that does not answer a ping for this long is gone.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// Open connections at once; more wait in the backlog of the system.
const CONNECTIONS: usize = 4096;
/// Requests at once on one HTTP/2 connection.
const STREAMS: u32 = 128;
/// Bytes of all header fields of one request.
const HEADER_BYTES: u32 = 32 * 1024;

/// Who is at the other end of a connection; travels as an extension of the request.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Address and port.
    pub address: SocketAddr,
    /// SHA-256 of the client's certificate, if it showed one.
    pub certificate: Option<String>,
    /// Whether the connection is TLS.
    pub secure: bool,
}

/// A bound listener.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    tls: Option<Arc<ServerConfig>>,
}

impl Listener {
    /// Binds. Without `tls` it speaks plain HTTP, which the configuration allows on loopback alone.
    ///
    /// # Errors
    /// What the system says, such as an address in use.
    pub async fn bind(address: SocketAddr, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        Ok(Self { socket: TcpListener::bind(address).await?, tls })
    }

    /// The address bound, with the real port.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Answers requests until `stop` completes; then takes no more, lets those begun end within `drain`, and returns.
    pub async fn run<S>(self, service: S, stop: impl Future<Output = ()> + Send, drain: Duration)
    where
        S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
    {
        let Self { socket, tls } = self;
        let acceptor = tls.map(TlsAcceptor::from);
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            // Ended connections are taken off the set as we go, else it would grow for ever.
            while connections.try_join_next().is_some() {}
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = accept(&socket, &places) => accepted,
            };
            let Some((stream, address, place)) = accepted else { continue };
            connections.spawn(connection(
                stream,
                address,
                acceptor.clone(),
                service.clone(),
                graceful.watcher(),
                place,
            ));
        }
        drop(socket);
        if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() {
            tracing::warn!("requests were still open at the end of the drain time");
        }
        connections.shutdown().await;
    }
}

async fn accept(
    socket: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.ok()?;
    match socket.accept().await {
        Ok((stream, address)) => Some((stream, address, place)),
        Err(error) => {
            // Out of file descriptors, or the peer has gone: wait a moment, else this loop takes a whole core.
            tracing::warn!(%error, "a connection was not accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

async fn connection<S>(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    service: S,
    watcher: hyper_util::server::graceful::Watcher,
    place: OwnedSemaphorePermit,
) where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    // Answers are small and whole; waiting to fill a packet only adds delay.
    let _ = stream.set_nodelay(true);
    match acceptor {
        None => serve(TokioIo::new(stream), Peer { address, certificate: None, secure: false }, service, watcher).await,
        Some(acceptor) => {
            let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await else {
                return;
            };
            let certificate =
                stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).map(crate::tls::fingerprint);
            serve(TokioIo::new(stream), Peer { address, certificate, secure: true }, service, watcher).await;
        }
    }
    drop(place);
}

async fn serve<I, S>(io: I, peer: Peer, service: S, watcher: hyper_util::server::graceful::Watcher)
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let service = service.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        request
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // hyper has no time-outs until it has a timer, and panics on a header time-out without one.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(64 * 1024)
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_INTERVAL)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADER_BYTES);
    let connection = builder.serve_connection(io, TowerToHyperService::new(service)).into_owned();
    // An error here is the peer's: it went away or spoke no HTTP. The requests were logged above it.
    let _ = watcher.watch(connection).await;
}

#[cfg(test)]
mod tests;
