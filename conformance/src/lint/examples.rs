//! What the package's own examples show: `examples/X.hl7` must give `expected/X.json`, and that `expected/X.hl7` again;
//! the code tables must say what stands in `expected/codes.json`.

use std::collections::BTreeSet;

use formats::cda::{self, Document};
use formats::hl7v2::{Message, Segment};
use mappers::{Context, Package, RenderContext};
use model::json::{Json, Limits, locate, parse};
use model::outcome::{Issue, Severity};

use super::tables::rule_lines;
use super::{Files, Finding, Validate};

pub(super) fn findings(package: &Package, name: &str, files: &Files, validate: Validate<'_>, out: &mut Vec<Finding>) {
    let prefix = format!("{name}/examples/");
    let mut used = BTreeSet::new();
    let mut examples = 0;
    if package.format() == mappers::flat::FORMAT {
        for (case, example) in mappers::flat::cases(name, files) {
            examples += 1;
            let path = format!("{name}/examples/{case}");
            Example { package, name, stem: case, path: &path, files, validate, out }.run_flat(&example, &mut used);
        }
    }
    for (path, bytes) in files.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix)) {
        let Some(stem) = path.strip_prefix(&prefix).and_then(|file| file.strip_suffix(".hl7")) else { continue };
        examples += 1;
        let mut example = Example { package, name, stem, path, files, validate, out };
        example.run(bytes, &mut used);
    }
    if package.format() == "ccda" {
        for (path, bytes) in files.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix)) {
            let Some(file) = path.strip_prefix(&prefix) else { continue };
            if let Some(stem) = file.strip_suffix(".xml") {
                examples += 1;
                Example { package, name, stem, path, files, validate, out }.run_document(bytes, &mut used);
            } else if let Some(stem) = file.strip_suffix(".fhir.json") {
                examples += 1;
                Example { package, name, stem, path, files, validate, out }.run_record(bytes, &mut used);
            }
        }
    }
    codes(package, name, files, out);
    if examples == 0 {
        let text = "expected at least one example".to_owned();
        out.push(Finding::new(Severity::Warning, "no-example", &format!("{name}/examples"), 0, text));
        return;
    }
    for (path, bytes) in files.iter().filter(|(path, _)| path.starts_with(&format!("{name}/"))) {
        unused_rows(path, bytes, &used, out);
    }
}

struct Example<'e> {
    package: &'e Package,
    name: &'e str,
    stem: &'e str,
    path: &'e str,
    files: &'e Files,
    validate: Validate<'e>,
    out: &'e mut Vec<Finding>,
}

