//! FHIR R4 as `convert` reads and writes it.

use std::borrow::Cow;

use model::json::{Json, Limits};
use model::outcome::{Issue, Severity};
use model::xml;

use super::{Body, Format, Middle, Output, Work, versions};

/// Reads JSON or XML and checks its form.
pub(super) fn read(work: &Work<'_>, input: Cow<'_, [u8]>) -> Result<Middle, Vec<Issue>> {
    let is_xml = xml::looks_like(&input);
    let (tree, mut issues) = conformance::file::read(&input, &Limits::default()).map_err(|issue| vec![issue])?;
    if work.request.from == Format::Auto
        && let Some(version) = versions::other_than_r4(&tree)
    {
        return versions::to_r4(work, &tree, Vec::new(), version);
    }
    let form = conformance::validate::form(&tree);
    if work.request.to == Format::FhirR4 {
        issues.extend(form);
    } else {
        issues.extend(form.into_iter().map(bearable));
    }
    if model::outcome::any_error(&issues) {
        return Err(issues);
    }
    // Only what stays FHIR R4 is written as it came.
    let bytes = (!is_xml && work.request.to == Format::FhirR4).then(|| input.into_owned());
    Ok(Middle { tree, bytes, issues, loss: None, explain: Json::array([]), package: None })
}

/// A resource that is R4 already stays what it is, byte for byte; XML becomes the same resource in JSON.
pub(super) fn write(_work: &Work<'_>, middle: Middle) -> Result<Output, Vec<Issue>> {
    let body = middle.bytes.map_or(Body::Resource(middle.tree), Body::Bytes);
    let loss = middle.loss.unwrap_or_else(|| mappers::Loss::default().to_json());
    Ok(Output { body, issues: middle.issues, loss, explain: middle.explain })
}

/// What is wrong with a resource's form is a warning where it is only read: nothing of it is stored, and what is right
/// in it is translated.
pub(super) fn bearable(mut issue: Issue) -> Issue {
    if issue.severity == Severity::Error {
        issue.severity = Severity::Warning;
    }
    issue
}
