//! `anchorline convert --from csv`: flat extracts to FHIR, small ones as a transaction Bundle, others as a stream of NDJSON.

mod back;

use std::fs::File as Disk;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use mappers::flat::{File, HEAD_BYTES, assign};
use mappers::{CONVERT_NAMESPACE, Context, Explained, Packages};
use model::json::Json;
use model::outcome::{Issue, any_error, operation_outcome};

use super::super::args::ConvertArguments;
use super::super::progress::Progress;
use super::super::reporter::Reporter;
use super::super::{Failure, input};
use super::{Refused, Sinks, write_outcome};
use crate::convert::flat::{MEMORY_BYTES, Request, Source, StreamError, Written, run as stream};
use crate::convert::{Body, Format, Output};

/// Inputs of up to this size are one transaction Bundle unless NDJSON is asked for.
const BUNDLE_LIMIT_BYTES: u64 = 1 << 20;

/// Endings that are flat files to `--from auto`.
const ENDINGS: [&str; 4] = ["csv", "tsv", "tab", "psv"];

/// One run of the command.
pub(super) struct Run<'r> {
    pub(super) packages: &'r Packages,
    pub(super) names: &'r [String],
    pub(super) options: &'r ConvertArguments,
    pub(super) progress: &'r Progress,
    pub(super) reporter: &'r Reporter,
}

/// Whether an input is converted here: it is a flat extract, by what is said or by its name, or is to become one. A folder
/// is an extract of several tables.
pub(super) fn takes(options: &ConvertArguments, path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    let flat = path.is_dir() || ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()));
    options.to == Format::Csv
        || options.from == Format::Csv
        || (options.from == Format::Auto && flat && options.to == Format::FhirR4)
}

/// Translates one input: a file, a folder with the files of several tables, or standard input.
pub(super) fn one(
    run: &Run<'_>,
    place: (&Path, &str),
    sinks: &mut Sinks,
    refused: &mut Refused,
) -> Result<(), Failure> {
    let (path, stem) = place;
    let result = match (run.options.from, run.options.to) {
        (Format::Csv | Format::Auto, Format::FhirR4) => forward(run, place, sinks),
        (Format::Auto | Format::FhirR4, Format::Csv) => back::run(run, place, sinks),
        _ => {
            let text = "a flat extract is converted to FHIR R4, and back from it";
            Err(Stop::Refused(vec![Issue::error("not-supported", text)]))
        }
    };
    let counted = (run.options.inputs.len() > 1).then_some(sinks.count + 1);
    sinks.count += 1;
    let issues = match result {
        Err(Stop::Failed(failure)) => return Err(failure),
        Err(Stop::Refused(issues)) => {
            refused.note(path, issues.first().map_or("refused", |issue| issue.diagnostics.as_str()));
            sinks.outcome(&operation_outcome(&issues), counted)?;
            issues
        }
        Ok(Made::Bundle(output)) => {
            sinks.take(&output, counted)?;
            match &run.options.out {
                Some(out) => {
                    input::write_by(&out.join(format!("{stem}.fhir.json")), |file| output.body.write(file))?;
                }
                None => {
                    run.reporter.result_by(|out| output.body.write(out).and_then(|()| out.write_all(b"\n")))?;
                }
            }
            output.issues
        }
        Ok(Made::Written(issues)) => {
            sinks.outcome(&operation_outcome(&issues), counted)?;
            issues
        }
    };
    if run.options.outcome.is_none() && run.options.out.is_none() && any_error(&issues) {
        run.reporter.remark("some of the input could not be translated; --outcome FILE says what");
    }
    write_outcome(run.options, stem, &issues, None)
}

/// What came of an input.
enum Made {
    /// A Bundle with its reports, to be written.
    Bundle(Output),
    /// It is written already.
    Written(Vec<Issue>),
}

fn forward(run: &Run<'_>, place: (&Path, &str), sinks: &mut Sinks) -> Result<Made, Stop> {
    let timezone = run.options.timezone.as_deref();
    let context = Context { namespace: &CONVERT_NAMESPACE, timezone, ..Context::default() };
    let mut parts = parts(place.0)?;
    let bytes: u64 = parts.iter().map(|part| part.bytes).sum();
    if !run.options.ndjson && bytes <= BUNDLE_LIMIT_BYTES {
        return bundle(run, &context, &mut parts).map(Made::Bundle);
    }
    rows(run, &context, place.1, parts, sinks).map(Made::Written)
}

