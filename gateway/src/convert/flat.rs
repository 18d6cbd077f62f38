//! Flat extracts as a stream: rows are read, mapped on several threads and written in their order, in memory that does not
//! grow with the file.
//!
//! Batches go round the workers in turn and are taken from them in turn: the order is kept without a buffer to sort in, and
//! every queue holds two batches at most.

use std::borrow::Cow;
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use formats::flat::Rows;
use mappers::flat::{Assigned, FORMAT, File, Held, Joined, Shape, Table, issue};
use mappers::{CONVERT_NAMESPACE, Context, Explained, Package};
use model::json::Json;
use model::outcome::Issue;

use super::{Body, Middle, Output, Reports, Work};

mod input;
mod joins;
mod pool;
mod resources;
mod seen;

pub use pool::Spooled;
pub use resources::{ResourcesError, each_resource};

use input::Input;
use joins::Joins;
pub use seen::Log;
use seen::{Mark, Remembered, hash};

/// Cells of joined tables that are held in memory; more are put on disk.
pub const MEMORY_BYTES: usize = 128 << 20;

/// Reads the one file of an extract as a transaction Bundle.
pub(super) fn read(work: &Work<'_>, bytes: Cow<'_, [u8]>) -> Result<Middle, Vec<Issue>> {
    let timezone = work.request.timezone.as_deref();
    let context = Context { namespace: &CONVERT_NAMESPACE, timezone, ..Context::default() };
    let reports = work.request.reports == Reports::Made;
    let file = File { name: "", bytes: &bytes };
    let converted = work.packages.convert_flat(&work.request.packages, &[file], &context, reports)?;
    let made = |json: Json| if reports { json } else { Json::Null };
    Ok(Middle {
        tree: converted.bundle,
        bytes: None,
        issues: converted.issues,
        loss: Some(made(converted.loss.to_json())),
        explain: made(Json::array(converted.explain.iter().map(Explained::to_json))),
        package: Some(converted.package),
    })
}

/// Writes FHIR as the one file of a package.
pub(super) fn write(work: &Work<'_>, middle: Middle) -> Result<Output, Vec<Issue>> {
    let names = work.request.packages.iter().chain(&middle.package);
    let flat = |name: &String| work.packages.named(name).filter(|package| package.format() == FORMAT);
    let Some(package) = names.into_iter().find_map(flat) else {
        let text = "expected the name of a mapping package for flat files";
        return Err(vec![Issue::error("required", text)]);
    };
    let reports = work.request.reports == Reports::Made;
    let rendered = package.render_flat_held(&Held::new(std::slice::from_ref(&middle.tree)), reports);
    let mut issues = middle.issues;
    issues.extend(rendered.issues);
    if !rendered.unused.is_empty() {
        let text = format!("{} resources are in no row: the package has no table for them", rendered.unused.len());
        issues.push(Issue::warning("not-supported", text));
    }
    let mut files = rendered.files.into_iter();
    let bytes = files.next().map(|file| file.bytes).unwrap_or_default();
    if files.next().is_some() {
        let text = "the rows are of several tables: on the command line --out DIR takes them";
        return Err(vec![Issue::error("not-supported", text)]);
    }
    // What came from elsewhere has an account of its own up to FHIR: that of the way in says more.
    let (loss, explain) = match middle.loss {
        Some(loss) => (loss, middle.explain),
        None if reports => (rendered.loss.to_json(), Json::array(rendered.explain.iter().map(Explained::to_json))),
        None => (Json::Null, middle.explain),
    };
    Ok(Output { body: Body::Bytes(bytes), issues, loss, explain })
}

/// What is asked for.
pub struct Request<'r> {
    /// The package, and the table of each source.
    pub assigned: &'r Assigned<'r>,
    /// What maps know besides the rows.
    pub context: &'r Context<'r>,
    /// Whether loss and explanation are asked for.
    pub reports: bool,
    /// Threads that map.
    pub workers: usize,
    /// Cells of joined tables that are held in memory, usually [`MEMORY_BYTES`].
    pub memory_bytes: usize,
}

/// What a file of an extract is read from, more than once where tables are joined.
pub trait Source {
    /// Opens it at its beginning.
    ///
    /// # Errors
    /// What the system says.
    fn open(&mut self) -> io::Result<Box<dyn Read + Send>>;
}

