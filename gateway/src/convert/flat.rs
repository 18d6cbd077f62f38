//! Flat extracts as a stream: rows are read, mapped on several threads and written in their order, in memory that does not
//! grow with the file.
//!
//! Batches go round the workers in turn and are taken from them in turn: the order is kept without a buffer to sort in, and
//! every queue holds two batches at most.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use formats::flat::{Reader, Rows};
use mappers::flat::{Assigned, FORMAT, File, Joined, Memory, Shape, Table, issue};
use mappers::{CONVERT_NAMESPACE, Context, Explained, Package};
use model::json::Json;
use model::outcome::{Issue, Severity};

use super::{Body, Middle, Output, Reports, Work};

/// Reads the one file of an extract as a transaction Bundle.
pub(super) fn read(work: &Work<'_>, bytes: Vec<u8>) -> Result<Middle, Vec<Issue>> {
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
    let rendered = package.render_flat(std::slice::from_ref(&middle.tree));
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
    Ok(Output { body: Body::Bytes(bytes), issues, loss: middle.loss.unwrap_or(Json::Null), explain: middle.explain })
}

/// Rows that are mapped at once.
const BATCH_ROWS: usize = 512;

/// So much is read at once.
const CHUNK_BYTES: usize = 256 << 10;

/// Resources whose last content is remembered, so that a patient is not written again with every result.
const REMEMBERED: usize = 1 << 18;

/// Findings of one kind that are said one by one; of the others the number is said.
const SHOWN: usize = 20;

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
    let memory = held(request, sources)?;
    for (table, number) in request.assigned.tables.iter().filter(|(table, _)| !table.adds()) {
        let Some(source) = sources.get_mut(*number) else { continue };
        let input = Input::open(table, source.open()?)?;
        log.extend(input.issues.iter().cloned());
        table_run(request, table, input, &memory, &mut remembered, &mut log, &mut ended, take)?;
    }
    for (table, _) in request.assigned.tables.iter().filter(|(table, _)| table.adds()) {
        let Some(shape) = memory.shape(table.number) else { continue };
        let orphans = memory.orphans(table);
        let mut worker = Worker::new(request);
        let mut done = Done::default();
        worker.mapper.orphan(table.number, shape, &orphans, |unit| done.add(&unit, request.reports));
        done.issues = worker.mapper.take_issues();
        finish(done, &mut remembered, &mut log, &mut ended, take)?;
    }
    ended.issues = log.finish();
    Ok(ended)
}

/// The rows that others need before they are mapped.
fn held(request: &Request<'_>, sources: &mut [Box<dyn Source>]) -> Result<Memory, StreamError> {
    let mut memory = Memory::default();
    let package = request.assigned.package;
    if request.assigned.tables.len() < 2 && !request.assigned.tables.iter().any(|(table, _)| table.adds()) {
        return Ok(memory);
    }
    let wanted: Vec<usize> = Memory::wanted(package).iter().map(|table| table.number).collect();
    for (table, number) in request.assigned.tables.iter().filter(|(table, _)| wanted.contains(&table.number)) {
        let Some(source) = sources.get_mut(*number) else { continue };
        let mut input = Input::open(table, source.open()?)?;
        memory.open(table, input.shape.clone());
        let mut rows = Rows::default();
        while input.rows(&mut rows)? {
            if !memory.add(table, &rows, Memory::LIMIT_BYTES) {
                let text = format!(
                    "expected tables that others are joined with of at most {} MiB in memory, found more in {}",
                    Memory::LIMIT_BYTES >> 20,
                    table.name()
                );
                return Err(StreamError::Refused(Box::new(Issue::error("too-costly", text))));
            }
        }
    }
    Ok(memory)
}

/// A file being read as a table.
struct Input {
    source: Box<dyn Read + Send>,
    reader: Reader,
    shape: Shape,
    issues: Vec<Issue>,
    chunk: Vec<u8>,
    ended: bool,
    read_bytes: u64,
}

