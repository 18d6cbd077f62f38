//! The file of an MLLP suite: TOML, strict. docs/suites.md, "HL7 v2 over MLLP".

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::result::Weight;

/// Why a suite file is not taken. Fault of its author.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum FileError {
    /// It cannot be read.
    #[error("{path}: {said}")]
    Read {
        /// The file.
        path: String,
        /// What the system says.
        said: String,
    },
    /// It is not TOML of the form that docs/suites.md describes; the text names line and column.
    #[error("{0}")]
    Form(String),
    /// A step that is none, or more than one thing.
    #[error("test {test:?}, step {step}: {expected}")]
    Step {
        /// The name of the test.
        test: String,
        /// Its number, from 1.
        step: usize,
        /// What it should be.
        expected: String,
    },
}

/// A suite as it is run.
#[derive(Debug)]
pub(crate) struct Suite {
    pub(crate) name: String,
    pub(crate) about: String,
    /// Where the suite's own receiver listens, `host:port`.
    pub(crate) partner: Option<String>,
    pub(crate) tests: Vec<Test>,
}

#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) name: String,
    pub(crate) weight: Weight,
    pub(crate) steps: Vec<Action>,
}

#[derive(Debug)]
pub(crate) enum Action {
    Send(Box<Send>),
    Search(Search),
    Forwarded(Forwarded),
}

/// A message to send, and the answers it should get.
#[derive(Debug)]
pub(crate) struct Send {
    pub(crate) name: Option<String>,
    message: String,
    pub(crate) form: Form,
    /// How often the same bytes are sent.
    pub(crate) times: usize,
    /// How many answers are expected to one sending: more than one for a batch.
    each: usize,
    pub(crate) new_connection: bool,
    /// MSA-1 that is taken; none: no answer is expected.
    pub(crate) answers: Vec<String>,
    pub(crate) echo: bool,
    pub(crate) condition: Option<String>,
    pub(crate) within: Option<Duration>,
    grow_bytes: usize,
}

/// How the bytes of a message go over the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Form {
    /// One frame in one write.
    #[default]
    Whole,
    /// Byte by byte.
    Bytes,
    /// In two halves with a pause between.
    Halves,
    /// Bytes that belong to no frame come first.
    Noise,
    /// A frame that never ends.
    Open,
    /// Without any frame.
    Bare,
}

/// What a FHIR search should find.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Search {
    pub(crate) name: Option<String>,
    pub(crate) path: String,
    pub(crate) total: Option<usize>,
    pub(crate) expression: Option<String>,
    pub(crate) value: Option<String>,
    #[serde(default, deserialize_with = "duration")]
    pub(crate) within: Option<Duration>,
}

