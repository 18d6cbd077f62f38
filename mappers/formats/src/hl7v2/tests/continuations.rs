use super::*;

const FIRST: &str = "MSH|^~\\&|A|N|||||ORU^R01|1|P|2.4|123|\rPID|1\rOBX|1|TX|a||one \rADD|\rDSC|W4xy|F\r";
const SECOND: &str = "MSH|^~\\&|A|N|||||ORU^R01|2|P|2.4|124|W4xy\rADD|and two||||F\rOBX|2|TX|b||x\rDSC|V292|F\r";
const THIRD: &str = "MSH|^~\\&|A|N|||||ORU^R01|3|P|2.4|125|V292\rOBX|3|TX|c||y\r";

#[test]
fn joins_an_addendum_to_the_segment_it_continues() {
    let raw = b"MSH|^~\\&|A\rOBX|1|FT|a||long \rADD|text \r\nADD|ends||||F\rADDR|1\rDG1|1\r";
    assert_eq!(issues(raw), ["segment-joined", "segment-name"]);
    let message = Message::parse(raw).unwrap().message;
    assert_eq!(message.segments().map(|s| s.name()).collect::<Vec<_>>(), ["MSH", "OBX", "???", "DG1"]);
    let obx = message.segment("OBX").unwrap();
    assert_eq!(obx.raw(), "OBX|1|FT|a||long text ends||||F");
    assert_eq!(obx.field(5).text(), "long text ends");
    assert_eq!(message.write(), raw);
}

#[test]
fn keeps_an_addendum_without_a_beginning() {
    let raw = b"MSH|^~\\&|A|||||||1|P|2.4||X\rADD|rest||||F\rPV1|1\r";
    assert_eq!(issues(raw), ["continuation-alone", "continuation-alone"]);
    assert_eq!(parse("MSH|^~\\&|A\rADD|rest\r").segments().count(), 2);
}

/// Gives messages to an assembler and expects (parts, control id, codes of issues) of what comes out, then what is
/// given up at the end.
#[track_caller]
fn check(messages: &[&str], expect: &[(usize, &str, &[&str])], left: usize) {
    let mut continuations = Continuations::new(4, 10_000);
    let whole: Vec<Whole> =
        (1..).zip(messages).flat_map(|(n, m)| continuations.push(n, m.as_bytes().to_vec())).collect();
    let shown: Vec<_> = whole
        .iter()
        .map(|whole| {
            let parsed = Message::parse(&whole.bytes).expect("a readable message");
            (whole.parts, parsed.message.control_id(), parsed.issues.iter().map(|i| i.code).collect::<Vec<_>>())
        })
        .collect();
    let expect: Vec<_> = expect.iter().map(|(n, id, codes)| (*n, (*id).to_owned(), codes.to_vec())).collect();
    assert_eq!(shown, expect);
    assert_eq!(continuations.finish().len(), left);
}

#[test]
fn joins_the_parts_of_a_message() {
    check(&[FIRST, SECOND, THIRD], &[(3, "1", &["segment-joined"])], 0);
    let mut continuations = Continuations::new(4, 10_000);
    let framed = [FIRST, SECOND, THIRD].map(|part| format!("\u{b}{part}\u{1c}\r"));
    let whole =
        (1..).zip(&framed).flat_map(|(n, m)| continuations.push(n, m.clone().into_bytes())).next().expect("joined");
    assert_eq!(whole.number, 3);
    let message = Message::parse(&whole.bytes).unwrap().message;
    assert_eq!(message.segments().map(|s| s.name()).collect::<Vec<_>>(), ["MSH", "PID", "OBX", "OBX", "OBX"]);
    assert_eq!(message.segment("OBX").unwrap().field(5).text(), "one and two");
    assert_eq!(continuations.open(), 0);
}

#[test]
fn lets_other_messages_pass_between_the_parts() {
    let other = "MSH|^~\\&|B|N|||||ADT^A01|9\rPID|1\r";
    check(&[FIRST, other, SECOND, THIRD], &[(1, "9", &[]), (3, "1", &["segment-joined"])], 0);
}

#[test]
fn joins_nothing_of_another_sender_or_form() {
    let other = SECOND.replace("|A|N|", "|B|N|");
    check(&[FIRST, &other], &[], 2);
    let other = THIRD.replace("^~\\&", "^~\\%");
    check(&[FIRST, SECOND, &other], &[(1, "3", &["continuation-alone"])], 1);
    check(&[THIRD], &[(1, "3", &["continuation-alone"])], 0);
}

#[test]
fn leaves_the_pages_of_an_answer_alone() {
    let page = FIRST.replace("|F\r", "|I\r");
    check(&[&page], &[(1, "1", &["segment-joined"])], 0);
    let answer = "MSH|^~\\&|A|N|||||DSR^Q03|1\rMSA|AA|7\rDSP|1||x\rDSC|22\r";
    check(&[answer], &[(1, "1", &[])], 0);
    check(&["MSH|^~\\&|A|N|||||DSR^Q03|1\rDSP|1||x\rDSC|\r"], &[(1, "1", &[])], 0);
}

#[test]
fn gives_up_what_exceeds_its_bounds() {
    let mut continuations = Continuations::new(2, 10_000);
    let begin = |n: usize| format!("MSH|^~\\&|A|N|||||ORU^R01|{n}\rOBX|1\rDSC|P{n}\r").into_bytes();
    assert!(continuations.push(1, begin(1)).is_empty());
    assert!(continuations.push(2, begin(2)).is_empty());
    let given_up = continuations.push(3, begin(3));
    assert_eq!(given_up, [Whole { bytes: begin(1), parts: 1, number: 1 }]);
    assert_eq!(issues(&given_up[0].bytes), ["continuation-open"]);

    let mut continuations = Continuations::new(9, 100);
    assert!(continuations.push(1, begin(1)).is_empty());
    let large = format!("MSH|^~\\&|A|N|||||ORU^R01|2||||P1\rOBX|1|{}\r", "x".repeat(90)).into_bytes();
    let out = continuations.push(2, large.clone());
    assert_eq!(out.iter().map(|w| &w.bytes).collect::<Vec<_>>(), [&begin(1), &large]);
    assert_eq!(continuations.held(), 0);
}
