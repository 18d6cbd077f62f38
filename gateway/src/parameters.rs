//! The search parameters in force: those of R4, those of `[search]`, and those that an administrator stored.
//!
//! One process serves one data directory, so there is one set. It is replaced as a whole: a search and a write each take
//! the set of the moment and keep it to their end. What was written under another set is found under the new one after a
//! reindex, which runs beside everything else and says how far it is.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use definitions::{Definitions, Package, PackageError};
use model::json::{Json, Limits, parse};
use model::outcome::Issue;
use search::{Definition, Problem, Registry};
use store::{Reindexed, Resources, Search, Store};
use tokio::sync::{Notify, watch};

use crate::app::App;
use crate::config::Config;

#[cfg(test)]
mod tests;

/// Longer than a write takes from its rows to its commit: what was made by the set before is then all in the store.
const SETTLE: Duration = Duration::from_secs(2);

/// Wait before a reindex goes on that the store had no room for.
const AGAIN: Duration = Duration::from_secs(10);

/// Where it is kept which types are indexed by which rules.
const DONE_FILE: &str = "search-rules.json";

struct Current {
    registry: Arc<Registry>,
    /// The set before, while writes may still be under way that were made by it.
    before: Option<Arc<Registry>>,
}

static CURRENT: LazyLock<RwLock<Current>> =
    LazyLock::new(|| RwLock::new(Current { registry: Registry::standard(), before: None }));

/// The set of now.
pub fn current() -> Arc<Registry> {
    Arc::clone(&CURRENT.read().unwrap_or_else(PoisonError::into_inner).registry)
}

/// What the rows of a type are made by now. While the set is being replaced a changed type goes by a number of its own,
/// so that whatever is committed in that time is looked at again.
pub fn rules(resource_type: &str) -> u32 {
    let current = CURRENT.read().unwrap_or_else(PoisonError::into_inner);
    let rules = current.registry.rules(resource_type);
    match &current.before {
        Some(before) if before.rules(resource_type) != rules => !rules,
        _ => rules,
    }
}

fn replace(registry: Registry) {
    let mut current = CURRENT.write().unwrap_or_else(PoisonError::into_inner);
    let is_same = current.registry.custom() == registry.custom();
    if !is_same {
        let before = std::mem::replace(&mut current.registry, Arc::new(registry));
        current.before.get_or_insert(before);
    }
}

/// Says that no write is under way that was made by the set before.
pub fn settled() {
    CURRENT.write().unwrap_or_else(PoisonError::into_inner).before = None;
}

fn is_settling() -> bool {
    CURRENT.read().unwrap_or_else(PoisonError::into_inner).before.is_some()
}

/// A path of `[search] parameters` that cannot be read. Fault of the operator.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct LoadError {
    path: String,
    source: PackageError,
}

/// What the paths of `[search] parameters` define, and what is wrong with the rest.
///
/// # Errors
/// [`LoadError`] for a path that cannot be read.
pub fn load(paths: &[PathBuf]) -> Result<(Vec<Definition>, Vec<Problem>), LoadError> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        let failed = |source| LoadError { path: path.display().to_string(), source };
        let package = Package::read_file(path).map_err(failed)?;
        let urls: Vec<String> =
            package.iter().filter(|(kind, ..)| *kind == "SearchParameter").map(|(_, url, _)| url.to_owned()).collect();
        let set = Definitions::r4().with(vec![package]);
        for url in urls {
            let Some(resource) = set.find(Some("SearchParameter"), &url) else { continue };
            match Definition::read(&resource) {
                Ok(definition) => found.push(definition),
                Err(wrong) => problems.extend(wrong),
            }
        }
    }
    let (_, contradictions) = Registry::with(found.clone());
    problems.extend(contradictions);
    Ok((found, problems))
}

/// The search parameters of a running gateway.
#[derive(Default)]
pub struct Parameters {
    configured: Vec<Definition>,
    /// What these write is no decision of an administrator.
    sources: Vec<String>,
    state: Mutex<State>,
    changed: Notify,
    done_file: Option<PathBuf>,
}

