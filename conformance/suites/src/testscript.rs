//! FHIR TestScripts (R4): reading them, and running them against one or several systems.
//!
//! FHIR R4 testscript.html and testing.html. A script's setup, each of its tests and its teardown become one test of
//! the report, each action one step. What the specification leaves open is decided as docs/suites.md says; the rules
//! that matter most: a failed or impossible action ends its section; after a failed setup no test is tried; the
//! teardown is always tried, to its end; `warningOnly` makes a failure a warning and goes on; an assert that names no
//! criterion of R4 fails, as it would otherwise pass without having looked at anything.

mod check;
mod fixture;
mod operation;
mod script;
mod state;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::client::Request;
use crate::context::Context;
use crate::result::{Outcome, Step, SuiteResult, Weight};
use crate::run::{self, Job, Recorder};
use crate::wire;
use script::{Action, Capability, Operation, Script};
use state::State;

#[cfg(test)]
mod tests;

/// Largest script that is read.
const SCRIPT_LIMIT_BYTES: u64 = 64 << 20;

/// Runs the scripts of these files and folders; a folder gives all its scripts, in the order of their names.
pub async fn run(context: &Arc<Context>, paths: &[PathBuf]) -> SuiteResult {
    let mut jobs = Vec::new();
    for path in files(paths) {
        let name = path.display().to_string();
        match load(&path) {
            Ok(None) => {}
            Ok(Some(script)) => {
                let context = Arc::clone(context);
                jobs.push(Job::new(&name, |recorder| execute(context, script, recorder)));
            }
            Err(said) => jobs.push(Job::test(&name, "read", Weight::Shall, |recorder| async move {
                recorder.step(Step::error("the script can be read", said));
            })),
        }
    }
    SuiteResult {
        name: "testscript".to_owned(),
        about: "FHIR TestScripts: each script with its setup, tests and teardown".to_owned(),
        tests: run::all(jobs, context.bounds).await,
    }
}

/// The files to read: those named, and in folders named every JSON and XML file directly in them.
fn files(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut inside: Vec<PathBuf> = std::fs::read_dir(path)
            .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
            .unwrap_or_default();
        inside.retain(|file| file.is_file() && file.extension().is_some_and(|name| name == "json" || name == "xml"));
        inside.sort();
        // A folder without a single script is a mistake that must not look like success.
        if inside.is_empty() { files.push(path.clone()) } else { files.extend(inside) }
    }
    files
}

/// A script of a file; `None` if the file holds another resource.
fn load(path: &Path) -> Result<Option<(String, Script)>, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > SCRIPT_LIMIT_BYTES {
        return Err(format!("expected a script of at most {} MiB", SCRIPT_LIMIT_BYTES >> 20));
    }
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let resource = wire::read(&bytes).map_err(|error| error.to_string())?;
    let kind = resource.text_at(&["resourceType"]).unwrap_or_default();
    if !kind.is_empty() && kind != "TestScript" {
        return Ok(None);
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let script = Script::read(&resource, folder).map_err(|error| error.to_string())?;
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(Some((format!("{file}: {}", script.name), script)))
}

async fn execute(context: Arc<Context>, (group, script): (String, Script), recorder: Recorder) {
    let mut state = State::new(&context, &script);
    let checked = script.capabilities.iter().any(|capability| capability.checked);
    if checked || !script.fixtures.is_empty() || !script.setup.is_empty() {
        recorder.test(&group, "setup", Weight::Shall);
    }
    let ready = setup(&mut state, &recorder).await;
    for test in &script.tests {
        recorder.test(&group, &test.name, Weight::Shall);
        match &ready {
            Ok(()) => {
                actions(&mut state, &test.actions, &recorder).await;
            }
            Err(why) => recorder.step(Step::skipped("skipped", *why)),
        }
    }
    if !script.teardown.is_empty() || script.fixtures.iter().any(|fixture| fixture.autodelete) {
        recorder.test(&group, "teardown", Weight::Shall);
    }
    for action in &script.teardown {
        let step = one(&mut state, action).await;
        recorder.step(step);
    }
    for fixture in script.fixtures.iter().filter(|fixture| fixture.autodelete) {
        // Only what this run made: a fixture that was never created is not somebody else's to lose.
        if state.created.contains_key(&fixture.id) {
            let operation = Operation {
                code: "delete".to_owned(),
                label: format!("autodelete {}", fixture.id),
                destination: 1,
                target_id: Some(fixture.id.clone()),
                ..Operation::default()
            };
            let step = operation::perform(&mut state, &operation).await;
            recorder.step(step);
        }
    }
}

