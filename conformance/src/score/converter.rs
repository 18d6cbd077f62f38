//! Another converter, by its command line: so that two can be compared on the same inputs.
//!
//! No shell is involved: the text is split into words once, and the paths are put in as whole arguments. A run is ended
//! after its time or when it holds more memory than it may; what it leaves on standard output is read up to a limit.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use model::json::{Json, Limits, parse};

/// A command that turns a message into FHIR: `CMD {input} {output}`, or from standard input to standard output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    words: Vec<String>,
    /// A run that takes longer is ended.
    pub timeout: Duration,
    /// A run that holds more is ended; where the system does not tell, nothing is.
    pub memory_bytes: u64,
}

/// A command line that cannot be used. Fault of the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// Nothing in it.
    #[error("expected a command")]
    Empty,
    /// A quotation mark that is not closed.
    #[error("expected a closing quotation mark")]
    Quotes,
}

/// A folder of its own for what a run writes; gone when dropped.
#[derive(Debug)]
pub(super) struct Work(PathBuf);

impl Work {
    pub(super) fn new() -> std::io::Result<Self> {
        let mut number = 0_u32;
        loop {
            let path = std::env::temp_dir().join(format!("anchorline-score-{}-{number}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && number < 1_000 => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a run gave.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) outputs: Vec<Json>,
    /// As written, for comparing two runs.
    pub(super) bytes: Vec<u8>,
    pub(super) took: Duration,
}

/// Why a run gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It ended by itself with this word about it: an ordinary refusal.
    Refused(String),
    /// It did not end, grew too large, could not be started, or wrote no JSON.
    Broken(&'static str),
}

/// More is not read from standard output.
const OUTPUT_LIMIT: u64 = 256 << 20;

impl Command {
    /// Splits a command line into words; quotation marks keep words together.
    ///
    /// # Errors
    /// [`CommandError`]
    pub fn parse(text: &str) -> Result<Self, CommandError> {
        let mut words = Vec::new();
        let (mut word, mut open, mut quote) = (String::new(), false, None);
        for c in text.chars() {
            match (quote, c) {
                (Some(mark), c) if c == mark => quote = None,
                (Some(_), c) => word.push(c),
                (None, '\'' | '"') => {
                    quote = Some(c);
                    open = true;
                }
                (None, c) if c.is_whitespace() => {
                    if open || !word.is_empty() {
                        words.push(std::mem::take(&mut word));
                    }
                    open = false;
                }
                (None, c) => word.push(c),
            }
        }
        if quote.is_some() {
            return Err(CommandError::Quotes);
        }
        if open || !word.is_empty() {
            words.push(word);
        }
        if words.is_empty() {
            return Err(CommandError::Empty);
        }
        Ok(Self { words, timeout: Duration::from_secs(5), memory_bytes: 512 << 20 })
    }

    /// The program's name, without its path.
    pub fn name(&self) -> String {
        let program = self.words.first().map_or("", String::as_str);
        Path::new(program).file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Converts one input. `elsewhere`: from another working directory, with another zone and locale.
    pub(super) fn run(&self, input: &Path, work: &Path, elsewhere: Elsewhere) -> Result<Run, Failure> {
        let input = input.canonicalize().unwrap_or_else(|_| input.to_owned());
        let output = work.join("output.json");
        let _ = std::fs::remove_file(&output);
        let [program, arguments @ ..] = self.words.as_slice() else { return Err(Failure::Broken("no command")) };
        let put = |word: &String| {
            word.replace("{input}", &input.to_string_lossy()).replace("{output}", &output.to_string_lossy())
        };
        let says = |what: &str| self.words.iter().any(|word| word.contains(what));
        let program = if program.contains('/') { absolute(program) } else { PathBuf::from(program) };
        let mut process = Process::new(program);
        process.args(arguments.iter().map(put)).stdout(Stdio::piped()).stderr(Stdio::piped());
        process.stdin(if says("{input}") { Stdio::null() } else { Stdio::piped() });
        if elsewhere == Elsewhere::Yes {
            process
                .current_dir(work)
                .env("TZ", "Pacific/Kiritimati")
                .env("LC_ALL", "tr_TR.UTF-8")
                .env("LANG", "tr_TR.UTF-8");
        }
        let started = Instant::now();
        let mut child = process.spawn().map_err(|_| Failure::Broken("could not be started"))?;
        let writer = child.stdin.take().map(|mut pipe| {
            let bytes = std::fs::read(&input).unwrap_or_default();
            // A program that does not read all of it may close the pipe: its own matter.
            std::thread::spawn(move || drop(pipe.write_all(&bytes)))
        });
        let reader = child.stdout.take().map(read_all);
        let errors = child.stderr.take().map(read_all);
        let ended = self.wait(&mut child, started);
        let took = started.elapsed();
        let join =
            |thread: Option<std::thread::JoinHandle<Vec<u8>>>| thread.and_then(|t| t.join().ok()).unwrap_or_default();
        let status = ended?;
        let (printed, complaints) = (join(reader), join(errors));
        drop(writer.map(std::thread::JoinHandle::join));
        if !status {
            // What it says may hold patient data: only that it said something counts.
            let said =
                if complaints.is_empty() { "ended with an error, without a reason" } else { "ended with an error" };
            return Err(Failure::Refused(said.to_owned()));
        }
        let bytes = if says("{output}") { std::fs::read(&output).unwrap_or_default() } else { printed };
        let outputs = read(&bytes).ok_or(Failure::Broken("wrote no JSON"))?;
        Ok(Run { outputs, bytes, took })
    }

    fn wait(&self, child: &mut Child, started: Instant) -> Result<bool, Failure> {
        let mut pause = Duration::from_micros(500);
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(status.success()),
                Ok(None) => {}
                Err(_) => return Err(Failure::Broken("could not be waited for")),
            }
            let late = started.elapsed() > self.timeout;
            if late || resident(child.id()).is_some_and(|bytes| bytes > self.memory_bytes) {
                let _ = child.kill();
                let _ = child.wait();
                return Err(Failure::Broken(if late { "took too long" } else { "held too much memory" }));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }
}

/// Whether a run is to differ in what must make no difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Elsewhere {
    No,
    Yes,
}

fn absolute(program: &str) -> PathBuf {
    Path::new(program).canonicalize().unwrap_or_else(|_| PathBuf::from(program))
}

fn read_all(pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.take(OUTPUT_LIMIT).read_to_end(&mut bytes);
        bytes
    })
}

/// Memory a process holds now, where the system tells (Linux, proc(5), `VmRSS`).
fn resident(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// One JSON, a list of several, or one a line.
fn read(bytes: &[u8]) -> Option<Vec<Json>> {
    let limits = Limits::default();
    match parse(bytes, &limits) {
        Ok(Json::Array(items)) => Some(items),
        Ok(json) => Some(vec![json]),
        Err(_) => {
            let lines = bytes.split(|b| *b == b'\n').filter(|line| !line.trim_ascii().is_empty());
            let read: Option<Vec<Json>> = lines.map(|line| parse(line, &limits).ok()).collect();
            read.filter(|outputs| !outputs.is_empty())
        }
    }
}

#[cfg(test)]
mod tests;
