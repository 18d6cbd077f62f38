//! Findings as the store keeps them: one JSON object each, without patient data.

use model::json::{Json, Limits, Object, parse};
use model::outcome::{Issue, Severity, issue_type};

pub(super) fn write(issue: &Issue) -> String {
    let mut object = Object::new();
    object.insert("severity", issue.severity.as_str());
    object.insert("code", issue.code);
    object.insert("diagnostics", issue.diagnostics.as_str());
    if let Some(at) = &issue.at {
        object.insert("at", at.as_str());
    }
    if let Some(rule) = &issue.rule {
        object.insert("rule", rule.as_str());
    }
    Json::from(object).to_text()
}

pub(super) fn read(text: &str) -> Option<Issue> {
    let json = parse(text.as_bytes(), &Limits::default()).ok()?;
    let member = |name: &str| json.get(name).and_then(Json::as_str);
    let severity = match member("severity")? {
        "fatal" => Severity::Fatal,
        "error" => Severity::Error,
        "warning" => Severity::Warning,
        _ => Severity::Information,
    };
    let code = member("code").and_then(issue_type).unwrap_or("processing");
    let mut issue = Issue::new(severity, code, member("diagnostics").unwrap_or_default());
    issue.at = member("at").map(str::to_owned);
    issue.rule = member("rule").map(str::to_owned);
    Some(issue)
}
