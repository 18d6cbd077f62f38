//! The cases of the reference validator's suite, scored: `ANCHORLINE_CORPUS=DIR cargo test --release -p conformance
//! validator_corpus -- --nocapture`. What differs is written to `validator-misses.tsv` in the system's temporary folder.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use definitions::{Definitions, Package};
use model::json::{Json, Limits, parse};
use model::outcome::Issue;

use super::{Options, Validator};
use crate::file;

const LIMITS: Limits = Limits { bytes: 1 << 30, depth: 128 };

pub(crate) fn root() -> Option<PathBuf> {
    std::env::var_os("ANCHORLINE_CORPUS").map(|corpus| PathBuf::from(corpus).join("fhir-r4"))
}

struct Case {
    name: String,
    file: PathBuf,
    format: String,
    module: String,
    tier: String,
    base: Option<Json>,
    profile: Option<Json>,
    /// A canonical, or a file below the cases.
    source: Option<String>,
    supporting: Vec<String>,
    profile_supporting: Vec<String>,
    packages: Vec<String>,
    options: Json,
}

fn cases(folder: &Path) -> Vec<Case> {
    let manifest = parse(&std::fs::read(folder.join("validator/manifest.json")).unwrap(), &LIMITS).unwrap();
    let table = std::fs::read_to_string(folder.join("validator/manifest.tsv")).unwrap();
    let mut lines = table.lines();
    let head: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let rows: HashMap<String, HashMap<&str, String>> = lines
        .map(|line| {
            let row: HashMap<&str, String> = head.iter().copied().zip(line.split('\t').map(str::to_owned)).collect();
            (row["name"].clone(), row)
        })
        .collect();
    let texts = |json: &Json, name: &str| -> Vec<String> {
        json.items(name).iter().filter_map(|each| each.as_str().map(str::to_owned)).collect()
    };
    let outcome = |expected: Option<&Json>| -> Option<Json> {
        let expected = expected?;
        match expected.get("outcome") {
            Some(Json::String(path)) => Some(parse(&std::fs::read(folder.join(path.as_str())).ok()?, &LIMITS).ok()?),
            Some(inline @ Json::Object(_)) => Some(inline.clone()),
            // Only numbers are recorded.
            _ => {
                let errors = expected.get("errors").and_then(Json::as_number)?.as_u64()?;
                let issue = || Json::object([("severity", Json::from("error"))]);
                let issues: Vec<Json> = (0..errors).map(|_| issue()).collect();
                Some(Json::object([("issue", Json::from(issues))]))
            }
        }
    };
    manifest
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|json| {
            let name = json.text_at(&["name"]).unwrap().to_owned();
            let row = rows.get(&name)?;
            let profile = json.get("profile");
            let profile_of = |key| profile.map_or(Vec::new(), |of| texts(of, key));
            Some(Case {
                file: folder.join(&row["file"]),
                format: row["format"].clone(),
                module: row["module"].clone(),
                tier: row["tier"].clone(),
                base: outcome(json.get("expected")),
                profile: outcome(json.get("expected_profile")),
                source: profile.and_then(|of| of.text_at(&["source"])).map(str::to_owned),
                supporting: [texts(json, "supporting"), texts(json, "profiles")].concat(),
                profile_supporting: [profile_of("supporting"), profile_of("profiles")].concat(),
                packages: [texts(json, "packages"), profile_of("packages")].concat(),
                options: json.clone(),
                name,
            })
        })
        .collect()
}

#[derive(Default)]
struct Score {
    cases: u32,
    agree: u32,
    invalid: u32,
    recalled: u32,
    valid: u32,
    alarms: u32,
    equal: u32,
    errors: u32,
    located: u32,
}

impl Score {
    fn line(&self) -> String {
        let share = |part: u32, whole: u32| if whole == 0 { 100.0 } else { f64::from(part) * 100.0 / f64::from(whole) };
        format!(
            "{:4} cases  agree {:5.1}  recall {:5.1} ({}/{})  alarms {:4.1} ({}/{})  equal {:5.1}  located {:5.1} ({}/{})",
            self.cases,
            share(self.agree, self.cases),
            share(self.recalled, self.invalid),
            self.recalled,
            self.invalid,
            if self.valid == 0 { 0.0 } else { share(self.alarms, self.valid) },
            self.alarms,
            self.valid,
            share(self.equal, self.cases),
            share(self.located, self.errors),
            self.located,
            self.errors
        )
    }

