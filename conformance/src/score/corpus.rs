//! Finds the inputs of a corpus: by its `manifest.jsonl` where there is one, else by walking the folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use model::json::{Json, Limits, parse};

/// An input and what lies beside it.
#[derive(Clone, Debug)]
pub struct Input {
    /// The set it belongs to.
    pub set: String,
    /// The file.
    pub path: PathBuf,
    /// Facts, if any.
    pub facts: Option<PathBuf>,
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

/// Kinds of the manifest that are HL7 v2 messages.
const KINDS: [&str; 2] = ["hl7v2", "roundtrip-hl7v2"];

pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, CorpusError> {
    std::fs::read(path).map_err(|source| CorpusError::Read { path: path.to_owned(), source })
}

/// The inputs in a fixed order, and how many there are of kinds that this version does not convert.
pub(super) fn inputs(corpus: &Path) -> Result<(Vec<Input>, BTreeMap<String, usize>), CorpusError> {
    let manifest = corpus.join("manifest.jsonl");
    let (mut inputs, others) =
        if manifest.is_file() { listed(corpus, &manifest)? } else { (walked(corpus)?, BTreeMap::new()) };
    if inputs.is_empty() {
        return Err(CorpusError::Empty { path: corpus.to_owned() });
    }
    for input in &mut inputs {
        expectation(input)?;
    }
    inputs.sort_by(|a, b| (&a.set, &a.path).cmp(&(&b.set, &b.path)));
    Ok((inputs, others))
}

fn listed(corpus: &Path, manifest: &Path) -> Result<(Vec<Input>, BTreeMap<String, usize>), CorpusError> {
    let text = bytes(manifest)?;
    let (mut inputs, mut others) = (Vec::new(), BTreeMap::new());
    for line in text.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        let form = |reason: String| CorpusError::Form { path: manifest.to_owned(), reason };
        let row = parse(line, &Limits::default()).map_err(|error| form(error.to_string()))?;
        let word = |name: &str| row.text_at(&[name]).map(str::to_owned);
        let (Some(kind), Some(set), Some(input)) = (word("kind"), word("set"), word("input")) else {
            return Err(form("expected kind, set and input in every line".to_owned()));
        };
        if !KINDS.contains(&kind.as_str()) {
            *others.entry(kind).or_default() += 1;
            continue;
        }
        let folder = corpus.join(&kind).join(&set);
        let set = if kind == "hl7v2" { set } else { format!("{kind}/{set}") };
        inputs.push(Input {
            set,
            path: folder.join(input),
            facts: word("facts").map(|f| folder.join(f)),
            expect: None,
        });
    }
    Ok((inputs, others))
}

fn walked(corpus: &Path) -> Result<Vec<Input>, CorpusError> {
    let read = |source| CorpusError::Read { path: corpus.to_owned(), source };
    let mut inputs = Vec::new();
    let mut folders = vec![corpus.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(read)? {
            let path = entry.map_err(read)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "hl7") && !is_expected(&path) {
                let set = folder.strip_prefix(corpus).unwrap_or(&folder).to_string_lossy().into_owned();
                let beside = |ending: &str| Some(path.with_extension(ending)).filter(|path| path.is_file());
                let facts = beside("facts.json").or_else(|| beside("expect.json"));
                inputs.push(Input { set, facts, expect: None, path });
            }
        }
    }
    Ok(inputs)
}

/// `X.expected-NAME.hl7` is another system's output, no input.
fn is_expected(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem.to_string_lossy().contains(".expected-"))
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
