//! MLLP: a connection's frames are processed and answered one after the other, connections side by side.
//!
//! HL7 Version 2 Transport Specification MLLP, Release 1; original and enhanced acknowledgement: HL7 v2.8.2 chapter 2,
//! "Message processing rules".

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use formats::mllp::{Decoder, MllpError, encode};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

mod answer;
mod header;
#[cfg(test)]
mod tests;

use header::Header;

use crate::app::App;
use crate::pipeline::{self, Accepted, Inbound, Transport};
use crate::tls;

/// From the first byte to the end of a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A peer that does not read its answers for this long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
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
                connect(app, stream, acceptor, stop).await;
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

async fn connect(app: App, stream: TcpStream, acceptor: Option<TlsAcceptor>, stop: watch::Receiver<bool>) {
    // Answers are small and waited for: without this each would wait for the acknowledgement of the last packet.
    let _ = stream.set_nodelay(true);
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

async fn serve<S>(app: &App, mut stream: S, certificate: Option<String>, mut stop: watch::Receiver<bool>) -> End
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let listen = &app.config.listen;
    let mut decoder = Decoder::new(listen.frame_limit_bytes);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let patience = if decoder.in_frame() { listen.frame_timeout } else { listen.idle_timeout };
        let read = tokio::select! {
            read = tokio::time::timeout(patience, stream.read(&mut buffer)) => read,
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
            let sent = match frame {
                Ok(frame) => answer_frame(app, &mut stream, frame, certificate.as_deref()).await,
                Err(MllpError::Garbage { .. }) => {
                    app.metrics.refusal("mllp-garbage");
                    Ok(())
                }
                Err(error) => {
                    app.metrics.refusal("mllp-frame");
                    send(app, &mut stream, answer::bad_frame(app, &error)).await
                }
            };
            if let Err(error) = sent {
                return End::Failed(error);
            }
        }
    }
}

/// Processes what a frame holds and sends each answer as soon as what it says is true.
async fn answer_frame<S>(app: &App, stream: &mut S, frame: Vec<u8>, certificate: Option<&str>) -> io::Result<()>
where
    S: AsyncWrite + Unpin + Send,
{
    let payload = Bytes::from(frame);
    let parts = pipeline::batch(&payload).unwrap_or_else(|| vec![payload]);
    for raw in parts {
        answer_message(app, stream, raw, certificate).await?;
    }
    Ok(())
}

async fn answer_message<S>(app: &App, stream: &mut S, raw: Bytes, certificate: Option<&str>) -> io::Result<()>
where
    S: AsyncWrite + Unpin + Send,
{
    let header = Header::read(&raw);
    let inbound = Inbound {
        source: header.source(&app.config, certificate).unwrap_or_default().to_owned(),
        transport: Transport::Mllp,
        received_at: app.clock.now(),
        raw: raw.clone(),
        content_type: None,
    };
    let Some(wanted) = header.enhanced() else {
        let answer = app.ingest.receive_message(app, inbound).await;
        let answer = answer.map(|answer| answer.outcome().clone());
        return send(app, stream, answer::application(app, &raw, &answer)).await;
    };
    if !wanted.accept.may_be() {
        // No commit acknowledgement in any case: accept and commit are one durable step.
        let answer = app.ingest.receive_message(app, inbound).await.map(|answer| answer.outcome().clone());
        if wanted.application.on(answer.is_ok()) {
            send(app, stream, answer::application(app, &raw, &answer)).await?;
        }
        return Ok(());
    }
    let accepted = app.ingest.accept(app, inbound).await;
    if wanted.accept.on(accepted.is_ok()) {
        send(app, stream, answer::commit(app, &raw, &accepted)).await?;
    }
    let answer = match accepted {
        Ok(Accepted::New(arrived)) => app.ingest.process(app, arrived).await,
        Ok(Accepted::Repeat(outcome)) => Ok(outcome),
        // A commit error has said everything; without one, the application acknowledgement says it.
        Err(_) if wanted.accept.on(false) => return Ok(()),
        Err(refusal) => Err(refusal),
    };
    if wanted.application.on(answer.is_ok()) {
        send(app, stream, answer::application(app, &raw, &answer)).await?;
    }
    Ok(())
}

async fn send<S>(app: &App, stream: &mut S, answer: answer::Answer) -> io::Result<()>
where
    S: AsyncWrite + Unpin + Send,
{
    app.metrics.acknowledgement(answer.code.as_str());
    let write = async {
        stream.write_all(&encode(&answer.bytes)).await?;
        stream.flush().await
    };
    tokio::time::timeout(WRITE_TIMEOUT, write).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