#[derive(Default)]
struct State {
    /// Those that were stored, by their ids.
    stored: BTreeMap<String, Definition>,
    /// What was left out, and why.
    problems: Vec<Problem>,
    /// The type being indexed anew.
    running: Option<String>,
    /// What the last reindex did, over all types.
    report: Option<Reindexed>,
    /// Rules by which types are indexed.
    done: BTreeMap<String, u32>,
}

impl std::fmt::Debug for Parameters {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Parameters").field("configured", &self.configured.len()).finish_non_exhaustive()
    }
}

impl Parameters {
    /// Takes what the configuration names into force; before the store opens, which makes rows by it. `folder`: where
    /// it is kept what is indexed; without one nothing is.
    ///
    /// # Errors
    /// [`LoadError`] for a path that cannot be read. A definition that is wrong is left out and said.
    pub fn open(config: &Config, folder: Option<&Path>) -> Result<Self, LoadError> {
        let (configured, problems) = load(&config.search_parameters)?;
        for problem in &problems {
            tracing::warn!("search parameter left out: {problem}");
        }
        let done_file = folder.map(|folder| folder.join(DONE_FILE));
        let done = done_file.as_deref().map(read_done).unwrap_or_default();
        let (registry, _) = Registry::with(configured.clone());
        replace(registry);
        let state = State { problems, done, ..State::default() };
        let sources = config.sources.iter().map(|source| source.name.clone()).collect();
        Ok(Self { configured, sources, state: Mutex::new(state), changed: Notify::new(), done_file })
    }

    /// The set of now.
    pub fn registry(&self) -> Arc<Registry> {
        current()
    }

    /// What is wrong with a SearchParameter that is to be written: an active one is in force from then on.
    pub fn check(&self, resource: &Json) -> Vec<Issue> {
        if !is_active(resource) {
            return Vec::new();
        }
        let issue = |problem: &Problem| {
            let element = problem.text.split_once(':').map_or("url", |(element, _)| element);
            Issue::error("invalid", problem.text.clone()).at(format!("SearchParameter.{element}"))
        };
        let definition = match Definition::read(resource) {
            Ok(definition) => definition,
            Err(problems) => return problems.iter().map(issue).collect(),
        };
        let own = model::resource::id(resource).unwrap_or_default();
        let mut all = self.configured.clone();
        all.extend(self.state().stored.iter().filter(|(id, _)| *id != own).map(|(_, it)| it.clone()));
        let url = definition.url.clone();
        all.push(definition);
        let (_, problems) = Registry::with(all);
        problems.iter().filter(|problem| problem.url == url).map(issue).collect()
    }

    /// Takes into force what the store holds. Blocks on the store.
    ///
    /// # Errors
    /// What the store says; the set before then stays.
    pub fn reload(&self, store: &Store) -> Result<(), store::Error> {
        let mut stored = BTreeMap::new();
        let mut problems = Vec::new();
        let all = Search { types: vec!["SearchParameter".to_owned()], ..Search::default() };
        store.visit(&all, &mut |version| {
            let Ok(resource) = parse(&version.body, &Limits::default()) else { return ControlFlow::Continue(()) };
            if is_active(&resource) && !self.sources.contains(&version.author.source) {
                match Definition::read(&resource) {
                    Ok(definition) => drop(stored.insert(version.id, definition)),
                    Err(wrong) => problems.extend(wrong),
                }
            }
            ControlFlow::Continue(())
        })?;
        let definitions = self.configured.iter().chain(stored.values()).cloned().collect();
        let (registry, contradictions) = Registry::with(definitions);
        problems.extend(contradictions);
        let mut state = self.state();
        for problem in problems.iter().filter(|problem| !state.problems.contains(problem)) {
            tracing::warn!("search parameter left out: {problem}");
        }
        tracing::info!(configured = self.configured.len(), stored = stored.len(), "search parameters in force");
        state.stored = stored;
        state.problems = problems;
        drop(state);
        replace(registry);
        self.changed.notify_one();
        Ok(())
    }

