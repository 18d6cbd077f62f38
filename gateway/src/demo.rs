//! `anchorline demo`: the main job on bundled, synthetic samples, told step by step, on this machine alone.
//!
//! The demonstration is an outside user: it talks MLLP, HTTP and HTTPS to a gateway that runs in the same process, plays
//! two partners, checks the outcome of every step, and ends with the first that does not hold.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::time::SystemClock;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::Config;
use crate::keys;
use crate::serve::{self, Running, ServeError};

mod arrivals;
mod client;
mod emergency;
mod partner;
mod print;
mod proof;
mod refusals;
mod samples;
mod scene;
#[cfg(test)]
mod tests;

use partner::Partner;
use print::Reporter;
use scene::Scene;

const CONFIG: &str = include_str!("demo/config.toml");

/// How the demonstration runs.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where it keeps its data, an empty folder; without it a new one under the system's temporary folder, which is
    /// removed at the end.
    pub data: Option<PathBuf>,
    /// Whether it ends when the job is done.
    pub exit: bool,
}

/// Why the demonstration did not come through.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The gateway did not start.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The system refused something.
    #[error("the system refused")]
    System(#[from] io::Error),
    /// The folder for the data cannot be used.
    #[error("{path}: expected an empty folder, as the demonstration begins with nothing on file")]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The embedded configuration does not hold; a fault of ours.
    #[error("the configuration of the demonstration: {0}")]
    Config(String),
    /// It was ended before its last step.
    #[error("ended before the last step")]
    Interrupted,
    /// A step did not hold.
    #[error("step \"{step}\" did not hold: expected {expected}, found {found}")]
    Step {
        /// Its heading.
        step: &'static str,
        /// What should have been.
        expected: String,
        /// What was.
        found: String,
    },
}

/// Something that was expected of the gateway and did not come.
#[derive(Debug)]
struct Unmet {
    expected: String,
    found: String,
}

impl Unmet {
    fn new(expected: impl Display, found: impl Display) -> Self {
        Self { expected: expected.to_string(), found: found.to_string() }
    }

    fn in_step(self, step: &'static str) -> Error {
        Error::Step { step, expected: self.expected, found: self.found }
    }
}

/// Runs the demonstration. Without `exit` it stays up until SIGINT or SIGTERM.
///
/// # Errors
/// [`Error::Step`] names the first step that did not hold.
pub fn run(options: &Options) -> Result<(), Error> {
    let folder = Folder::open(options.data.as_deref())?;
    let told = serve::runtime()?.block_on(tell(&folder, options.exit));
    // What did not hold can be looked at.
    if matches!(told, Ok(()) | Err(Error::Interrupted)) {
        folder.remove()?;
    }
    told
}

/// Starts everything, tells every step, and stays up unless `exit`.
async fn tell(folder: &Folder, exit: bool) -> Result<(), Error> {
    let data = folder.path.as_path();
    let mut stop = Stop::new()?;
    let (clinic, insurer) = (Partner::clinic().await?, Partner::insurer().await?);
    let text =
        CONFIG.replace("{clinic}", &clinic.address.to_string()).replace("{insurer}", &insurer.address.to_string());
    let config = Config::parse(&text, data).map_err(|error| Error::Config(error.to_string()))?;
    let running = serve::start(config, data, Arc::new(SystemClock)).await?;
    let reporter = Reporter::new();
    let scene = Scene::new(&running, data, clinic, insurer, reporter).map_err(|unmet| unmet.in_step("start"));
    let told = match scene {
        Ok(mut scene) => tokio::select! {
            told = play(&mut scene, &running, folder, exit) => told,
            () = stop.asked() => Err(Error::Interrupted),
        },
        Err(error) => Err(error),
    };
    if told.is_ok() && !exit {
        stop.asked().await;
    }
    running.stop().await;
    told
}

