//! FHIR of other versions as the score sees it: a resource of STU3 that is to become R4.

use std::borrow::Cow;

use ::versions::{Entry, Options as Wanted, Version, convert};
use mappers::{Loss, Packages};
use model::json::{Json, Limits, parse};

use super::Options;
use super::invention::Said;
use super::subject::{Made, Parts, Remarks, Subject, timed};

pub(super) fn split(raw: &[u8]) -> Parts<'_> {
    Parts { parts: vec![Cow::Borrowed(raw)], findings: false }
}

struct Resource(Json);

pub(super) fn read(bytes: &[u8]) -> Result<Box<dyn Subject>, String> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    match parse(bytes, &Limits::default()) {
        Ok(tree) => Ok(Box::new(Resource(tree))),
        Err(error) => Err(error.to_string()),
    }
}

impl Subject for Resource {
    fn kind(&self) -> String {
        model::resource::resource_type(&self.0).unwrap_or("-").to_owned()
    }

    fn sender(&self) -> String {
        "-".to_owned()
    }

    fn pieces(&self) -> usize {
        let mut count = 0;
        leaves(&self.0, &mut |_| count += 1);
        count
    }

    fn say(&self, said: &mut Said) {
        leaves(&self.0, &mut |leaf| said.add(leaf));
    }

    fn remarks(&self) -> Remarks {
        Remarks::None
    }

    fn convert<'p>(&self, _packages: &'p Packages, _options: &Options) -> Result<Made<'p>, String> {
        let (converted, micros) = timed(|| convert(&self.0, Version::Stu3, Version::R4, &Wanted { account: true }));
        let converted = converted.map_err(|refused| refused.to_string())?;
        let list =
            |entries: &[Entry]| entries.iter().map(|entry| (entry.at.to_string(), entry.to.to_string())).collect();
        let loss = &converted.loss;
        Ok(Made {
            package: None,
            described: true,
            ledger: Loss { mapped: list(&loss.mapped), kept: list(&loss.kept), dropped: list(&loss.dropped) },
            output: converted.resource,
            issues: converted.issues,
            unmapped: Vec::new(),
            micros,
        })
    }
}

/// Every text, number and truth value.
fn leaves(json: &Json, see: &mut dyn FnMut(&str)) {
    match json {
        Json::Object(object) => object.iter().for_each(|(_, value)| leaves(value, see)),
        Json::Array(items) => items.iter().for_each(|item| leaves(item, see)),
        Json::String(text) => see(text),
        Json::Number(number) => see(number.as_str()),
        Json::Bool(value) => see(if *value { "true" } else { "false" }),
        Json::Null => {}
    }
}
