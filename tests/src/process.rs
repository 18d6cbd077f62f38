//! Starting, stopping and killing the program.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::canary;
use crate::http::Http;

/// Longest wait for the `ready` line: a debug build on a busy machine.
const READY: Duration = Duration::from_secs(60);
/// Longest wait for an end after SIGTERM.
const DRAIN: Duration = Duration::from_secs(60);

/// The program, built once for all tests of a run.
///
/// # Panics
/// If it does not build.
#[must_use]
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(path) = std::env::var_os("ANCHORLINE_PROGRAM") {
            return PathBuf::from(path);
        }
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
        let mut cargo = Command::new(env!("CARGO"));
        // What cargo told this test of its own package: build scripts that look at it would run anew, and with them half of
        // the dependencies.
        let told =
            |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "OUT_DIR";
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(told)) {
            cargo.env_remove(name);
        }
        let output = cargo
            .args(["build", "--quiet", "--locked", "-p", "gateway", "--bin", "anchorline"])
            .args(["--message-format", "json", "--manifest-path"])
            .arg(manifest)
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "building the program: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .find_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
            .expect("cargo names the executable")
    })
}

/// Runs a command of the program to its end.
///
/// # Panics
/// If it cannot be started.
pub fn run(arguments: &[&str]) -> Output {
    Command::new(program()).args(arguments).stdin(Stdio::null()).output().expect("the program starts")
}

/// A running gateway. Dropping it kills it.
pub struct Gateway {
    child: Child,
    home: Arc<TempDir>,
    configuration: String,
    /// Plain HTTP, if configured.
    pub http: Option<SocketAddr>,
    /// HTTPS, if configured.
    pub https: Option<SocketAddr>,
    /// MLLP, if configured.
    pub mllp: Option<SocketAddr>,
    log: Arc<Mutex<String>>,
}

/// A configuration for tests: ports drawn by the system, plain HTTP on loopback, development tokens, one MLLP source
/// `ward` for anybody and one HTTP source `portal`.
#[must_use]
pub fn configuration(more: &str) -> String {
    format!(
        "[listen]\nhttp = \"127.0.0.1:0\"\nhttps = \"127.0.0.1:0\"\nmllp = \"127.0.0.1:0\"\n\n\
         [auth]\nmode = \"development\"\n\n{more}\n"
    )
}

