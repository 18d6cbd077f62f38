#![expect(clippy::arithmetic_side_effects, reason = "small numbers of a test")]

use proptest::prelude::*;

use super::*;
use crate::cda::{Document, Limits, NotAside, Refused};

/// The text of a file of so many bytes, in lines of this length, ended so.
fn file(bytes: usize, line: usize, end: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for at in 0..bytes.div_ceil(3) * 4 {
        if at > 0 && at % line == 0 {
            text.push_str(end);
        }
        let last = if at + 2 >= bytes.div_ceil(3) * 4 { 0 } else { at * 7 + at / 64 };
        text.push(char::from(LETTERS[last % 64]));
    }
    text
}

fn sieved(text: &[u8], from: usize, step: usize) -> Sieved<Vec<u8>> {
    let mut sieve = Sieve::new(from, Vec::new());
    text.chunks(step).for_each(|chunk| sieve.push(chunk).expect("memory"));
    sieve.finish().expect("memory")
}

fn whole(text: &[u8]) -> Result<Document, Refused> {
    Document::parse(text, &Limits::default())
}

/// All there is to know of a document: its places, what stands there, and what was noted.
fn shown(document: &Document, files: Option<&Files<Vec<u8>>>) -> Vec<String> {
    let mut shown = Vec::new();
    for element in (0..document.len() as u32).filter_map(|id| document.element(id)) {
        shown.push(format!("{} {} {:?}", element.xpath(), element.line(), element.leaf_range()));
    }
    for leaf in (0..document.leaves()).filter_map(|leaf| document.leaf(leaf)) {
        let mut value = leaf.value.to_owned();
        if let (Some(files), true) = (files, value.starts_with(MARK_LETTER)) {
            let mut bytes = Vec::new();
            let read = files.read(&value, &mut |piece| {
                bytes.extend_from_slice(piece);
                Ok(())
            });
            read.expect("it lies there");
            value = String::from_utf8(bytes).expect("letters");
        }
        shown.push(format!("{:?} = {value}", leaf.attribute));
    }
    shown.extend(document.notes().iter().map(|note| format!("{note:?}")));
    shown
}

/// Reads a text both ways; how many files were set aside, or `None` where only the whole tells.
#[track_caller]
fn check(text: &[u8]) -> Option<usize> {
    let mut found = None;
    for (step, from) in [(usize::MAX, 200), (977, 200), (7, 200), (1, 1)] {
        let sieved = sieved(text, from, step.min(text.len().max(1)));
        assert_eq!(sieved.whole().expect("memory"), text, "put together again");
        assert_eq!(sieved.length(), text.len() as u64);
        let without = Document::without_files(sieved.kept.clone(), &sieved.files, &Limits::default());
        let count = sieved.files.len();
        let files = sieved.into_files();
        let here = match (without, whole(text)) {
            (Ok(without), Ok(whole)) => {
                // Below this size white space stays in the whole document.
                let packed = |lines: Vec<String>| -> Vec<String> {
                    lines.into_iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join("")).collect()
                };
                assert_eq!(packed(shown(&without, Some(&files))), packed(shown(&whole, None)));
                Some(count)
            }
            (Err(NotAside::Refused(without)), Err(whole)) => {
                assert_eq!(without, whole);
                Some(count)
            }
            (Err(NotAside::Unsure), _) => None,
            (without, whole) => panic!("expected the same, found {:?} and {:?}", without.err(), whole.err()),
        };
        if from > 1 {
            assert!(found.is_none_or(|found| found == here), "whatever the pieces");
            found = Some(here);
        }
    }
    found.flatten()
}

