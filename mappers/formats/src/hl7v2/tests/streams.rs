use super::*;

/// Reads a payload in pieces of `step` bytes; the messages, whether it is a batch, the codes of issues.
fn read(raw: &[u8], step: usize, limit: usize) -> (Vec<Option<Vec<u8>>>, bool, Vec<&'static str>) {
    let mut splitter = Splitter::new(limit);
    let mut found = Vec::new();
    for piece in raw.chunks(step.max(1)) {
        splitter.push(piece);
        found.extend(std::iter::from_fn(|| splitter.next()));
    }
    splitter.finish();
    found.extend(std::iter::from_fn(|| splitter.next()));
    assert_eq!(found.iter().map(|s| s.number).collect::<Vec<_>>(), (1..=found.len()).collect::<Vec<_>>());
    let is_batch = found.first().is_none_or(|split| split.of_batch);
    let issues = found.iter().flat_map(|split| &split.issues).map(|i| i.code).collect::<Vec<_>>();
    let rest = splitter.issues().into_iter().map(|issue| issue.code);
    let issues = issues.into_iter().chain(rest).collect();
    (found.into_iter().map(|split| split.bytes).collect(), is_batch, issues)
}

/// A stream cut anywhere gives what the whole gives.
#[track_caller]
pub(super) fn check_as_whole(raw: &[u8], step: usize) {
    let whole = split_batch(raw);
    let (messages, is_batch, issues) = read(raw, step, 1 << 20);
    let expect: Vec<_> = whole.messages.iter().map(|part| Some(part.bytes.to_vec())).collect();
    assert_eq!(messages, expect);
    assert_eq!(is_batch, whole.is_batch);
    assert_eq!(issues, whole.issues.iter().map(|i| i.code).collect::<Vec<_>>());
}

const A: &str = "MSH|^~\\&|A|||||||1\rPID|1\r";
const B: &str = "MSH|^~\\&|B|||||||2\rPID|2\r";

#[test]
fn finds_in_a_stream_what_it_finds_in_the_whole() {
    let payloads = [
        String::new(),
        "hello".to_owned(),
        A.to_owned(),
        format!("\u{b}{A}\u{1c}\r"),
        format!("\u{b}{A}\u{1c}\r\u{b}{B}\u{1c}\r"),
        format!("\u{feff}FHS|^~\\&|A\rBHS|^~\\&|A\r{A}{B}BTS|2\rFTS|1\r"),
        format!("FHS|^~\\&|A\nBHS|^~\\&|A\n{A}{B}BTS|7\nFTS|many").replace('\r', "\n"),
        format!("BHS$*%/@$A\r{A}BTS$1$done\rBHS|^~\\&\r{B}BTS|3\r"),
        format!("FHS|^~\\&\r{A}{B}FTS|1\r"),
        format!("noise\r{A}BTS|1\r{B}"),
        "FHS|^~\\&\rBHS|^~\\&\rBTS|0\rFTS|3\r".to_owned(),
        format!("FHS|^~\\&\rBHS|^~\\&\r{A}BHS|^~\\&\r{B}"),
    ];
    for payload in payloads {
        for step in [1, 2, 3, 7, 64, 10_000] {
            check_as_whole(payload.as_bytes(), step);
            for wide in wide(&payload) {
                check_as_whole(&wide, step);
                check_as_whole(&[b"\x0B".as_slice(), &wide, b"\x1C\r"].concat(), step);
            }
        }
    }
}

/// UTF-16 and UTF-32, both byte orders.
fn wide(text: &str) -> Vec<Vec<u8>> {
    vec![
        text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect(),
        text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect(),
    ]
}

#[test]
fn says_what_the_trailer_says_with_the_last_message_before_it() {
    let raw = format!("FHS|^~\\&\rBHS|^~\\&\r{A}{B}BTS|7\rBHS|^~\\&\r{A}BTS|1\rFTS|2\r");
    let mut splitter = Splitter::new(1000);
    splitter.push(raw.as_bytes());
    splitter.finish();
    let found: Vec<_> = std::iter::from_fn(|| splitter.next()).map(|split| split.issues.len()).collect();
    assert_eq!(found, [0, 1, 0]);
}

#[test]
fn holds_no_more_than_two_messages_and_what_was_pushed() {
    let one = format!("MSH|^~\\&|A|||||||1\rOBX|1|TX|a||{}\r", "x".repeat(2000));
    let mut splitter = Splitter::new(1 << 20);
    let mut found = 0;
    splitter.push(b"FHS|^~\\&\rBHS|^~\\&\r");
    for _ in 0..2000 {
        for piece in one.as_bytes().chunks(512) {
            splitter.push(piece);
            while splitter.next().is_some() {
                found += 1;
            }
            assert!(splitter.held() <= 2 * one.len() + 512, "{}", splitter.held());
        }
    }
    splitter.push(b"BTS|2000\rFTS|1\r");
    splitter.finish();
    found += std::iter::from_fn(|| splitter.next()).count();
    assert_eq!(found, 2000);
}

#[test]
fn passes_over_a_message_over_the_limit_and_goes_on() {
    let long = format!("MSH|^~\\&|L\rOBX|1|TX|a||{}\r", "x".repeat(5000));
    let raw = format!("{A}{long}{B}{A}");
    for step in [1, 100, 10_000] {
        let (messages, is_batch, _) = read(raw.as_bytes(), step, 1000);
        let shown: Vec<_> = messages.iter().map(|m| m.as_ref().map(Vec::len)).collect();
        assert_eq!(shown, [Some(A.len()), None, Some(B.len()), Some(A.len())], "{step}");
        assert!(is_batch);
    }
    assert_eq!(read(long.as_bytes(), 64, 1000).0, [None]);
    assert_eq!(read(long.as_bytes(), 10_000, 4000).0, [None]);
    let lines = format!("{A}MSH|^~\\&|L\r{}{B}", "OBX|1|TX|a||x\r".repeat(1000));
    let (messages, ..) = read(lines.as_bytes(), 64, 1000);
    assert_eq!(messages.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);
}
