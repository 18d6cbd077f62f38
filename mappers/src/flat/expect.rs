//! What the examples of a package for flat extracts give.

use std::collections::BTreeMap;

use model::json::{Json, Object};
use model::outcome::Issue;

use crate::expect::text;
use crate::package::Package;
use crate::types::Context;

use super::File;

/// The examples of a package by name: `examples/NAME.csv` (any ending) is one, a folder `examples/NAME/` with a file for
/// each table is one too. `files` are the package's own, by `PACKAGE/path`.
pub fn cases<'f>(package: &str, files: &'f BTreeMap<String, Vec<u8>>) -> BTreeMap<&'f str, Vec<File<'f>>> {
    let prefix = format!("{package}/examples/");
    let mut out: BTreeMap<&str, Vec<File<'_>>> = BTreeMap::new();
    for (path, bytes) in files.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix)) {
        let Some(rest) = path.strip_prefix(&prefix) else { continue };
        let (case, name) = match rest.split_once('/') {
            Some((case, name)) => (case, name),
            None => (rest.rsplit_once('.').map_or(rest, |(stem, _)| stem), rest),
        };
        out.entry(case).or_default().push(File { name, bytes });
    }
    out
}

/// The files of `expected/`: `CASE.json` is the Bundle, `CASE.TABLE.csv` what comes back, `issues.json` what is found, `codes.json` what codes become.
pub(crate) fn expectations(
    package: &Package,
    files: &BTreeMap<String, Vec<u8>>,
    codes: Object,
) -> BTreeMap<String, Vec<u8>> {
    let folder = format!("{}/expected", package.name());
    let mut out = BTreeMap::new();
    let mut issues = Object::new();
    for (case, example) in cases(package.name(), files) {
        let said: Vec<Issue> = match package.convert_flat(&example, &Context::default(), false) {
            Ok(converted) => {
                let back = package.render_flat(std::slice::from_ref(&converted.bundle));
                for file in back.files {
                    out.insert(format!("{folder}/{case}.{}.csv", file.table), file.bytes);
                }
                out.insert(format!("{folder}/{case}.json"), text(&converted.bundle));
                converted.issues
            }
            Err(issues) => issues,
        };
        let line = |issue: &Issue| {
            let at = issue.at.as_deref().unwrap_or_default();
            Json::from(format!("{} {} {at}", issue.severity.as_str(), issue.code))
        };
        issues.insert(case, Json::array(said.iter().map(line)));
    }
    if !codes.is_empty() {
        out.insert(format!("{folder}/codes.json"), text(&Json::Object(codes)));
    }
    if !issues.is_empty() {
        out.insert(format!("{folder}/issues.json"), text(&Json::Object(issues)));
    }
    out
}
