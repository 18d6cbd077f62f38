//! The narratives that documents are turned into keep the rules of every narrative.

use std::io::Write as _;
use std::path::Path;

use formats::cda::{Document, Limits};
use mappers::{Context, Packages};
use model::json::Json;

use super::{check, read};

/// What is wrong with the narratives of a document's Composition, and how many there are.
fn narratives(package: &mappers::Package, bytes: &[u8]) -> Option<(usize, Vec<String>)> {
    let document = Document::parse(bytes, &Limits::default()).ok()?;
    let bundle = package.map_cda(&document, &Context::default()).bundle;
    let (mut count, mut wrong) = (0, Vec::new());
    let mut open: Vec<&Json> = bundle.items("entry").iter().collect();
    while let Some(json) = open.pop() {
        if let Some(div) = json.get("div").and_then(Json::as_str) {
            count += 1;
            match read(div) {
                Ok(document) if !document.has_content() => wrong.push("says nothing".to_owned()),
                Ok(document) => wrong.extend(check(&document).into_iter().map(|finding| format!("{finding:?}"))),
                Err(expected) => wrong.push(expected.to_owned()),
            }
        }
        open.extend(json.as_object().into_iter().flat_map(|object| object.iter().map(|(_, value)| value)));
        open.extend(json.as_array().into_iter().flatten());
    }
    Some((count, wrong))
}

#[test]
fn narratives_of_documents_keep_the_rules() {
    let Some(corpus) = std::env::var_os("ANCHORLINE_CORPUS") else {
        // Past the test harness, which would keep it to itself.
        let text = "skipped: narratives_of_documents_keep_the_rules: ANCHORLINE_CORPUS is not set";
        let _ = writeln!(std::io::stderr(), "{text}");
        return;
    };
    let packages = Packages::embedded().expect("the program's own packages");
    let package = packages.named("ccda-base").expect("embedded");
    let sets =
        std::fs::read_dir(Path::new(&corpus).join("ccda")).expect("ANCHORLINE_CORPUS is set, but has no folder ccda");
    let (mut total, mut wrong) = (0, Vec::new());
    for set in sets.map(|set| set.expect("a set").path()).filter(|set| set.is_dir()) {
        // Each variant of one document says the same.
        if set.ends_with("derived-wire-variants") {
            continue;
        }
        for file in std::fs::read_dir(set).expect("a set").map(|file| file.expect("a file").path()) {
            if file.extension().is_some_and(|extension| extension == "xml")
                && let Some((count, found)) = narratives(package, &std::fs::read(&file).expect("a readable file"))
            {
                total += count;
                wrong.extend(found.into_iter().map(|text| format!("{}: {text}", file.display())));
            }
        }
    }
    assert!(total > 1000, "few narratives: {total}");
    assert!(wrong.is_empty(), "{} wrong among {total}:\n{}", wrong.len(), wrong.join("\n"));
}
