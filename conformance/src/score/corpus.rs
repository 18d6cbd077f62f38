//! Finds the inputs of a corpus: by its `manifest.jsonl` where there is one, else by walking the folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use model::json::{Json, Limits, parse};

use super::pairs::Pair;
use super::subject::Format;

/// An input and what lies beside it.
#[derive(Clone, Debug)]
pub struct Input {
    /// What it is written in.
    pub format: Format,
    /// The set it belongs to.
    pub set: String,
    /// The file.
    pub path: PathBuf,
    /// Facts, if any.
    pub facts: Option<PathBuf>,
    /// What other systems make of it.
    pub expected: Vec<PathBuf>,
    /// The outcome that is expected of a made variant, in the corpus' words, and the number of messages.
    pub expect: Option<(String, usize)>,
}

/// Why a corpus cannot be measured. Fault of whoever keeps it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CorpusError {
    /// A file or folder cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file beside an input has not the expected form.
    #[error("{path}: {reason}")]
    Form {
        /// Which.
        path: PathBuf,
        /// What was expected.
        reason: String,
    },
    /// Nothing to measure.
    #[error("expected inputs below {path}, found none")]
    Empty {
        /// The folder.
        path: PathBuf,
    },
}

/// What a corpus holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Corpus {
    /// In a fixed order.
    pub(super) inputs: Vec<Input>,
    /// Bundles with the messages others make of them.
    pub(super) pairs: Vec<Pair>,
    /// Inputs of kinds that this version does not convert.
    pub(super) others: BTreeMap<String, usize>,
}

impl Input {
    /// Which sums of its format it is part of.
    pub(super) fn group(&self, bytes: usize, has_facts: bool) -> &'static str {
        self.format.group(&self.path, bytes, has_facts, self.expect.is_some())
    }
}

pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, CorpusError> {
    std::fs::read(path).map_err(|source| CorpusError::Read { path: path.to_owned(), source })
}

/// All that a folder holds.
pub(super) fn read(corpus: &Path) -> Result<Corpus, CorpusError> {
    let manifest = corpus.join("manifest.jsonl");
    let mut out = if manifest.is_file() { listed(corpus, &manifest)? } else { walked(corpus)? };
    if out.inputs.is_empty() && out.pairs.is_empty() {
        return Err(CorpusError::Empty { path: corpus.to_owned() });
    }
    for input in &mut out.inputs {
        expectation(input)?;
    }
    out.inputs.sort_by(|a, b| (&a.set, &a.path).cmp(&(&b.set, &b.path)));
    out.pairs.sort_by(|a, b| (&a.set, &a.input).cmp(&(&b.set, &b.input)));
    Ok(out)
}

fn listed(corpus: &Path, manifest: &Path) -> Result<Corpus, CorpusError> {
    let text = bytes(manifest)?;
    let mut out = Corpus::default();
    for line in text.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        let form = |reason: String| CorpusError::Form { path: manifest.to_owned(), reason };
        let row = parse(line, &Limits::default()).map_err(|error| form(error.to_string()))?;
        let word = |name: &str| row.text_at(&[name]).map(str::to_owned);
        let (Some(kind), Some(set), Some(input)) = (word("kind"), word("set"), word("input")) else {
            return Err(form("expected kind, set and input in every line".to_owned()));
        };
        let folder = corpus.join(&kind).join(&set);
        let beside = row.items("expected").iter().filter_map(Json::as_str).map(|name| folder.join(name));
        if kind == "fhir-to-hl7v2" {
            let input = folder.join(&input);
            out.pairs.extend(beside.take(1).map(|expected| Pair { set: set.clone(), input: input.clone(), expected }));
            continue;
        }
        let Some(format) = Format::of_kind(&kind) else {
            *out.others.entry(kind).or_default() += 1;
            continue;
        };
        let expected = beside.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect();
        let set = if kind == "hl7v2" { set } else { format!("{kind}/{set}") };
        out.inputs.push(Input {
            format,
            set,
            path: folder.join(input),
            facts: word("facts").map(|f| folder.join(f)),
            expected,
            expect: None,
        });
    }
    Ok(out)
}

fn walked(corpus: &Path) -> Result<Corpus, CorpusError> {
    let read = |source| CorpusError::Read { path: corpus.to_owned(), source };
    let mut out = Corpus::default();
    let mut folders = vec![corpus.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(read)? {
            let path = entry.map_err(read)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Some((format, stem)) = Format::of_file(&path).filter(|_| !is_output(&path)) {
                let set = folder.strip_prefix(corpus).unwrap_or(&folder).to_string_lossy().into_owned();
                let beside = |ending: &str| Some(folder.join(format!("{stem}{ending}"))).filter(|path| path.is_file());
                let facts = beside(".facts.json").or_else(|| beside(".expect.json"));
                let expected = others(&folder, &stem, ".json");
                out.inputs.push(Input { format, set, facts, expected, expect: None, path });
            } else if let Some(stem) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".fhir.json")) {
                let set = folder.strip_prefix(corpus).unwrap_or(&folder).to_string_lossy().into_owned();
                let expected = others(&folder, stem, ".hl7").into_iter().next();
                out.pairs.extend(expected.map(|expected| Pair { set, input: path, expected }));
            }
        }
    }
    Ok(out)
}

/// `X.expected-NAME` beside `X`, of one ending, by name.
fn others(folder: &Path, stem: &str, ending: &str) -> Vec<PathBuf> {
    let start = format!("{stem}.expected-");
    let beside = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let fits = |name: &str| name.starts_with(&start) && name.ends_with(ending);
    let mut out: Vec<PathBuf> =
        beside.filter(|entry| fits(&entry.file_name().to_string_lossy())).map(|entry| entry.path()).collect();
    out.sort();
    out
}

/// `X.expected-NAME.hl7` is another system's output, no input; so is `X.output-NAME.xml`.
fn is_output(path: &Path) -> bool {
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    name.contains(".expected-") || name.contains(".output-")
}

fn expectation(input: &mut Input) -> Result<(), CorpusError> {
    let Some(path) = input.facts.clone().filter(|path| path.to_string_lossy().ends_with(".expect.json")) else {
        return Ok(());
    };
    let file = parse(&bytes(&path)?, &Limits::default())
        .map_err(|error| CorpusError::Form { path, reason: error.to_string() })?;
    let messages = file.get("messages").and_then(Json::as_number).and_then(|n| n.as_u64());
    let messages = usize::try_from(messages.unwrap_or(1)).unwrap_or(usize::MAX);
    input.expect = file.text_at(&["expect"]).map(|expect| (expect.to_owned(), messages));
    Ok(())
}