/// Some rows' results, in order.
#[derive(Default)]
pub struct Written {
    /// Resources, one a line.
    pub resources: Vec<u8>,
    /// Where each cell of each row went, one JSON a line; empty unless asked for.
    pub loss: Vec<u8>,
    /// Which rule made each element, one JSON a line for each row; empty unless asked for.
    pub explain: Vec<u8>,
    /// Bytes of input that were read since the last one.
    pub read_bytes: u64,
}

/// The end of a run.
#[derive(Debug, Default)]
pub struct Ended {
    /// Findings; of many of one kind the first and their number.
    pub issues: Vec<Issue>,
    /// Rows that were mapped.
    pub rows: u64,
    /// Cells with a value, and how many were mapped, kept and dropped.
    pub cells: [usize; 4],
}

/// Why a run ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The input is refused.
    #[error("{}", .0.diagnostics)]
    Refused(Box<Issue>),
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// What was made of it could not be written.
    #[error("the output could not be written")]
    Write,
}

/// Maps every row of the sources and hands what they become to `take`, in order.
///
/// # Errors
/// [`StreamError`]; what is wrong with single rows is among the issues.
pub fn run(
    request: &Request<'_>,
    sources: &mut [Box<dyn Source>],
    take: &mut dyn FnMut(Written) -> bool,
) -> Result<Ended, StreamError> {
    let mut log = Log::default();
    let mut ended = Ended::default();
    let mut remembered = Remembered::default();
    let joins = Joins::read(request, sources, &mut log)?;
    for (table, number) in request.assigned.tables.iter().filter(|(table, _)| !table.adds()) {
        let Some(source) = sources.get_mut(*number) else { continue };
        let input = Input::open(table, source.open()?)?;
        log.extend(input.issues.iter().cloned());
        table_run(request, table, input, &joins, &mut remembered, &mut log, &mut ended, take)?;
    }
    for (table, number) in request.assigned.tables.iter().filter(|(table, _)| table.adds()) {
        let Some(source) = sources.get_mut(*number) else { continue };
        let mut input = Input::open(table, source.open()?)?;
        log.extend(input.issues.iter().cloned());
        let (mut rows, mut worker) = (Rows::default(), Worker::new(request));
        while input.rows(&mut rows)? {
            let done = worker.orphans(table, &input.shape, &rows, &joins, request.reports);
            finish(done, &mut remembered, &mut log, &mut ended, take)?;
        }
    }
    joins.check()?;
    ended.issues = log.finish();
    Ok(ended)
}

struct Job {
    rows: Rows,
    read_bytes: u64,
}

