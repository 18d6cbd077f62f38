//! `anchorline fhirpath`: expressions on FHIR files, one at a time or a line each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use conformance::validate::Validator;
use fhirpath::{Context, EvalError, Expression, Item, Node, Strictness};
use model::json::{Json, Limits};
use model::time::{Clock, Instant, SystemClock};

use super::Failure;
use super::args::FhirpathArguments;
use super::input;
use super::progress::Progress;
use super::reporter::Reporter;

/// Bundles of a whole record are larger than a message.
const LIMITS: Limits = Limits { bytes: 1 << 30, depth: 128 };

/// Files of a batch that are kept read.
const FILES_KEPT: usize = 64;

pub(crate) fn run(options: &FhirpathArguments, reporter: &Reporter) -> Result<(), Failure> {
    let now = SystemClock.now();
    match (&options.batch, &options.expression, &options.file) {
        (Some(batch), ..) => run_batch(batch, now, reporter),
        (None, Some(expression), Some(file)) => {
            let resource = resource(&input::read(file)?).map_err(|why| refused(file, &why))?;
            let shown = if options.typed { typed } else { plain };
            let result = evaluate(expression, Some(&resource), Strictness::Lenient, now, shown);
            let result = result.map_err(|fault| Failure::Refused(format!("{}: {}", fault.stage, fault.message)))?;
            reporter.line(&Json::Array(result).to_text())
        }
        _ => Err(Failure::usage("an expression and a file are needed, or --batch")),
    }
}

fn refused(path: &Path, why: &str) -> Failure {
    Failure::Refused(format!("{}: {why}", path.display()))
}

/// The tree of a FHIR file, JSON or XML.
fn resource(bytes: &[u8]) -> Result<Json, String> {
    if model::xml::looks_like(bytes) {
        return model::xml::parse(bytes, &LIMITS).map(|document| document.resource).map_err(|error| error.to_string());
    }
    model::json::parse(bytes, &LIMITS).map_err(|error| error.to_string())
}

/// Why an expression has no result.
struct Fault {
    stage: &'static str,
    message: String,
}

fn fault(stage: &'static str) -> impl Fn(&dyn std::fmt::Display) -> Fault {
    move |error| Fault { stage, message: error.to_string() }
}

fn evaluate(
    expression: &str,
    resource: Option<&Json>,
    strictness: Strictness,
    now: Instant,
    shown: fn(&Item<'_>) -> Json,
) -> Result<Vec<Json>, Fault> {
    let compiled = Expression::parse(expression).map_err(|error| fault("syntax")(&error))?;
    let of = resource.map(|resource| Node::resource(resource).of());
    compiled.check(of, strictness).map_err(|error| fault("semantic")(&error))?;
    let result = match resource {
        // R4's own profiles, value sets and code systems answer `conformsTo` and `memberOf`.
        Some(resource) => Validator::r4().around(resource, |context, node| {
            let items = compiled.evaluate(&context.with_now(now), &[Item::Node(node)])?;
            Ok(items.iter().map(shown).collect())
        }),
        None => {
            let items = compiled.evaluate(&Context::default().with_now(now), &[]);
            items.map(|items| items.iter().map(shown).collect())
        }
    };
    result.map_err(|error| match error {
        EvalError::Semantic(_) => fault("semantic")(&error),
        _ => fault("execution")(&error),
    })
}

fn plain(item: &Item<'_>) -> Json {
    item.to_json()
}

fn typed(item: &Item<'_>) -> Json {
    Json::object([("type", Json::from(item.type_name())), ("value", item.to_json())])
}

/// Answers every line; a line that cannot be answered is said and does not stop the others.
fn run_batch(path: &Path, now: Instant, reporter: &Reporter) -> Result<(), Failure> {
    let bytes = input::read(path)?;
    let progress = Progress::over(bytes.len() as u64, *reporter);
    let mut files = Files { beside: path.parent().map(Path::to_path_buf), kept: BTreeMap::new() };
    let mut bad = 0_usize;
    let mut number = 0_usize;
    for line in bytes.split(|byte| *byte == b'\n') {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        number += 1;
        let (answer, understood) = answer(line, &mut files, now);
        bad += usize::from(!understood);
        reporter.line(&answer.to_text())?;
        progress.advance(line.len() as u64, number);
    }
    match bad {
        0 => Ok(()),
        bad => Err(Failure::Refused(format!("{bad} of {number} lines: expected an expression and a readable file"))),
    }
}

/// The answer to a line, and whether the line itself and its file could be read.
fn answer(line: &[u8], files: &mut Files, now: Instant) -> (Json, bool) {
    let request = match model::json::parse(line, &LIMITS) {
        Ok(request @ Json::Object(_)) => request,
        Ok(_) => return (failed(Json::Null, "syntax", "expected a JSON object"), false),
        Err(error) => return (failed(Json::Null, "syntax", &error.to_string()), false),
    };
    let id = request.get("id").cloned().unwrap_or(Json::Null);
    let Some(expression) = request.text_at(&["expression"]) else {
        return (failed(id, "syntax", "expected an expression"), false);
    };
    let strictness = match request.get("strict") {
        Some(Json::Bool(true)) => Strictness::Strict,
        _ => Strictness::Lenient,
    };
    let resource = match request.get("file") {
        None | Some(Json::Null) => None,
        Some(Json::String(name)) => match files.read(name) {
            Ok(resource) => Some(resource),
            Err(why) => return (failed(id, "execution", &why), false),
        },
        Some(_) => return (failed(id, "execution", "expected the name of a file"), false),
    };
    match evaluate(expression, resource.as_deref(), strictness, now, typed) {
        Ok(result) => (Json::object([("id", id), ("result", Json::Array(result))]), true),
        Err(fault) => (failed(id, fault.stage, &fault.message), true),
    }
}

fn failed(id: Json, stage: &str, message: &str) -> Json {
    let error = Json::object([("stage", Json::from(stage)), ("message", Json::from(message))]);
    Json::object([("id", id), ("error", error)])
}

/// The files that lines of a batch name, each read once.
struct Files {
    /// Where the batch lies: names are looked for here, and there.
    beside: Option<PathBuf>,
    kept: BTreeMap<String, Rc<Json>>,
}

impl Files {
    fn read(&mut self, name: &str) -> Result<Rc<Json>, String> {
        if let Some(resource) = self.kept.get(name) {
            return Ok(Rc::clone(resource));
        }
        let here = PathBuf::from(name);
        let path = match &self.beside {
            Some(beside) if !here.exists() && beside.join(name).exists() => beside.join(name),
            _ => here,
        };
        let bytes = input::read(&path).map_err(|failure| failure.to_string())?;
        let read = Rc::new(resource(&bytes).map_err(|why| format!("{name}: {why}"))?);
        if self.kept.len() >= FILES_KEPT {
            self.kept.clear();
        }
        self.kept.insert(name.to_owned(), Rc::clone(&read));
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
