use std::time::Instant;

use tempfile::tempdir;

use super::*;
use crate::concepts::{Concept, Value};

fn small(folder: &Path) -> PathBuf {
    let mut builder = Builder::new(folder, "demo", "http://example.org/cs", "2025/A", "Demo").unwrap();
    let [c, a, b] = ["c", "a", "b"].map(|code| builder.concept(code));
    assert_eq!(builder.concept("a"), a);
    builder.definition(a, "the first").unwrap();
    builder.display(a, "Alpha").unwrap();
    builder.designation(a, "de", ("s", "u"), "Anfang").unwrap();
    builder.property(a, "weight", &Value::Decimal("1.50".into())).unwrap();
    let coding = Value::Coding { system: Some("s".into()), code: "x".into(), display: None };
    builder.property(c, "see", &coding).unwrap();
    builder.display(c, &"long ".repeat(200)).unwrap();
    builder.inactive(c);
    builder.not_selectable(b);
    builder.edge(b, a);
    builder.edge(c, b);
    builder.edge(c, b);
    builder.member("set", c);
    builder.member("set", a);
    builder.finish().unwrap()
}

#[test]
fn everything_written_is_read_again() {
    let folder = tempdir().unwrap();
    let path = small(folder.path());
    assert!(path.file_name().unwrap().to_str().unwrap().starts_with("demo-2025-A-"), "{}", path.display());
    let release = Release::open(&path).unwrap();
    release.verify().unwrap();
    assert_eq!((release.url(), release.version(), release.len()), ("http://example.org/cs", Some("2025/A"), 3));
    let [a, b, c] = ["a", "b", "c"].map(|code| release.find(code).unwrap());
    assert_eq!((a, b, c), (Concept(0), Concept(1), Concept(2)));
    assert_eq!(release.find("d"), None);
    assert_eq!(release.code(b).as_deref(), Some("b"));
    assert_eq!(release.display(a).as_deref(), Some("Alpha"));
    assert_eq!(release.display(b), None);
    assert_eq!(release.display(c).as_deref(), Some("long ".repeat(200).as_str()));
    assert_eq!(release.definition(a).as_deref(), Some("the first"));
    let designation = release.designations(a).remove(0);
    assert_eq!((designation.language.as_deref(), designation.text.as_str()), (Some("de"), "Anfang"));
    assert_eq!(release.properties(a), [("weight".into(), Value::Decimal("1.50".into()))]);
    assert_eq!(release.properties(c)[0].1.text(), "x");
    assert!(release.has_property("see") && !release.has_property("other"));
    assert!((release.active(a), release.active(c), release.selectable(b)) == (true, false, false));
    assert_eq!((release.parents(c), release.children(a)), (vec![b], vec![b]));
    assert!(release.is_a(c, a) && release.is_a(a, a) && !release.is_a(a, c));
    assert_eq!(release.closure(a), [a, b, c]);
    assert_eq!(release.reference_set("set"), Some(vec![a, c]));
    assert_eq!(release.reference_set("other"), None);
    assert_eq!(release.display(Concept(9)), None);
    assert_eq!(release.parents(Concept(u32::MAX)), []);
}

#[test]
fn damage_is_noticed() {
    let folder = tempdir().unwrap();
    let path = small(folder.path());
    let intact = std::fs::read(&path).unwrap();
    for cut in [0, 8, 15, 100, intact.len() - 1] {
        std::fs::write(&path, &intact[..cut]).unwrap();
        assert!(matches!(Release::open(&path), Err(ReleaseError::Damaged { .. })), "{cut}");
    }
    for at in 0..intact.len() {
        let mut bytes = intact.clone();
        bytes[at] ^= 0x40;
        std::fs::write(&path, &bytes).unwrap();
        let found = Release::open(&path).and_then(|release| release.verify());
        assert!(found.is_err(), "byte {at} of {}", intact.len());
    }
}

