use std::path::{Path, PathBuf};

use model::json::{Limits, parse};

use crate::rows::Map;
use crate::{Options, Version, census, convert, detect};

#[test]
fn every_row_can_be_used() {
    let faults: Vec<String> = Map::faults().iter().map(ToString::to_string).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn tables_of_all_versions_can_be_read() {
    for version in Version::ALL {
        assert!(version.table().resource("Patient").is_some(), "{version}");
    }
}

#[test]
fn packages_say_how_much_they_say() {
    for each in census() {
        assert!(each.resources >= each.with_home && each.with_home > 50, "{each:?}");
        // R4B differs from R4 in what is new and what is gone; nothing was moved.
        assert!(each.rows > 0 || each.version == Version::R4b, "{each:?}");
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|end| end == "json") {
            found.push(path);
        }
    }
}

/// Elements, types, cardinalities: what is made of R4 is made of what the other version has.
#[test]
#[expect(clippy::print_stdout, reason = "says what it skips")]
fn what_is_made_of_r4_has_the_shape_of_the_other_version() {
    let Some(root) = std::env::var_os("ANCHORLINE_CORPUS") else {
        println!("skipped: the shapes of what is made of R4 need ANCHORLINE_CORPUS");
        return;
    };
    let mut found = Vec::new();
    files(&Path::new(&root).join("fhir-r4/examples"), &mut found);
    found.sort();
    let mut wrong = Vec::new();
    for path in found {
        let Ok(resource) = parse(&std::fs::read(&path).unwrap(), &Limits::default()) else { continue };
        if resource.get("resourceType").is_none() {
            continue;
        }
        for other in [Version::Stu3, Version::R4b, Version::R5] {
            let converted = convert(&resource, Version::R4, other, &Options::default()).unwrap().resource;
            let misfits = detect::misfits(&converted, other.table());
            if misfits > 0 {
                wrong.push(format!("{other} {}: {misfits}", path.file_name().unwrap_or_default().to_string_lossy()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
