//! CDA documents as the score sees them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use formats::cda::{Document, Element, Limits};
use formats::hl7v2::Severity;
use mappers::{CONVERT_NAMESPACE, Context, Loss, Packages, RenderContext, Unmapped};
use model::json::Json;

use super::invention::Said;
use super::report::Tally;
use super::subject::{Made, Parts, Remarks, Subject, timed};
use super::way_back::{RoundTrip, without};
use super::{Options, cda_facts, detail, honesty};

/// The root of every CDA document (CDA R2, "Clinical Document").
const ROOT: &str = "ClinicalDocument";

/// Documents above it are summed up apart, as most converters are not made for them.
const LARGE_BYTES: usize = 400_000;

/// Whole documents and examples of one entry are different questions, and so are documents that were made odd on purpose.
pub(super) fn group(path: &Path, bytes: usize, has_facts: bool, is_variant: bool) -> &'static str {
    let is_example = path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(".wrapped.xml"));
    match (is_variant, is_example) {
        (true, _) => "wire variants",
        (_, true) => "wrapped examples",
        _ if !has_facts => "without facts",
        _ if bytes < LARGE_BYTES => "full documents",
        _ => "large documents",
    }
}

/// `X.xml` with its stem; of `X.fragment.xml` and `X.wrapped.xml` only the document that can be read by itself.
pub(super) fn stem(path: &Path) -> Option<String> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".xml")?;
    let is_cda = || {
        let head = head(path);
        !head.windows(FHIR.len()).any(|part| part == FHIR)
    };
    if stem.ends_with(".fragment") || !is_cda() {
        return None;
    }
    Some(stem.strip_suffix(".wrapped").unwrap_or(stem).to_owned())
}

const FHIR: &[u8] = b"http://hl7.org/fhir";

fn head(path: &Path) -> Vec<u8> {
    use std::io::Read;
    let mut head = Vec::new();
    if let Ok(file) = std::fs::File::open(path) {
        let _ = file.take(4096).read_to_end(&mut head);
    }
    head
}

pub(super) fn split(raw: &[u8]) -> Parts<'_> {
    Parts { parts: vec![Cow::Borrowed(raw)], findings: false }
}

struct Read {
    document: Document,
    /// To take an entry out, where it is UTF-8.
    text: Option<String>,
}

pub(super) fn read(bytes: &[u8]) -> Result<Box<dyn Subject>, String> {
    let document = Document::parse(bytes, &Limits::default()).map_err(|refused| refused.to_string())?;
    if document.root().name() != ROOT {
        return Err("expected a ClinicalDocument".to_owned());
    }
    Ok(Box::new(Read { document, text: std::str::from_utf8(bytes).ok().map(str::to_owned) }))
}

/// Names of elements and attributes stay.
pub(super) fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (n, piece) in text.split('<').enumerate() {
        let (tag, after) = match piece.split_once('>') {
            Some((tag, after)) if n > 0 => (Some(tag), after),
            _ => (None, piece),
        };
        if let Some(tag) = tag {
            out.push('<');
            for (n, part) in tag.split('"').enumerate() {
                if n > 0 {
                    out.push('"');
                }
                out.push_str(&if n % 2 == 1 { detail::masked(part) } else { part.to_owned() });
            }
            out.push('>');
        }
        out.push_str(&detail::masked(after));
    }
    out
}

impl Subject for Read {
    /// The document's type, a LOINC code.
    fn kind(&self) -> String {
        let code = child(self.document.root(), "code").and_then(|code| code.attribute("code"));
        let plain = |code: &&str| code.len() <= 20 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        code.filter(plain).unwrap_or("-").to_owned()
    }

    /// The program that wrote it, or the custodian.
    fn sender(&self) -> String {
        let named = |path: &[&str]| {
            let found = path.iter().try_fold(self.document.root(), |element, name| child(element, name))?;
            let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
            let name: String = found.text().chars().filter(plain).take(40).collect();
            let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
            Some(name).filter(|name| !name.is_empty())
        };
        let program = named(&["author", "assignedAuthor", "assignedAuthoringDevice", "softwareName"]);
        let custodian = ["custodian", "assignedCustodian", "representedCustodianOrganization", "name"];
        program.or_else(|| named(&custodian)).unwrap_or_else(|| "-".to_owned())
    }

    fn pieces(&self) -> usize {
        self.document.leaves() as usize
    }

