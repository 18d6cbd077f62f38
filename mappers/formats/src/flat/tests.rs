use super::*;

fn pipe() -> Dialect {
    Dialect { layout: Layout::Delimited { delimiter: "|".to_owned(), quote: None, escape: None }, ..Dialect::default() }
}

/// Each row as `number:cell/cell`; the same whatever the size of the chunks.
#[track_caller]
fn check(dialect: &Dialect, input: &[u8], expect: &[&str]) -> Vec<&'static str> {
    let read = |chunk: usize| {
        let mut reader = Reader::new(dialect.clone());
        let mut rows = Rows::default();
        for bytes in input.chunks(chunk) {
            reader.push(bytes);
            reader.read(&mut rows, usize::MAX);
        }
        reader.finish();
        reader.read(&mut rows, usize::MAX);
        let lines: Vec<String> =
            rows.iter().map(|row| format!("{}:{}", row.number(), row.cells().collect::<Vec<_>>().join("/"))).collect();
        (lines, rows.found.iter().map(|found| found.code).collect::<Vec<_>>())
    };
    let whole = read(input.len().max(1));
    assert_eq!(whole.0, expect);
    for chunk in [1, 2, 3, 7] {
        assert_eq!(read(chunk), whole, "in chunks of {chunk}");
    }
    whole.1
}

#[test]
fn reads_quoted_cells_with_delimiters_line_ends_and_doubled_marks() {
    let found = check(&Dialect::default(), b"a,b\r\n\"x,\"\"y\"\"\",\"1\r\n2\"\r\n", &["1:a/b", "2:x,\"y\"/1\r\n2"]);
    assert!(found.is_empty());
}

#[test]
fn counts_rows_as_a_spreadsheet_does() {
    check(&Dialect::default(), b"a,b\n\n1,2\n\r\n3,4", &["1:a/b", "3:1/2", "5:3/4"]);
}

#[test]
fn keeps_every_cell_of_a_short_and_a_long_row() {
    check(&Dialect::default(), b"a,b\n1\n1,2,3\n,\n", &["1:a/b", "2:1", "3:1/2/3", "4:/"]);
}

#[test]
fn takes_cr_alone_for_a_line_end() {
    check(&pipe(), b"a|b\r1|2\r", &["1:a|b".replace('|', "/").as_str(), "2:1/2"]);
    check(&Dialect::default(), b"a,b\r1,2\r", &["1:a/b", "2:1/2"]);
}

#[test]
fn an_open_quotation_mark_costs_its_own_row() {
    let found = check(&Dialect::default(), b"a,b\n\"x,1\ny,2\nz,\"3\"\n", &["1:a/b", "2:\"x/1", "3:y/2", "4:z/3"]);
    assert_eq!(found, ["quotation-open"]);
}

#[test]
fn a_delimiter_may_be_several_characters() {
    let layout = Layout::Delimited { delimiter: "||".to_owned(), quote: None, escape: None };
    check(&Dialect { layout, ..Dialect::default() }, b"a||b|c||\n\"||2\n", &["1:a/b|c/", "2:\"/2"]);
}

#[test]
fn cuts_fixed_width_by_characters() {
    let spans = vec![Span { start: 0, length: 3 }, Span { start: 4, length: 2 }];
    let dialect = Dialect { layout: Layout::Fixed(spans), ..Dialect::default() };
    let found = check(&dialect, "äbc 12\nde\nfgh!34\n".as_bytes(), &["1:äbc/12", "2:de/", "3:fgh/34"]);
    assert_eq!(found, ["outside-columns"]);
}

#[test]
fn reads_what_is_no_utf_8_as_windows_1252_and_says_so_once() {
    let found = check(&Dialect::default(), b"a,b\nM\xFCller,1\nS\xF8ren,2\n", &["1:a/b", "2:Müller/1", "3:Søren/2"]);
    assert_eq!(found, ["not-utf-8"]);
}

#[test]
fn sees_utf_16_with_and_without_a_mark() {
    let text = "name,place\nÅse,Ærø\n".repeat(8);
    let expect: Vec<String> =
        (1..=16).map(|n| format!("{n}:{}", if n % 2 == 1 { "name/place" } else { "Åse/Ærø" })).collect();
    let expect: Vec<&str> = expect.iter().map(String::as_str).collect();
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    check(&Dialect::default(), &little, &expect);
    let big: Vec<u8> = "\u{FEFF}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect();
    check(&Dialect::default(), &big, &expect);
}

