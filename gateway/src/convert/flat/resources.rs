//! FHIR JSON read resource by resource: a Bundle entry by entry, NDJSON line by line, in memory that does not grow with it.

use std::io::{self, BufRead};

use model::json::{Json, Limits, parse};
use model::outcome::Issue;

/// A resource of at most this size; it is in memory while it is read.
const RESOURCE_LIMIT_BYTES: usize = 64 << 20;

/// Why reading ended.
#[derive(Debug, thiserror::Error)]
pub enum ResourcesError {
    /// A text is no JSON, or too large.
    #[error("{}", .0.diagnostics)]
    Refused(Box<Issue>),
    /// The input cannot be read.
    #[error(transparent)]
    Read(#[from] io::Error),
}

/// Where in the text the reader is.
#[derive(Default)]
struct State {
    /// Objects and arrays that are open.
    depth: usize,
    string: bool,
    escaped: bool,
    /// Whether entries of a Bundle are being handed on one by one.
    entries: bool,
}

/// Hands on each resource with the `fullUrl` of its entry, if it has one.
///
/// # Errors
/// [`ResourcesError`], also what `take` gives back.
pub fn each_resource(
    input: &mut dyn BufRead,
    take: &mut dyn FnMut(Option<&str>, &Json) -> io::Result<()>,
) -> Result<(), ResourcesError> {
    let (mut state, mut held, mut line, mut began) = (State::default(), Vec::new(), 1_u64, 1_u64);
    loop {
        let chunk = input.fill_buf()?;
        if chunk.is_empty() {
            break;
        }
        let length = chunk.len();
        for byte in chunk.iter().copied() {
            line += u64::from(byte == b'\n');
            // What is between two texts or two entries.
            let outer = if state.entries { 2 } else { 0 };
            let between = state.depth == outer && !state.string;
            if between && held.is_empty() && (byte.is_ascii_whitespace() || (state.entries && byte == b',')) {
                continue;
            }
            if state.entries && between && byte == b']' {
                // What follows the entries is of no account here, but has to be whole.
                state = State { depth: 1, ..State::default() };
                held = b"{\"resourceType\":\"Bundle\",\"entry\":[]".to_vec();
                continue;
            }
            if held.is_empty() {
                began = line;
            }
            held.push(byte);
            if held.len() > RESOURCE_LIMIT_BYTES {
                let text = format!("expected a resource of at most {} MiB", RESOURCE_LIMIT_BYTES >> 20);
                return Err(refused("too-long", text, began));
            }
            state.step(byte);
            if state.string {
                continue;
            }
            if state.depth == outer && matches!(byte, b'}' | b']') {
                text(&held, began, state.entries, take)?;
                held.clear();
            } else if !state.entries && state.depth == 2 && byte == b'[' && opens_entries(&held) {
                state.entries = true;
                held.clear();
            } else if state.depth == 0 && byte == b'\n' {
                return Err(refused("structure", "expected JSON".to_owned(), began));
            }
        }
        input.consume(length);
    }
    if held.iter().all(u8::is_ascii_whitespace) && !state.entries {
        return Ok(());
    }
    Err(refused("structure", "expected the end of a resource, found that of the input".to_owned(), began))
}

impl State {
    fn step(&mut self, byte: u8) {
        if self.string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

/// Whether a text ends in the opening of a Bundle's entries. A Bundle that says what it is only after them is read whole.
fn opens_entries(held: &[u8]) -> bool {
    fn before<'t>(text: &'t [u8], tail: &[u8]) -> Option<&'t [u8]> {
        text.trim_ascii_end().strip_suffix(tail)
    }
    let open = before(held, b"[").and_then(|rest| before(rest, b":")).and_then(|rest| before(rest, b"\"entry\""));
    let Some(members) = open else { return false };
    let closed = [before(members, b",").unwrap_or(members), b"}"].concat();
    let json = parse(&closed, &Limits::default());
    json.is_ok_and(|json| json.text_at(&["resourceType"]) == Some("Bundle"))
}

/// Hands on the resources of a text: itself, or those of a Bundle or an entry.
fn text(
    bytes: &[u8],
    line: u64,
    entry: bool,
    take: &mut dyn FnMut(Option<&str>, &Json) -> io::Result<()>,
) -> Result<(), ResourcesError> {
    let json = parse(bytes, &Limits::default()).map_err(|error| refused("structure", error.to_string(), line))?;
    if entry {
        if let Some(resource) = json.get("resource") {
            take(json.text_at(&["fullUrl"]), resource)?;
        }
        return Ok(());
    }
    if json.text_at(&["resourceType"]) == Some("Bundle") {
        for entry in model::bundle::entries(&json) {
            if let Some(resource) = entry.resource() {
                take(entry.full_url(), resource)?;
            }
        }
        return Ok(());
    }
    Ok(take(None, &json)?)
}

fn refused(code: &'static str, text: String, line: u64) -> ResourcesError {
    ResourcesError::Refused(Box::new(Issue::error(code, text).at(format!("line {line}"))))
}