/// What the suite's partner should have received.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Forwarded {
    pub(crate) name: Option<String>,
    /// Texts that one message has to contain, all of them.
    pub(crate) contains: Vec<String>,
    /// How many such messages; 0: none may come.
    #[serde(default = "one")]
    pub(crate) times: usize,
    #[serde(default, deserialize_with = "duration")]
    pub(crate) within: Option<Duration>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    #[expect(dead_code, reason = "which reader to take has been decided by it")]
    kind: String,
    name: String,
    #[serde(default)]
    about: String,
    partner: Option<PartnerForm>,
    #[serde(rename = "test")]
    tests: Vec<TestForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PartnerForm {
    listen: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TestForm {
    name: String,
    #[serde(default)]
    weight: WeightForm,
    #[serde(rename = "step")]
    steps: Vec<StepForm>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum WeightForm {
    #[default]
    Shall,
    Should,
    May,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepForm {
    send: Option<SendForm>,
    search: Option<Search>,
    forwarded: Option<Forwarded>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct SendForm {
    name: Option<String>,
    message: Option<String>,
    file: Option<PathBuf>,
    #[serde(default)]
    form: Form,
    #[serde(default = "one")]
    times: usize,
    #[serde(default = "one")]
    each: usize,
    #[serde(default)]
    new_connection: bool,
    answers: Vec<String>,
    #[serde(default = "yes")]
    echo: bool,
    condition: Option<String>,
    #[serde(default, deserialize_with = "duration")]
    within: Option<Duration>,
    #[serde(default)]
    grow_bytes: usize,
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

/// `200ms`, `5s`, `1min`.
fn duration<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| serde::de::Error::custom("expected a duration such as \"5s\""))?;
    match unit.trim() {
        "ms" => Ok(Some(Duration::from_millis(number))),
        "s" => Ok(Some(Duration::from_secs(number))),
        "min" => Ok(Some(Duration::from_secs(number.saturating_mul(60)))),
        _ => Err(serde::de::Error::custom("expected a duration with the unit ms, s or min")),
    }
}

/// Largest message file that is read, and largest message that is grown.
const MESSAGE_LIMIT_BYTES: usize = 64 << 20;

impl Suite {
    /// Reads a suite from a file; messages it names lie beside it.
    ///
    /// # Errors
    /// [`FileError`].
    pub(crate) fn of_file(path: &Path) -> Result<Self, FileError> {
        let text = read(path)?;
        Self::read(&text, path.parent().unwrap_or(Path::new("")))
            .map_err(|error| FileError::Form(format!("{}: {error}", path.display())))
    }

    /// Reads a suite; `folder` is where the messages it names lie.
    ///
    /// # Errors
    /// [`FileError`].
    pub(crate) fn read(text: &str, folder: &Path) -> Result<Self, FileError> {
        let form: FileForm = toml::from_str(text).map_err(|error| FileError::Form(error.to_string()))?;
        let tests = form.tests.into_iter().map(|test| test.read(folder)).collect::<Result<_, _>>()?;
        Ok(Self { name: form.name, about: form.about, partner: form.partner.map(|partner| partner.listen), tests })
    }
}

impl TestForm {
    fn read(self, folder: &Path) -> Result<Test, FileError> {
        let weight = match self.weight {
            WeightForm::Shall => Weight::Shall,
            WeightForm::Should => Weight::Should,
            WeightForm::May => Weight::May,
        };
        let wrong = |step: usize, expected: String| FileError::Step { test: self.name.clone(), step, expected };
        let mut steps = Vec::with_capacity(self.steps.len());
        for (index, step) in self.steps.into_iter().enumerate() {
            let step = match (step.send, step.search, step.forwarded) {
                (Some(send), None, None) => send.read(folder).map(|send| Action::Send(Box::new(send))),
                (None, Some(search), None) => Ok(Action::Search(search)),
                (None, None, Some(forwarded)) => Ok(Action::Forwarded(forwarded)),
                _ => Err("expected one of send, search, forwarded".to_owned()),
            };
            steps.push(step.map_err(|expected| wrong(index + 1, expected))?);
        }
        if steps.is_empty() {
            return Err(wrong(1, "expected at least one step".to_owned()));
        }
        Ok(Test { name: self.name, weight, steps })
    }
}

impl SendForm {
    fn read(self, folder: &Path) -> Result<Send, String> {
        let message = match (self.message, self.file) {
            (Some(text), None) => text,
            (None, Some(file)) => read(&folder.join(file)).map_err(|error| error.to_string())?,
            _ => return Err("expected either message or file".to_owned()),
        };
        if self.times == 0 || self.times > 10_000 {
            return Err("expected times of 1 to 10000".to_owned());
        }
        if self.grow_bytes > MESSAGE_LIMIT_BYTES {
            return Err(format!("expected grow-bytes of at most {MESSAGE_LIMIT_BYTES}"));
        }
        Ok(Send {
            name: self.name,
            message,
            form: self.form,
            times: self.times,
            each: self.each,
            new_connection: self.new_connection,
            answers: self.answers,
            echo: self.echo,
            condition: self.condition,
            within: self.within,
            grow_bytes: self.grow_bytes,
        })
    }
}

fn read(path: &Path) -> Result<String, FileError> {
    let failed = |said: String| FileError::Read { path: path.display().to_string(), said };
    let size = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if size > MESSAGE_LIMIT_BYTES as u64 {
        return Err(failed(format!("expected at most {} MiB", MESSAGE_LIMIT_BYTES >> 20)));
    }
    std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))
}

impl Send {
    /// How many answers the whole step should get.
    pub(crate) fn answers_wanted(&self) -> usize {
        if self.answers.is_empty() { 0 } else { self.times * self.each }
    }

    /// The bytes of the message: lines end in CR, as segments do.
    pub(crate) fn bytes(&self, fill: impl Fn(&str) -> String) -> Vec<u8> {
        let text = fill(&self.message);
        let mut out = String::with_capacity(text.len());
        for line in text.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
            out.push_str(line);
            out.push('\r');
        }
        let mut number = 1_usize;
        while out.len() < self.grow_bytes {
            out.push_str(&format!("NTE|{number}||{}\r", "x".repeat(8000)));
            number += 1;
        }
        out.into_bytes()
    }
}
