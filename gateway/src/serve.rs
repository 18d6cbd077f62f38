//! Runs the gateway: opens everything, says when it is ready, and ends in order.
//!
//! Start: data directory, store, ledger, what was accepted before, sealer, senders, listeners, the ready line. End: no
//! new connections, what is under way is finished, senders stop, everything durable is sealed, the store closes.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use model::time::{Clock, SystemClock};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::api;
use crate::app::App;
use crate::config::{AuthMode, Config};
use crate::egress;
use crate::ingress::mllp;
use crate::keys::DataDirectory;
use crate::layers::Limits;
use crate::mllp as mllp_memory;
use crate::pipeline;
use crate::sealing::Status;
use crate::tls;

pub use crate::app::StartError;

#[cfg(test)]
mod tests;

/// How long senders and sealer may take to end after the listeners.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the gateway did not run. Fault of the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Something could not be opened.
    #[error(transparent)]
    Start(#[from] StartError),
    /// An address could not be listened on.
    #[error("listen.{listener} = {address}: {source}")]
    Listen {
        /// Which listener.
        listener: &'static str,
        /// The configured address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Certificates.
    #[error("TLS: {0}")]
    Tls(#[from] tls::TlsError),
    /// The runtime or the signals could not be set up.
    #[error("the system refused: {0}")]
    System(#[from] io::Error),
}

/// A gateway that is running.
pub struct Running {
    app: App,
    http: Option<SocketAddr>,
    https: Option<SocketAddr>,
    mllp: Option<SocketAddr>,
    stop_listening: watch::Sender<bool>,
    stop_sending: watch::Sender<bool>,
    stop_sealing: watch::Sender<bool>,
    listeners: Vec<JoinHandle<()>>,
    senders: Vec<JoinHandle<()>>,
    sealer: Option<JoinHandle<()>>,
}

/// Runs until SIGTERM or SIGINT, then drains.
///
/// # Errors
/// [`ServeError`] if it could not start; once it is ready it ends without an error.
pub fn run(config: Config, data: &Path) -> Result<(), ServeError> {
    runtime()?.block_on(async {
        // Before anything else: a signal that comes during the start is not lost.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let running = start(config, data, Arc::new(SystemClock)).await?;
        running.say_ready()?;
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hangup.recv() => running.reload_packages().await,
            }
        }
        tracing::info!("draining");
        running.stop().await;
        tracing::info!("stopped");
        Ok(())
    })
}

/// The runtime of `serve` and `demo`.
///
/// # Errors
/// What the system says.
pub fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Starts a gateway under `data`.
///
/// # Errors
/// [`ServeError`], naming what is wrong.
pub async fn start(config: Config, data: &Path, clock: Arc<dyn Clock>) -> Result<Running, ServeError> {
    for notice in &config.notices {
        tracing::warn!("{notice}");
    }
    if config.auth.mode == AuthMode::Open {
        tracing::warn!("auth.mode is \"open\": every caller is an administrator, no consent is asked for reads");
    }
    let folder: PathBuf = data.to_owned();
    let opened = tokio::task::spawn_blocking(move || {
        let data = DataDirectory::open(&folder).map_err(StartError::from)?;
        App::open(config, data, clock)
    });
    let (app, sealer) = opened.await.map_err(io::Error::other)??;
    if let Status::Refusing(reason) = app.ledger.status() {
        tracing::error!(
            reason,
            "the ledger disagrees with the disk: nothing is taken in or sealed; reads and emergency go on"
        );
        app.metrics.alarm("ledger-refused");
    }
    let (stop_listening, stop_sending, stop_sealing) =
        (watch::Sender::new(false), watch::Sender::new(false), watch::Sender::new(false));
    let sealer = sealer.map(|sealer| tokio::spawn(sealer.run(app.clone(), stop_sealing.subscribe())));
    let mut senders = Vec::new();
    for destination in &app.config.destinations {
        senders.push(tokio::spawn(egress::run(app.clone(), destination.clone(), stop_sending.subscribe())));
    }
    senders.extend(mllp_memory::run(&app, &stop_sending));
    let (emergency, stop) = (app.clone(), stop_sending.subscribe());
    senders.push(tokio::spawn(async move { emergency.emergency.run(&emergency.store, stop).await }));
    let (watching, stop) = (app.clone(), stop_sending.subscribe());
    senders.push(tokio::spawn(async move { watching.packages.watch(&watching, stop).await }));

    let (counting, stop) = (app.clone(), stop_sending.subscribe());
    senders.push(tokio::spawn(async move { counting.unmapped.run(&counting, stop).await }));

    let (indexing, stop) = (app.clone(), stop_sending.subscribe());
    senders.push(tokio::spawn(async move { indexing.parameters.run(&indexing, stop).await }));

    // Listeners are bound before anything is resumed, so that a port in use is told at once.
    let bound = bind(&app).await?;
    let (resuming, mut stop) = (app.clone(), stop_sending.subscribe());
    senders.push(tokio::spawn(async move {
        let resumed = async {
            match pipeline::resume(&resuming).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "processed what was accepted before the last stop"),
                Err(error) => tracing::error!(%error, "what was accepted before could not be read"),
            }
        };
        tokio::select! {
            () = resumed => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }));
    let addresses = bound.addresses()?;
    let listeners = bound.run(&app, &stop_listening);
    Ok(Running {
        app,
        http: addresses[0],
        https: addresses[1],
        mllp: addresses[2],
        stop_listening,
        stop_sending,
        stop_sealing,
        listeners,
        senders,
        sealer,
    })
}

