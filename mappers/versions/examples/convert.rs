//! Converts files: `cargo run --example convert -- fhir-stu3 fhir-r4 OUT FILE…`; findings and losses go to standard error.
#![expect(clippy::print_stderr, reason = "a tool for whoever writes rows")]

use std::path::Path;
use std::process::ExitCode;

use model::json::{Limits, parse};
use versions::{Options, Version, convert};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, to, out, files @ ..] = arguments.as_slice() else { return ExitCode::from(2) };
    let (Some(from), Some(to)) = (Version::parse(from), Version::parse(to)) else { return ExitCode::from(2) };
    for file in files {
        let Ok(bytes) = std::fs::read(file) else { return ExitCode::FAILURE };
        let resource = match parse(&bytes, &Limits::default()) {
            Ok(resource) => resource,
            Err(error) => {
                eprintln!("{file}: {error}");
                continue;
            }
        };
        match convert(&resource, from, to, &Options { account: true }) {
            Err(error) => eprintln!("{file}: {error}"),
            Ok(converted) => {
                let loss = &converted.loss;
                eprintln!(
                    "{file}: {} mapped, {} kept, {} dropped",
                    loss.mapped.len(),
                    loss.kept.len(),
                    loss.dropped.len()
                );
                for issue in &converted.issues {
                    eprintln!("  {issue}");
                }
                for entry in &loss.kept {
                    eprintln!("  kept {} in {}", entry.at, entry.to);
                }
                for entry in &loss.dropped {
                    eprintln!("  dropped {}: {}", entry.at, entry.to);
                }
                let name = Path::new(file).file_name().unwrap_or_default();
                if std::fs::write(Path::new(out).join(name), converted.resource.pretty()).is_err() {
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    ExitCode::SUCCESS
}