    /// How it stands, for readiness.
    pub fn status(&self) -> Json {
        let state = self.state();
        let reindex = match (&state.running, &state.report) {
            (Some(running), _) => format!("running: {running}"),
            (None, _) if is_settling() => "about to begin".to_owned(),
            (None, Some(done)) => {
                format!("done: {} looked at, {} indexed anew, {} failed", done.looked_at, done.rewritten, done.failed)
            }
            (None, None) => "nothing to do".to_owned(),
        };
        Json::object([
            ("own", Json::from(current().custom().len().to_string())),
            ("left_out", Json::from(state.problems.len().to_string())),
            ("reindex", Json::from(reindex)),
        ])
    }

    /// Indexes anew what was written under other rules: at the start, and each time the set changes.
    pub async fn run(&self, app: &App, mut stop: watch::Receiver<bool>) {
        loop {
            if is_settling() {
                tokio::select! {
                    () = tokio::time::sleep(SETTLE) => settled(),
                    _ = stop.wait_for(|stop| *stop) => return,
                }
            }
            let (worker, stopping) = (app.clone(), stop.clone());
            let ended = tokio::task::spawn_blocking(move || worker.parameters.reindex(&worker.store, &stopping)).await;
            let again = match ended {
                Ok(Ok(())) => None,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the reindex stopped and goes on soon");
                    Some(AGAIN)
                }
                Err(error) => {
                    tracing::error!(%error, "the reindex ended without a result");
                    app.metrics.alarm("reindex");
                    None
                }
            };
            tokio::select! {
                () = self.changed.notified() => {}
                () = async { tokio::time::sleep(again.unwrap_or_default()).await }, if again.is_some() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    fn reindex(&self, store: &Store, stop: &watch::Receiver<bool>) -> Result<(), store::Error> {
        let mut total: Option<Reindexed> = None;
        for resource_type in store.types()? {
            let rules = rules(&resource_type);
            if self.state().done.get(&resource_type) == Some(&rules) {
                continue;
            }
            self.state().running = Some(resource_type.clone());
            let done = store.reindex(&resource_type, &mut |_| match *stop.borrow() || is_settling() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            });
            self.state().running = None;
            let done = done?;
            if *stop.borrow() || is_settling() {
                // The set changed again, or the gateway ends: begun anew.
                return Ok(());
            }
            if done.rewritten > 0 || done.failed > 0 {
                tracing::info!(
                    resource_type,
                    looked_at = done.looked_at,
                    rewritten = done.rewritten,
                    failed = done.failed,
                    "indexed anew"
                );
            }
            let sum = total.get_or_insert_default();
            sum.looked_at += done.looked_at;
            sum.rewritten += done.rewritten;
            sum.failed += done.failed;
            let mut state = self.state();
            state.report = total;
            if done.failed == 0 {
                state.done.insert(resource_type, rules);
                self.keep(&state.done);
            }
        }
        Ok(())
    }

    /// Losing this costs a look at every version at the next start, so a failure is only said.
    fn keep(&self, done: &BTreeMap<String, u32>) {
        let Some(path) = &self.done_file else { return };
        let members = done.iter().map(|(name, rules)| (name.as_str(), Json::from(rules.to_string())));
        let part = path.with_extension("part");
        let written = std::fs::write(&part, Json::object(members).to_bytes());
        if let Err(error) = written.and_then(|()| std::fs::rename(&part, path)) {
            tracing::warn!(%error, "it could not be kept which types are indexed");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_active(resource: &Json) -> bool {
    resource.text_at(&["status"]) == Some("active")
}

fn read_done(path: &Path) -> BTreeMap<String, u32> {
    let json = std::fs::read(path).ok().and_then(|bytes| parse(&bytes, &Limits::default()).ok());
    let members = json.as_ref().and_then(Json::as_object).into_iter().flat_map(|object| object.iter());
    members.filter_map(|(name, rules)| Some((name.to_owned(), rules.as_str()?.parse().ok()?))).collect()
}
