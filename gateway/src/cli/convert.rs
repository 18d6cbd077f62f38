//! `anchorline convert`: translates files; stores nothing.

mod flat;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use mappers::Packages;
use model::json::Json;
use model::outcome::{Issue, any_error, operation_outcome};

use super::Failure;
use super::args::ConvertArguments;
use super::input;
use super::mapping::{self, Given};
use super::progress::Progress;
use super::reporter::Reporter;
use crate::convert::target::Target;
use crate::convert::{Conversion, Format, Output, Part, Reports, convert_stream};

pub(crate) fn run(options: &ConvertArguments, reporter: &Reporter) -> Result<(), Failure> {
    let stems = stems(options)?;
    let Given { names, packages, .. } = mapping::packages(&options.package)?;
    let request = Conversion {
        from: options.from,
        to: options.to,
        packages: names,
        timezone: options.timezone.clone(),
        reports: if options.loss.is_some() || options.explain.is_some() { Reports::Made } else { Reports::Left },
        target: Target {
            version: options.hl7_version.clone().unwrap_or_default(),
            delimiters: options.delimiters,
            message_type: options.message_type.clone(),
            document_type: options.document_type.clone().unwrap_or_default(),
        },
    };
    if let Some(out) = &options.out {
        std::fs::create_dir_all(out).map_err(|error| Failure::Usage(format!("{}: {error}", out.display())))?;
    }
    let mut sinks = Sinks::open(options)?;
    let sizes = options.inputs.iter().filter_map(|path| std::fs::metadata(path).ok()).map(|meta| meta.len()).sum();
    let progress = Progress::over(sizes, *reporter);
    let mut refused = Refused::default();
    for (number, (path, stem)) in options.inputs.iter().zip(&stems).enumerate() {
        let place = Place { path, stem };
        if flat::takes(options, path) {
            let run =
                flat::Run { packages: &packages, names: &request.packages, options, progress: &progress, reporter };
            flat::one(&run, (path, stem), &mut sinks, &mut refused)?;
            progress.advance(0, number + 1);
            continue;
        }
        let read = one(&packages, &request, options, &place, &progress, &mut sinks, &mut refused, reporter)?;
        match read {
            Err(failure) if options.inputs.len() > 1 => {
                refused.note(path, &failure.to_string());
                write_outcome(options, stem, &[Issue::error("not-found", "the input could not be read")], None)?;
            }
            Err(failure) => return Err(failure),
            Ok(()) => {}
        }
        progress.advance(0, number + 1);
    }
    sinks.close()?;
    refused.into_result()
}

struct Place<'a> {
    path: &'a Path,
    stem: &'a str,
}

/// Translates one input as it is read. The outer failure is one of writing and ends the run, the inner one of reading.
#[expect(clippy::too_many_arguments, reason = "the parts of one run; a struct would only rename them")]
fn one(
    packages: &Packages,
    request: &Conversion,
    options: &ConvertArguments,
    place: &Place<'_>,
    progress: &Progress,
    sinks: &mut Sinks,
    refused: &mut Refused,
    reporter: &Reporter,
) -> Result<Result<(), Failure>, Failure> {
    let mut input = match input::open(place.path) {
        Ok(input) => Watched { input, progress },
        Err(failure) => return Ok(Err(failure)),
    };
    let mut written = Ok(());
    let expected = std::fs::metadata(place.path).map_or(0, |metadata| metadata.len());
    let read = convert_stream(packages, request, &mut input, (expected, input::INPUT_LIMIT_BYTES), |part| {
        written = take(options, place, part, sinks, refused, reporter);
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    written.map(|()| read.map_err(|error| input::unread(place.path, &error)))
}

/// An input whose bytes move the progress bar.
struct Watched<'a> {
    input: Box<dyn Read>,
    progress: &'a Progress,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.progress.advance(read as u64, 0);
        Ok(read)
    }
}

fn take(
    options: &ConvertArguments,
    place: &Place<'_>,
    part: Part,
    sinks: &mut Sinks,
    refused: &mut Refused,
    reporter: &Reporter,
) -> Result<(), Failure> {
    let number = part.of_batch.then_some(part.number);
    sinks.count += 1;
    // In the report files messages are counted through, over all inputs.
    let counted = (part.of_batch || options.inputs.len() > 1).then_some(sinks.count);
    match part.result {
        Err(issues) => {
            let reason = issues.first().map_or("refused", |issue| issue.diagnostics.as_str());
            match number {
                Some(number) => refused.note(place.path, &format!("message {number}: {reason}")),
                None => refused.note(place.path, reason),
            }
            sinks.outcome(&operation_outcome(&issues), counted)?;
            write_outcome(options, place.stem, &issues, number)
        }
        Ok(output) => {
            sinks.take(&output, counted)?;
            match &options.out {
                Some(out) => {
                    let path = out.join(name(place.stem, number, options.to.extension()));
                    input::write_by(&path, |file| output.body.write(file))?;
                    write_outcome(options, place.stem, &output.issues, number)
                }
                None => {
                    let end: &[u8] = if options.to == Format::FhirR4 { b"\n" } else { b"" };
                    if options.outcome.is_none() && any_error(&output.issues) {
                        reporter.remark("some of the input could not be translated; --outcome FILE says what");
                    }
                    reporter.result_by(|out| output.body.write(out).and_then(|()| out.write_all(end)))
                }
            }
        }
    }
}

