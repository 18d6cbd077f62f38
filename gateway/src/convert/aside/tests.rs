use super::super::{Conversion, Reports, convert as convert_whole, convert_stream};
use super::*;
use crate::convert::target::Target;
use mappers::Packages;
use model::outcome::Issue;

/// Base64 of so many letters, in lines of this length.
fn file(letters: usize, line: usize, end: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for at in 0..letters {
        if at > 0 && at % line == 0 {
            text.push_str(end);
        }
        let letter = LETTERS.get((at * 7 + at / 64) % 64).copied().unwrap_or(b'A');
        text.push(char::from(letter));
    }
    text
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
    document(&format!(
        "<nonXMLBody><text mediaType=\"application/pdf\" representation=\"B64\">{text}</text></nonXMLBody>"
    ))
}

fn section(inner: &str) -> String {
    document(&format!(
        "<structuredBody><component><section><code code=\"30954-2\" codeSystem=\"2.16.840.1.113883.6.1\"/>\
         <title>Results</title><text>See <renderMultiMedia referencedObject=\"M1\"/></text>{inner}</section></component></structuredBody>"
    ))
}

fn media(id: &str, text: &str) -> String {
    format!(
        "<entry><observationMedia classCode=\"OBS\" moodCode=\"EVN\" ID=\"{id}\"><id root=\"2.999.7\" extension=\"{id}\"/>\
         <value mediaType=\"image/png\" representation=\"B64\">{text}</value></observationMedia></entry>"
    )
}

fn observation(value: &str) -> String {
    format!(
        "<entry><observation classCode=\"OBS\" moodCode=\"EVN\"><id root=\"2.999.8\" extension=\"O1\"/>\
         <code code=\"8867-4\" codeSystem=\"2.16.840.1.113883.6.1\"/><statusCode code=\"completed\"/>\
         <effectiveTime value=\"20240102\"/>{value}</observation></entry>"
    )
}

struct Found {
    body: Result<Vec<u8>, ()>,
    said: Vec<String>,
    /// Without its files.
    is_parted: bool,
}

fn found(part: Part) -> Found {
    let said = |issues: &[Issue]| issues.iter().map(|issue| format!("{issue:?}")).collect::<Vec<_>>();
    match part.result {
        Err(issues) => Found { body: Err(()), said: said(&issues), is_parted: false },
        Ok(output) => {
            let mut all = said(&output.issues);
            all.extend([output.loss.to_text(), output.explain.to_text()]);
            let is_parted = matches!(output.body, Body::Parted(_));
            Found { body: Ok(output.body.into_bytes().expect("it can be read")), said: all, is_parted }
        }
    }
}

fn request(reports: Reports) -> Conversion {
    Conversion {
        from: Format::Auto,
        to: Format::FhirR4,
        packages: Vec::new(),
        timezone: None,
        reports,
        target: Target::default(),
    }
}

/// Translates a document read at once and from a reader; whether the second did without its files.
#[track_caller]
fn check(input: &[u8]) -> bool {
    let packages = Packages::embedded().expect("the embedded packages load");
    let mut is_parted = false;
    for reports in [Reports::Left, Reports::Made] {
        let request = request(reports);
        let (mut whole, mut streamed) = (Vec::new(), Vec::new());
        convert_whole(&packages, &request, input, |part| whole.push(found(part)));
        convert_stream(&packages, &request, &mut { input }, (0, 1 << 30), |part| {
            streamed.push(found(part));
            ControlFlow::Continue(())
        })
        .expect("the input can be read");
        assert_eq!(streamed.len(), whole.len());
        for (streamed, whole) in streamed.iter().zip(&whole) {
            assert!(!whole.is_parted);
            assert_eq!(streamed.said, whole.said);
            // Too long to be shown.
            assert!(streamed.body == whole.body, "the bytes differ");
            is_parted = streamed.is_parted;
        }
    }
    is_parted
}

#[test]
fn files_aside_are_written_as_if_they_had_been_there() {
    for (letters, line, end) in [(80_000, 76, "\n"), (79_999, 76, "\r\n"), (79_998, 64, "\n  "), (80_000, 80_000, "")] {
        let file = file(letters, line, end);
        assert!(check(body(&file).as_bytes()), "{letters}");
        assert!(check(body(&format!("\n{file}\n")).as_bytes()), "{letters}");
        assert!(check(body(&format!("<![CDATA[{file}]]>")).as_bytes()), "{letters}");
        assert!(check(body(&file.replace('+', "-").replace('/', "_")).as_bytes()), "{letters}");
        assert!(check(section(&media("M1", &file)).as_bytes()), "{letters}");
    }
}

