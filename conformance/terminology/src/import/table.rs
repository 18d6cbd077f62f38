//! Reading publishers' tables, row by row.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::release::ReleaseError;

/// A longer line is taken for damage.
const LINE: u64 = 4 << 20;
/// How deep below the release's folder files are looked for.
const DEPTH: usize = 6;

/// Calls `each` with the line number and fields of every line of a file without quoting (RF2, RRF). A line may end in
/// CR LF, the file may begin with a byte order mark.
pub(super) fn rows(
    path: &Path,
    delimiter: char,
    mut each: impl FnMut(u64, &[&str]) -> Result<(), ReleaseError>,
) -> Result<u64, ReleaseError> {
    let mut reader = BufReader::with_capacity(1 << 20, File::open(path).map_err(ReleaseError::io(path))?);
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        let read = (&mut reader).take(LINE).read_until(b'\n', &mut line).map_err(ReleaseError::io(path))?;
        if read == 0 {
            return Ok(number);
        }
        number += 1;
        let layout = |expected| ReleaseError::Layout { path: path.to_owned(), line: number, expected };
        if read as u64 == LINE {
            return Err(layout("a line of at most 4 MiB"));
        }
        let text = std::str::from_utf8(&line).map_err(|_| layout("text in UTF-8"))?;
        let text = if number == 1 { text.trim_start_matches('\u{feff}') } else { text };
        let text = text.trim_end_matches(['\n', '\r']);
        if text.is_empty() {
            continue;
        }
        let fields: Vec<&str> = text.split(delimiter).collect();
        each(number, &fields)?;
    }
}

/// The fields at these places.
///
/// # Errors
/// `ReleaseError::Layout` if the row is shorter.
pub(super) fn pick<'r, const N: usize>(
    path: &Path,
    line: u64,
    fields: &[&'r str],
    places: [usize; N],
) -> Result<[&'r str; N], ReleaseError> {
    let mut picked = [""; N];
    for (slot, place) in picked.iter_mut().zip(places) {
        *slot = fields.get(place).copied().ok_or_else(|| ReleaseError::Layout {
            path: path.to_owned(),
            line,
            expected: "more columns",
        })?;
    }
    Ok(picked)
}

/// All files below a folder whose name passes, sorted; a file given instead of a folder is itself the one.
pub(super) fn files(root: &Path, passes: &dyn Fn(&str) -> bool) -> Result<Vec<PathBuf>, ReleaseError> {
    if root.is_file() {
        return Ok(vec![root.to_owned()]);
    }
    let mut found = Vec::new();
    let mut open = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = open.pop() {
        for entry in std::fs::read_dir(&folder).map_err(ReleaseError::io(&folder))? {
            let entry = entry.map_err(ReleaseError::io(&folder))?;
            let kind = entry.file_type().map_err(ReleaseError::io(&folder))?;
            if kind.is_dir() && depth < DEPTH {
                open.push((entry.path(), depth + 1));
            } else if kind.is_file() && entry.file_name().to_str().is_some_and(passes) {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The first such file.
///
/// # Errors
/// `ReleaseError::MissingFile`.
pub(super) fn file(root: &Path, name: &'static str, passes: &dyn Fn(&str) -> bool) -> Result<PathBuf, ReleaseError> {
    let found = files(root, passes)?.into_iter().next();
    found.ok_or_else(|| ReleaseError::MissingFile { folder: root.to_owned(), name })
}
