//! Turns `checks.csv` into what is asked of a document.

use model::outcome::Severity;
use smol_str::SmolStr;

use super::Compiler;
use crate::load::RawRow;
use crate::tree::check::{Check, Expect};
use crate::tree::path::parse;

impl Compiler<'_> {
    pub(super) fn checks(&mut self) {
        let Some(rows) = self.raw.tables.get("checks") else { return };
        for raw in rows {
            let rule = self.rule(raw);
            match check(raw, rule) {
                Ok((name, check)) => self.out.tree.checks.entry(name).or_default().push(check),
                Err(message) => self.errors.push(raw.error(message)),
            }
        }
    }
}

/// A row, and the name of the elements it is about.
fn check(raw: &RawRow, rule: u32) -> Result<(SmolStr, Check), String> {
    let element = parse(raw.cell(1))?;
    let name = element.only_name().ok_or("expected one element, with what it must be like in brackets")?;
    let severity = match raw.cell(4) {
        "error" => Severity::Error,
        "warning" => Severity::Warning,
        "information" => Severity::Information,
        _ => return Err("expected error, warning or information".to_owned()),
    };
    let document = raw.cell(0).split('|').filter(|oid| !oid.is_empty()).map(SmolStr::new).collect();
    let (path, expect) = (parse(raw.cell(2))?, Expect::parse(raw.cell(3))?);
    if raw.cell(5).is_empty() {
        return Err("expected a sentence for people".to_owned());
    }
    let (templates, codes) = element.wanted();
    let text = raw.cell(5).into();
    Ok((name, Check { document, templates, codes, element, path, expect, severity, text, rule }))
}