    fn agreement(&self) -> f64 {
        f64::from(self.agree) * 100.0 / f64::from(self.cases.max(1))
    }
}

/// Paths as both sides write them: without comments, indexes stay.
fn normal(path: &str) -> String {
    let mut text = path.to_owned();
    while let Some(start) = text.find("/*") {
        let end = text.get(start..).and_then(|rest| rest.find("*/")).map_or(text.len(), |at| start + at + 2);
        text.replace_range(start..end, "");
    }
    for open in [".ofType(", "[url="] {
        while let Some(start) = text.find(open) {
            let close = if open.starts_with('[') { ']' } else { ')' };
            let end = text.get(start..).and_then(|rest| rest.find(close)).map_or(text.len(), |at| start + at + 1);
            text.replace_range(start..end, "");
        }
    }
    text.replace("[x]", "").replace("/f:", "").trim_end_matches('.').to_owned()
}

fn recorded_errors(outcome: &Json) -> Vec<(String, String)> {
    let is_error = |issue: &&Json| matches!(issue.text_at(&["severity"]), Some("error" | "fatal"));
    let of = |issue: &Json| {
        let place = issue.text_at(&["expression", "0"]).or_else(|| issue.text_at(&["location", "0"]));
        let text = issue.text_at(&["details", "text"]).or_else(|| issue.text_at(&["diagnostics"]));
        (normal(place.unwrap_or_default()), text.unwrap_or_default().replace(['\n', '\t'], " "))
    };
    outcome.items("issue").iter().filter(is_error).map(of).collect()
}

fn definitions_of(folder: &Path, files: &[String], packages: &[String]) -> Arc<Definitions> {
    let mut loaded = Vec::new();
    for package in packages {
        let known = match package.as_str() {
            name if name.starts_with("hl7.fhir.us.core") => "hl7.fhir.us.core-6.1.0-definitions.tgz",
            name if name.starts_with("hl7.fhir.uv.ips") => "hl7.fhir.uv.ips-2.0.0-differentials.tgz",
            _ => continue,
        };
        loaded.extend(Package::read_file(&folder.join("definitions").join(known)).ok());
    }
    for name in files {
        let path = folder.join("validator/cases").join(name);
        if path.extension().is_some_and(|end| end == "xml") {
            match file::read(&std::fs::read(&path).unwrap(), &LIMITS) {
                Ok((json, _)) => loaded.push(Package::from_resources(vec![json])),
                Err(issue) => eprintln!("not loaded: {}: {issue}", path.display()),
            }
            continue;
        }
        match Package::read_file(&path) {
            Ok(package) => loaded.push(package),
            Err(error) => eprintln!("not loaded: {error}"),
        }
    }
    if loaded.is_empty() { Definitions::r4() } else { Arc::new(Definitions::r4().with(loaded)) }
}

fn run(validator: &Validator, case: &Case, bytes: &[u8], profiles: &[String]) -> Vec<Issue> {
    let at = |name: &str| case.options.get(name).or_else(|| case.options.get("profile")?.get(name));
    let has = |name: &str| at(name).and_then(Json::as_bool) == Some(true);
    let options = Options {
        profiles,
        security_checks: has("security-checks"),
        check_references: has("assumeValidRestReferences") || at("validateReference").is_some(),
        references_must_exist: at("validateReference").is_some(),
        contained: case.options.text_at(&["validateContains"]) != Some("IGNORE"),
        no_experimental: has("no-experimental-content"),
        ..Options::default()
    };
    file::file(validator, &case.name, bytes, &LIMITS, &options).issues
}

