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

#[test]
fn related_observations_of_stu3_keep_their_kind_there_and_back() {
    let related = |parts: &[(&str, &str)]| {
        let item = |(kind, to): &(&str, &str)| {
            let kind = if kind.is_empty() { String::new() } else { format!(r#""type":"{kind}","#) };
            format!(r#"{{{kind}"target":{{"reference":"Observation/{to}"}}}}"#)
        };
        let items: Vec<String> = parts.iter().map(item).collect();
        let text = format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},"related":[{}]}}"#,
            items.join(",")
        );
        parse(text.as_bytes(), &Limits::default()).unwrap()
    };
    let given =
        related(&[("has-member", "a"), ("derived-from", "b"), ("has-member", "c"), ("sequel-to", "d"), ("", "e")]);
    let r4 = convert(&given, Version::Stu3, Version::R4, &Options::default()).unwrap().resource;
    let text = r4.to_text();
    let wanted = [
        r#""hasMember":[{"reference":"Observation/a"},{"reference":"Observation/c"}]"#,
        r#""derivedFrom":[{"reference":"Observation/b"}]"#,
        // What R4 has no element for stays whole: the kind with what it leads to.
        r#"[{"url":"type","valueCode":"sequel-to"},{"url":"target","valueReference":{"reference":"Observation/d"}}]"#,
    ];
    for wanted in wanted {
        assert!(text.contains(wanted), "{wanted} is not in {text}");
    }
    let back = convert(&r4, Version::R4, Version::Stu3, &Options::default()).unwrap().resource;
    let sorted = |json: &model::json::Json| {
        let mut items: Vec<String> = json.items("related").iter().map(model::json::Json::to_text).collect();
        items.sort_unstable();
        items
    };
    assert_eq!(sorted(&back), sorted(&given), "{}", back.to_text());
}

#[test]
fn categories_of_dstu2_conditions_keep_their_system() {
    // R4's system of the same name has none of DSTU2's codes (complaint, symptom, finding, diagnosis).
    let given = r#"{"resourceType":"Condition","patient":{"reference":"Patient/a"},"code":{"text":"x"},"verificationStatus":"confirmed",
        "category":{"coding":[{"system":"http://hl7.org/fhir/condition-category","code":"diagnosis"}]}}"#;
    let given = parse(given.as_bytes(), &Limits::default()).unwrap();
    let r4 = convert(&given, Version::Dstu2, Version::R4, &Options::default()).unwrap().resource.to_text();
    let wanted = r#""category":[{"coding":[{"system":"http://hl7.org/fhir/condition-category","code":"diagnosis"}]}]"#;
    assert!(r4.contains(wanted), "{wanted} is not in {r4}");
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