impl Gateway {
    /// Starts a gateway with this configuration in a new directory.
    ///
    /// # Panics
    /// If it is not ready in time.
    #[must_use]
    pub fn start(configuration: &str) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().expect("a temporary folder")), configuration)
    }

    /// Starts a gateway that keeps everything in a folder on a disk of the caller's choice.
    ///
    /// # Panics
    /// If it is not ready in time.
    #[must_use]
    pub fn start_at(disk: &Path, configuration: &str) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir_in(disk).expect("a folder on that disk")), configuration)
    }

    fn start_in(home: Arc<TempDir>, configuration: &str) -> Self {
        let file = home.path().join("anchorline.toml");
        fs::write(&file, configuration).expect("the configuration is written");
        let mut child = Command::new(program())
            .args(["--log-format", "json", "serve", "--config"])
            .arg(&file)
            .arg("--data")
            .arg(home.path().join("data"))
            .env("RUST_LOG", "debug,hyper=info,rustls=info,sled=info,h2=info")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = child.stderr.take().expect("standard error is piped");
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut log = kept.lock().expect("nobody panics with the log");
                log.push_str(&line);
                log.push('\n');
            }
        });
        let (sender, ready) = std::sync::mpsc::channel();
        let stdout = child.stdout.take().expect("standard output is piped");
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stdout);
            let mut line = String::new();
            let _ = reader.read_line(&mut line);
            let _ = sender.send(line);
            // The pipe stays open for as long as the program may write to it.
            let _ = reader.read_to_end(&mut Vec::new());
        });
        let line = ready.recv_timeout(READY).unwrap_or_default();
        if !line.starts_with("ready ") {
            let _ = child.kill();
            let _ = child.wait();
            panic!("not ready: {line:?}; it logged:\n{}", log.lock().expect("nobody panics with the log"));
        }
        let address = |name: &str| {
            let word = line.split_whitespace().find_map(|word| word.strip_prefix(name));
            word.and_then(|address| address.parse().ok())
        };
        Self {
            http: address("http="),
            https: address("https="),
            mllp: address("mllp="),
            child,
            home,
            configuration: configuration.to_owned(),
            log,
        }
    }

    /// The data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// A folder of the test's own, gone with the gateway.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        self.home.path()
    }

    /// Everything it wrote to standard error so far.
    ///
    /// # Panics
    /// Never in practice: if a reader of the log panicked.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().expect("nobody panics with the log").clone()
    }

    /// The process id.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// A development token, made by the program beside the running one.
    ///
    /// # Panics
    /// If it is refused.
    #[must_use]
    pub fn token(&self, arguments: &[&str]) -> String {
        let output = Command::new(program())
            .args(["token", "--config"])
            .arg(self.home.path().join("anchorline.toml"))
            .arg("--data")
            .arg(self.data())
            .args(arguments)
            .output()
            .expect("the program starts");
        assert!(output.status.success(), "token: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A token that may write anything.
    #[must_use]
    pub fn administrator(&self) -> String {
        self.token(&["--role", "administrator", "--purpose", "HOPERAT"])
    }

    /// A token of a clinician, known as `actor`, who treats.
    #[must_use]
    pub fn clinician(&self, actor: &str) -> String {
        self.token(&["--role", "clinician", "--purpose", "TREAT", "--actor", actor])
    }

    /// A token of emergency staff, known as `actor`, who may declare break-glass.
    pub fn emergency(&self, actor: &str) -> String {
        self.token(&["--role", "emergency", "--purpose", "BTG", "--actor", actor, "--emergency-authorised"])
    }

    /// SIGKILL, and a new process on the same directory.
    #[must_use]
    pub fn kill_and_reopen(mut self) -> Self {
        let _ = self.child.kill();
        let _ = self.child.wait();
        Self::start_in(Arc::clone(&self.home), &self.configuration)
    }

    /// SIGKILL, without reopening; the directory stays until the handle is dropped.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// A new process on the same directory, after [`Self::kill`] or [`Self::terminate`].
    #[must_use]
    pub fn reopen(self) -> Self {
        Self::start_in(Arc::clone(&self.home), &self.configuration)
    }

    /// The same with another configuration.
    #[must_use]
    pub fn reopen_with(self, configuration: &str) -> Self {
        Self::start_in(Arc::clone(&self.home), configuration)
    }

    /// SIGTERM; waits for the end and returns the exit status.
    ///
    /// # Panics
    /// If it does not end in time.
    pub fn terminate(&mut self) -> Option<i32> {
        let _ = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        let deadline = Instant::now() + DRAIN;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it did not end after SIGTERM");
    }
}

impl Gateway {
    /// What must hold no sample's name: the log, the metrics, the ledger and whatever else is not the store.
    fn names_that_got_out(&self) -> Vec<String> {
        let mut found = canary::lines_with_names(&self.log());
        if let Some(http) = self.http
            && let Ok(metrics) = Http::to(http).try_send("GET", "/metrics", &[], b"")
        {
            found.extend(canary::lines_with_names(&metrics.text()));
        }
        for folder in ["ledger", "logs", "keys"] {
            found.extend(canary::files_with_names(&self.data().join(folder)));
        }
        found
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Every test of every suite is one of this, too. One that fails already has something else to say.
        let found = if std::thread::panicking() { Vec::new() } else { self.names_that_got_out() };
        let _ = self.child.kill();
        let _ = self.child.wait();
        assert!(found.is_empty(), "names of patients outside of the store:\n{}", found.join("\n"));
    }
}

/// Waits until `holds`, looking every 20 ms.
///
/// # Panics
/// If it does not hold within 30 seconds; `what` says what was waited for.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("waited in vain: {what}");
}