#[test]
fn validator_corpus() {
    let Some(folder) = root() else {
        eprintln!("skipped: validator_corpus: ANCHORLINE_CORPUS is not set");
        return;
    };
    // Whoever judges may load all files for both steps.
    let all_files = std::env::var_os("ANCHORLINE_ALL_SUPPORTING").is_some();
    let mut scores: BTreeMap<(String, String), Score> = BTreeMap::new();
    let mut misses = String::from("tier\tmodule\tname\tstep\tkind\trecorded\tours\tplace\ttext\n");
    let shared = Validator::of(Definitions::r4());
    for case in cases(&folder) {
        let Ok(bytes) = std::fs::read(&case.file) else { continue };
        for step in ["base", "profile"] {
            let Some(outcome) = (if step == "base" { &case.base } else { &case.profile }) else { continue };
            let mut files = case.supporting.clone();
            let mut asked = Vec::new();
            if step == "profile" || all_files {
                files.extend(case.profile_supporting.clone());
            }
            if let Some(source) = &case.source {
                let path = folder.join("validator/cases").join(source);
                let is_file = !source.starts_with("http") && path.exists();
                if is_file && (step == "profile" || all_files) {
                    files.push(source.clone());
                }
                if step == "profile" {
                    let url = || {
                        let (json, _) = file::read(&std::fs::read(&path).ok()?, &LIMITS).ok()?;
                        json.text_at(&["url"]).map(str::to_owned)
                    };
                    asked.extend(if is_file { url() } else { Some(source.clone()) });
                }
            }
            let own;
            let validator = if files.is_empty() && case.packages.is_empty() {
                &shared
            } else {
                own = Validator::of(definitions_of(&folder, &files, &case.packages));
                &own
            };
            let issues = run(validator, &case, &bytes, &asked);
            let ours: Vec<(String, &Issue)> = issues
                .iter()
                .filter(|issue| issue.is_error())
                .map(|issue| (normal(issue.at.as_deref().unwrap_or_default()), issue))
                .collect();
            let recorded = recorded_errors(outcome);
            let places: BTreeSet<&str> = ours.iter().map(|(place, _)| place.as_str()).collect();
            let located = recorded.iter().filter(|(place, _)| places.contains(place.as_str())).count();
            let row = |kind: &str, place: &str, text: &str| {
                let (tier, module, name) = (&case.tier, &case.module, &case.name);
                let (recorded, ours) = (recorded.len(), ours.len());
                format!("{tier}\t{module}\t{name}\t{step}\t{kind}\t{recorded}\t{ours}\t{place}\t{text}\n")
            };
            let kind = match (recorded.is_empty(), ours.is_empty()) {
                (true, false) => "ALARM",
                (false, true) => "MISSED",
                _ => "place",
            };
            for (place, text) in &recorded {
                if !places.contains(place.as_str()) {
                    misses.push_str(&row(kind, place, text));
                }
            }
            let known: BTreeSet<&str> = recorded.iter().map(|(place, _)| place.as_str()).collect();
            for (place, issue) in &ours {
                if !known.contains(place.as_str()) {
                    let text = format!("OURS {}: {} {:?}", issue.code, issue.diagnostics, issue.rule);
                    misses.push_str(&row(if kind == "ALARM" { kind } else { "extra" }, place, &text));
                }
            }
            let group = if step == "base" { case.tier.clone() } else { format!("profile step, {}", case.tier) };
            let names = [
                (group.clone(), String::new()),
                (group.clone(), format!("{}, {}", case.module, case.format)),
                ("all".to_owned(), String::new()),
            ];
            for name in names {
                let score = scores.entry(name).or_default();
                score.cases += 1;
                score.agree += u32::from(recorded.is_empty() == ours.is_empty());
                score.invalid += u32::from(!recorded.is_empty());
                score.recalled += u32::from(!recorded.is_empty() && !ours.is_empty());
                score.valid += u32::from(recorded.is_empty());
                score.alarms += u32::from(recorded.is_empty() && !ours.is_empty());
                score.equal += u32::from(recorded.len() == ours.len());
                score.errors += u32::try_from(recorded.len()).unwrap();
                score.located += u32::try_from(located).unwrap();
            }
        }
    }
    let mut table = String::new();
    for ((group, module), score) in &scores {
        let _ = writeln!(table, "{:28}{:24}{}", group, module, score.line());
    }
    eprintln!("{table}");
    let file = std::env::temp_dir().join("validator-misses.tsv");
    std::fs::write(&file, misses).unwrap();
    eprintln!("what differs: {}", file.display());
    for (group, floor) in FLOORS {
        let score = scores.get(&((*group).to_owned(), String::new())).unwrap();
        assert!(score.agreement() >= *floor, "{group}: {:.1} is below {floor}", score.agreement());
    }
}

/// Agreement that is kept.
const FLOORS: &[(&str, f64)] = &[("core", 97.0), ("extended", 84.0), ("profile step, core", 98.0)];