    fn say(&self, said: &mut Said) {
        for leaf in (0..self.document.leaves()).filter_map(|leaf| self.document.leaf(leaf)) {
            said.add(leaf.value);
        }
    }

    fn remarks(&self) -> Remarks {
        match self.document.notes().iter().map(|note| note.severity).max() {
            None => Remarks::None,
            Some(severity) if severity > Severity::Information => Remarks::Findings,
            Some(_) => Remarks::Information,
        }
    }

    fn convert<'p>(&self, packages: &'p Packages, options: &Options) -> Result<Made<'p>, String> {
        let package = packages.of_format("ccda", &options.packages).map_err(|error| error.to_string())?;
        let timezone = options.timezone.as_deref();
        let context = Context { namespace: &CONVERT_NAMESPACE, source: "", timezone, authorities: &[], received: None };
        let (mapped, micros) = timed(|| package.map_cda(&self.document, &context));
        let ledger = mapped.loss();
        let unmapped = if options.unmapped { homeless(&self.document, &ledger) } else { Vec::new() };
        Ok(Made {
            package: Some(package),
            described: true,
            output: mapped.bundle,
            issues: mapped.issues,
            ledger,
            unmapped,
            micros,
        })
    }

    /// Facts of the document that the document written of the Bundle says again. What could hold the first document as it
    /// came is taken out before: documents, their bytes, and narratives.
    fn way_back(&self, made: &Made<'_>, _options: &Options, out: &mut RoundTrip) {
        let Some(package) = made.package else { return };
        let copies =
            |resource: &Json| matches!(model::resource::resource_type(resource), Some("DocumentReference" | "Binary"));
        let mut bundle = without(&made.output, &copies).unwrap_or_else(|| made.output.clone());
        take_narratives(&mut bundle);
        let rendered = package.write_cda(&bundle, &RenderContext::default());
        let returned = Document::parse(&rendered.bytes, &Limits::default());
        let returned = returned.map(|document| cda_facts::read(&document)).unwrap_or_default();
        let sent = cda_facts::read(&self.document);
        out.added += returned.difference(&sent).count();
        for fact in sent {
            out.pieces += 1;
            if returned.contains(&fact) {
                out.equal += 1;
                out.strict += 1;
            } else {
                let elsewhere = returned.iter().any(|(_, values)| fact.1.iter().all(|value| values.contains(value)));
                let reason = if elsewhere { "said as something else" } else { "not there" };
                *out.missed.entry((fact.0.to_owned(), reason)).or_insert(0) += 1;
            }
        }
    }

    fn honesty(&self, made: &Made<'_>, options: &Options) -> Tally {
        let mut tally = Tally::default();
        let (Some(text), Some(package)) = (&self.text, made.package) else { return tally };
        let again = |text: String| {
            let timezone = options.timezone.as_deref();
            let context = Context { timezone, ..Context::default() };
            let document = Document::from_bytes(text.into_bytes(), &Limits::default()).ok()?;
            Some((package.map_cda(&document, &context), document))
        };
        if let Some((less, at)) = self.one_entry_less(text)
            && let Some((mapped, _)) = again(less)
        {
            tally.count(fates(&made.ledger, Some(&at)) == fates(&mapped.loss(), None));
        }
        if let Some(old) = self.a_text_that_stands_once(text)
            && let Some((mapped, _)) = again(text.replace(&old, CHANGED))
        {
            tally.count(honesty::only_that_changed(&made.output, &mapped.bundle, &old, CHANGED));
        }
        tally
    }
}

fn take_narratives(json: &mut Json) {
    match json {
        Json::Object(object) => {
            let is_narrative = object.get("text").is_some_and(|text| text.get("div").is_some());
            if is_narrative {
                object.remove("text");
            }
            object.iter_mut().for_each(|(_, value)| take_narratives(value));
        }
        Json::Array(items) => items.iter_mut().for_each(take_narratives),
        _ => {}
    }
}

const CHANGED: &str = "Qzxwvy";

impl Read {
    /// The document without its last entry, and where that stood.
    fn one_entry_less(&self, text: &str) -> Option<(String, String)> {
        let entries = (0..self.document.len()).rev().filter_map(|n| self.document.element(u32::try_from(n).ok()?));
        let last = entries.into_iter().find(|element| element.name() == "entry")?;
        let from = text.rmatch_indices("<entry").map(|(at, _)| at).find(|at| {
            let next = text.get(at + "<entry".len()..).and_then(|rest| rest.chars().next());
            next.is_some_and(|c| c == '>' || c.is_whitespace())
        })?;
        let end = from + text.get(from..)?.find("</entry>")? + "</entry>".len();
        Some((text.get(..from)?.to_owned() + text.get(end..)?, last.xpath()))
    }

