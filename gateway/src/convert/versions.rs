//! FHIR of other versions as `convert` reads and writes it.

use std::borrow::Cow;

use conformance::file;
use model::json::{Json, Limits};
use model::outcome::{Issue, Severity};
use model::xml;
use versions::{Options, Version};

use super::fhir::bearable;
use super::{Body, Format, Middle, Output, Reports, Work};

/// Reads DSTU2.
pub(super) fn read_dstu2(work: &Work<'_>, input: Cow<'_, [u8]>) -> Result<Middle, Vec<Issue>> {
    read(work, &input, Version::Dstu2)
}

/// Reads STU3.
pub(super) fn read_stu3(work: &Work<'_>, input: Cow<'_, [u8]>) -> Result<Middle, Vec<Issue>> {
    read(work, &input, Version::Stu3)
}

/// Reads R4B.
pub(super) fn read_r4b(work: &Work<'_>, input: Cow<'_, [u8]>) -> Result<Middle, Vec<Issue>> {
    read(work, &input, Version::R4b)
}

/// Reads R5.
pub(super) fn read_r5(work: &Work<'_>, input: Cow<'_, [u8]>) -> Result<Middle, Vec<Issue>> {
    read(work, &input, Version::R5)
}

/// Writes STU3.
pub(super) fn write_stu3(work: &Work<'_>, middle: Middle) -> Result<Output, Vec<Issue>> {
    write(work, middle, Version::Stu3)
}

/// Writes R4B.
pub(super) fn write_r4b(work: &Work<'_>, middle: Middle) -> Result<Output, Vec<Issue>> {
    write(work, middle, Version::R4b)
}

/// Writes R5.
pub(super) fn write_r5(work: &Work<'_>, middle: Middle) -> Result<Output, Vec<Issue>> {
    write(work, middle, Version::R5)
}

/// Another version that a resource which nobody has named the version of is of; none if it may be R4.
pub(super) fn other_than_r4(tree: &Json) -> Option<Version> {
    let detected = versions::detect(tree);
    (detected.is_certain && detected.version != Version::R4).then_some(detected.version)
}

/// Makes R4 of a resource that has been read.
pub(super) fn to_r4(
    work: &Work<'_>,
    tree: &Json,
    mut issues: Vec<Issue>,
    version: Version,
) -> Result<Middle, Vec<Issue>> {
    let (converted, said) = convert(work.request.reports, tree, version, Version::R4)?;
    let detected = versions::detect(tree);
    if detected.is_certain && !detected.candidates.contains(&version) {
        let text = format!("read as {version}, but it is like {}", detected.version);
        issues.push(Issue::warning("business-rule", text));
    }
    issues.extend(said);
    // What is not right in the input is not right in the result either: said, and given all the same.
    issues.extend(conformance::validate::form(&converted.resource).into_iter().map(bearable));
    let (loss, explain) = reports(work.request.reports, &converted.loss);
    Ok(Middle { tree: converted.resource, bytes: None, issues, loss: Some(loss), explain, package: None })
}

fn read(work: &Work<'_>, input: &[u8], version: Version) -> Result<Middle, Vec<Issue>> {
    let limits = Limits::default();
    let (tree, issues) = if xml::looks_like(input) {
        let document = xml::parse_as(input, &limits, version.table())
            .map_err(|error| vec![Issue::new(Severity::Fatal, "structure", format!("expected FHIR XML: {error}"))])?;
        // The tables of DSTU2 do not know the order of elements.
        let is_meant = |issue: &Issue| version != Version::Dstu2 || !issue.diagnostics.contains("in the order of");
        (document.resource, document.issues.into_iter().filter(is_meant).map(bearable).collect())
    } else {
        file::read(input, &limits).map_err(|issue| vec![issue])?
    };
    to_r4(work, &tree, issues, version)
}

fn write(work: &Work<'_>, middle: Middle, version: Version) -> Result<Output, Vec<Issue>> {
    let (converted, said) = convert(work.request.reports, &middle.tree, Version::R4, version)?;
    let mut issues = middle.issues;
    issues.extend(said);
    let (own_loss, own_explain) = reports(work.request.reports, &converted.loss);
    // Of two steps the account is that of the first: it knows the places of the input.
    let (loss, explain) = match middle.loss {
        Some(loss) => (loss, middle.explain),
        None => (own_loss, own_explain),
    };
    Ok(Output { body: Body::Resource(converted.resource), issues, loss, explain })
}

type Converted = (versions::Converted, Vec<Issue>);

fn convert(wanted: Reports, tree: &Json, from: Version, to: Version) -> Result<Converted, Vec<Issue>> {
    let options = Options { account: wanted == Reports::Made };
    let mut converted = versions::convert(tree, from, to, &options)
        .map_err(|refused| vec![Issue::error("not-supported", refused.to_string())])?;
    let issues = std::mem::take(&mut converted.issues);
    Ok((converted, issues))
}

fn reports(wanted: Reports, loss: &versions::Loss) -> (Json, Json) {
    match wanted {
        Reports::Left => (Json::Null, Json::Null),
        Reports::Made => (loss.to_json(), loss.explain()),
    }
}

impl Format {
    /// The version of FHIR that a format is.
    pub fn version(self) -> Option<Version> {
        Version::parse(self.name())
    }
}
