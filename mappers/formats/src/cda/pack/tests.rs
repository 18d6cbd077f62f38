use super::super::limits::Limits;
use super::*;

fn read(file: &str) -> Document {
    let text = format!("<a>\n<text representation=\"B64\">{file}</text>\n<b c=\"d\"/></a>");
    Document::parse(text.as_bytes(), &Limits::default()).expect("well-formed")
}

#[test]
fn a_large_file_loses_its_line_ends_and_nothing_moves_behind_it() {
    let line = "QUJD".repeat(19);
    let wrapped = format!("\n  {line}\n").repeat(2000);
    let document = read(&wrapped);
    let text = document.root().children().next().expect("the text");
    assert_eq!(text.text(), line.repeat(2000));
    let after = document.root().children().nth(1).expect("the element behind it");
    assert_eq!((after.line(), after.attribute("c")), (3 + 4000, Some("d")));
    assert_eq!(document.leaf(1).map(|leaf| leaf.value.len()), Some(76 * 2000));
}

#[test]
fn what_is_no_base64_and_what_is_small_stays_as_it_stands() {
    let broken = "no base64, \n".repeat(8000);
    assert_eq!(read(&broken).root().children().next().expect("the text").text(), broken);
    assert_eq!(read("QUJD\nQUJD").root().children().next().expect("the text").text(), "QUJD\nQUJD");
}
