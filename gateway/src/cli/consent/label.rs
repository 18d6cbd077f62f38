//! Which labels the codes of resources bring, so that an organisation can measure its map on its own data.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use consent::SensitivityMap;
use model::json::{Json, Object, parse};

use super::super::Failure;
use super::super::input;
use super::super::reporter::Reporter;
use super::LIMITS;
use crate::config::Config;
use crate::sensitivity::{self, Named};

/// The map that comes with the gateway, with what the configuration and the command line name.
pub(super) fn map(named: &[String], config: Option<&Path>) -> Result<SensitivityMap, Failure> {
    let mut all = match config {
        Some(path) => Config::load(path).map_err(Failure::usage)?.consent.sensitivity,
        None => Vec::new(),
    };
    all.extend(named.iter().map(|entry| Named::parse(entry, Path::new("."))));
    sensitivity::load(&all).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        Failure::Refused(lines.join("; "))
    })
}

/// Prints a line for each resource: its labels, how confidential it is, and why.
pub(super) fn run(map: &SensitivityMap, files: &[PathBuf], measure: bool, reporter: &Reporter) -> Result<(), Failure> {
    let mut lines = Vec::new();
    let mut measured = Measured::default();
    for file in files {
        for resource in resources(file)? {
            let mut line = labelled(map, &resource);
            if measure {
                measured.note(map, &resource);
            }
            line.insert("file", file.display().to_string().as_str());
            Json::from(line).write(&mut lines);
            lines.push(b'\n');
        }
    }
    if measure {
        measured.report(map).write(&mut lines);
        lines.push(b'\n');
    }
    reporter.result(&lines)
}

/// The resources of a file; those in a Bundle one by one.
fn resources(file: &Path) -> Result<Vec<Json>, Failure> {
    let bytes = input::read(file)?;
    let refuse =
        |place: String, error: &dyn std::fmt::Display| Failure::Refused(format!("{}{place}: {error}", file.display()));
    let mut found = Vec::new();
    if file == Path::new("-") || file.extension().is_some_and(|it| it == "ndjson") {
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if !line.trim_ascii().is_empty() {
                found.push(parse(line, &LIMITS).map_err(|error| refuse(format!(":{}", index + 1), &error))?);
            }
        }
    } else {
        found.push(parse(&bytes, &LIMITS).map_err(|error| refuse(String::new(), &error))?);
    }
    let mut all = Vec::new();
    for json in found {
        match json.get("resourceType").and_then(Json::as_str) {
            Some("Bundle") => all.extend(json.items("entry").iter().filter_map(|entry| entry.get("resource").cloned())),
            Some(_) => all.push(json),
            None => return Err(refuse(String::new(), &"expected FHIR resources")),
        }
    }
    Ok(all)
}

fn labelled(map: &SensitivityMap, resource: &Json) -> Object {
    let why = map.explain(resource);
    let topics: BTreeSet<&str> = why.iter().map(|it| it.label.as_str()).filter(|label| *label != "R").collect();
    let part = |name: &str| resource.get(name).and_then(Json::as_str).unwrap_or_default();
    let mut line = Object::new();
    line.insert("resource", format!("{}/{}", part("resourceType"), part("id")).as_str());
    line.insert("labels", Json::array(topics.into_iter().map(Json::from)));
    line.insert("restricted", !why.is_empty());
    line.insert(
        "why",
        Json::array(why.iter().map(|it| {
            let mut member = Object::new();
            member.insert("at", it.at.as_str());
            for (name, value) in [("system", &it.system), ("code", &it.code)] {
                if let Some(value) = value {
                    member.insert(name, value.as_str());
                }
            }
            member.insert("label", it.label.as_str());
            member.insert("because", it.reason.as_str());
            Json::from(member)
        })),
    );
    line.insert("map", map.version().as_str());
    line
}

/// Counts against the labels that resources carry already.
#[derive(Default)]
struct Measured {
    labels: BTreeMap<String, Counts>,
    resources: u64,
}

#[derive(Default, Clone, Copy)]
struct Counts {
    both: u64,
    map_only: u64,
    record_only: u64,
}

impl Measured {
    fn note(&mut self, map: &SensitivityMap, resource: &Json) {
        self.resources += 1;
        let found: BTreeSet<String> =
            map.explain(resource).iter().map(|it| it.label.to_string()).filter(|label| label != "R").collect();
        let security = resource.get("meta").map(|meta| meta.items("security")).unwrap_or_default();
        let code = |coding: &Json| {
            let sensitivity = coding.get("system").and_then(Json::as_str).is_some_and(|it| it.ends_with("v3-ActCode"));
            coding.get("code").and_then(Json::as_str).filter(|_| sensitivity).map(str::to_owned)
        };
        let carried: BTreeSet<String> = security.iter().filter_map(code).collect();
        for label in found.union(&carried) {
            let counts = self.labels.entry(label.clone()).or_default();
            match (found.contains(label), carried.contains(label)) {
                (true, true) => counts.both += 1,
                (true, false) => counts.map_only += 1,
                _ => counts.record_only += 1,
            }
        }
    }

    fn report(&self, map: &SensitivityMap) -> Json {
        let mut labels = Object::new();
        for (label, counts) in &self.labels {
            let mut member = Object::new();
            member.insert("both", counts.both);
            member.insert("map_only", counts.map_only);
            member.insert("record_only", counts.record_only);
            member.insert("precision", share(counts.both, counts.map_only).as_str());
            member.insert("recall", share(counts.both, counts.record_only).as_str());
            labels.insert(label.as_str(), Json::from(member));
        }
        let mut report = Object::new();
        report.insert("measured", self.resources);
        report.insert("labels", Json::from(labels));
        report.insert("map", map.version().as_str());
        report.into()
    }
}

/// `right` of all, in per cent with one decimal; `-` of nothing.
fn share(right: u64, wrong: u64) -> String {
    match right + wrong {
        0 => "-".to_owned(),
        all => {
            let thousandths = right * 1000 / all;
            format!("{}.{} %", thousandths / 10, thousandths % 10)
        }
    }
}

#[cfg(test)]
mod tests;