#[test]
fn a_file_is_set_aside_and_nothing_else_changes() {
    for (line, end) in [(76, "\n"), (76, "\r\n"), (64, "\r"), (usize::MAX, ""), (60, "\n  ")] {
        for open in ["<text representation=\"B64\">", "<v:value  representation = ' b64 ' a=\"b\"\n>"] {
            let name = if open.starts_with("<text") { "text" } else { "v:value" };
            let text =
                format!("<a xmlns:v=\"urn:hl7-org:v3\">\r\n<b/>{open}{}</{name}>é<c\n/></a>", file(900, line, end));
            assert_eq!(check(text.as_bytes()), Some(1), "{line} {end:?}");
        }
    }
}

#[test]
fn several_files_and_one_in_a_cdata_section_are_set_aside() {
    let one = file(600, 76, "\n");
    let text = format!(
        "<a><t representation=\"B64\">{one}</t><t representation=\"B64\"><![CDATA[{one}]]></t><d>{one}</d></a>"
    );
    assert_eq!(check(text.as_bytes()), Some(2));
    let text = format!("<a><t representation=\"B64\">{one}<!--more--></t></a>");
    assert_eq!(check(text.as_bytes()), Some(1));
}

#[test]
fn what_stands_after_a_file_is_refused_at_its_place() {
    for line in [76, usize::MAX] {
        let file = file(900, line, "\n");
        for end in ["</u></a>", "</t> \n<b></a>", "</t></a>\u{1}", "", "<", "</t><b &x;/></a>", "</t>&nbsp;</a>"] {
            let text = format!("<a>é\n<t representation=\"B64\">{file}{end}");
            let found = check(text.as_bytes());
            assert!(found == Some(1) || end.contains('\u{1}'), "{end}");
        }
    }
}

#[test]
fn what_only_looks_like_a_file_is_left_to_the_whole_document() {
    let file = file(900, 76, "\n");
    for text in [
        format!("<a><!--<t representation=\"B64\">{file}</t>--></a>"),
        format!("<a b='<t representation=\"B64\">{file}</t>'/>"),
        format!("<a><t representation=\"TXT\">{file}</t></a>"),
        format!("<a><t representation=\"B64\"> <![CDATA[{file}]]></t></a>"),
        format!("<a><t representation=\"B64\">{file}<b/></t></a>"),
        format!("<a>\u{1}<t representation=\"B64\">{file}</t></a>"),
    ] {
        let expect = text.contains("> <![").then_some(0);
        assert_eq!(check(text.as_bytes()), expect, "{text}");
    }
}

#[test]
fn what_is_no_base64_stays_where_it_is() {
    let file = file(900, 76, "\n");
    for (more, is_file) in [("*", false), ("=A", false), ("A", false), ("&amp;", false), ("", true), (" \n", true)] {
        let text = format!("<a><t representation=\"B64\">{file}{more}</t></a>");
        assert_eq!(check(text.as_bytes()), Some(usize::from(is_file)), "{more}");
    }
}

#[test]
fn other_encodings_say_the_same() {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"ENC\"?><a>Ä<t representation=\"B64\">{}</t>Ö</a>",
        file(900, 76, "\r\n")
    );
    let latin = |text: &str| text.chars().map(|c| c as u8).collect::<Vec<u8>>();
    assert_eq!(check(&latin(&text.replace("ENC", "ISO-8859-1"))), Some(1));
    assert_eq!(check(&[b"\xEF\xBB\xBF", text.replace("ENC", "UTF-8").as_bytes()].concat()), Some(1));
    // A byte that is no UTF-8 before the first line end, and one behind the file.
    assert_eq!(check(&latin(&text.replace("ENC", "UTF-8"))), Some(1));
    assert_eq!(check(&latin(&text.replace("ENC", "UTF-8").replace("Ä", "\nÄ"))), None);
    // One behind the file alone: its line is not known without the lines of the file.
    assert_eq!(check(&latin(&text.replace("ENC", "UTF-8").replace("Ä", ""))), None);
    let wide: Vec<u8> = text.replace("ENC", "UTF-16").encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(check(&wide), Some(0));
}

