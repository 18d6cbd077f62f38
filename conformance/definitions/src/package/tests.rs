use std::io::Write;

use super::*;

/// A tar of these files, gzipped.
pub(crate) fn tgz(files: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, kind, content) in files {
        let mut header = [0_u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
        header[148..156].fill(b' ');
        header[156] = *kind;
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar.extend(header);
        tar.extend(*content);
        tar.resize(tar.len().div_ceil(512) * 512, 0);
    }
    tar.resize(tar.len() + 1024, 0);
    gzip(&tar)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

const MANIFEST: &[u8] =
    br#"{"name":"org.example.guide","version":"0.1.0","fhirVersions":["4.0.1"],"dependencies":{"hl7.fhir.r4.core":"4.0.1"}}"#;
const VALUE_SET: &[u8] = br#"{"resourceType":"ValueSet","url":"urn:vs","version":"1"}"#;

#[test]
fn archive_gives_manifest_and_definitions() {
    let bytes = tgz(&[
        ("package/package.json", b'0', MANIFEST),
        ("package/ValueSet-a.json", b'0', VALUE_SET),
        ("package/.index.json", b'0', b"{}"),
        ("package/example/ValueSet-b.json", b'0', VALUE_SET),
    ]);
    let package = Package::read_tgz(&bytes).unwrap();
    assert_eq!((package.name.as_str(), package.version.as_str()), ("org.example.guide", "0.1.0"));
    assert_eq!(package.dependencies.len(), 1);
    assert_eq!(package.iter().collect::<Vec<_>>(), [("ValueSet", "urn:vs", Some("1"))]);
}

#[track_caller]
fn refused(bytes: &[u8], limits: &Limits, expect: &str) {
    let error = Package::read_tgz_within(bytes, limits).unwrap_err();
    assert!(error.to_string().contains(expect), "{error}");
}

#[test]
fn names_that_lead_out_are_refused() {
    for name in ["../evil.json", "/etc/passwd", "package/../../evil.json", "package\\..\\evil.json", "C:/evil.json"] {
        refused(&tgz(&[(name, b'0', VALUE_SET)]), &Limits::default(), "leads out");
    }
}

#[test]
fn links_and_devices_are_refused() {
    refused(&tgz(&[("package/a.json", b'2', b"")]), &Limits::default(), "a link");
    refused(&tgz(&[("package/a.json", b'1', b"")]), &Limits::default(), "a link");
    refused(&tgz(&[("package/a.json", b'3', b"")]), &Limits::default(), "neither");
}

#[test]
fn bombs_are_refused() {
    let zeros = vec![b' '; 40 << 20];
    refused(&tgz(&[("package/a.json", b'0', &zeros)]), &Limits { ratio: 20, ..Limits::default() }, "unpacked bytes");
    refused(
        &tgz(&[("package/a.json", b'0', &zeros)]),
        &Limits { file_bytes: 1 << 20, ..Limits::default() },
        "of a file",
    );
    let many = [("package/a.json", b'0', VALUE_SET); 5];
    refused(&tgz(&many), &Limits { entries: 4, ..Limits::default() }, "entries");
}

#[test]
fn what_is_no_archive_is_refused() {
    refused(b"", &Limits::default(), "");
    refused(b"\x1F\x8Bnothing", &Limits::default(), "does not unpack");
    refused(&gzip(&[7; 700]), &Limits::default(), "wrong sum");
    let whole = tgz(&[("package/a.json", b'0', VALUE_SET)]);
    refused(&whole[..whole.len() / 2], &Limits::default(), "");
}

#[test]
fn bundle_counts_as_its_definitions() {
    let bundle = br#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"ValueSet","url":"urn:a"}},{},
        {"resource":{"resourceType":"Patient","id":"1"}},{"resource":{"resourceType":"ValueSet","url":"urn:b"}}]}"#;
    let package = Package::read_bytes("all.json", bundle).unwrap();
    assert_eq!(package.iter().map(|(_, url, _)| url).collect::<Vec<_>>(), ["urn:a", "urn:b"]);
}

#[test]
fn folder_is_read_by_name() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("package")).unwrap();
    std::fs::write(folder.path().join("package/package.json"), MANIFEST).unwrap();
    std::fs::write(folder.path().join("package/ValueSet-a.json"), [b"\xEF\xBB\xBF", VALUE_SET].concat()).unwrap();
    let package = Package::read_file(folder.path()).unwrap();
    assert_eq!(package.name, "org.example.guide");
    assert_eq!(package.len(), 1);
    assert_eq!(package.entries()[0].json().unwrap().text_at(&["url"]), Some("urn:vs"));
}

#[test]
fn definitions_are_read_from_xml() {
    let text = br#"<ValueSet xmlns="http://hl7.org/fhir"><url value="urn:x"/><status value="active"/></ValueSet>"#;
    let package = Package::read_bytes("x.xml", text).unwrap();
    assert_eq!(package.iter().collect::<Vec<_>>(), [("ValueSet", "urn:x", None)]);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.xml"), text).unwrap();
    std::fs::write(folder.path().join("b.json"), VALUE_SET).unwrap();
    assert_eq!(Package::read_dir(folder.path()).unwrap().len(), 2);
    assert!(Package::read_bytes("x.xml", b"<ValueSet").is_err());
}

#[test]
fn file_that_defines_nothing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("patient.json");
    std::fs::write(&path, r#"{"resourceType":"Patient","id":"1"}"#).unwrap();
    let error = Package::read_file(&path).unwrap_err();
    assert_eq!(error.to_string(), "patient.json: expected definitions, each with its url");
    assert!(Package::read_file(&folder.path().join("gone.json")).is_err());
}