impl Example<'_> {
    fn find(&mut self, severity: Severity, code: &'static str, message: String) {
        self.out.push(Finding::new(severity, code, self.path, 0, message));
    }

    fn run(&mut self, bytes: &[u8], used: &mut BTreeSet<String>) {
        let message = match Message::parse(bytes) {
            Ok(parsed) => parsed.message,
            Err(error) => return self.find(Severity::Error, "example-unreadable", error.to_string()),
        };
        let context = Context::default();
        let mapped = self.package.map(&message, &context);
        used.extend(mapped.explain().into_iter().map(|explained| explained.rule));
        let pieces: usize = message.segments().map(|segment| segment.leaves().count()).sum();
        let accounted = mapped.loss().total();
        if accounted != pieces {
            let text = format!("{pieces} pieces in the message, {accounted} accounted for");
            self.find(Severity::Error, "example-loss", text);
        }
        self.shown(&mapped.bundle, &mapped.issues);
        self.back(&mapped.bundle);
    }

    /// An example that is a document, and the document that comes back.
    fn run_document(&mut self, bytes: &[u8], used: &mut BTreeSet<String>) {
        let document = match Document::parse(bytes, &cda::Limits::default()) {
            Ok(document) => document,
            Err(refused) => return self.find(Severity::Error, "example-unreadable", refused.to_string()),
        };
        let mapped = self.package.map_cda(&document, &Context::default());
        used.extend(mapped.explain().into_iter().map(|explained| explained.rule));
        let (leaves, accounted) = (document.leaves() as usize, mapped.loss().total());
        if accounted != leaves {
            let text = format!("{leaves} leaves in the document, {accounted} accounted for");
            self.find(Severity::Error, "example-loss", text);
        }
        self.shown(&mapped.bundle, &mapped.issues);
        let written = self.package.write_cda(&mapped.bundle, &RenderContext::default());
        self.written(&written.bytes);
    }

    /// An example that is FHIR which never was a document, the document written of it, and what that says.
    fn run_record(&mut self, bytes: &[u8], used: &mut BTreeSet<String>) {
        let record = match parse(bytes, &Limits::default()) {
            Ok(record) => record,
            Err(error) => return self.find(Severity::Error, "example-unreadable", error.to_string()),
        };
        let written = self.package.write_cda(&record, &RenderContext::default());
        self.issues(&written.issues);
        self.written(&written.bytes);
        let Ok(document) = Document::parse(&written.bytes, &cda::Limits::default()) else {
            return self.find(Severity::Error, "example-unreadable", "expected a document to be written".to_owned());
        };
        let mapped = self.package.map_cda(&document, &Context::default());
        used.extend(mapped.explain().into_iter().map(|explained| explained.rule));
        self.valid(&mapped.bundle);
        self.expected(&mapped.bundle);
    }

    /// The document that comes back is the expected one.
    fn written(&mut self, bytes: &[u8]) {
        let file = format!("{}/expected/{}.xml", self.name, self.stem);
        let Some(then) = self.files.get(&file) else { return };
        if bytes != then.as_slice() {
            let same = bytes.iter().zip(then).take_while(|(now, then)| now == then).count();
            let text = format!("{} no longer comes back like this, first at byte {same}", self.path);
            let finding = Finding::new(Severity::Error, "example-back-differs", &file, 0, text);
            self.out.push(finding.suggest("mend the row, or accept it: conformance lint --accept"));
        }
    }

    /// An example of a flat extract: its files together.
    fn run_flat(&mut self, example: &[mappers::flat::File<'_>], used: &mut BTreeSet<String>) {
        let converted = match self.package.convert_flat(example, &Context::default(), true) {
            Ok(converted) => converted,
            Err(issues) => {
                let text = issues.first().map_or_else(String::new, |issue| issue.diagnostics.clone());
                return self.find(Severity::Error, "example-unreadable", text);
            }
        };
        used.extend(converted.explain.into_iter().map(|explained| explained.rule));
        self.shown(&converted.bundle, &converted.issues);
        for file in self.package.render_flat(std::slice::from_ref(&converted.bundle)).files {
            let expected = format!("{}/expected/{}.{}.csv", self.name, self.stem, file.table);
            if self.files.get(&expected).is_some_and(|then| *then != file.bytes) {
                let text = format!("{} no longer comes back like this", self.path);
                let finding = Finding::new(Severity::Error, "example-back-differs", &expected, 0, text);
                self.out.push(finding.suggest("mend the row, or accept it: conformance lint --accept"));
            }
        }
    }

    /// What came out: valid, with the findings and the resources that are expected.
    fn shown(&mut self, bundle: &Json, issues: &[Issue]) {
        self.valid(bundle);
        self.issues(issues);
        self.expected(bundle);
    }

    fn valid(&mut self, bundle: &Json) {
        for issue in (self.validate)(bundle).iter().filter(|issue| issue.is_error()) {
            let at = issue.at.clone().unwrap_or_default();
            self.find(Severity::Error, "example-invalid", format!("{at}: {}", issue.diagnostics));
        }
    }

    /// What is found about the example, as `severity code place`.
    fn issues(&mut self, issues: &[Issue]) {
        let file = format!("{}/expected/issues.json", self.name);
        let Some(Ok(expected)) = self.files.get(&file).map(|bytes| parse(bytes, &Limits::default())) else { return };
        let Some(then) = expected.get(self.stem).and_then(Json::as_array) else { return };
        let line = |issue: &Issue| {
            format!("{} {} {}", issue.severity.as_str(), issue.code, issue.at.as_deref().unwrap_or_default())
        };
        let now: Vec<String> = issues.iter().map(line).collect();
        let then: Vec<&str> = then.iter().filter_map(Json::as_str).collect();
        let first = now.iter().zip(&then).find(|(now, then)| now.as_str() != **then).map(|(now, _)| now.clone());
        let first = first.or_else(|| (now.len() > then.len()).then(|| now.get(then.len()).cloned()).flatten());
        if first.is_some() || now.len() != then.len() {
            let text = match first {
                Some(first) => format!("{} has other findings than expected, first {first}", self.path),
                None => format!("{} has fewer findings than expected", self.path),
            };
            let finding = Finding::new(Severity::Error, "example-issues-differ", &file, 0, text);
            self.out.push(finding.suggest("mend the row, or accept it: conformance lint --accept"));
        }
    }

    fn expected(&mut self, bundle: &Json) {
        let file = format!("{}/expected/{}.json", self.name, self.stem);
        let Some(bytes) = self.files.get(&file) else {
            let text = "expected a file in expected/".to_owned();
            return self.find(Severity::Warning, "example-without-expectation", text);
        };
        match parse(bytes, &Limits::default()) {
            Err(error) => self.find(Severity::Error, "expectation-unreadable", error.to_string()),
            Ok(expected) => {
                for issue in (self.validate)(&expected).iter().filter(|issue| issue.is_error()) {
                    let at = issue.at.clone().unwrap_or_default();
                    let line = locate(bytes, &at).map_or(0, |at| at.line);
                    let text = format!("{at}: {}", issue.diagnostics);
                    self.out.push(Finding::new(Severity::Error, "expectation-invalid", &file, line, text));
                }
                if let Some(place) = difference("", &expected, bundle) {
                    let line = locate(bytes, &format!("Bundle.{place}")).map_or(0, |at| at.line);
                    let text = format!("{} no longer gives this at {place}", self.path);
                    let finding = Finding::new(Severity::Error, "example-differs", &file, line, text);
                    self.out.push(finding.suggest("mend the row, or accept it: conformance lint --accept"));
                }
            }
        }
    }

    /// The way back, segment by segment.
    fn back(&mut self, bundle: &Json) {
        let file = format!("{}/expected/{}.hl7", self.name, self.stem);
        let Some(bytes) = self.files.get(&file) else { return };
        let rendered = self.package.render(bundle, &RenderContext::default());
        let (Ok(now), Ok(then)) = (Message::parse(&rendered.bytes), Message::parse(bytes)) else {
            self.out.push(Finding::new(Severity::Error, "expectation-unreadable", &file, 0, "no message".to_owned()));
            return;
        };
        let (now, then) = (&now.message, &then.message);
        let mut pairs = then.segments().zip(now.segments());
        let differs = |(a, b): &(Segment<'_>, Segment<'_>)| a.raw() != b.raw();
        let place = pairs.find(differs).map(|(a, b)| (a.position() + 1, format!("{} or {}", a.name(), b.name())));
        let lengths = (then.segments().len(), now.segments().len());
        let place = place.or_else(|| (lengths.0 != lengths.1).then(|| (lengths.0, "its end".to_owned())));
        if let Some((line, place)) = place {
            let text = format!("{} no longer comes back like this, first at {place}", self.path);
            let finding = Finding::new(Severity::Error, "example-back-differs", &file, line, text);
            self.out.push(finding.suggest("mend the row, or accept it: conformance lint --accept"));
        }
    }
}

