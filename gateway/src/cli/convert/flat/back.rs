//! FHIR to the files of a package's tables: a Bundle, a resource, or NDJSON.

use std::path::Path;

use mappers::flat::FORMAT;
use model::json::{Json, Limits, parse};
use model::outcome::Issue;

use super::super::super::{Failure, input};
use super::{Made, Run, Stop};

pub(super) fn run(run: &Run<'_>, (path, stem): (&Path, &str)) -> Result<Made, Stop> {
    let named = run.names.iter().filter_map(|name| run.packages.named(name));
    let Some(package) = named.into_iter().find(|package| package.format() == FORMAT) else {
        return Err(Failure::usage("--to csv needs --package NAME: a package for flat files").into());
    };
    let bytes = input::read(path)?;
    run.progress.advance(bytes.len() as u64, 0);
    let resources = resources(&bytes).map_err(|issue| Stop::Refused(vec![issue]))?;
    let rendered = package.render_flat(&resources);
    let mut issues = rendered.issues;
    if !rendered.unused.is_empty() {
        let text = format!("{} resources are in no row: the package has no table for them", rendered.unused.len());
        issues.push(Issue::warning("not-supported", text));
    }
    match (&run.options.out, rendered.files.as_slice()) {
        (Some(out), [file]) => input::write(&out.join(format!("{stem}.csv")), &file.bytes)?,
        (Some(out), files) => {
            for file in files {
                input::write(&out.join(format!("{stem}.{}.csv", file.table)), &file.bytes)?;
            }
        }
        (None, [file]) => run.reporter.result(&file.bytes)?,
        (None, []) => {}
        (None, _) => return Err(Failure::usage("the rows are of several tables: --out DIR is needed").into()),
    }
    Ok(Made::Written(issues))
}

/// The resources of a JSON text, or of one a line.
fn resources(bytes: &[u8]) -> Result<Vec<Json>, Issue> {
    if let Ok(json) = parse(bytes, &Limits::default()) {
        return Ok(vec![json]);
    }
    let mut out = Vec::new();
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let json = parse(line, &Limits::default());
        out.push(json.map_err(|error| Issue::error("structure", error.to_string()).at(format!("line {number}")))?);
    }
    Ok(out)
}