impl Running {
    /// The gateway's parts.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Where HTTPS is served, with the real port.
    pub fn https(&self) -> Option<SocketAddr> {
        self.https
    }

    /// Where plain HTTP is served, with the real port.
    pub fn http(&self) -> Option<SocketAddr> {
        self.http
    }

    /// Where MLLP is served, with the real port.
    pub fn mllp(&self) -> Option<SocketAddr> {
        self.mllp
    }

    /// Reads the mapping packages anew; what is wrong is in the log, and the packages before stay in use.
    async fn reload_packages(&self) {
        let worker = self.app.clone();
        let reloaded = tokio::task::spawn_blocking(move || worker.packages.reload(worker.clock.now()).is_ok()).await;
        if !matches!(reloaded, Ok(true)) {
            self.app.metrics.alarm("packages-refused");
        }
    }

    /// Prints the one line by which scripts know that requests are answered.
    fn say_ready(&self) -> io::Result<()> {
        let shown = |address: Option<SocketAddr>| address.map_or_else(|| "-".to_owned(), |address| address.to_string());
        let data = std::path::absolute(self.app.data()).unwrap_or_else(|_| self.app.data().to_owned());
        let mut out = io::stdout().lock();
        writeln!(
            out,
            "ready http={} https={} mllp={} data={}",
            shown(self.http),
            shown(self.https),
            shown(self.mllp),
            data.display()
        )?;
        out.flush()
    }

    /// Ends in order: what was acknowledged is durable anyway; what is under way is finished within the drain time.
    pub async fn stop(self) {
        self.stop_listening.send_replace(true);
        for listener in self.listeners {
            let _ = listener.await;
        }
        ended("jobs", self.app.jobs.end_all()).await;
        self.stop_sending.send_replace(true);
        ended("senders", self.senders).await;
        // Last: what the others have committed gets its receipt.
        self.stop_sealing.send_replace(true);
        ended("sealer", self.sealer).await;
    }
}

async fn ended(what: &str, tasks: impl IntoIterator<Item = JoinHandle<()>>) {
    for mut task in tasks {
        if tokio::time::timeout(END_TIMEOUT, &mut task).await.is_err() {
            tracing::warn!(what, "still busy at the end of its time");
            task.abort();
        }
    }
}

struct Bound {
    http: Option<api::server::Listener>,
    https: Option<api::server::Listener>,
    mllp: Option<mllp::Listener>,
}

async fn bind(app: &App) -> Result<Bound, ServeError> {
    let listen = &app.config.listen;
    let failed = |listener, address| move |source| ServeError::Listen { listener, address, source };
    let mut bound = Bound { http: None, https: None, mllp: None };
    if let Some(address) = listen.http {
        bound.http = Some(api::server::Listener::bind(address, None).await.map_err(failed("http", address))?);
    }
    let (certificate, key) = match (&listen.cert_file, &listen.key_file) {
        (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
        _ => tls::self_signed(&app.data().join("keys"))?,
    };
    if let Some(address) = listen.https {
        let settings = tls::server(&certificate, &key, None, &api::server::PROTOCOLS)?;
        bound.https =
            Some(api::server::Listener::bind(address, Some(settings)).await.map_err(failed("https", address))?);
    }
    if let Some(address) = listen.mllp {
        let settings = if listen.mllp_tls || !address.ip().is_loopback() {
            Some(tls::server(&certificate, &key, listen.client_ca_file.as_deref(), &[])?)
        } else {
            None
        };
        bound.mllp = Some(mllp::Listener::bind(address, settings).await.map_err(failed("mllp", address))?);
    }
    Ok(bound)
}

impl Bound {
    fn addresses(&self) -> io::Result<[Option<SocketAddr>; 3]> {
        Ok([
            self.http.as_ref().map(api::server::Listener::local_address).transpose()?,
            self.https.as_ref().map(api::server::Listener::local_address).transpose()?,
            self.mllp.as_ref().map(mllp::Listener::local_address).transpose()?,
        ])
    }

    fn run(self, app: &App, stop: &watch::Sender<bool>) -> Vec<JoinHandle<()>> {
        let listen = &app.config.listen;
        let limits = Limits {
            bulk: listen.concurrency,
            timeout: listen.request_timeout,
            body_bytes: listen.body_limit_bytes,
            ..Limits::default()
        };
        // Made once: both listeners share its places.
        let service = api::service(app.clone(), &limits);
        let mut tasks = Vec::new();
        for listener in [self.http, self.https].into_iter().flatten() {
            let mut stop = stop.subscribe();
            let stopped = async move {
                // The sender lives as long as the gateway; its end is a stop too.
                let _ = stop.wait_for(|stop| *stop).await;
            };
            tasks.push(tokio::spawn(listener.run(service.clone(), stopped, listen.drain)));
        }
        if let Some(listener) = self.mllp {
            tasks.push(tokio::spawn(listener.run(app.clone(), stop.subscribe(), listen.drain)));
        }
        tasks
    }
}
