//! HL7 v2 as the score sees it.

use formats::hl7v2::{Message, Parsed, Severity, split_batch};
use mappers::{CONVERT_NAMESPACE, Context, Mapped, Package, Packages, Selector};

use super::invention::Said;
use super::report::Tally;
use super::subject::{Made, Parts, Remarks, Subject, timed};
use super::way_back::RoundTrip;
use super::{Options, detail, honesty, way_back};

pub(super) fn split(raw: &[u8]) -> Parts<'_> {
    let batch = split_batch(raw);
    Parts {
        findings: batch.issues.iter().any(|issue| issue.severity > Severity::Information),
        parts: batch.messages.into_iter().map(|message| message.bytes).collect(),
    }
}

pub(super) fn read(bytes: &[u8]) -> Result<Box<dyn Subject>, String> {
    match Message::parse(bytes) {
        Ok(parsed) => Ok(Box::new(parsed)),
        Err(error) => Err(error.to_string()),
    }
}

/// Names of segments stay.
pub(super) fn masked(text: &str) -> String {
    let line = |line: &str| match (line.get(..3), line.get(3..)) {
        (Some(name), Some(rest)) if name.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            format!("{name}{}", detail::masked(rest))
        }
        _ => detail::masked(line),
    };
    text.replace('\r', "\n").lines().map(line).collect::<Vec<_>>().join("\n")
}

impl Subject for Parsed {
    fn kind(&self) -> String {
        format!("{}^{}", self.message.message_code(), self.message.trigger())
    }

    /// MSH-4 and MSH-3, as far as they are names of systems.
    fn sender(&self) -> String {
        let name = |text: String| -> String {
            let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
            text.chars().filter(plain).take(40).collect::<String>().trim().to_owned()
        };
        let (facility, application) = (name(self.message.sending_facility()), name(self.message.sending_application()));
        match (facility.is_empty(), application.is_empty()) {
            (true, true) => "-".to_owned(),
            (true, false) => application,
            (false, true) => facility,
            (false, false) => format!("{facility} / {application}"),
        }
    }

    fn pieces(&self) -> usize {
        self.message.segments().map(|segment| segment.leaves().count()).sum()
    }

    /// Every text, by piece and by field.
    fn say(&self, said: &mut Said) {
        let message = &self.message;
        for segment in message.segments() {
            said.add(segment.name());
            for field in segment.fields() {
                said.add(&field.whole_text());
            }
            for leaf in segment.leaves() {
                said.add(&formats::hl7v2::unescape(leaf.raw, message.delimiters(), message.charset()));
            }
        }
    }

    fn remarks(&self) -> Remarks {
        match self.issues.iter().map(|issue| issue.severity).max() {
            None => Remarks::None,
            Some(severity) if severity > Severity::Information => Remarks::Findings,
            Some(_) => Remarks::Information,
        }
    }

    fn convert<'p>(&self, packages: &'p Packages, options: &Options) -> Result<Made<'p>, String> {
        let selector = Selector { names: &options.packages, format: "hl7v2", message: &self.message };
        let mut described = true;
        let (chosen, choosing) = timed(|| {
            packages.select(&selector).or_else(|_| {
                described = false;
                packages.select_by_segments(&selector)
            })
        });
        let package = chosen.map_err(|error| error.to_string())?;
        let (mapped, mapping) = timed(|| map(package, &self.message, options));
        let ledger = mapped.loss();
        let unmapped = if options.unmapped { mapped.unmapped() } else { Vec::new() };
        Ok(Made {
            package: Some(package),
            described,
            output: mapped.bundle,
            issues: mapped.issues,
            ledger,
            unmapped,
            micros: choosing + mapping,
        })
    }

    fn way_back(&self, made: &Made<'_>, options: &Options, out: &mut RoundTrip) {
        if let Some(package) = made.package {
            way_back::measure(package, &self.message, made, options.timezone.as_deref(), out);
        }
    }

    fn honesty(&self, made: &Made<'_>, options: &Options) -> Tally {
        match made.package {
            Some(package) => honesty::ask(package, &self.message, made, options),
            None => Tally::default(),
        }
    }
}

pub(super) fn map(package: &Package, message: &Message, options: &Options) -> Mapped {
    // Nothing here may depend on the machine or the hour.
    let timezone = options.timezone.as_deref();
    package.map(
        message,
        &Context { namespace: &CONVERT_NAMESPACE, source: "", timezone, authorities: &[], received: None },
    )
}