fn write_outcome(
    options: &ConvertArguments,
    stem: &str,
    issues: &[Issue],
    number: Option<usize>,
) -> Result<(), Failure> {
    let Some(out) = &options.out else { return Ok(()) };
    let mut text = operation_outcome(issues).pretty();
    text.push('\n');
    input::write(&out.join(name(stem, number, "outcome.json")), text.as_bytes())
}

fn name(stem: &str, number: Option<usize>, extension: &str) -> String {
    match number {
        Some(number) => format!("{stem}.{number}.{extension}"),
        None => format!("{stem}.{extension}"),
    }
}

/// One STEM an input; refused before anything is written if two are equal, or several inputs have no place to go.
fn stems(options: &ConvertArguments) -> Result<Vec<String>, Failure> {
    if options.inputs.len() > 1 && options.out.is_none() {
        return Err(Failure::usage("several inputs need --out DIR"));
    }
    let mut seen = BTreeSet::new();
    let mut stems = Vec::new();
    for path in &options.inputs {
        let stem = if path == Path::new("-") {
            "stdin".to_owned()
        } else {
            path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
        };
        if !seen.insert(stem.clone()) {
            return Err(Failure::Usage(format!(
                "two inputs would be written as {stem}: rename one or convert them apart"
            )));
        }
        stems.push(stem);
    }
    Ok(stems)
}

/// What was refused so far; the run goes on, and says so at its end.
#[derive(Default)]
struct Refused {
    count: usize,
    first: String,
}

impl Refused {
    fn note(&mut self, path: &Path, reason: &str) {
        if self.count == 0 {
            self.first = format!("{}: {reason}", path.display());
        }
        self.count += 1;
    }

    fn into_result(self) -> Result<(), Failure> {
        match self.count {
            0 => Ok(()),
            1 => Err(Failure::Refused(self.first)),
            more => Err(Failure::Refused(format!("{} (and {} more refused)", self.first, more - 1))),
        }
    }
}

/// The report files: outcome, loss and explanation, one JSON, or one a line with its message's number.
struct Sinks {
    outcome: Option<BufWriter<File>>,
    loss: Option<BufWriter<File>>,
    explain: Option<BufWriter<File>>,
    count: usize,
}

impl Sinks {
    fn open(options: &ConvertArguments) -> Result<Self, Failure> {
        let open = |path: &Option<PathBuf>| -> Result<Option<BufWriter<File>>, Failure> {
            path.as_ref()
                .map(|path| {
                    File::create(path)
                        .map(BufWriter::new)
                        .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
                })
                .transpose()
        };
        Ok(Self {
            outcome: open(&options.outcome)?,
            loss: open(&options.loss)?,
            explain: open(&options.explain)?,
            count: 0,
        })
    }

    fn take(&mut self, output: &Output, number: Option<usize>) -> Result<(), Failure> {
        self.outcome(&operation_outcome(&output.issues), number)?;
        line(&mut self.loss, &numbered(&output.loss, number, "loss"))?;
        line(&mut self.explain, &numbered(&output.explain, number, "explain"))
    }

    fn outcome(&mut self, outcome: &Json, number: Option<usize>) -> Result<(), Failure> {
        line(&mut self.outcome, &numbered(outcome, number, "outcome"))
    }

    /// Lines of loss and explanation that are made already.
    fn raw(&mut self, loss: &[u8], explain: &[u8]) -> Result<(), Failure> {
        for (file, bytes) in [(&mut self.loss, loss), (&mut self.explain, explain)] {
            if let Some(file) = file {
                file.write_all(bytes).map_err(Failure::refused)?;
            }
        }
        Ok(())
    }

    fn close(self) -> Result<(), Failure> {
        for mut file in [self.outcome, self.loss, self.explain].into_iter().flatten() {
            file.flush().map_err(Failure::refused)?;
        }
        Ok(())
    }
}

/// The report of one message of several: an object gets a member `message`, an array is wrapped.
fn numbered(report: &Json, number: Option<usize>, what: &str) -> Json {
    let Some(number) = number else { return report.clone() };
    let mut line = model::json::Object::new();
    line.insert("message", Json::from(number as u64));
    match report.as_object() {
        Some(members) => {
            for (member, value) in members.iter() {
                line.insert(member, value.clone());
            }
        }
        None => {
            line.insert(what, report.clone());
        }
    }
    Json::from(line)
}

fn line(file: &mut Option<BufWriter<File>>, value: &Json) -> Result<(), Failure> {
    let Some(file) = file else { return Ok(()) };
    writeln!(file, "{value}").map_err(Failure::refused)
}
