use super::*;

const A: &str = "MSH|^~\\&|A|||||||1\rPID|1\r";
const B: &str = "MSH|^~\\&|B|||||||2\rPID|2\r";

#[track_caller]
fn check(raw: &[u8], expect_ids: &[&str], is_batch: bool, expect_issues: &[&str]) {
    let batch = split_batch(raw);
    let ids: Vec<_> = batch
        .messages
        .iter()
        .map(|part| Message::parse(&part.bytes).map_or_else(|_| "?".to_owned(), |p| p.message.control_id()))
        .collect();
    assert_eq!(ids, expect_ids);
    assert_eq!(batch.is_batch, is_batch);
    assert_eq!(batch.issues.iter().map(|i| i.code).collect::<Vec<_>>(), expect_issues);
    assert_eq!(batch.messages.iter().map(|p| p.number).collect::<Vec<_>>(), (1..=expect_ids.len()).collect::<Vec<_>>());
}

#[test]
fn leaves_a_lone_message_as_it_came() {
    let framed = format!("\u{b}{A}\u{1c}\r");
    check(framed.as_bytes(), &["1"], false, &[]);
    assert_eq!(split_batch(framed.as_bytes()).messages[0].bytes, framed.as_bytes());
}

#[test]
fn finds_the_messages_of_a_batch_file() {
    let text = format!("FHS|^~\\&|A\rBHS|^~\\&|A\r{A}{B}BTS|2\rFTS|1\r");
    check(text.as_bytes(), &["1", "2"], true, &[]);
    check(text.replace('\r', "\r\n").as_bytes(), &["1", "2"], true, &[]);
    check(format!("\u{feff}{text}").as_bytes(), &["1", "2"], true, &[]);
    check(format!("BHS|^~\\&|A\r{A}BTS\r").as_bytes(), &["1"], true, &[]);
}

#[test]
fn finds_messages_without_an_envelope() {
    check(format!("{A}{B}").as_bytes(), &["1", "2"], true, &[]);
    check(format!("\u{b}{A}\u{1c}\r\u{b}{B}\u{1c}\r").as_bytes(), &["1", "2"], true, &[]);
}

#[test]
fn says_that_a_count_is_wrong() {
    check(
        format!("FHS|^~\\&\rBHS|^~\\&\r{A}{B}BTS|7\rFTS|3\r").as_bytes(),
        &["1", "2"],
        true,
        &["batch-count", "batch-count"],
    );
    check(format!("BHS|^~\\&\r{A}BTS|many\r").as_bytes(), &["1"], true, &["batch-count"]);
}

#[test]
fn says_that_an_envelope_is_open_or_text_stands_outside() {
    check(format!("FHS|^~\\&\rBHS|^~\\&\r{A}").as_bytes(), &["1"], true, &["batch-unclosed"]);
    check(format!("hello\r{A}{B}").as_bytes(), &["1", "2"], true, &["text-outside-message"]);
}

#[test]
fn keeps_the_number_of_a_broken_part() {
    check(format!("{A}MSH|broken\r{B}").as_bytes(), &["1", "?", "2"], true, &[]);
}

#[test]
fn hands_over_what_is_no_message_as_one_part() {
    check(b"hello", &["?"], false, &[]);
    check(b"", &["?"], false, &[]);
}

#[test]
fn cuts_a_batch_in_utf_16() {
    let mut raw = vec![0xFF, 0xFE];
    format!("{A}{B}").encode_utf16().for_each(|unit| raw.extend(unit.to_le_bytes()));
    check(&raw, &["1", "2"], true, &[]);
}
