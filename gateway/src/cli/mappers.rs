//! `anchorline mappers`: making mapping packages.

use std::io::Read;
use std::path::{Path, PathBuf};

use ::mappers::flat::draft;

use super::args::MappersCommand;
use super::reporter::Reporter;
use super::{Failure, input};

/// So much of a sample is looked at.
const SAMPLE_BYTES: u64 = 4 << 20;

pub(crate) fn run(command: &MappersCommand, reporter: &Reporter) -> Result<(), Failure> {
    let MappersCommand::Draft { file, name, out } = command;
    let name = name.clone().unwrap_or_else(|| package_name(file));
    let folder = out.clone().unwrap_or_else(|| PathBuf::from(&name));
    if folder.exists() {
        return Err(Failure::Usage(format!("{}: expected a folder that is not there yet", folder.display())));
    }
    if folder.file_name().is_none_or(|last| last.to_string_lossy() != name) {
        return Err(Failure::Usage(format!("{}: expected a folder named {name}, as the package is", folder.display())));
    }
    let mut sample = Vec::new();
    let read = input::open(file)?.take(SAMPLE_BYTES).read_to_end(&mut sample);
    read.map_err(|error| input::unread(file, &error))?;
    // A row that is cut off would be one of its own.
    if sample.len() as u64 == SAMPLE_BYTES
        && let Some(end) = sample.iter().rposition(|byte| *byte == b'\n')
    {
        sample.truncate(end + 1);
    }
    let draft = draft(&name, &sample).map_err(|error| Failure::Refused(format!("{}: {error}", file.display())))?;
    for (path, text) in &draft.files {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(&folder);
        std::fs::create_dir_all(parent).map_err(|error| Failure::Usage(format!("{}: {error}", parent.display())))?;
        input::write(&path, text.as_bytes())?;
    }
    reporter.result(draft.profile.as_bytes())?;
    reporter.remark(&format!("{} holds the draft: every own? and every question in it is a guess", folder.display()));
    Ok(())
}

/// The file's name as that of a package.
fn package_name(file: &Path) -> String {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
    let plain: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let plain = plain.trim_matches('-').to_owned();
    if plain.is_empty() { "draft".to_owned() } else { plain }
}