#[test]
fn a_footer_that_lies_does_no_harm() {
    let folder = tempdir().unwrap();
    let path = small(folder.path());
    let intact = std::fs::read(&path).unwrap();
    let start = intact.windows(4).rposition(|window| window == b"url\t").unwrap();
    let footer = std::str::from_utf8(&intact[start..intact.len() - 16]).unwrap();
    let numbers: Vec<usize> = footer.match_indices(char::is_numeric).map(|(at, _)| at).collect();
    for at in numbers {
        let mut changed = footer.as_bytes().to_vec();
        changed[at] = if changed[at] == b'9' { b'0' } else { b'9' };
        let mut bytes = intact[..start].to_vec();
        bytes.extend_from_slice(&changed);
        bytes.extend_from_slice(&u32::try_from(changed.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&changed).to_le_bytes());
        bytes.extend_from_slice(MAGIC);
        std::fs::write(&path, &bytes).unwrap();
        let Ok(release) = Release::open(&path) else { continue };
        for concept in [Concept(0), Concept(1), Concept(2), Concept(500)] {
            let _ = (release.display(concept), release.properties(concept), release.parents(concept));
            let _ = (release.is_a(concept, Concept(0)), release.closure(concept), release.code(concept));
        }
        let _ = (release.find("a"), release.reference_set("set"));
    }
}

#[test]
fn versions_stand_side_by_side_and_an_import_replaces_its_own() {
    let folder = tempdir().unwrap();
    let write = |version: &str, code: &str| {
        let mut builder = Builder::new(folder.path(), "demo", "http://example.org/cs", version, "Demo").unwrap();
        builder.concept(code);
        builder.finish().unwrap()
    };
    write("1", "old");
    write("2", "x");
    write("1", "new");
    std::fs::write(folder.path().join("broken.terminology"), b"no").unwrap();
    let unfinished = Builder::new(folder.path(), "demo", "http://example.org/cs", "3", "Demo").unwrap();
    drop(unfinished);
    let (releases, problems) = open_all(folder.path()).unwrap();
    assert_eq!(releases.iter().map(|one| one.version().unwrap().to_owned()).collect::<Vec<_>>(), ["1", "2"]);
    assert!(releases[0].find("new").is_some() && releases[0].find("old").is_none());
    assert_eq!(problems.len(), 1);
    assert!(open_all(&folder.path().join("none")).unwrap().0.is_empty());
}

#[test]
fn cycles_in_a_release_end() {
    let folder = tempdir().unwrap();
    let mut builder = Builder::new(folder.path(), "demo", "u", "1", "Demo").unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|code| builder.concept(code));
    builder.edge(a, b);
    builder.edge(b, a);
    builder.edge(c, a);
    let release = Release::open(&builder.finish().unwrap()).unwrap();
    assert_eq!(release.closure(release.find("a").unwrap()).len(), 3);
}

/// Half a million concepts, as many as SNOMED CT with its history has: size, and time of a question.
#[test]
fn half_a_million_concepts_are_answered_in_microseconds() {
    let count: u32 = if cfg!(debug_assertions) { 20_000 } else { 500_000 };
    let folder = tempdir().unwrap();
    let started = Instant::now();
    let mut builder = Builder::new(folder.path(), "large", "http://example.org/large", "1", "Large").unwrap();
    for number in 0..count {
        let concept = builder.concept(&format!("{}", 10_000_000_u64 + u64::from(number) * 7_919 % 900_000_000));
        builder.display(concept, &format!("Synthetic finding number {number} of the large system")).unwrap();
        builder
            .designation(concept, "en", ("s", "900000000000003001"), &format!("Synthetic finding {number} (finding)"))
            .unwrap();
        builder.property(concept, "moduleId", &Value::Code("900000000000207008".into())).unwrap();
        if number > 0 {
            builder.edge(concept, number / 4);
            builder.edge(concept, number / 3);
        }
    }
    let path = builder.finish().unwrap();
    let built = started.elapsed();
    let started = Instant::now();
    let release = Release::open(&path).unwrap();
    let opened = started.elapsed();
    let bytes = release.bytes().unwrap();
    let codes: Vec<String> = (0..count).step_by(37).map(|id| release.code(Concept(id)).unwrap().into_owned()).collect();
    let time = |mut ask: Box<dyn FnMut(&str) + '_>| {
        let started = Instant::now();
        codes.iter().for_each(|code| ask(code));
        started.elapsed() / u32::try_from(codes.len()).unwrap()
    };
    let root = release.find("10000000").unwrap();
    let found = time(Box::new(|code| assert!(release.find(code).is_some())));
    let below = time(Box::new(|code| assert!(release.is_a(release.find(code).unwrap(), root))));
    let shown = time(Box::new(|code| assert!(release.display(release.find(code).unwrap()).is_some())));
    eprintln!(
        "{count} concepts: {bytes} bytes, built in {built:?}, opened in {opened:?}; find {found:?}, is-a {below:?}, display {shown:?}"
    );
    assert!(below.as_micros() < 100 && shown.as_micros() < 100);
}