    /// A text that makes no ids and chooses no rows: a street, a city, or a title.
    fn a_text_that_stands_once(&self, text: &str) -> Option<String> {
        let free = ["streetAddressLine", "city", "title"];
        let leaves = (0..self.document.leaves()).filter_map(|leaf| self.document.leaf(leaf));
        let leaf = leaves.into_iter().find(|leaf| {
            let plain = leaf.value.len() > 3 && leaf.value.bytes().all(|b| b.is_ascii_alphabetic());
            let named = leaf.attribute.is_none() && free.contains(&leaf.element.name());
            plain && named && text.matches(leaf.value).count() == 1
        })?;
        Some(leaf.value.to_owned())
    }
}

/// How many leaves ended how, but for those below a place.
fn fates(loss: &Loss, but: Option<&str>) -> BTreeMap<(String, &'static str), usize> {
    let mut out = BTreeMap::new();
    for (list, fate) in [(&loss.mapped, "mapped"), (&loss.kept, "kept"), (&loss.dropped, "dropped")] {
        for (at, _) in list {
            let inside = but.and_then(|place| at.strip_prefix(place)).is_some_and(|rest| rest.starts_with('/'));
            if !inside {
                *out.entry((without_numbers(at), fate)).or_default() += 1;
            }
        }
    }
    out
}

fn without_numbers(path: &str) -> String {
    path.split('/').map(|step| step.split('[').next().unwrap_or_default()).collect::<Vec<_>>().join("/")
}

/// Where leaves were kept or dropped, told from the nearest template: what a table's author looks for.
fn homeless(document: &Document, loss: &Loss) -> Vec<Unmapped> {
    let by_path: HashMap<String, u32> = (0..document.leaves()).map(|leaf| (document.leaf_path(leaf), leaf)).collect();
    let mut found: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    for (list, kept) in [(&loss.kept, true), (&loss.dropped, false)] {
        for (at, why) in list {
            let place = by_path.get(at).and_then(|leaf| place(document, *leaf)).unwrap_or_else(|| without_numbers(at));
            let place = if kept { place } else { format!("{place} ({why})") };
            let counts = found.entry(place).or_default();
            *(if kept { &mut counts.0 } else { &mut counts.1 }) += 1;
        }
    }
    found.into_iter().map(|(place, (kept, dropped))| Unmapped { place, kept, dropped }).collect()
}

/// `observation(2.16.840.1.113883.10.20.22.4.7)/value/@code`
fn place(document: &Document, leaf: u32) -> Option<String> {
    let leaf = document.leaf(leaf)?;
    let mut steps = vec![leaf.attribute.map_or_else(|| "text()".to_owned(), |name| format!("@{name}"))];
    let mut at = leaf.element;
    loop {
        if let Some(label) = label(at) {
            steps.push(label);
            break;
        }
        let parent = at.parent();
        if at.name() == "text" && parent.is_some_and(|parent| parent.name() == "section") {
            // How a narrative is built up matters to nobody here.
            steps.truncate(1);
        }
        steps.push(at.name().to_owned());
        match parent {
            Some(parent) => at = parent,
            None => break,
        }
    }
    steps.reverse();
    Some(steps.join("/"))
}

/// The name of an element with its template; of a section without one, with its code.
fn label(element: Element<'_>) -> Option<String> {
    if element.parent().is_none() {
        return Some(element.name().to_owned());
    }
    let templates: Vec<&str> = element
        .children()
        .filter(|child| child.name() == "templateId")
        .filter_map(|template| template.attribute("root"))
        .collect();
    // Consolidated CDA's own first: vendors put templates of older guides beside it, in any order.
    let own = templates.iter().find(|root| root.starts_with("2.16.840.1.113883.10.20.22."));
    let known = own.or(templates.first()).copied();
    let code = || child(element, "code").and_then(|code| code.attribute("code"));
    let known = known.or_else(|| if element.name() == "section" { code() } else { None })?;
    Some(format!("{}({known})", element.name()))
}

fn child<'d>(element: Element<'d>, name: &str) -> Option<Element<'d>> {
    element.children().find(|child| child.name() == name)
}

#[cfg(test)]
mod tests;
