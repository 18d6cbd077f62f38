//! Laws that hold for any document, tried on damaged copies of the examples: nothing panics, every leaf is accounted for,
//! two runs give the same bytes, and what is written of the result is a document again.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it does not expect")]

use std::fs;
use std::path::Path;

use formats::cda::{Document, Limits};
use mappers::{Context, Packages, RenderContext};

/// Numbers that follow each other without a pattern (xorshift), the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % end.max(1)
    }
}

/// The tags of a text: where each begins and ends.
fn tags(text: &str) -> Vec<(usize, usize)> {
    let starts = text.match_indices('<').map(|(at, _)| at);
    starts.filter_map(|at| text.get(at..)?.find('>').map(|end| (at, at + end + 1))).collect()
}

/// A copy with an attribute's value, an element without children or a stretch between two tags changed or gone.
fn damaged(text: &str, numbers: &mut Numbers) -> String {
    let mut out = text.to_owned();
    for _ in 0..=numbers.below(4) {
        let tags = tags(&out);
        let Some((from, to)) = tags.get(numbers.below(tags.len())).copied() else { continue };
        let tag = out.get(from..to).unwrap_or_default().to_owned();
        let replaced = match numbers.below(4) {
            // An empty element is gone, or stands twice.
            0 if tag.ends_with("/>") => String::new(),
            1 if tag.ends_with("/>") => format!("{tag}{tag}"),
            2 => match tag.match_indices('"').map(|(at, _)| at).collect::<Vec<_>>().as_slice() {
                [first, second, ..] => {
                    let values = ["", "x", "-1", "20", "2.16.840", "nullFlavor", "99999999999999999999", "é\u{1F600}"];
                    let value = values.get(numbers.below(values.len())).copied().unwrap_or_default();
                    let (head, tail) = (tag.get(..=*first).unwrap_or_default(), tag.get(*second..).unwrap_or_default());
                    format!("{head}{value}{tail}")
                }
                _ => tag.clone(),
            },
            _ => tag.replace("code", "value").replace("effectiveTime", "id"),
        };
        let opens = !tag.starts_with("</") && !tag.ends_with("/>");
        if opens || tag.starts_with("</") {
            continue;
        }
        out.replace_range(from..to, &replaced);
    }
    out
}

#[test]
fn damaged_documents_keep_the_laws() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("packages/ccda-base/examples");
    let packages = Packages::embedded().unwrap();
    let package = packages.named("ccda-base").unwrap();
    let context = Context::default();
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let (mut tried, mut read) = (0, 0);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    for path in paths.filter(|path| path.extension().is_some_and(|end| end == "xml")) {
        let text = fs::read_to_string(path).unwrap();
        for _ in 0..40 {
            tried += 1;
            let text = damaged(&text, &mut numbers);
            let Ok(document) = Document::parse(text.as_bytes(), &Limits::default()) else { continue };
            read += 1;
            let mapped = package.map_cda(&document, &context);
            assert_eq!(mapped.loss().total(), document.leaves() as usize);
            assert_eq!(mapped.bundle.to_bytes(), package.map_cda_counted(&document, &context).bundle.to_bytes());
            let written = package.write_cda(&mapped.bundle, &RenderContext::default());
            if !written.bytes.is_empty() {
                Document::parse(&written.bytes, &Limits::default()).unwrap();
            }
        }
    }
    assert!(read * 10 > tried * 9, "{read} of {tried} damaged copies are still documents");
}
