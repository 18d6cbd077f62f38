//! `anchorline validate`: FHIR files against the structure of R4, one line a file.

use conformance::file::{self, FileReport};
use model::json::Limits;

use super::Failure;
use super::args::{ReportFormat, ValidateArguments};
use super::input;
use super::progress::Progress;
use super::reporter::Reporter;

/// Bundles of a whole record are larger than a message.
const LIMITS: Limits = Limits { bytes: 1 << 30, depth: 128 };

pub(crate) fn run(options: &ValidateArguments, reporter: &Reporter) -> Result<(), Failure> {
    if !(options.profile.is_empty() && options.ig.is_empty() && options.package.is_empty()) {
        // Passing a resource that a profile would refuse is worse than not answering.
        return Err(Failure::usage("profiles, guides and packages are not checked by this release: leave them out"));
    }
    let sizes = options.files.iter().filter_map(|path| std::fs::metadata(path).ok()).map(|meta| meta.len()).sum();
    let progress = Progress::over(sizes, *reporter);
    let mut bad = 0_usize;
    for (number, path) in options.files.iter().enumerate() {
        let name = path.display().to_string();
        let (report, size) = match input::read(path) {
            Ok(bytes) => (file::file(&name, &bytes, &LIMITS), bytes.len()),
            Err(failure) => (FileReport::unreadable(&name, &failure.to_string()), 0),
        };
        bad += usize::from(!report.valid);
        reporter.line(&match options.format {
            ReportFormat::Json => report.to_json().to_text(),
            ReportFormat::Text => report.to_line(),
        })?;
        progress.advance(size as u64, number + 1);
    }
    match bad {
        0 => Ok(()),
        _ => Err(Failure::Failed),
    }
}