/// Loads the fixtures and performs the setup; the reason why no test can be tried, if it did not go well.
async fn setup(state: &mut State<'_>, recorder: &Recorder) -> Result<(), &'static str> {
    for capability in state.script.capabilities.iter().filter(|capability| capability.checked) {
        let step = capability_step(state, capability).await;
        let missing = step.outcome != Outcome::Passed;
        recorder.step(step);
        if missing {
            return Err("a required capability is missing");
        }
    }
    let mut sound = true;
    for fixture in &state.script.fixtures {
        let name = format!("fixture {}", fixture.id);
        let step = match fixture::load(state.context, state.script, fixture) {
            Ok(source) => {
                state.fixtures.insert(fixture.id.clone(), source);
                if fixture.autocreate { autocreate(state, &fixture.id, name).await } else { Step::passed(name) }
            }
            Err(said) => Step::error(name, said),
        };
        sound &= step.outcome == Outcome::Passed;
        recorder.step(step);
    }
    if !sound {
        return Err("a fixture could not be loaded");
    }
    if actions(state, &state.script.setup, recorder).await { Ok(()) } else { Err("the setup failed") }
}

async fn autocreate(state: &mut State<'_>, id: &str, name: String) -> Step {
    let operation = Operation {
        code: "create".to_owned(),
        label: name.clone(),
        destination: 1,
        source_id: Some(id.to_owned()),
        ..Operation::default()
    };
    let step = operation::perform(state, &operation).await;
    match &step.exchange {
        Some(exchange) if !matches!(exchange.status(), Some(200 | 201)) && step.outcome == Outcome::Passed => {
            let got = exchange.status().map(|status| format!("HTTP {status}")).unwrap_or_default();
            let mut failed = Step::error(name, got).with(exchange);
            failed.expected = "the fixture created: HTTP 200 or 201".to_owned();
            failed
        }
        _ => step,
    }
}

/// Asks the server for its CapabilityStatement and looks for the canonical that the script requires.
async fn capability_step(state: &State<'_>, capability: &Capability) -> Step {
    let name = format!("required capability: {}", capability.description);
    let url = crate::client::url::join(state.base(capability.destination), "metadata");
    let exchange = state.context.client.send(Request::new("GET", url).header("Accept", "application/fhir+json")).await;
    let statement = exchange.answer.as_ref().ok().and_then(wire::body);
    let Some(statement) = statement else {
        return Step::error(name, "no CapabilityStatement at /metadata").with(&exchange);
    };
    let declared = statement.text_at(&["url"]).into_iter().chain(
        ["instantiates", "imports"]
            .iter()
            .flat_map(|list| statement.items(list).iter().filter_map(|item| item.as_str())),
    );
    let wanted = capability.canonical.split('|').next().unwrap_or_default();
    if declared.into_iter().any(|canonical| canonical.split('|').next() == Some(wanted)) {
        return Step::passed(name).with(&exchange);
    }
    Step::failed(name, format!("a server that declares {wanted}"), "it does not").with(&exchange)
}

/// Performs a section's actions; whether all went well. What follows a problem is skipped.
async fn actions(state: &mut State<'_>, actions: &[Action], recorder: &Recorder) -> bool {
    let mut sound = true;
    for action in actions {
        if !sound {
            recorder.step(Step::skipped(label(action), "something before it failed"));
            continue;
        }
        let step = one(state, action).await;
        sound = !step.outcome.is_bad();
        recorder.step(step);
    }
    sound
}

fn label(action: &Action) -> &str {
    match action {
        Action::Operation(operation) => &operation.label,
        Action::Assert(assert) => &assert.label,
        Action::Unknown => "action",
    }
}

async fn one(state: &mut State<'_>, action: &Action) -> Step {
    match action {
        Action::Operation(operation) => operation::perform(state, operation).await,
        Action::Assert(assert) => check::check(state, assert),
        Action::Unknown => Step::error("action", "expected an operation or an assert"),
    }
}
