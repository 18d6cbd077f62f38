//! Behaviour of the lexer, the writer, batches and acknowledgements.

use super::*;

mod acknowledge;
mod batches;
mod charsets;
mod continuations;
mod corpus;
mod laws;
mod reading;
mod sequence;
mod streams;
mod writing;

const ADT: &str = "MSH|^~\\&|LAB|NORTH|GATE|SOUTH|20240102030405||ADT^A01^ADT_A01|C1|P|2.5.1\r\
    PID|1||4711^^^NORTH&1.2.3&ISO^MR~0815^^^SOUTH||Muster&von^Erika||19800102|F|||Weg 1^^Ort\r\
    OBX|1|NM|a||1.50\r\
    OBX|2|NM|b||\"\"\r";

#[track_caller]
fn parse(text: &str) -> Message {
    Message::parse(text.as_bytes()).expect("a readable message").message
}

/// Codes of the issues that reading bytes gives.
#[track_caller]
fn issues(raw: &[u8]) -> Vec<&'static str> {
    let parsed = Message::parse(raw).expect("a readable message");
    parsed.issues.iter().map(|issue| issue.code).collect()
}
