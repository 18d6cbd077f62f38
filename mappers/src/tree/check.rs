//! What a package expects of a document besides what its rows read: `checks.csv`.
//!
//! A finding never stands in the way of a map: what is sound is read, and the sender learns what is not and where.

mod form;

use formats::cda::Element;
use model::outcome::{Issue, Severity};
use smallvec::SmallVec;
use smol_str::SmolStr;

use super::path::{Part, Path, Value, has_template};
use super::run::Run;

/// A document that breaks one rule a thousand times is told so often enough.
const FINDINGS: usize = 500;

/// One row of `checks.csv`.
#[derive(Debug)]
pub(crate) struct Check {
    /// Templates of the documents it is for; any if empty.
    pub(crate) document: Vec<SmolStr>,
    /// Of these an element has one if the check is about it (any if empty): asked before anything else, since a section is
    /// held against many rows.
    pub(crate) templates: Vec<SmolStr>,
    /// The same of its code.
    pub(crate) codes: Vec<SmolStr>,
    /// One step: the elements it is about.
    pub(crate) element: Path,
    /// From there to what is looked at.
    pub(crate) path: Path,
    pub(crate) expect: Expect,
    pub(crate) severity: Severity,
    pub(crate) text: SmolStr,
    pub(crate) rule: u32,
}

/// What is expected at the path of a check.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Something, if only the reason why there is nothing.
    There,
    Nothing,
    /// Elements that say something, or why they do not.
    Text,
    /// One of these values; an asterisk at the end stands for any end.
    In(Vec<SmolStr>),
    /// Elements of one of these templates.
    Template(Vec<SmolStr>),
    /// Elements with a child of this name, or a reason why they have none.
    Has(SmolStr),
    /// A time as HL7 writes it.
    Time,
    /// A code of the form that its code system has.
    Code,
}

impl Expect {
    /// Reads a cell.
    ///
    /// # Errors
    /// What was expected, in words for the package's author.
    pub(crate) fn parse(cell: &str) -> Result<Self, String> {
        let (word, rest) = cell.split_once(' ').unwrap_or((cell, ""));
        let list = || rest.split('|').map(str::trim).filter(|part| !part.is_empty()).map(SmolStr::new).collect();
        match (word, rest.is_empty()) {
            ("there", true) => Ok(Self::There),
            ("none", true) => Ok(Self::Nothing),
            ("text", true) => Ok(Self::Text),
            ("time", true) => Ok(Self::Time),
            ("code", true) => Ok(Self::Code),
            ("in", false) => Ok(Self::In(list())),
            ("template", false) => Ok(Self::Template(list())),
            ("has", false) => Ok(Self::Has(rest.into())),
            _ => Err("expected there, none, text, time, code, in VALUES, template OIDS or has NAME".to_owned()),
        }
    }

    /// Code of FHIR R4 valueset-issue-type.html for what is not so.
    fn code(&self) -> &'static str {
        match self {
            Self::There | Self::Text | Self::Has(_) => "required",
            Self::Nothing => "structure",
            Self::Template(_) => "invalid",
            Self::In(_) | Self::Code => "code-invalid",
            Self::Time => "value",
        }
    }

    fn holds(&self, value: &Value<'_>) -> bool {
        let element = value.element;
        let excused = element.attribute("nullFlavor").is_some();
        match self {
            Self::There => true,
            Self::Nothing => false,
            Self::Text => excused || !value.text().trim().is_empty(),
            Self::In(values) => {
                let text = value.text();
                let fits = |known: &SmolStr| match known.strip_suffix('*') {
                    Some(start) => text.trim().starts_with(start),
                    None => known == text.trim(),
                };
                values.iter().any(fits)
            }
            Self::Template(oids) => oids.iter().any(|oid| has_template(element, oid)),
            Self::Has(name) => excused || element.children().any(|child| child.name() == name),
            Self::Time => form::is_time(value.text().trim()),
            Self::Code => match (element.attribute("codeSystem"), element.attribute("code")) {
                (Some(system), Some(code)) => form::is_code(system.trim(), code.trim()),
                _ => true,
            },
        }
    }
}

/// The templates and the code of an element.
#[derive(Default)]
struct Known<'d> {
    templates: SmallVec<[&'d str; 4]>,
    codes: SmallVec<[&'d str; 2]>,
}

impl<'d> Known<'d> {
    fn of(element: Element<'d>) -> Self {
        let mut known = Self::default();
        for child in element.children() {
            match child.name() {
                "templateId" => known.templates.extend(child.attribute("root")),
                "code" => known.codes.extend(child.attribute("code").map(str::trim)),
                _ => {}
            }
        }
        known
    }

    fn may_be(&self, check: &Check) -> bool {
        let one_of = |wanted: &[SmolStr], own: &[&str]| {
            wanted.is_empty() || own.iter().any(|own| wanted.iter().any(|wanted| wanted == own))
        };
        one_of(&check.templates, &self.templates) && one_of(&check.codes, &self.codes)
    }
}

impl<'d> Run<'_, 'd> {
    /// Holds the document against the package's checks. After the map: what a row has said already is not said again.
    pub(super) fn check(&mut self) {
        let checks = &self.tables.checks;
        if checks.is_empty() {
            return;
        }
        let root = self.document.root();
        let mut left = FINDINGS;
        for element in (0..self.document.len() as u32).filter_map(|id| self.document.element(id)) {
            let named = checks.get(element.name());
            let known = named.map(|_| Known::of(element)).unwrap_or_default();
            for check in named
                .into_iter()
                .flatten()
                .filter(|check| known.may_be(check))
                .chain(checks.get("*").into_iter().flatten())
            {
                let is_for = |oids: &[SmolStr]| oids.is_empty() || oids.iter().any(|oid| has_template(root, oid));
                if !check.element.is_of(element) || !is_for(&check.document) {
                    continue;
                }
                let mut wrong = Vec::new();
                let mut found = false;
                check.path.each(element, &|_| false, &mut |value| {
                    found = true;
                    if !check.expect.holds(&value) {
                        wrong.push(value);
                    }
                    wrong.len() < left
                });
                if check.expect == Expect::There && !found {
                    wrong.push(Value { element, part: Part::Whole });
                }
                for value in wrong {
                    left = left.saturating_sub(usize::from(self.find(check, value.element)));
                }
                if left == 0 {
                    let text = "more findings of the package's checks are not listed";
                    self.issues.push(Issue::new(Severity::Information, "too-long", text).at(root.xpath()));
                    return;
                }
            }
        }
    }

    /// Adds a finding; whether it is a new one.
    fn find(&mut self, check: &Check, at: Element<'d>) -> bool {
        let (code, at) = (check.expect.code(), at.xpath());
        if self.issues.iter().any(|issue| issue.code == code && issue.at.as_deref() == Some(at.as_str())) {
            return false;
        }
        let issue = Issue::new(check.severity, code, check.text.as_str());
        self.issues.push(issue.at(at).rule(self.compiled.rule(check.rule)));
        true
    }
}

#[cfg(test)]
mod tests;