/// The code tables of a package against what is expected of them.
fn codes(package: &Package, name: &str, files: &Files, out: &mut Vec<Finding>) {
    let file = format!("{name}/expected/codes.json");
    let Some(Ok(expected)) = files.get(&file).map(|bytes| parse(bytes, &Limits::default())) else { return };
    let prefix = format!("{name}/codes/");
    let own = files.range(prefix.clone()..).map(|(path, _)| path).take_while(|path| path.starts_with(&prefix));
    for path in own {
        let Some(map) = path.strip_prefix(&prefix).and_then(|file| file.strip_suffix(".csv")) else { continue };
        let now = package.vocabulary(map).unwrap_or(Json::Null);
        let place = match expected.get(map) {
            Some(expected) => difference("", expected, &now),
            None => Some(map.to_owned()),
        };
        if let Some(code) = place {
            let bytes = files.get(path).map(Vec::as_slice).unwrap_or_default();
            let line =
                super::view::rows(path, bytes).iter().find(|row| row.cell("code") == code).map_or(0, |row| row.line);
            let text = format!("the code {code} no longer becomes, or comes back as, what {file} says");
            let finding = Finding::new(Severity::Error, "codes-differ", path, line, text);
            out.push(finding.suggest("mend the row, or accept it: conformance lint --accept"));
        }
    }
    for (map, _) in expected.as_object().into_iter().flat_map(|object| object.iter()) {
        if !files.contains_key(&format!("{prefix}{map}.csv")) {
            let text = format!("expects the code table {map}, which is not there");
            out.push(Finding::new(Severity::Error, "codes-differ", &file, 0, text));
        }
    }
}

/// The first place at which two values differ; no values are named.
fn difference(place: &str, a: &Json, b: &Json) -> Option<String> {
    match (a, b) {
        (Json::Object(a), Json::Object(b)) => {
            let missing = a
                .iter()
                .find(|(name, _)| !b.contains_key(name))
                .or_else(|| b.iter().find(|(name, _)| !a.contains_key(name)));
            if let Some((name, _)) = missing {
                return Some(format!("{place}.{name}"));
            }
            a.iter().find_map(|(name, value)| difference(&format!("{place}.{name}"), value, b.get(name)?))
        }
        (Json::Array(a), Json::Array(b)) => {
            let inside = a.iter().zip(b).enumerate().find_map(|(n, (a, b))| difference(&format!("{place}[{n}]"), a, b));
            let shorter = a.len().min(b.len());
            inside.or_else(|| (a.len() != b.len()).then(|| format!("{place}[{shorter}]")))
        }
        // The digest of the package: it changes with every edit of a table, and expectations do not hold it.
        (Json::String(a), Json::String(b)) if a.starts_with("sha256:") && b.starts_with("sha256:") => None,
        _ => (a != b).then(|| place.to_owned()),
    }
    .map(|place| place.trim_start_matches('.').to_owned())
}

/// One finding a file: a list of every row would be read by nobody.
fn unused_rows(path: &str, bytes: &[u8], used: &BTreeSet<String>, out: &mut Vec<Finding>) {
    let lines = rule_lines(path, bytes);
    let unused: Vec<usize> = lines.iter().copied().filter(|line| !used.contains(&format!("{path}:{line}"))).collect();
    if unused.is_empty() {
        return;
    }
    let shown: Vec<String> = unused.iter().take(12).map(usize::to_string).collect();
    let more = if unused.len() > 12 { ", …" } else { "" };
    let text =
        format!("{} of {} rows are used by no example: lines {}{more}", unused.len(), lines.len(), shown.join(", "));
    out.push(
        Finding::new(Severity::Information, "unused-rows", path, 0, text)
            .suggest("an example that needs them: only then a change of the row is seen"),
    );
}
