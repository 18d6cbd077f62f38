use super::*;

#[test]
fn writes_values_at_their_places_without_trailing_delimiters() {
    let mut out = MessageBuilder::new(Delimiters::default());
    out.segment("MSH").field(3, "A").set(9, 1, 1, 1, "ADT").set(9, 1, 2, 1, "A01");
    let pid = out.segment("PID");
    pid.set(3, 2, 1, 1, "b")
        .set(3, 1, 4, 2, "1.2")
        .set(3, 1, 1, 1, "a")
        .set_null(13)
        .field(8, "")
        .field(5, "x|y^z&~\\");
    out.segment("ZZZ");
    assert_eq!(
        out.to_text(),
        "MSH|^~\\&|A||||||ADT^A01\rPID|||a^^^&1.2~b||x\\F\\y\\S\\z\\T\\\\R\\\\E\\||||||||\"\"\rZZZ\r"
    );
    assert_eq!(parse(&out.to_text()).segment("PID").unwrap().field(5).text(), "x|y^z&~\\");
}

#[test]
fn writes_line_ends_and_control_characters_as_escapes() {
    let d = Delimiters::default();
    assert_eq!(escape("a\nb\rc\u{1}", &d), "a\\.br\\b\\X0D\\c\\X01\\");
    assert_eq!(unescape("a\\.br\\b\\X0D\\c\\X01\\", &d, Charset::UTF_8), "a\nb\rc\u{1}");
}

#[test]
fn writes_line_ends_so_that_a_full_stop_may_be_a_delimiter() {
    let d = Delimiters { component: Some(b'.'), ..Delimiters::default() };
    assert_eq!(escape("a\nb.c", &d), "a\\X0A\\b\\S\\c");
}

#[track_caller]
fn check_unescaped(raw: &str, expect: &str) {
    assert_eq!(unescape(raw, &Delimiters::default(), Charset::UTF_8), expect);
}

#[test]
fn reads_every_escape_sequence() {
    check_unescaped("\\F\\\\S\\\\T\\\\R\\\\E\\\\P\\", "|^&~\\#");
    check_unescaped("Müller \\T\\ Söhne", "Müller & Söhne");
    check_unescaped("€€\\T\\", "€€&");
    check_unescaped("a\\H\\bold\\N\\b", "aboldb");
    check_unescaped("a\\.sp2\\b\\.sp\\c\\.sk3\\d", "a\n\nb\nc   d");
    check_unescaped("\\.in+4\\\\.ti-2\\\\.fi\\\\.nf\\\\.ce\\x", "\nx");
}

#[test]
fn leaves_what_is_no_escape_sequence_as_it_stands() {
    check_unescaped("C:\\temp", "C:\\temp");
    check_unescaped("C:\\temp\\T\\x", "C:\\temp&x");
    check_unescaped("\\", "\\");
    check_unescaped("\\\\", "\\\\");
    check_unescaped("a\\ T \\b", "a\\ T \\b");
    check_unescaped("\\\"\\", "\\\"\\");
    check_unescaped("\\Zlocal\\ \\C4242\\", "\\Zlocal\\ \\C4242\\");
    check_unescaped("\\.sp-1\\\\.sp99999999999999999999\\", "\\.sp-1\\\\.sp99999999999999999999\\");
}

#[test]
fn bounds_what_a_formatting_command_can_blow_up() {
    assert_eq!(unescape("\\.sk4000000000\\", &Delimiters::default(), Charset::UTF_8).len(), 256);
}

#[test]
fn writes_blanks_where_nothing_can_be_escaped() {
    let d = Delimiters { escape: None, ..Delimiters::default() };
    assert_eq!(escape("a|b\rc\\", &d), "a b c\\");
}
