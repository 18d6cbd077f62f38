//! FHIR to flat files, by the same rows run backwards.
//!
//! A row of a file is written for each resource of the role that the table is about; the other roles are found by the
//! references that the table's own rows set. What no row reads back comes from the extensions the way here has left.
//! Resources are asked for one by one ([`Pool`]) and rows handed on one by one, so that memory holds a row and not the input.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use model::json::Json;
use model::outcome::Issue;

use crate::compile::Compiled;
use crate::map::AliasId;
use crate::package::Package;
use crate::trace::{Explained, Loss};
use crate::types::Context;

mod account;
mod cells;
mod file;
mod pool;
mod rows;
mod text;
mod walk;

use account::Auditor;
use cells::Line;
use file::File;
pub use pool::{Held, Pool, kept_columns, references};

/// A file made of resources. Holds patient data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// Name of the table.
    pub table: String,
    /// The file.
    pub bytes: Vec<u8>,
    /// Its rows, without the header.
    pub rows: usize,
}

/// What a way back gives. Holds patient data.
#[derive(Clone, Debug, Default)]
pub struct RenderedFlat {
    /// A file for each table of the package that has rows.
    pub files: Vec<Rendered>,
    /// Findings.
    pub issues: Vec<Issue>,
    /// `Type/id` of resources that no row was written of.
    pub unused: Vec<String>,
    /// What of the resources is in which cell, and what has no column; empty unless asked for.
    pub loss: Loss,
    /// Which rule made each cell; empty unless asked for.
    pub explain: Vec<Explained>,
}

/// A piece of what is written: a row, or a resource that no row is written of. Holds patient data.
#[derive(Debug, Default)]
pub struct Piece<'p> {
    /// The table, if there is a row or a line around the rows.
    pub table: Option<&'p FlatName<'p>>,
    /// What comes next in its file.
    pub bytes: &'p [u8],
    /// The row's number in the file; 0 for a line around the rows.
    pub row: u64,
    /// `Type/id` of a resource that no row is written of.
    pub unused: Option<&'p str>,
    /// What of the resources is in which cell, and what has no column; of a resource in several rows the first says it.
    pub loss: Loss,
    /// Which rule made each cell.
    pub explain: Vec<Explained>,
    /// Findings.
    pub issues: Vec<Issue>,
}

/// A table's name, and the ending that its files have by how they are written.
#[derive(Debug)]
pub struct FlatName<'p> {
    /// As the package has it.
    pub name: &'p str,
    /// `csv`, `tsv`, `psv` or `txt`.
    pub ending: &'static str,
}

impl Package {
    /// Writes resources, or those of Bundles, as the files of this package's tables.
    pub fn render_flat(&self, resources: &[Json]) -> RenderedFlat {
        self.render_flat_held(&Held::new(resources), false)
    }

    /// Like [`Package::render_flat`], of what is held in memory; `reports` asks for loss and explanation.
    pub fn render_flat_held(&self, held: &Held, reports: bool) -> RenderedFlat {
        let mut out = RenderedFlat::default();
        self.render_flat_pool(held, reports, &mut |mut piece| {
            if let Some(table) = piece.table {
                let open = out.files.last_mut().filter(|file| file.table == table.name);
                let rows = usize::from(piece.row > 0);
                match open {
                    Some(file) => {
                        file.bytes.extend_from_slice(piece.bytes);
                        file.rows += rows;
                    }
                    None => {
                        let (table, bytes) = (table.name.to_owned(), piece.bytes.to_vec());
                        out.files.push(Rendered { table, bytes, rows });
                    }
                }
            }
            out.unused.extend(piece.unused.map(str::to_owned));
            out.issues.append(&mut piece.issues);
            out.loss.mapped.append(&mut piece.loss.mapped);
            out.loss.dropped.append(&mut piece.loss.dropped);
            out.explain.append(&mut piece.explain);
            true
        });
        out
    }

    /// Writes the resources of a pool as rows of this package's tables, one table after the other, until `take` is false.
    pub fn render_flat_pool(&self, pool: &dyn Pool, reports: bool, take: &mut dyn FnMut(Piece<'_>) -> bool) {
        let context = Context::default();
        let auditor = reports.then(|| Auditor::new(self.compiled(), &context));
        let mut back = Reverse {
            compiled: self.compiled(),
            pool,
            used: vec![0; pool.len().div_ceil(8)],
            issues: Vec::new(),
            said: HashSet::new(),
            auditor,
        };
        for (number, flat) in self.compiled().flat.tables.iter().enumerate() {
            let name = FlatName { name: &flat.name, ending: file::ending(flat) };
            let mut file = File::new(flat, &pool.columns(&flat.name));
            let mut bytes = Vec::new();
            let mut going = true;
            let mut put = |back: &mut Reverse<'_>, line: &Line, about: &rows::About| {
                bytes.clear();
                let row = file.write(line, &mut bytes, &mut back.issues);
                let (loss, explain) = back.account(number, line, row, file.others(), about);
                let issues = std::mem::take(&mut back.issues);
                let table = Some(&name);
                going = take(Piece { table, bytes: &bytes, row, loss, explain, issues, ..Piece::default() });
                going
            };
            if flat.adds {
                back.items(flat, &mut put)
            } else {
                back.table(flat, &mut put)
            }
            bytes.clear();
            if going && file.finish(&mut bytes) {
                going = take(Piece { table: Some(&name), bytes: &bytes, ..Piece::default() });
            }
            if !going {
                return;
            }
        }
        for number in 0..pool.len() {
            if back.is_used(number) {
                continue;
            }
            let Some(resource) = pool.resource(number) else { continue };
            let text = |name| resource.text_at(&[name]).unwrap_or("?");
            let name = format!("{}/{}", text("resourceType"), text("id"));
            let loss = if reports { account::whole(&name, &resource) } else { Loss::default() };
            if !take(Piece { unused: Some(&name), loss, ..Piece::default() }) {
                return;
            }
        }
    }
}

/// Items of arrays that were written, by role and path.
type Taken = HashSet<(AliasId, String, usize)>;

struct Reverse<'a> {
    compiled: &'a Compiled,
    pool: &'a dyn Pool,
    /// A bit for each resource that a row is written of.
    used: Vec<u8>,
    issues: Vec<Issue>,
    /// Findings about columns, said once each.
    said: HashSet<(String, u32, &'static str)>,
    auditor: Option<Auditor<'a>>,
}

/// A resource for each role.
type Bound = HashMap<AliasId, usize>;

impl Reverse<'_> {
    fn resource(&self, number: usize) -> Option<Arc<Json>> {
        self.pool.resource(number)
    }

    /// Notes that a row is written of a resource; true for the first time.
    fn mark(&mut self, number: usize) -> bool {
        let Some(byte) = self.used.get_mut(number / 8) else { return false };
        let bit = 1 << (number % 8);
        let new = *byte & bit == 0;
        *byte |= bit;
        new
    }

    fn is_used(&self, number: usize) -> bool {
        self.used.get(number / 8).is_some_and(|byte| byte & (1 << (number % 8)) != 0)
    }
}