#[test]
fn reads_the_charset_it_is_told() {
    let dialect = Dialect { charset: Charset::named("windows-1251"), ..Dialect::default() };
    check(&dialect, b"\xC8\xE2\xE0\xED,1\n", &["1:Иван/1"]);
}

#[test]
fn skips_a_preamble_and_comments() {
    let dialect = Dialect { skip: 2, comment: Some("#".to_owned()), ..Dialect::default() };
    check(&dialect, b"Report of \"June\nmade by us\na,b\n# note\n1,2\n", &["3:a/b", "5:1/2"]);
}

#[test]
fn a_first_row_that_is_too_long_gives_no_width() {
    let dialect = Dialect { row_limit_bytes: 16, ..Dialect::default() };
    let input = "a,b,c,0123456789abcdef\n\"1,2\n3,4\n";
    check(&dialect, input.as_bytes(), &["2:1,2\n3,4\n"]);
}

#[test]
fn a_row_that_is_too_long_ends_where_its_line_does() {
    let long = "x".repeat(40);
    let input = format!("a,b\n1,{long},[,\r\n2,y\n\"{long}\n3,z\r");
    for dialect in [Dialect::default(), Dialect { charset: Charset::named("shift_jis"), ..Dialect::default() }] {
        let dialect = Dialect { row_limit_bytes: 16, ..dialect };
        let found = check(&dialect, input.as_bytes(), &["1:a/b", "3:2/y", "5:3/z"]);
        assert_eq!(found, ["row-too-long", "row-too-long"]);
    }
}

#[test]
fn drops_a_row_that_is_too_long_and_goes_on() {
    let dialect = Dialect { row_limit_bytes: 16, ..pipe() };
    let mut input = b"a|b\n".to_vec();
    input.extend([b'x'; 15]);
    input.extend(b"yyyy|1\nc|d\n");
    let found = check(&dialect, &input, &["1:a/b", "3:c/d"]);
    assert_eq!(found, ["row-too-long"]);
}

#[test]
fn writes_what_it_reads() {
    let cells = ["plain", "with, comma", "with \"marks\"", "two\nlines", "", "é"];
    let mut bytes = Vec::new();
    let unfit = Writer::new(Dialect::default()).write(cells, &mut bytes);
    assert!(unfit.is_empty());
    let mut reader = Reader::new(Dialect::default());
    reader.push(&bytes);
    reader.finish();
    let mut rows = Rows::default();
    reader.read(&mut rows, 10);
    assert_eq!(rows.row(0).unwrap().cells().collect::<Vec<_>>(), cells);
    assert_eq!(rows.len(), 1);
}

#[test]
fn says_which_cell_does_not_fit() {
    let mut bytes = Vec::new();
    assert_eq!(Writer::new(pipe()).write(["a", "b|c"], &mut bytes), [1]);
    let spans = vec![Span { start: 0, length: 2 }, Span { start: 2, length: 2 }];
    let dialect = Dialect { layout: Layout::Fixed(spans), ..Dialect::default() };
    assert_eq!(Writer::new(dialect).write(["abc", "d"], &mut bytes), [0]);
    assert_eq!(bytes, b"a|b c\nabd \n");
}

#[test]
fn refuses_a_dialect_nobody_can_read() {
    let of = |delimiter: &str, quote| Dialect {
        layout: Layout::Delimited { delimiter: delimiter.to_owned(), quote, escape: None },
        ..Dialect::default()
    };
    assert_eq!(of("", None).check(), Err(DialectError::Delimiter));
    assert_eq!(of("||", Some(b'"')).check(), Err(DialectError::Quote));
    assert_eq!(of("\"", Some(b'"')).check(), Err(DialectError::Same));
    assert_eq!(of("\u{1f}", Some(b'"')).check(), Ok(()));
}

#[test]
fn empty_lines_before_the_header_are_skipped_as_people_count_them() {
    let dialect = Dialect { skip: 3, ..Dialect::default() };
    check(&dialect, b"Ward list\n\nmade today\na,b\n1,2\n", &["4:a/b", "5:1/2"]);
}

#[test]
fn a_mark_of_several_characters_is_seen_whatever_comes_first() {
    let dialect = Dialect { comment: Some("//".to_owned()), ..Dialect::default() };
    check(&dialect, b"// made today\na,b\n/,2\n", &["2:a/b", "3://2"]);
}

