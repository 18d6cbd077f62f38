//! Reads package folders: bounded in number and size, nothing from outside of them, tables alone.
//!
//! What a person edits in place is read too, so a look at the folders also tells whether they are still changing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Fault;

/// Packages read in all.
const PACKAGES_MOST: usize = 256;
/// Tables of one package.
const FILES_MOST: usize = 2_000;
/// Bytes of one file: large vocabulary maps fit, a dump that was put there by mistake does not.
const FILE_BYTES_MOST: u64 = 16 << 20;
/// Bytes of all packages.
const BYTES_MOST: u64 = 128 << 20;

/// The folders of a package that hold tables. Examples and words about it are not read to run it.
const TABLES: [&str; 4] = ["messages", "segments", "datatypes", "codes"];
const MANIFEST: &str = "package.toml";

/// Where packages are looked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    /// Each holds package folders; one that is not there is empty.
    pub(crate) directories: Vec<PathBuf>,
    /// Each is a package folder.
    pub(crate) folders: Vec<PathBuf>,
}

/// What stood in the folders.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Content by `package/path`.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// Folder of each package.
    pub(crate) folders: BTreeMap<String, PathBuf>,
}

/// Time and size of every file, and what is wrong with the folders: two that are equal mean that nothing was written in
/// between.
pub(crate) type Stamp = Vec<(PathBuf, Option<SystemTime>, u64)>;

/// A file of a package.
struct Listed {
    package: String,
    path: String,
    file: PathBuf,
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Places {
    /// Reads every table.
    ///
    /// # Errors
    /// Everything that cannot be read or may not be.
    pub(crate) fn read(&self) -> Result<Found, Vec<Fault>> {
        let (folders, listed, mut faults) = self.list();
        let mut found = Found { files: BTreeMap::new(), folders };
        if !faults.is_empty() {
            return Err(faults);
        }
        for entry in listed {
            let mut content = Vec::new();
            // What grew since it was listed is cut at the limit, and the next look reads it anew.
            match File::open(&entry.file).and_then(|file| file.take(FILE_BYTES_MOST).read_to_end(&mut content)) {
                Ok(_) => {
                    found.files.insert(format!("{}/{}", entry.package, entry.path), content);
                }
                Err(error) => faults.push(Fault::of(&entry.file, format!("cannot be read: {}", error.kind()))),
            }
        }
        if faults.is_empty() { Ok(found) } else { Err(faults) }
    }

    /// How the folders look now.
    pub(crate) fn stamp(&self) -> Stamp {
        let (_, listed, faults) = self.list();
        let files = listed.into_iter().map(|entry| (entry.file, entry.modified, entry.bytes));
        files.chain(faults.into_iter().map(|fault| (PathBuf::from(fault.to_string()), None, 0))).collect()
    }

    fn list(&self) -> (BTreeMap<String, PathBuf>, Vec<Listed>, Vec<Fault>) {
        let (mut listed, mut faults) = (Vec::new(), Vec::new());
        let mut folders: BTreeMap<String, PathBuf> = BTreeMap::new();
        for (folder, root) in self.packages(&mut faults) {
            let Some(name) = folder.file_name().and_then(|name| name.to_str()).map(str::to_owned) else {
                faults.push(Fault::of(&folder, "expected a name in UTF-8"));
                continue;
            };
            match folders.get(&name) {
                // The same folder reached twice is one package: named by a source and found in a directory.
                Some(first) if same(first, &folder) => continue,
                Some(first) => {
                    let text = format!("a package of this name is at {} already", first.display());
                    faults.push(Fault::of(&folder, text));
                    continue;
                }
                None => {}
            }
            let before = listed.len();
            tables(&name, &folder, &root, &mut listed, &mut faults);
            if listed.len() - before > FILES_MOST {
                faults.push(Fault::of(&folder, format!("expected at most {FILES_MOST} tables")));
            }
            folders.insert(name, folder);
            if folders.len() > PACKAGES_MOST {
                faults.push(Fault::of(Path::new("packages"), format!("expected at most {PACKAGES_MOST} packages")));
                break;
            }
        }
        if listed.iter().map(|entry| entry.bytes).sum::<u64>() > BYTES_MOST {
            faults.push(Fault::of(Path::new("packages"), format!("expected at most {} MiB", BYTES_MOST >> 20)));
        }
        (folders, listed, faults)
    }

    /// Package folders, each with the folder that it must not lead out of.
    fn packages(&self, faults: &mut Vec<Fault>) -> Vec<(PathBuf, PathBuf)> {
        let mut found = Vec::new();
        for directory in &self.directories {
            if !directory.exists() {
                continue;
            }
            let (Ok(root), Ok(entries)) = (directory.canonicalize(), names(directory)) else {
                faults.push(Fault::of(directory, "cannot be read"));
                continue;
            };
            found.extend(entries.into_iter().filter(|path| path.is_dir()).map(|path| (path, root.clone())));
        }
        for folder in &self.folders {
            match folder.canonicalize() {
                Ok(root) => found.push((root.clone(), root)),
                Err(error) => faults.push(Fault::of(folder, format!("cannot be read: {}", error.kind()))),
            }
        }
        found
    }
}

fn tables(package: &str, folder: &Path, root: &Path, listed: &mut Vec<Listed>, faults: &mut Vec<Fault>) {
    list(package, MANIFEST, &folder.join(MANIFEST), root, listed, faults);
    for level in TABLES {
        let inner = folder.join(level);
        if !inner.is_dir() {
            continue;
        }
        let Ok(entries) = names(&inner) else {
            faults.push(Fault::of(&inner, "cannot be read"));
            continue;
        };
        for path in entries {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                faults.push(Fault::of(&path, "expected a name in UTF-8"));
                continue;
            };
            list(package, &format!("{level}/{name}"), &path, root, listed, faults);
            if listed.len() > FILES_MOST * PACKAGES_MOST {
                return;
            }
        }
    }
}

fn list(package: &str, path: &str, file: &Path, root: &Path, listed: &mut Vec<Listed>, faults: &mut Vec<Fault>) {
    let (real, metadata) = match (file.canonicalize(), fs::metadata(file)) {
        (Ok(real), Ok(metadata)) => (real, metadata),
        // The loader says that a package needs its manifest.
        (Err(error), _) if path == MANIFEST && error.kind() == std::io::ErrorKind::NotFound => {
            faults.push(Fault::of(file, "expected a package.toml in the folder"));
            return;
        }
        (Err(error), _) | (_, Err(error)) => {
            faults.push(Fault::of(file, format!("cannot be read: {}", error.kind())));
            return;
        }
    };
    if !real.starts_with(root) {
        faults.push(Fault::of(file, "leads out of its folder"));
    } else if !metadata.is_file() {
        faults.push(Fault::of(file, "expected a file"));
    } else if metadata.len() > FILE_BYTES_MOST {
        faults.push(Fault::of(file, format!("expected at most {} MiB", FILE_BYTES_MOST >> 20)));
    } else {
        listed.push(Listed {
            package: package.to_owned(),
            path: path.to_owned(),
            file: file.to_owned(),
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
        });
    }
}

/// What a folder holds, in the order of names; hidden files and editors' copies are not part of a package.
fn names(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)?.take(FILES_MOST + PACKAGES_MOST) {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        if !name.starts_with(b".") && !name.ends_with(b"~") {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}
