//! Files in documents: bodies that are not XML, media in sections, and what they become on the way back.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it does not expect")]

use formats::cda::{Document, Limits};
use mappers::{Context, Package, Packages, RenderContext};
use model::json::Json;
use model::outcome::{Issue, Severity};

fn package<R>(ask: impl FnOnce(&Package) -> R) -> R {
    let packages = Packages::embedded().unwrap();
    ask(packages.named("ccda-base").unwrap())
}

fn document(component: &str) -> String {
    format!(
        r#"<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/><id root="2.999.1" extension="D1"/>
<code code="34133-9" codeSystem="2.16.840.1.113883.6.1"/><title>Letter</title><effectiveTime value="20240102030405+0000"/>
<recordTarget><patientRole><id root="2.999.2" extension="P1"/></patientRole></recordTarget>
<component>{component}</component></ClinicalDocument>"#
    )
}

fn body(text: &str) -> String {
    document(&format!("<nonXMLBody>{text}</nonXMLBody>"))
}

fn map(text: &str) -> (Json, Vec<Issue>) {
    let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
    let mapped = package(|package| package.map_cda(&document, &Context::default()));
    (mapped.bundle, mapped.issues)
}

fn write(bundle: &Json) -> String {
    let rendered = package(|package| package.write_cda(bundle, &RenderContext::default()));
    String::from_utf8(rendered.bytes).unwrap()
}

fn resource<'b>(bundle: &'b Json, kind: &str) -> Option<&'b Json> {
    let resources = bundle.items("entry").iter().filter_map(|entry| entry.get("resource"));
    resources.into_iter().find(|resource| resource.text_at(&["resourceType"]) == Some(kind))
}

/// A member of the attachment, as JSON.
fn attachment(bundle: &Json, member: &str) -> String {
    let document = resource(bundle, "DocumentReference").unwrap();
    document.at(&["content", "0", "attachment", member]).map_or_else(String::new, Json::to_text)
}

#[track_caller]
fn warned(issues: &[Issue], at: &str, text: &str) {
    let said = |issue: &Issue| issue.at.as_deref() == Some(at) && issue.diagnostics.contains(text);
    assert!(issues.iter().any(said), "{issues:#?}");
}

const TEXT: &str = "/ClinicalDocument/component/nonXMLBody/text";

#[test]
fn a_body_that_is_not_xml_is_a_binary_that_a_document_reference_points_to() {
    let text = "<text mediaType=\"application/pdf\" representation=\"B64\">SGVsbG8g\nd29ybGQ=</text>";
    let (bundle, issues) = map(&body(text));
    assert!(issues.iter().all(|issue| issue.severity == Severity::Information), "{issues:#?}");
    let binary = resource(&bundle, "Binary").unwrap();
    assert_eq!(binary.text_at(&["data"]), Some("SGVsbG8gd29ybGQ="));
    assert_eq!(binary.text_at(&["contentType"]), Some("application/pdf"));
    let id = binary.text_at(&["id"]).unwrap();
    let own = format!("urn:uuid:{}", resource(&bundle, "DocumentReference").unwrap().text_at(&["id"]).unwrap());
    assert_eq!(binary.text_at(&["securityContext", "reference"]), Some(own.as_str()));
    assert_eq!(attachment(&bundle, "url"), format!("\"urn:uuid:{id}\""));
    assert_eq!(attachment(&bundle, "contentType"), "\"application/pdf\"");
    assert_eq!(attachment(&bundle, "size"), "11");
    // `printf 'Hello world' | openssl sha1 -binary | base64`
    assert_eq!(attachment(&bundle, "hash"), "\"e1AsOh9IyGCa4hLN+2Od7jlnP14=\"");
    assert_eq!(attachment(&bundle, "data"), "");
}

#[test]
fn a_file_of_many_blocks_has_the_checksum_of_all_of_it() {
    let (bundle, _) = map(&body(&format!(
        "<text mediaType=\"text/plain\" representation=\"B64\">{}</text>",
        "QUFB\n".repeat(20_000)
    )));
    assert_eq!(attachment(&bundle, "size"), "60000");
    // `head -c 60000 /dev/zero | tr '\0' A | openssl sha1 -binary | base64`
    assert_eq!(attachment(&bundle, "hash"), "\"g2DAHO+KpwAdHdiWS5kh1MGH2ik=\"");
}