fn enveloped(count: usize) -> Dialect {
    let envelope =
        Envelope { head: vec!["HDR|".to_owned()], foot: Some("TRL|".to_owned()), count, besides: 0, header_rows: 1 };
    Dialect { envelope: Some(envelope), ..pipe() }
}

#[test]
fn a_trailer_that_counts_other_records_is_said() {
    let rows = ["2:a/b", "3:1/2", "4:3/4"];
    assert!(check(&enveloped(1), b"HDR|20240101\na|b\n1|2\n3|4\nTRL|2\n", &rows).is_empty());
    assert_eq!(check(&enveloped(1), b"HDR|20240101\na|b\n1|2\n3|4\nTRL|3\n", &rows), ["record-count"]);
    assert_eq!(check(&enveloped(1), b"HDR|20240101\na|b\n1|2\n3|4\nTRL|\n", &rows), ["record-count"]);
    assert_eq!(check(&enveloped(2), b"HDR|\na|b\n1|2\n3|4\nTRL|20240101|000002", &rows), Vec::<&str>::new());
}

#[test]
fn a_file_without_its_trailer_is_said_to_be_cut_off() {
    assert_eq!(check(&enveloped(1), b"HDR|\na|b\n1|2\n", &["2:a/b", "3:1/2"]), ["trailer-missing"]);
    assert_eq!(check(&enveloped(1), b"", &[]), ["trailer-missing"]);
}

#[test]
fn a_quoted_nothing_is_told_from_an_empty_cell_where_that_is_asked_for() {
    let dialect = Dialect { quoted_empty: Some("none".to_owned()), ..Dialect::default() };
    check(
        &dialect,
        b"a,b,c\n\"\",,x\n\"1,\"\"\",\"\",\"\"\n,,\n",
        &["1:a/b/c", "2:none//x", "3:1,\"/none/none", "4://"],
    );
    check(&Dialect::default(), b"a,b\n\"\",\n", &["1:a/b", "2:/"]);
}

#[test]
fn a_delimiter_at_the_end_of_every_row_begins_no_cell() {
    let dialect = Dialect { trailing: true, ..pipe() };
    check(&dialect, b"a|b|\n1|2|\n3||\n4|5\n6|7|8\n", &["1:a/b", "2:1/2", "3:3/", "4:4/5", "5:6/7/8"]);
    let dialect = Dialect { trailing: true, ..Dialect::default() };
    check(&dialect, b"a,b,\n\"1\n2\",2,\n", &["1:a/b", "2:1\n2/2"]);
}

fn written(dialect: &Dialect, cells: &[&str]) -> (Vec<u8>, Vec<usize>) {
    let mut out = Vec::new();
    let unfit = Writer::new(dialect.clone()).write(cells.iter().copied(), &mut out);
    (out, unfit)
}

#[test]
fn what_a_character_set_does_not_have_is_a_question_mark_and_said() {
    let dialect = Dialect { charset: Charset::named("windows-1252"), ..Dialect::default() };
    assert_eq!(written(&dialect, &["Müller", "Łódź"]), (b"M\xfcller,?\xf3d?\n".to_vec(), vec![1]));
}

#[test]
fn utf_16_comes_back_as_it_was() {
    for (label, bytes) in [("utf-16le", b"\xff\xfea\0,\0\xe9\0\n\0"), ("utf-16be", b"\xfe\xff\0a\0,\0\xe9\0\n")] {
        let dialect = Dialect { charset: Charset::named(label), ..Dialect::default() };
        assert_eq!(written(&dialect, &["a", "é"]), (bytes.to_vec(), vec![]), "{label}");
        check(&dialect, bytes, &["1:a/é"]);
    }
}

#[test]
fn what_is_written_is_read_again() {
    let layout = Layout::Delimited { delimiter: ";".to_owned(), quote: Some(b'"'), escape: Some(b'\\') };
    let dialect = Dialect {
        layout,
        trailing: true,
        quoted_empty: Some("none".to_owned()),
        line_end: "\r\n",
        ..Dialect::default()
    };
    let cells = ["a\\", "\\\"x;", "", "none", "two\nlines"];
    let (bytes, unfit) = written(&dialect, &cells);
    assert!(unfit.is_empty());
    check(&dialect, &bytes, &[&format!("1:{}", cells.join("/"))]);
}
