//! MLLP: a connection's frames are processed and answered one after the other, connections side by side.
//!
//! HL7 Version 2 Transport Specification MLLP, Release 1; original and enhanced acknowledgement: HL7 v2.8.2 chapter 2,
//! "Message processing rules".

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant as Timer};

use formats::mllp::{Decoder, MllpError};
use rustls::ServerConfig;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

mod answer;
mod batch;
mod header;
mod peer;
#[cfg(test)]
mod tests;

pub(crate) use answer::{Answered, answered, commit_accept};

use peer::Peer;

use crate::app::App;
use crate::mllp::Place;
use crate::tls;

/// From the first byte to the end of a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const READ_BYTES: usize = 16 * 1024;

/// A bound listener.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    tls: Option<Arc<ServerConfig>>,
}

impl Listener {
    /// Binds; with `tls` every peer must show a certificate.
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

    /// Serves connections until `stop`; then every connection ends after the frames it has, within `drain`.
    pub async fn run(self, app: App, mut stop: watch::Receiver<bool>, drain: Duration) {
        let places = Arc::new(Semaphore::new(app.config.listen.connections));
        let acceptor = self.tls.map(TlsAcceptor::from);
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let accepted = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                accepted = accept(&self.socket, &places) => accepted,
            };
            let Some((stream, place)) = accepted else { continue };
            let (app, acceptor, stop) = (app.clone(), acceptor.clone(), stop.clone());
            connections.spawn(async move {
                if let Some(own) = place_of_peer(&app, &stream) {
                    connect(app, stream, acceptor, stop).await;
                    drop(own);
                }
                drop(place);
            });
        }
        drop(self.socket);
        let ended = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(drain, ended).await.is_err() {
            tracing::warn!("MLLP connections were still busy at the end of the drain time");
        }
        connections.shutdown().await;
    }
}

async fn accept(socket: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    // A place first: who gets none waits in the backlog of the system instead of being cut off.
    let place = places.clone().acquire_owned().await.ok()?;
    match socket.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            tracing::warn!(%error, "an MLLP connection was not accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

/// A place among those of the peer's address: none of them can keep all others out.
fn place_of_peer(app: &App, stream: &TcpStream) -> Option<Place> {
    let listen = &app.config.listen;
    let usual = listen.connections - listen.connections / 4;
    let name = format!("address {}", stream.peer_addr().ok()?.ip());
    let place = app.mllp.places.take(&name, listen.connections_per_peer.unwrap_or(usual));
    if place.is_none() {
        app.metrics.refusal("mllp-peer-limit");
        tracing::warn!("an MLLP peer has too many connections: one more was closed");
    }
    place
}

/// Lets the system ask, after so much silence, whether the peer is still there: one that vanished without a word (a
/// firewall that forgot the connection, a machine without power) gives its place back.
pub(crate) fn keep_alive(stream: &TcpStream, silence: Duration) {
    let interval = (silence / 4).max(Duration::from_secs(1));
    let settings =
        TcpKeepalive::new().with_time(silence.max(Duration::from_secs(1))).with_interval(interval).with_retries(4);
    if let Err(error) = SockRef::from(stream).set_tcp_keepalive(&settings) {
        tracing::debug!(%error, "no keepalive for an MLLP connection");
    }
}

async fn connect(app: App, stream: TcpStream, acceptor: Option<TlsAcceptor>, stop: watch::Receiver<bool>) {
    // Answers are small and waited for: without this each would wait for the acknowledgement of the last packet.
    let _ = stream.set_nodelay(true);
    keep_alive(&stream, app.config.listen.keepalive);
    let ended = match acceptor {
        None => serve(&app, stream, None, stop).await,
        Some(acceptor) => match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
                let certificate = shown.map(tls::fingerprint);
                serve(&app, stream, certificate, stop).await
            }
            Ok(Err(_)) | Err(_) => {
                app.metrics.refusal("mllp-handshake");
                return;
            }
        },
    };
    match ended {
        End::Closed => {}
        End::HalfFrame => {
            app.metrics.refusal("mllp-half-frame");
            tracing::warn!("an MLLP peer sent half a frame and fell silent or left");
        }
        End::Failed(error) => tracing::debug!(%error, "an MLLP connection failed"),
    }
}

enum End {
    Closed,
    HalfFrame,
    Failed(io::Error),
}

async fn serve<S>(app: &App, stream: S, certificate: Option<String>, mut stop: watch::Receiver<bool>) -> End
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let listen = &app.config.listen;
    let mut decoder = Decoder::new(listen.frame_limit_bytes);
    let mut buffer = vec![0; READ_BYTES];
    let mut peer = Peer::new(app, stream, certificate);
    let mut begun = None;
    loop {
        // Counted from the beginning of the frame: a peer that sends a byte now and then holds its place no longer.
        let patience = match (decoder.in_frame(), begun) {
            (true, Some(begun)) => listen.frame_timeout.saturating_sub(Timer::elapsed(&begun)),
            (true, None) => {
                begun = Some(Timer::now());
                listen.frame_timeout
            }
            (false, _) => {
                begun = None;
                listen.idle_timeout
            }
        };
        let read = tokio::select! {
            read = tokio::time::timeout(patience, peer.stream.read(&mut buffer)) => read,
            // Between frames there is nothing to lose; a frame that has begun is waited for.
            _ = stop.wait_for(|stop| *stop), if !decoder.in_frame() => return End::Closed,
        };
        match read {
            Ok(Ok(0)) if decoder.in_frame() => return End::HalfFrame,
            Ok(Ok(0)) => return End::Closed,
            Ok(Ok(count)) => decoder.push(buffer.get(..count).unwrap_or_default()),
            Ok(Err(error)) => return End::Failed(error),
            Err(_) if decoder.in_frame() => return End::HalfFrame,
            Err(_) => return End::Closed,
        }
        while let Some(frame) = decoder.next() {
            begun = None;
            let sent = match frame {
                Ok(frame) => peer.answer_frame(frame).await,
                Err(MllpError::Garbage { .. }) => {
                    app.metrics.refusal("mllp-garbage");
                    Ok(())
                }
                Err(error) => {
                    app.metrics.refusal("mllp-frame");
                    peer.send(answer::bad_frame(app, &error)).await
                }
            };
            if let Err(error) = sent {
                return End::Failed(error);
            }
        }
    }
}
