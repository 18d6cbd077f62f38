//! What the measuring programs share: a server in a process of its own, its tokens, answers on a kept connection, and what
//! a process costs. A measurement that fails says why and ends; nothing here panics.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Plain HTTP on loopback and nothing else, with development tokens.
pub const HTTP_ALONE: &str =
    "[listen]\nhttp = \"127.0.0.1:0\"\nhttps = \"off\"\nmllp = \"off\"\n[auth]\nmode = \"development\"\n";

/// How long a server may take to end.
const END: Duration = Duration::from_secs(30);

/// Where a gateway that is measured keeps what is its own.
#[derive(Debug, Clone)]
pub struct Site {
    program: PathBuf,
    config: PathBuf,
    data: PathBuf,
}

impl Site {
    /// Writes a configuration into a folder; the data directory is `data`, else below the folder.
    ///
    /// # Errors
    /// What the disk says.
    pub fn new(program: &Path, folder: &Path, data: Option<&Path>, configuration: &str) -> Result<Self, String> {
        let config = folder.join("measured.toml");
        std::fs::write(&config, configuration).map_err(|error| error.to_string())?;
        let data = data.map_or_else(|| folder.join("data"), Path::to_path_buf);
        Ok(Self { program: program.to_owned(), config, data })
    }

    /// The data directory.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Starts the gateway and waits until it is ready.
    ///
    /// # Errors
    /// If it does not start or does not become ready.
    pub fn start(&self) -> Result<Server, String> {
        Server::spawn(self.command("serve").env("RUST_LOG", "warn"))
            .map_err(|error| format!("{}: {error}; build it with cargo build --release", self.program.display()))
    }

    /// A development token.
    ///
    /// # Errors
    /// What the program says.
    pub fn token(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self.command("token").args(arguments).output().map_err(|error| error.to_string())?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(name).arg("--config").arg(&self.config).arg("--data").arg(&self.data);
        command
    }
}

/// A process that is ended with its handle.
#[derive(Debug)]
pub struct Server {
    child: Child,
    ready: String,
}

impl Server {
    /// Starts a program and waits for its `ready` line.
    ///
    /// # Errors
    /// If it does not start, or ends before that line.
    pub fn spawn(command: &mut Command) -> Result<Self, String> {
        let child = command.stdout(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
        let mut server = Self { child, ready: String::new() };
        let stdout = server.child.stdout.take().ok_or("no standard output")?;
        BufReader::new(stdout).read_line(&mut server.ready).map_err(|error| error.to_string())?;
        match server.ready.starts_with("ready") {
            true => Ok(server),
            false => Err(format!("the program did not become ready: {:?}", server.ready)),
        }
    }

    /// Where it listens for `http`, `https` or `mllp`.
    ///
    /// # Errors
    /// If its `ready` line does not say so.
    pub fn address(&self, listener: &str) -> Result<SocketAddr, String> {
        let named = |word: &str| word.strip_prefix(listener)?.strip_prefix('=')?.parse().ok();
        let found = self.ready.split_whitespace().find_map(named);
        found.ok_or_else(|| format!("no {listener} address in the ready line: {:?}", self.ready))
    }

    /// Resident memory.
    #[must_use]
    pub fn resident_mib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
    }

    /// User and system time in seconds; the kernel counts in hundredths.
    #[must_use]
    pub fn cpu_seconds(&self) -> Option<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        let after = stat.rsplit_once(')')?.1;
        let mut fields = after.split_whitespace().skip(11);
        let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        Some((user + system) / 100.0)
    }

    /// SIGTERM, and the end; killed where that takes too long.
    pub fn end(mut self) {
        let _ = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        let deadline = Instant::now() + END;
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads one answer with a Content-Length to its end: its status.
///
/// # Errors
/// What the connection says; also where it ends within the answer.
pub fn read_answer(stream: &mut TcpStream) -> std::io::Result<u16> {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0_u8; 64 << 10]);
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(buffer.get(..count).unwrap_or_default());
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
        if bytes.len() >= end + 4 + length.unwrap_or(0) {
            let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
            return status.ok_or(std::io::ErrorKind::InvalidData.into());
        }
    }
}

/// The release build of the gateway, unless an option names another.
#[must_use]
pub fn program() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    target.join("release/anchorline")
}