#[test]
fn what_is_kept_does_not_grow_with_files_nor_does_its_limit() {
    let limits = Limits { bytes: 600, text: 500, ..Limits::default() };
    for bytes in [900, 90_000] {
        let text = format!("<a><t representation=\"B64\">{}</t></a>", file(bytes, 76, "\n"));
        let sieved = sieved(text.as_bytes(), 200, 4096);
        assert!(sieved.kept.len() < 50);
        assert!(Document::without_files(sieved.kept.clone(), &sieved.files, &limits).is_ok());
    }
}

#[test]
fn a_file_is_described_as_it_is() {
    for text in ["aGVsbG8=", "aGVs\nbG8", "aGVsbG8", "aGVsbA", "a-_b", "aGVsbA=\n="] {
        let found = sieved(format!("<t representation=\"B64\">{text}</t>").as_bytes(), 1, 1);
        let file = found.files.first().expect("a file").clone();
        let files = found.into_files();
        let read = |token: &str| {
            let mut bytes = Vec::new();
            let read = files.read(token, &mut |piece| {
                bytes.extend_from_slice(piece);
                Ok(())
            });
            read.expect("it lies there");
            String::from_utf8(bytes).expect("letters")
        };
        let data = read(&file.data_token());
        assert_eq!(read(&file.text_token()), text.replace('\n', ""), "{text}");
        let expect = text.replace('\n', "").replace('-', "+").replace('_', "/");
        assert_eq!(data.trim_end_matches('='), expect.trim_end_matches('='), "{text}");
        assert_eq!(data.len() % 4, 0, "{text}");
        let expect = sha2::Digest::finalize(<sha2::Sha256 as sha2::Digest>::new_with_prefix(&data));
        assert_eq!(file.data_digest[..], expect[..], "{text}");
        let size = data.trim_end_matches('=').len() * 6 / 8;
        assert_eq!(file.size(), size as u64, "{text}");
    }
    let hello = sieved(b"<t representation=\"B64\">aGVs\nbG8</t>", 1, 3);
    let digest = <sha1::Sha1 as sha1::Digest>::digest(b"hello");
    assert_eq!(hello.files.first().map(File::sha1), Some(digest.into()));
}

/// A shelf with room for so many bytes.
struct Narrow(Vec<u8>, usize);

impl Shelf for Narrow {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.0.len() + bytes.len() > self.1 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.put(bytes)
    }

    fn read(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(at, buffer)
    }
}

#[test]
fn without_room_on_the_shelf_everything_stays() {
    let (one, text) = (file(900, 76, "\n"), "<t representation=\"B64\">");
    let text = format!("<a>{text}{one}</t>{text}{one}</t>{text}{one}</t></a>");
    for room in [0, 500, one.len(), one.len() + 300, 10_000] {
        let mut sieve = Sieve::new(100, Narrow(Vec::new(), room));
        text.as_bytes().chunks(50).for_each(|chunk| sieve.push(chunk).expect("memory"));
        let sieved = sieve.finish().expect("memory");
        assert_eq!(sieved.files.len(), (room / one.len()).min(3), "{room}");
        assert_eq!(sieved.whole().expect("memory"), text.as_bytes(), "{room}");
    }
}

proptest! {
    #[test]
    fn however_pieces_come_together_both_ways_read_the_same(pieces in prop::collection::vec(0..18_usize, 0..12)) {
        let file = file(300, 60, "\n");
        let all = [
            "<t representation=\"B64\">", "</t>", &file, "<t>", "<![CDATA[", "]]>", "<!--", "-->", " \r\n", "=", "&amp;", "é",
            "\u{1}", "<t a='", "'/>", "*", "<?p ", "?>",
        ];
        let pieces: String = pieces.iter().filter_map(|piece| all.get(*piece)).copied().collect();
        check(format!("<a>{pieces}</a>").as_bytes());
        check(format!("<a><t representation=\"B64\">{file}</t>{pieces}</a>").as_bytes());
        check(format!("<a>{pieces}<t representation=\"B64\">{file}</t></a>").as_bytes());
    }
}
