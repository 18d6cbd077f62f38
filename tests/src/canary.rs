//! Names of the sample patients of all suites. None of them may be in a log, a metric, the ledger or the answer to
//! somebody who may not see it: every gateway the harness starts is searched when it ends.

use std::path::Path;

/// Family and given names, streets and numbers that occur nowhere but in samples. Compared without regard to case.
pub const NAMES: [&str; 16] = [
    "Zqmarkfamily",
    "Zqmarkgiven",
    "ZQMRN77",
    "Zqmarkstreet",
    "Zqmarkdrug",
    "Zqmarkreason",
    "Zqcanary",
    "Beispiel",
    "FLOW-1^^^",
    "EXAMPLE^ANNA",
    "MUSTER^ERIKA",
    "FIRST STREET",
    "SECOND STREET",
    "Testfall",
    "Flood^Many",
    "Penicillin",
];

/// The lines of a text that hold a name, shortened; empty if none does.
#[must_use]
pub fn lines_with_names(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        let lower = line.to_lowercase();
        if let Some(name) = NAMES.iter().find(|name| lower.contains(&name.to_lowercase())) {
            found.push(format!("{name}: {}", line.chars().take(300).collect::<String>()));
        }
    }
    found
}

/// Files below a folder that hold a name.
#[must_use]
pub fn files_with_names(folder: &Path) -> Vec<String> {
    let (mut folders, mut found) = (vec![folder.to_path_buf()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                let lower = bytes.to_ascii_lowercase();
                let holds = |name: &&&str| {
                    let name = name.to_ascii_lowercase();
                    lower.windows(name.len()).any(|window| window == name.as_bytes())
                };
                found.extend(NAMES.iter().find(holds).map(|name| format!("{name} in {}", path.display())));
            }
        }
    }
    found
}