#[test]
fn what_is_wrong_with_a_body_is_said_at_its_place_and_nothing_is_made_up() {
    let (bundle, issues) = map(&body("<text mediaType=\"application/pdf\" representation=\"B64\">not, base64</text>"));
    warned(&issues, TEXT, "expected base64");
    assert_eq!(resource(&bundle, "Binary"), None);
    assert_eq!(attachment(&bundle, "url") + &attachment(&bundle, "data"), "");
    assert!(bundle.to_text().contains("not, base64"), "what stands there is kept");

    let (bundle, issues) = map(&body("<text representation=\"B64\">QUJD</text>"));
    warned(&issues, "/ClinicalDocument/component/nonXMLBody", "media type");
    warned(&issues, TEXT, "Binary.contentType");
    assert_eq!(attachment(&bundle, "contentType"), "");
    assert_eq!(resource(&bundle, "Binary").unwrap().text_at(&["contentType"]), Some("application/octet-stream"));

    let (bundle, issues) = map(&body("<text mediaType=\"application/pdf\"><reference value=\"scan.pdf\"/></text>"));
    warned(&issues, "/ClinicalDocument/component/nonXMLBody/text/reference", "outside");
    assert_eq!(resource(&bundle, "Binary"), None);
    assert_eq!(attachment(&bundle, "url"), "\"scan.pdf\"");

    let packed = "<text mediaType=\"application/pdf\" representation=\"B64\" compression=\"GZ\">QUJD</text>";
    let (bundle, issues) = map(&body(packed));
    warned(&issues, TEXT, "compressed");
    assert_eq!(attachment(&bundle, "contentType"), "\"application/gzip\"");
    assert_eq!(resource(&bundle, "Binary").unwrap().text_at(&["data"]), Some("QUJD"));

    let (bundle, issues) = map(&body("<text nullFlavor=\"NI\"/>"));
    warned(&issues, TEXT, "attachment is required");
    assert_eq!(resource(&bundle, "Binary"), None);
}

#[test]
fn a_file_returns_as_the_body_of_an_unstructured_document() {
    let (bundle, _) =
        map(&body("<text mediaType=\"application/pdf\" language=\"en\" representation=\"B64\">QUJD</text>"));
    let written = write(&bundle);
    assert!(written.contains("<component><nonXMLBody><text"), "{written}");
    assert!(!written.contains("structuredBody"), "{written}");
    assert!(written.contains("2.16.840.1.113883.10.20.22.1.10"), "{written}");
    let (again, _) = map(&written);
    let content = |bundle: &Json| resource(bundle, "Binary").unwrap().text_at(&["data"]).map(str::to_owned);
    assert_eq!(content(&again), content(&bundle));
    for member in ["contentType", "language", "size", "hash"] {
        assert_eq!(attachment(&again, member), attachment(&bundle, member), "{member}");
    }
    // A body outside of the document stays outside.
    let (bundle, _) = map(&body("<text mediaType=\"application/pdf\"><reference value=\"scan.pdf\"/></text>"));
    let written = write(&bundle);
    assert!(written.contains("<nonXMLBody>") && written.contains("<reference value=\"scan.pdf\"/>"), "{written}");
}

#[test]
fn a_file_that_was_never_in_a_document_becomes_the_body_of_one() {
    let bundle = r#"{"resourceType":"Bundle","type":"collection","entry":[
        {"resource":{"resourceType":"Patient","id":"p"}},
        {"fullUrl":"urn:uuid:1","resource":{"resourceType":"DocumentReference","id":"d","status":"current","subject":{"reference":"Patient/p"},
          "type":{"coding":[{"system":"http://loinc.org","code":"57133-1"}]},
          "content":[{"attachment":{"contentType":"application/pdf","url":"Binary/b"}}]}},
        {"resource":{"resourceType":"Binary","id":"b","contentType":"application/pdf","data":"QUJD"}}]}"#;
    let bundle = model::json::parse(bundle.as_bytes(), &model::json::Limits::default()).unwrap();
    let written = write(&bundle);
    assert!(written.contains("<nonXMLBody>") && written.contains(">QUJD<"), "{written}");
    assert!(written.contains("code=\"57133-1\""), "{written}");
}

#[test]
fn a_file_of_a_section_is_written_as_its_media() {
    let bundle = r#"{"resourceType":"Bundle","type":"collection","entry":[
        {"resource":{"resourceType":"Patient","id":"p"}},
        {"resource":{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/p"},"code":{"text":"Scar"}}},
        {"resource":{"resourceType":"DocumentReference","id":"d","status":"current","subject":{"reference":"Patient/p"},
          "content":[{"attachment":{"contentType":"image/png","url":"Binary/b"}}]}},
        {"resource":{"resourceType":"Binary","id":"b","contentType":"image/png","data":"iVBORw0K"}}]}"#;
    let bundle = model::json::parse(bundle.as_bytes(), &model::json::Limits::default()).unwrap();
    let written = write(&bundle);
    assert!(written.contains("<observationMedia") && written.contains(">iVBORw0K<"), "{written}");
    assert!(written.contains("structuredBody") && !written.contains("nonXMLBody"), "{written}");
}