async fn play(scene: &mut Scene, running: &Running, folder: &Folder, exit: bool) -> Result<(), Error> {
    introduce(scene, running, folder);
    let started = std::time::Instant::now();
    arrivals::tell(scene).await?;
    refusals::tell(scene).await?;
    emergency::tell(scene).await?;
    proof::tell(scene).await?;
    console(scene).await.map_err(|unmet| unmet.in_step("the console"))?;
    conclude(scene, running, folder, exit, started.elapsed());
    scene.reporter.finish()?;
    Ok(())
}

/// SIGINT or SIGTERM, from the start on.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn introduce(scene: &mut Scene, running: &Running, folder: &Folder) {
    let address = |address: Option<std::net::SocketAddr>| address.map(|it| it.to_string()).unwrap_or_default();
    let (mllp, https) = (address(running.mllp()), address(running.https()));
    let reporter = &mut scene.reporter;
    reporter
        .line("Anchorline passes health data on between systems, if the patient agrees, and can prove what it did.");
    reporter.line("Everything below runs on this computer; every person and place is invented.");
    reporter.line("");
    reporter
        .fact("hospital", &format!("sends HL7 v2, the old wire format of hospitals, by MLLP (its framing) to {mllp}"));
    reporter.fact("gateway", &format!("turns it into FHIR, today's web format for health data; HTTPS on {https}"));
    reporter
        .fact("clinic", &format!("a sample partner that treats patients and takes FHIR on {}", scene.clinic.address));
    reporter
        .fact("insurer", &format!("a sample partner that pays bills and takes HL7 v2 on {}", scene.insurer.address));
    let removed = if folder.is_temporary { ", removed at the end (--data DIR keeps it)" } else { "" };
    reporter.fact("data", &format!("{}{removed}", folder.path.display()));
}

/// The page is there, and what the token is for works.
async fn console(scene: &Scene) -> Result<(), Unmet> {
    scene.http.get("/console/", None).await?.with_status(200, "the console")?;
    let list = scene.http.get("/exchanges", Some(&scene.tokens.console)).await?;
    list.with_status(200, "the list of exchanges with the console's token").map(|_| ())
}

fn conclude(scene: &mut Scene, running: &Running, folder: &Folder, exit: bool, took: std::time::Duration) {
    let console = scene.tokens.console.clone();
    let reporter = &mut scene.reporter;
    reporter.line("");
    reporter.line(&format!("Every step held, in {:.1} s.", took.as_secs_f64()));
    if exit {
        return;
    }
    reporter.line("");
    if let Some(http) = running.http() {
        reporter
            .line(&format!("Look for yourself: http://{http}/console/ shows every exchange, and the emergency form."));
        reporter.line("It asks who you are; paste this development token (valid for 8 hours, on this computer only):");
        reporter.line("");
        reporter.line(&console);
        reporter.line("");
    }
    reporter
        .line(&format!("Receipts, the public key and what the partners got: {}", folder.path.join("demo").display()));
    reporter.line("Ctrl-C ends.");
}

/// The data directory, and whether it goes with the demonstration.
struct Folder {
    path: PathBuf,
    is_temporary: bool,
}

impl Folder {
    fn open(given: Option<&Path>) -> Result<Self, Error> {
        let Some(path) = given else {
            // A name that nobody can foresee: the temporary folder is everybody's.
            let tail = keys::random::<8>().map_err(io::Error::other)?;
            let tail: String = tail.iter().map(|byte| format!("{byte:02x}")).collect();
            let path = std::env::temp_dir().join(format!("anchorline-demo-{tail}"));
            private_folder(&path)?;
            return Ok(Self { path, is_temporary: true });
        };
        std::fs::create_dir_all(path)?;
        if std::fs::read_dir(path)?.next().is_some() {
            return Err(Error::NotEmpty { path: path.to_owned() });
        }
        Ok(Self { path: std::path::absolute(path)?, is_temporary: false })
    }

    fn remove(&self) -> io::Result<()> {
        if self.is_temporary { std::fs::remove_dir_all(&self.path) } else { Ok(()) }
    }
}

#[cfg(unix)]
fn private_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

#[cfg(not(unix))]
fn private_folder(path: &Path) -> io::Result<()> {
    std::fs::create_dir(path)
}
