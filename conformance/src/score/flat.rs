//! Flat extracts as the score sees them: a file of comma-separated values, read by the package whose header it has.

use std::borrow::Cow;

use mappers::flat::File;
use mappers::{Context, Packages};

use super::Options;
use super::invention::Said;
use super::subject::{Made, Parts, Remarks, Subject, timed};

pub(super) fn split(raw: &[u8]) -> Parts<'_> {
    Parts { parts: vec![Cow::Borrowed(raw)], findings: false }
}

struct Extract(Vec<u8>);

pub(super) fn read(bytes: &[u8]) -> Result<Box<dyn Subject>, String> {
    Ok(Box::new(Extract(bytes.to_vec())))
}

impl Extract {
    fn cells(&self, see: &mut dyn FnMut(&str)) {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(self.0.as_slice());
        for record in reader.records().filter_map(Result::ok) {
            record.iter().map(str::trim).filter(|cell| !cell.is_empty()).for_each(&mut *see);
        }
    }
}

impl Subject for Extract {
    fn kind(&self) -> String {
        "csv".to_owned()
    }

    fn sender(&self) -> String {
        "-".to_owned()
    }

    fn pieces(&self) -> usize {
        let mut count = 0;
        self.cells(&mut |_| count += 1);
        count
    }

    fn say(&self, said: &mut Said) {
        self.cells(&mut |cell| said.add(cell));
    }

    fn remarks(&self) -> Remarks {
        Remarks::None
    }

    fn convert<'p>(&self, packages: &'p Packages, options: &Options) -> Result<Made<'p>, String> {
        let context = Context { timezone: options.timezone.as_deref(), ..Context::default() };
        let file = File { name: "", bytes: &self.0 };
        let (converted, micros) = timed(|| packages.convert_flat(&options.packages, &[file], &context, true));
        let converted = converted.map_err(|issues| {
            issues.into_iter().next().map_or_else(|| "refused".to_owned(), |issue| issue.diagnostics)
        })?;
        Ok(Made {
            package: packages.named(&converted.package),
            described: true,
            output: converted.bundle,
            issues: converted.issues,
            ledger: converted.loss,
            unmapped: Vec::new(),
            micros,
        })
    }
}