impl Input {
    fn open(table: &Table<'_>, source: Box<dyn Read + Send>) -> Result<Self, StreamError> {
        let mut reader = Reader::new(table.dialect().clone());
        let mut chunk = vec![0; CHUNK_BYTES];
        let (mut head, mut ended, mut read_bytes, mut source) = (Rows::default(), false, 0, source);
        if table.has_header() {
            while head.is_empty() && !ended {
                ended = pump(&mut *source, &mut chunk, &mut reader, &mut read_bytes)?;
                reader.read(&mut head, 1);
            }
            if head.is_empty() {
                let issue = Issue::error("structure", "expected a header, found no row").at("1");
                return Err(StreamError::Refused(Box::new(issue)));
            }
        }
        let (shape, mut issues) =
            table.shape(head.row(0).as_ref()).map_err(|issue| StreamError::Refused(Box::new(issue)))?;
        issues.extend(head.found.iter().map(issue));
        Ok(Self { source, reader, shape, issues, chunk, ended, read_bytes })
    }

    /// Fills `rows` with the next ones; false where there are none.
    fn rows(&mut self, rows: &mut Rows) -> io::Result<bool> {
        rows.clear();
        loop {
            self.reader.read(rows, BATCH_ROWS);
            if rows.len() >= BATCH_ROWS || self.ended {
                return Ok(!rows.is_empty() || !rows.found.is_empty());
            }
            self.ended = pump(&mut *self.source, &mut self.chunk, &mut self.reader, &mut self.read_bytes)?;
        }
    }
}

/// Reads a chunk; true at the end of the input.
fn pump(source: &mut dyn Read, chunk: &mut [u8], reader: &mut Reader, count: &mut u64) -> io::Result<bool> {
    loop {
        match source.read(chunk) {
            Ok(0) => {
                reader.finish();
                return Ok(true);
            }
            Ok(read) => {
                *count += read as u64;
                reader.push(chunk.get(..read).unwrap_or_default());
                return Ok(false);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
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
    memory: &Memory,
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
                    let result = worker.map(table, shape, &job, memory, request.reports);
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

    fn map(&mut self, table: &Table<'_>, shape: &Shape, job: &Job, memory: &Memory, reports: bool) -> Done {
        let mut done = Done { read_bytes: job.read_bytes, ..Done::default() };
        let before = self.mapper.counts();
        self.mapper.map(table.number, shape, &job.rows, memory, |unit| done.add(&unit, reports));
        done.issues.extend(job.rows.found.iter().map(issue));
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
fn numbered(row: u64, report: Json, name: Option<&'static str>, out: &mut Vec<u8>) {
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

/// What a resource and its content are remembered by: the same in every run, so that the output is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mark {
    name: u64,
    /// Of 128 bits: two contents that differ are not taken for one.
    content: [u64; 2],
}

fn hash(salt: u8, of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    (salt, of).hash(&mut hasher);
    hasher.finish()
}

/// The last content of resources: as many as there is room for, the latest of those that would stand in the same place.
struct Remembered {
    slots: Vec<Mark>,
}

impl Default for Remembered {
    fn default() -> Self {
        Self { slots: vec![Mark::default(); REMEMBERED] }
    }
}

impl Remembered {
    /// Notes a resource; false if it was written with this content already and not with another since.
    fn is_new(&mut self, mark: Mark) -> bool {
        let at = usize::try_from(mark.name % REMEMBERED as u64).unwrap_or(0);
        let Some(slot) = self.slots.get_mut(at) else { return true };
        let new = *slot != mark;
        *slot = mark;
        new
    }
}

/// Findings so far: of one kind the first ones, and how many there are.
#[derive(Default)]
struct Log {
    kinds: Vec<(Issue, usize)>,
    shown: Vec<Issue>,
}

impl Log {
    fn extend(&mut self, issues: impl IntoIterator<Item = Issue>) {
        for issue in issues {
            let same = |known: &Issue| {
                known.code == issue.code && known.rule == issue.rule && known.diagnostics == issue.diagnostics
            };
            match self.kinds.iter_mut().find(|(known, _)| same(known)) {
                Some((_, count)) => {
                    *count += 1;
                    if *count <= SHOWN {
                        self.shown.push(issue);
                    }
                }
                None => {
                    self.kinds.push((issue.clone(), 1));
                    self.shown.push(issue);
                }
            }
        }
    }

    fn finish(self) -> Vec<Issue> {
        let mut out = self.shown;
        for (issue, count) in self.kinds.into_iter().filter(|(_, count)| *count > SHOWN) {
            let text = format!("{}: {count} times in all, of which the first {SHOWN} are listed", issue.diagnostics);
            out.push(Issue { severity: Severity::Information, diagnostics: text, at: None, ..issue });
        }
        out
    }
}

#[cfg(test)]
mod tests;