/// Why there is no output.
enum Stop {
    /// The input is at fault.
    Refused(Vec<Issue>),
    /// Reading or writing is.
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// A file of the input.
struct Part {
    name: String,
    path: PathBuf,
    bytes: u64,
    /// What was read of it already: all of standard input that is small, else its beginning.
    head: Vec<u8>,
    /// The rest of standard input.
    rest: Option<Box<dyn Read + Send>>,
}

fn parts(path: &Path) -> Result<Vec<Part>, Failure> {
    if path == Path::new("-") {
        let mut head = Vec::new();
        let mut stdin: Box<dyn Read + Send> = Box::new(std::io::stdin());
        let read = (&mut stdin).take(BUNDLE_LIMIT_BYTES + 1).read_to_end(&mut head);
        read.map_err(|error| input::unread(path, &error))?;
        let bytes = head.len() as u64;
        return Ok(vec![Part { name: String::new(), path: path.to_owned(), bytes, head, rest: Some(stdin) }]);
    }
    let mut paths = vec![path.to_owned()];
    if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(|error| input::unread(path, &error))?;
        paths = entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.is_file()).collect();
        let hidden = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        paths.retain(|path| !hidden(path));
        paths.sort();
        if paths.is_empty() {
            return Err(Failure::Refused(format!("{}: expected files in the folder", path.display())));
        }
    }
    let mut out = Vec::new();
    for path in paths {
        let failed = |error| input::unread(&path, &error);
        let file = Disk::open(&path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        let mut head = Vec::new();
        file.take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(failed)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        out.push(Part { name, path, bytes, head, rest: None });
    }
    Ok(out)
}

fn bundle(run: &Run<'_>, context: &Context<'_>, parts: &mut [Part]) -> Result<Output, Stop> {
    let options = run.options;
    for part in parts.iter_mut().filter(|part| part.rest.is_none()) {
        part.head = input::read(&part.path)?;
        run.progress.advance(part.head.len() as u64, 0);
    }
    let files: Vec<File<'_>> = parts.iter().map(|part| File { name: &part.name, bytes: &part.head }).collect();
    let reports = options.loss.is_some() || options.explain.is_some();
    let converted = run.packages.convert_flat(run.names, &files, context, reports).map_err(Stop::Refused)?;
    Ok(Output {
        body: Body::Resource(converted.bundle),
        issues: converted.issues,
        loss: converted.loss.to_json(),
        explain: Json::array(converted.explain.iter().map(Explained::to_json)),
    })
}

fn rows(
    run: &Run<'_>,
    context: &Context<'_>,
    stem: &str,
    parts: Vec<Part>,
    sinks: &mut Sinks,
) -> Result<Vec<Issue>, Stop> {
    let options = run.options;
    let files: Vec<File<'_>> = parts.iter().map(|part| File { name: &part.name, bytes: &part.head }).collect();
    let assigned = assign(run.packages, run.names, &files).map_err(|issue| Stop::Refused(vec![issue]))?;
    let mut file = match &options.out {
        Some(out) => {
            let path = out.join(format!("{stem}.ndjson"));
            let failed = |error| Failure::Usage(format!("{}: {error}", path.display()));
            Some(std::io::BufWriter::new(Disk::create(&path).map_err(failed)?))
        }
        None => None,
    };
    let reports = options.loss.is_some() || options.explain.is_some();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let request = Request { assigned: &assigned, context, reports, workers, memory_bytes: MEMORY_BYTES };
    let mut sources: Vec<Box<dyn Source>> = parts.into_iter().map(|part| Box::new(part) as Box<dyn Source>).collect();
    let mut failure = None;
    let ended = stream(&request, &mut sources, &mut |written: Written| {
        run.progress.advance(written.read_bytes, 0);
        let result = match &mut file {
            Some(file) => file.write_all(&written.resources).map_err(Failure::refused),
            None => run.reporter.result(&written.resources),
        };
        let result = result.and_then(|()| sinks.raw(&written.loss, &written.explain));
        match result {
            Ok(()) => true,
            Err(error) => {
                failure = Some(error);
                false
            }
        }
    });
    let flushed = file.as_mut().map_or(Ok(()), Write::flush);
    match (ended, failure) {
        (_, Some(failure)) => Err(failure.into()),
        (Ok(ended), None) => {
            flushed.map_err(Failure::refused)?;
            Ok(ended.issues)
        }
        (Err(StreamError::Refused(issue)), None) => Err(Stop::Refused(vec![*issue])),
        (Err(error), None) => Err(Failure::refused(error).into()),
    }
}

impl Source for Part {
    fn open(&mut self) -> std::io::Result<Box<dyn Read + Send>> {
        match self.rest.take() {
            Some(rest) => Ok(Box::new(Cursor::new(std::mem::take(&mut self.head)).chain(rest))),
            None => Ok(Box::new(Disk::open(&self.path)?)),
        }
    }
}
