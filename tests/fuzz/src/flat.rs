//! Any bytes as a flat file: the same rows whatever the chunks, every cell accounted for, and a draft that loads.
#![no_main]

use std::sync::OnceLock;

use formats::flat::{Charset, Dialect, Envelope, Layout, Reader, Rows, Span, Writer};
use libfuzzer_sys::fuzz_target;
use mappers::flat::{File, draft};
use mappers::{Context, Packages};

fn packages() -> &'static Packages {
    static PACKAGES: OnceLock<Packages> = OnceLock::new();
    PACKAGES.get_or_init(|| Packages::embedded().expect("the packages of the program load"))
}

fn dialects() -> [Dialect; 6] {
    let delimited = |delimiter: &str, quote| Layout::Delimited { delimiter: delimiter.to_owned(), quote, escape: None };
    let of = |layout| Dialect { layout, row_limit_bytes: 256, ..Dialect::default() };
    [
        of(delimited(",", Some(b'"'))),
        Dialect { comment: Some("#".to_owned()), skip: 1, ..of(delimited("|", None)) },
        of(delimited("||", None)),
        of(Layout::Fixed(vec![Span { start: 0, length: 3 }, Span { start: 5, length: 2 }])),
        Dialect {
            trailing: true,
            quoted_empty: Some("none".to_owned()),
            envelope: Some(Envelope {
                head: vec!["HD".to_owned()],
                foot: Some("TR".to_owned()),
                count: 1,
                ..Envelope::default()
            }),
            ..of(delimited(",", Some(b'"')))
        },
        Dialect { charset: Charset::named("shift_jis"), ..of(delimited(";", Some(b'\''))) },
    ]
}

fuzz_target!(|raw: &[u8]| {
    for dialect in dialects() {
        let whole = rows(&dialect, raw, raw.len().max(1));
        assert_eq!(whole, rows(&dialect, raw, 7), "{dialect:?}");
        again(&dialect, &whole);
    }
    let file = File { name: "patients.csv", bytes: raw };
    for name in ["flat-harbor", "flat-quayside", "flat-registry", "flat-us-lab"] {
        let Some(package) = packages().named(name) else { continue };
        if let Ok(converted) = package.convert_flat(&[file], &Context::default(), true) {
            let _ = package.render_flat(&[converted.bundle]);
        }
    }
    if let Ok(draft) = draft("x", raw) {
        let files = draft.files.into_iter().map(|(path, text)| (format!("x/{path}"), text.into_bytes()));
        Packages::load(files).expect("a draft loads");
    }
});

fn rows(dialect: &Dialect, raw: &[u8], chunk: usize) -> Vec<(u64, Vec<String>)> {
    let mut reader = Reader::new(dialect.clone());
    let mut rows = Rows::default();
    for bytes in raw.chunks(chunk) {
        reader.push(bytes);
        reader.read(&mut rows, usize::MAX);
    }
    reader.finish();
    reader.read(&mut rows, usize::MAX);
    rows.iter().map(|row| (row.number(), row.cells().map(str::to_owned).collect())).collect()
}

/// What is read from a file of quoted cells is written so that it is read again, by who knows that it is UTF-8: text with NUL
/// may look like UTF-16.
fn again(dialect: &Dialect, rows_of: &[(u64, Vec<String>)]) {
    let plain = Dialect { charset: Some(Charset::UTF_8), row_limit_bytes: 1 << 20, ..Dialect::default() };
    if dialect.layout != plain.layout {
        return;
    }
    for (_, cells) in rows_of {
        let mut bytes = Vec::new();
        let unfit = Writer::new(plain.clone()).write(cells.iter().map(String::as_str), &mut bytes);
        // A mark at the beginning of a file is no text.
        if unfit.is_empty() && !cells.first().is_some_and(|cell| cell.starts_with('\u{feff}')) {
            let found = rows(&plain, &bytes, bytes.len().max(1));
            assert_eq!(found.first().map(|(_, found)| found), Some(cells));
        }
    }
}