#[test]
fn several_files_in_one_document_find_their_places() {
    let (one, two, three) = (file(80_000, 76, "\n"), file(90_004, 60, "\n"), file(80_000, 64, "\r\n"));
    let all = [media("M1", &one), media("M2", &two), media("M3", &three), media("M4", &one)].concat();
    assert!(check(section(&all).as_bytes()));
    let note = format!("<text mediaType=\"application/pdf\" representation=\"B64\">{two}</text>");
    let note = format!(
        "<entry><act classCode=\"ACT\" moodCode=\"EVN\"><templateId root=\"2.16.840.1.113883.10.20.22.4.202\"/>\
         <code code=\"34109-9\" codeSystem=\"2.16.840.1.113883.6.1\"/>{note}<statusCode code=\"completed\"/></act></entry>"
    );
    assert!(check(section(&format!("{}{note}", media("M1", &one))).as_bytes()));
}

#[test]
fn files_in_places_that_nobody_expects_are_where_they_would_be() {
    let file = file(80_000, 76, "\n");
    for value in [
        format!("<value xsi:type=\"ED\" mediaType=\"application/pdf\" representation=\"B64\">{file}</value>"),
        format!("<value xsi:type=\"ST\" representation=\"B64\">{file}</value>"),
        format!("<text representation=\"B64\">{file}</text>"),
        format!("<value xsi:type=\"CD\"><originalText representation=\"B64\">{file}</originalText></value>"),
        format!("<unheardOf representation=\"B64\">{file}</unheardOf>"),
        format!("<value xsi:type=\"ED\" representation=\"B64\" compression=\"GZ\" integrityCheck=\"x\">{file}</value>"),
        format!("<id root=\"2.999.8\" representation=\"B64\">{file}</id>"),
        format!("<value xsi:type=\"ED\" representation=\"TXT\">{file}</value>"),
    ] {
        check(section(&observation(&value)).as_bytes());
    }
    check(section(&format!("<title representation=\"B64\">{file}</title>")).as_bytes());
    check(section(&format!("<text><paragraph representation=\"B64\">{file}</paragraph></text>")).as_bytes());
    check(body("x").replace("<title>", &format!("<title representation=\"B64\">{file}")).as_bytes());
    check(body(&file).replace("Letter", &file).as_bytes());
}

#[test]
fn what_is_wrong_is_said_as_of_the_whole_document() {
    let file = file(80_000, 76, "\n");
    for text in [
        format!("{file}*"),
        format!("{file}A"),
        format!("{file}===="),
        format!("=={file}"),
        format!("{file}&amp;"),
        format!("{file}&#1;"),
        format!("{file}\u{1}"),
        format!("{file}<b/>"),
        format!("<!-- {file} --> "),
    ] {
        assert!(!check(body(&text).as_bytes()), "{}", text.get(80_000..).unwrap_or_default());
    }
    let whole = body(&file);
    for length in [60, 400, 900, 5_000, 70_000, whole.len() - 70, whole.len() - 30, whole.len() - 1] {
        assert!(!check(whole.as_bytes().get(..length).unwrap_or_default()), "{length}");
    }
    assert!(!check(whole.replace("</text>", "</txt>").as_bytes()));
    assert!(!check(whole.replace("ClinicalDocument", "ClinicalDocuments").as_bytes()));
    assert!(!check(whole.replace("Letter", "\u{1}").as_bytes()));
}

#[test]
fn a_document_too_long_without_its_files_is_refused_for_its_length() {
    let rest = " ".repeat(65 << 20);
    assert!(!check(format!("{}<!--{rest}-->", body(&file(80_000, 76, "\n"))).as_bytes()));
}

#[test]
fn what_is_left_of_a_document_does_not_grow_with_its_files() {
    let packages = Packages::embedded().expect("the embedded packages load");
    let left = |letters: usize| {
        let input = body(&file(letters, 76, "\n"));
        let mut left = 0;
        convert_stream(&packages, &request(Reports::Left), &mut input.as_bytes(), (0, 1 << 30), |part| {
            let output = part.result.expect("it is translated");
            let Body::Parted(parted) = output.body else { panic!("expected a Bundle without files") };
            left = parted.resource.to_bytes().len();
            ControlFlow::Continue(())
        })
        .expect("the input can be read");
        left
    };
    // One digit more for the size.
    assert!(left(800_000).abs_diff(left(80_000)) <= 1);
}
