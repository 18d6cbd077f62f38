//! FHIR to the files of a package's tables: a Bundle, a resource, or NDJSON.
//!
//! A large input goes to disk first, as a row may need a resource that comes later; then row after row is written.

use std::collections::BTreeMap;
use std::fs::File as Disk;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use mappers::flat::{FORMAT, FlatName, Held, Piece, Pool};
use mappers::{Explained, Package};
use model::json::Json;
use model::outcome::Issue;

use super::super::super::{Failure, input};
use super::super::Sinks;
use super::{Made, Run, Stop};
use crate::convert::flat::{Log, ResourcesError, Spooled, each_resource, numbered};

/// Inputs of up to this size are held in memory.
const MEMORY_BYTES: u64 = 32 << 20;

pub(super) fn run(run: &Run<'_>, (path, stem): (&Path, &str), sinks: &mut Sinks) -> Result<Made, Stop> {
    let named = run.names.iter().filter_map(|name| run.packages.named(name));
    let Some(package) = named.into_iter().find(|package| package.format() == FORMAT) else {
        return Err(Failure::usage("--to csv needs --package NAME: a package for flat files").into());
    };
    let tables = package.flat_tables().len();
    let mut files = Files { folder: run.options.out.as_deref(), stem, tables, open: BTreeMap::new() };
    let mut input = BufReader::with_capacity(256 << 10, input::open(path)?);
    let mut head = Vec::new();
    let whole = (&mut input).take(MEMORY_BYTES + 1).read_to_end(&mut head);
    let large = whole.map_err(|error| input::unread(path, &error))? as u64 > MEMORY_BYTES;
    run.progress.advance(head.len() as u64, 0);
    let issues = if large {
        let mut pool = Spooled::new().map_err(Failure::refused)?;
        let mut rest = BufReader::with_capacity(256 << 10, head.chain(input));
        let read = each_resource(&mut rest, &mut |url, resource| pool.add(url, resource));
        read.map_err(|error| refused(path, error))?;
        let issues = write(run, package, &pool, &mut files, sinks)?;
        pool.check().map_err(Failure::refused)?;
        issues
    } else {
        let mut held = Held::default();
        let read = each_resource(&mut head.as_slice(), &mut |url, resource| {
            held.add(url, resource.clone());
            Ok(())
        });
        read.map_err(|error| refused(path, error))?;
        write(run, package, &held, &mut files, sinks)?
    };
    files.finish(run)?;
    Ok(Made::Written(issues))
}

fn refused(path: &Path, error: ResourcesError) -> Stop {
    match error {
        ResourcesError::Refused(issue) => Stop::Refused(vec![*issue]),
        ResourcesError::Read(error) => input::unread(path, &error).into(),
    }
}

fn write(
    run: &Run<'_>,
    package: &Package,
    pool: &dyn Pool,
    files: &mut Files<'_>,
    sinks: &mut Sinks,
) -> Result<Vec<Issue>, Failure> {
    let reports = run.options.loss.is_some() || run.options.explain.is_some();
    let (mut log, mut unused, mut failure) = (Log::default(), 0_u64, None);
    package.render_flat_pool(pool, reports, &mut |piece: Piece<'_>| {
        unused += u64::from(piece.unused.is_some());
        log.extend(piece.issues);
        let mut result = piece.table.map_or(Ok(()), |table| files.write(run, table, piece.bytes));
        if reports && (piece.loss.total() > 0 || !piece.explain.is_empty()) {
            let (mut loss, mut explain) = (Vec::new(), Vec::new());
            numbered(piece.row, piece.loss.to_json(), None, &mut loss);
            let rules = Json::array(piece.explain.iter().map(Explained::to_json));
            numbered(piece.row, rules, Some("explain"), &mut explain);
            result = result.and_then(|()| sinks.raw(&loss, &explain));
        }
        failure = result.err();
        failure.is_none()
    });
    if let Some(failure) = failure {
        return Err(failure);
    }
    let mut issues = log.finish();
    if unused > 0 {
        let text = format!("{unused} resources are in no row: the package has no table for them");
        issues.push(Issue::warning("not-supported", text));
    }
    Ok(issues)
}

/// The files of the tables.
struct Files<'f> {
    folder: Option<&'f Path>,
    stem: &'f str,
    /// Tables of the package.
    tables: usize,
    open: BTreeMap<String, BufWriter<Disk>>,
}

impl Files<'_> {
    fn write(&mut self, run: &Run<'_>, table: &FlatName<'_>, bytes: &[u8]) -> Result<(), Failure> {
        if self.folder.is_none() && self.tables == 1 {
            return run.reporter.result(bytes);
        }
        if !self.open.contains_key(table.name) {
            let (path, file) = match self.folder {
                Some(folder) => {
                    let path = folder.join(match self.tables {
                        1 => format!("{}.{}", self.stem, table.ending),
                        _ => format!("{}.{}.{}", self.stem, table.name, table.ending),
                    });
                    let file = Disk::create(&path);
                    (path, file)
                }
                // One table alone has rows, or there is nowhere to put them: that is seen at the end.
                None => (PathBuf::from("a temporary file"), tempfile::tempfile()),
            };
            let file = file.map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
            self.open.insert(table.name.to_owned(), BufWriter::new(file));
        }
        match self.open.get_mut(table.name) {
            Some(file) => file.write_all(bytes).map_err(Failure::refused),
            None => Ok(()),
        }
    }

    fn finish(mut self, run: &Run<'_>) -> Result<(), Failure> {
        for file in self.open.values_mut() {
            file.flush().map_err(Failure::refused)?;
        }
        if self.folder.is_some() || self.open.is_empty() {
            return Ok(());
        }
        if self.open.len() > 1 {
            return Err(Failure::usage("the rows are of several tables: --out DIR is needed"));
        }
        let mut chunk = vec![0; 256 << 10];
        for file in self.open.values_mut() {
            let disk = file.get_mut();
            disk.rewind().map_err(Failure::refused)?;
            loop {
                let length = disk.read(&mut chunk).map_err(Failure::refused)?;
                if length == 0 {
                    break;
                }
                run.reporter.result(chunk.get(..length).unwrap_or_default())?;
            }
        }
        Ok(())
    }
}