#[expect(clippy::too_many_arguments, reason = "the parts of one run; a struct would only rename them")]
fn table_run(
    request: &Request<'_>,
    table: &Table<'_>,
    mut input: Input,
    joins: &Joins,
    remembered: &mut Remembered,
    log: &mut Log,
    ended: &mut Ended,
    take: &mut dyn FnMut(Written) -> bool,
) -> Result<(), StreamError> {
    let workers = request.workers.max(1);
    let shape = input.shape.clone();
    std::thread::scope(|scope| {
        let (mut jobs, mut results): (Vec<SyncSender<Job>>, Vec<Receiver<Done>>) = (Vec::new(), Vec::new());
        for _ in 0..workers {
            let (job, jobs_of) = sync_channel::<Job>(2);
            let (done, done_of) = sync_channel::<Done>(2);
            let shape = &shape;
            scope.spawn(move || {
                let mut worker = Worker::new(request);
                for job in jobs_of {
                    let result = worker.map(table, shape, &job, joins, request.reports);
                    if done.send(result).is_err() {
                        return;
                    }
                }
            });
            jobs.push(job);
            results.push(done_of);
        }
        let reading = scope.spawn(move || -> io::Result<()> {
            let mut turn = jobs.iter().cycle();
            loop {
                let mut rows = Rows::default();
                if !input.rows(&mut rows)? {
                    return Ok(());
                }
                let read_bytes = std::mem::take(&mut input.read_bytes);
                let Some(worker) = turn.next() else { return Ok(()) };
                // Nobody takes it any more: the run has ended.
                if worker.send(Job { rows, read_bytes }).is_err() {
                    return Ok(());
                }
            }
        });
        let mut written = Ok(());
        for result in results.iter().cycle() {
            let Ok(done) = result.recv() else { break };
            written = finish(done, remembered, log, ended, take);
            if written.is_err() {
                break;
            }
        }
        drop(results);
        match reading.join() {
            Ok(read) => read.map_err(StreamError::Read).and(written),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Maps batches on a thread.
struct Worker<'r> {
    mapper: mappers::flat::Mapper<'r>,
}

impl<'r> Worker<'r> {
    fn new(request: &Request<'r>) -> Self {
        let package: &'r Package = request.assigned.package;
        Self { mapper: package.flat_mapper(request.context, request.reports) }
    }

    fn map(&mut self, table: &Table<'_>, shape: &Shape, job: &Job, joins: &Joins, reports: bool) -> Done {
        let mut done = Done { read_bytes: job.read_bytes, ..Done::default() };
        let before = self.mapper.counts();
        self.mapper.map(table.number, shape, &job.rows, joins, |unit| done.add(&unit, reports));
        self.settle(done, before, &job.rows)
    }

    /// Maps the rows that add to a row above which is not there; the others have been mapped with it.
    fn orphans(&mut self, table: &Table<'_>, shape: &Shape, rows: &Rows, joins: &Joins, reports: bool) -> Done {
        let (mut alone, mut found) = (Rows::default(), Rows::default());
        for row in rows.iter() {
            found.clear();
            if let (Some(key), Some(parent)) = (table.parent_key(shape, &row), table.parent()) {
                joins.find(parent, &key, &mut found);
            }
            if found.is_empty() {
                alone.push(row.number(), row.cells());
            }
        }
        let mut done = Done::default();
        let before = self.mapper.counts();
        self.mapper.orphan(table.number, shape, &alone, |unit| done.add(&unit, reports));
        self.settle(done, before, rows)
    }

    fn settle(&mut self, mut done: Done, before: [usize; 4], rows: &Rows) -> Done {
        done.issues.extend(rows.found.iter().map(issue));
        done.issues.extend(self.mapper.take_issues());
        for ((slot, now), before) in done.cells.iter_mut().zip(self.mapper.counts()).zip(before) {
            *slot = now - before;
        }
        done
    }
}

/// What a batch became.
#[derive(Default)]
struct Done {
    bytes: Vec<u8>,
    /// For each line where it ends, and what it is remembered by.
    lines: Vec<(usize, Mark)>,
    issues: Vec<Issue>,
    loss: Vec<u8>,
    explain: Vec<u8>,
    rows: u64,
    cells: [usize; 4],
    read_bytes: u64,
}

impl Done {
    fn add(&mut self, unit: &mappers::flat::Unit<'_>, reports: bool) {
        self.rows += 1;
        for resource in unit.resources {
            let from = self.bytes.len();
            resource.write(&mut self.bytes);
            let content = self.bytes.get(from..).unwrap_or_default();
            let name = (resource.kind.as_str(), resource.id.as_str());
            let mark = Mark { name: hash(0, name), content: [hash(1, content), hash(2, content)] };
            self.bytes.push(b'\n');
            self.lines.push((self.bytes.len(), mark));
        }
        if reports {
            numbered(unit.row, unit.loss().to_json(), None, &mut self.loss);
            let explain = Json::array(unit.explain().iter().map(Explained::to_json));
            numbered(unit.row, explain, Some("explain"), &mut self.explain);
        }
    }
}

/// A report of one row, with its number.
pub fn numbered(row: u64, report: Json, name: Option<&'static str>, out: &mut Vec<u8>) {
    let mut members = vec![("message".to_owned(), Json::from(row))];
    match (report, name) {
        (report, Some(name)) => members.push((name.to_owned(), report)),
        (Json::Object(object), None) => {
            members.extend(object.into_iter().map(|(name, value)| (name.to_string(), value)))
        }
        _ => {}
    }
    Json::object(members).write(out);
    out.push(b'\n');
}

fn finish(
    done: Done,
    remembered: &mut Remembered,
    log: &mut Log,
    ended: &mut Ended,
    take: &mut dyn FnMut(Written) -> bool,
) -> Result<(), StreamError> {
    ended.rows += done.rows;
    for (slot, count) in ended.cells.iter_mut().zip(done.cells) {
        *slot += count;
    }
    log.extend(done.issues);
    let mut resources = Vec::with_capacity(done.bytes.len());
    let mut from = 0;
    for (end, mark) in done.lines {
        if remembered.is_new(mark) {
            resources.extend_from_slice(done.bytes.get(from..end).unwrap_or_default());
        }
        from = end;
    }
    let written = Written { resources, loss: done.loss, explain: done.explain, read_bytes: done.read_bytes };
    if take(written) { Ok(()) } else { Err(StreamError::Write) }
}

#[cfg(test)]
mod tests;
