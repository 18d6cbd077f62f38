//! `anchorline conformance run`: suites against running systems, and their reports.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use conformance::validate::{self, Validator};
use definitions::Definitions;
use model::json::Json;
use model::outcome::Issue;
use model::time::SystemClock;
use suites::client::{Client, Options};
use suites::context::{Context, Validate};
use suites::result::Report;
use suites::suite::{self, Suite};
use suites::wire::Format;

use super::Failure;
use super::args::{ReportFormat, RunArguments};
use super::input;
use super::reporter::Reporter;
use crate::validation;

pub(crate) fn run(options: &RunArguments, reporter: Reporter) -> Result<(), Failure> {
    let chosen = options
        .suite
        .iter()
        .map(|name| match &options.requirements {
            Some(tables) if name == "us-core" => Suite::of(name, std::slice::from_ref(tables)),
            _ => Suite::of(name, &options.inputs),
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Failure::usage(format!("--suite {error}")))?;
    let context = Arc::new(context(options, reporter)?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.parallel.clamp(1, 8))
        .enable_all()
        .build()
        .map_err(Failure::refused)?;
    let report = runtime.block_on(suite::run(&context, &chosen, &SystemClock));
    write(&report, options)?;
    match options.format {
        ReportFormat::Json => reporter.line(&report.to_json().to_text())?,
        ReportFormat::Text => reporter.result(report.to_text().as_bytes())?,
    }
    // The report has said what does not hold.
    if report.holds() { Ok(()) } else { Err(Failure::Failed) }
}

fn context(options: &RunArguments, reporter: Reporter) -> Result<Context, Failure> {
    let timeout =
        crate::config::duration(&options.timeout).map_err(|error| Failure::Usage(format!("--timeout: {error}")))?;
    for base in &options.base {
        let address: Result<http::Uri, _> = base.parse();
        let whole = address.is_ok_and(|uri| uri.host().is_some() && matches!(uri.scheme_str(), Some("http" | "https")));
        if !whole {
            return Err(Failure::Usage(format!("--base {base}: expected an address such as https://host:8443/fhir")));
        }
    }
    let identity = match (&options.cert, &options.key_file) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
        _ => return Err(Failure::usage("--cert and --key-file: expected both")),
    };
    let headers = options
        .header
        .iter()
        .map(|header| pair(header, ':', "--header: expected NAME:VALUE"))
        .collect::<Result<Vec<_>, _>>()?;
    let client = Client::new(Options {
        timeout,
        authorities: options.ca.clone(),
        identity,
        insecure: options.insecure,
        bearer: token(options)?,
        headers,
        bases: options.base.clone(),
        ..Options::default()
    })
    .map_err(Failure::usage)?;
    let mut context = Context::new(client, options.base.clone());
    context.bounds.parallel = options.parallel;
    context.bounds.job = timeout.saturating_mul(20);
    context.mllp.clone_from(&options.mllp);
    context.fixtures.clone_from(&options.fixtures);
    context.extensions = options.testscript_extensions;
    if options.xml {
        context.format = Format::Xml;
    }
    for variable in &options.variable {
        let (name, value) = pair(variable, '=', "--variable: expected NAME=VALUE")?;
        context.variables.insert(name, value);
    }
    context.validate = Some(Arc::new(judge(options, reporter)?));
    Ok(context)
}

/// The validator of this program over R4 and the definitions that were named.
struct Judge {
    definitions: Arc<Definitions>,
    validator: Validator,
}

impl Validate for Judge {
    fn knows(&self, profile: &str) -> bool {
        self.definitions.profile(profile).is_ok()
    }

    fn issues(&self, resource: &Json, profiles: &[String]) -> Vec<Issue> {
        self.validator.validate(resource, &validate::Options { profiles, ..validate::Options::default() })
    }
}

fn judge(options: &RunArguments, reporter: Reporter) -> Result<Judge, Failure> {
    let usage = |error: validation::LoadError| Failure::Usage(super::chain(&error));
    let loaded = validation::load(&options.ig, &options.package, options.cache.as_deref()).map_err(usage)?;
    for missing in &loaded.missing {
        reporter.remark(&format!("{} {} is not installed: what it defines is unknown", missing.name, missing.version));
    }
    let validator = validation::validator(Arc::clone(&loaded.definitions), None, None).map_err(usage)?;
    Ok(Judge { definitions: loaded.definitions, validator })
}

fn pair(text: &str, between: char, expected: &str) -> Result<(String, String), Failure> {
    let (name, value) = text.split_once(between).ok_or_else(|| Failure::usage(expected))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// The bearer token: as given, from a file, or none.
fn token(options: &RunArguments) -> Result<Option<String>, Failure> {
    match (&options.token, &options.token_file) {
        (Some(token), None) => Ok(Some(token.clone())),
        (None, Some(path)) => {
            let text = String::from_utf8(input::read(path)?)
                .map_err(|_| Failure::Usage(format!("{}: expected a token", path.display())))?;
            Ok(Some(text.trim().to_owned()))
        }
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(Failure::usage("--token and --token-file: expected one of them")),
    }
}

/// Writes the files asked for: into the folder all of them, or each where it was asked for.
fn write(report: &Report, options: &RunArguments) -> Result<(), Failure> {
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    if let Some(folder) = &options.out {
        files.push((folder.join("report.json"), report.to_json().pretty() + "\n"));
        files.push((folder.join("report.xml"), report.to_junit()));
        files.push((folder.join("report.html"), report.to_html()));
        bodies(report, folder)?;
    }
    // The command lines of a page name files beside it.
    if let Some(folder) = options.html.as_deref().and_then(Path::parent) {
        bodies(report, folder)?;
    }
    files.extend(options.junit.iter().map(|path| (path.clone(), report.to_junit())));
    files.extend(options.html.iter().map(|path| (path.clone(), report.to_html())));
    for (path, text) in files {
        make_folder(&path)?;
        input::write(&path, text.as_bytes())?;
    }
    Ok(())
}

/// Writes the bodies that are too long for a command line.
fn bodies(report: &Report, folder: &Path) -> Result<(), Failure> {
    for body in report.bodies() {
        let path = folder.join(&body.name);
        make_folder(&path)?;
        input::write(&path, &body.content)?;
    }
    Ok(())
}

fn make_folder(path: &Path) -> Result<(), Failure> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => {
            std::fs::create_dir_all(folder).map_err(|error| Failure::Refused(format!("{}: {error}", folder.display())))
        }
        None => Ok(()),
    }
}
