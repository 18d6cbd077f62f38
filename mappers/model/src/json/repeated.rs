//! Every repeated member name of a JSON text, with its path: the reader stops at the first, people want to mend them all.

use std::collections::HashSet;

use smol_str::SmolStr;

use super::{Json, Limits, parse, skip_space};

/// A member that stands in its object more than once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated {
    /// Its FHIRPath (`Patient.name[0].family`); that of its object, where the name is no name of an element.
    pub path: String,
    /// Where the second one stands.
    pub offset: usize,
}

/// Longest name that is shown; elements have shorter ones, and what is no element may be anything.
const LONGEST_NAME: usize = 48;

/// Names that are looked at in all: who repeats a member behind them is told of the others first.
const MOST_NAMES: usize = 100_000;

enum Frame {
    Object { names: HashSet<SmolStr>, now: Option<SmolStr> },
    Array { index: usize },
}

/// The repeated members of a text, at most so many, in their order; as far as the text is JSON.
///
/// Without recursion and with bounded memory: the text is one that the reader has refused.
pub fn repeated(text: &[u8], most: usize) -> Vec<Repeated> {
    let mut found: Vec<(Vec<String>, usize)> = Vec::new();
    let mut kind: Option<SmolStr> = None;
    let mut stack: Vec<Frame> = Vec::new();
    let mut at = skip_space(text, 0);
    let mut seen = 0;
    while found.len() < most && seen < MOST_NAMES && stack.len() <= Limits::MAX_DEPTH {
        let Some(byte) = text.get(at) else { break };
        let wants_name = matches!(stack.last(), Some(Frame::Object { now: None, .. }));
        match byte {
            b'"' => {
                let Some(end) = string_end(text, at) else { break };
                let value =
                    text.get(at..end).and_then(|it| parse(it, &Limits { bytes: it.len(), ..Limits::default() }).ok());
                let Some(Json::String(value)) = value else { break };
                let depth = stack.len();
                match stack.last_mut() {
                    Some(Frame::Object { names, now: now @ None }) => {
                        seen += 1;
                        let is_new = names.insert(value.clone());
                        *now = Some(value);
                        if !is_new {
                            found.push((steps(&stack), at));
                        }
                    }
                    Some(Frame::Object { now: Some(name), .. }) if depth == 1 && name == "resourceType" => {
                        kind.get_or_insert(value);
                    }
                    _ => {}
                }
                at = end;
            }
            _ if wants_name && *byte != b'}' && *byte != b',' => break,
            b'{' => {
                stack.push(Frame::Object { names: HashSet::new(), now: None });
                at += 1;
            }
            b'[' => {
                stack.push(Frame::Array { index: 0 });
                at += 1;
            }
            b'}' | b']' => {
                if stack.pop().is_none() {
                    break;
                }
                at += 1;
            }
            b',' => {
                match stack.last_mut() {
                    Some(Frame::Object { now, .. }) => *now = None,
                    Some(Frame::Array { index }) => *index += 1,
                    None => break,
                }
                at += 1;
            }
            // Colons, numbers and words: the reader judges them.
            _ => at += 1,
        }
        at = skip_space(text, at);
    }
    let root = kind.filter(|kind| is_name(kind)).unwrap_or_else(|| SmolStr::new_static("Resource"));
    let path = |steps: Vec<String>| std::iter::once(root.to_string()).chain(steps).collect::<Vec<_>>().join(".");
    found.into_iter().map(|(steps, offset)| Repeated { path: path(steps), offset }).collect()
}

/// The steps to the member that is being read, as far as they are names of elements.
fn steps(stack: &[Frame]) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    for frame in stack.iter().take(Limits::MAX_DEPTH) {
        match frame {
            Frame::Object { now: Some(name), .. } if is_name(name) => steps.push(name.to_string()),
            Frame::Object { .. } => break,
            Frame::Array { index } => {
                if let Some(last) = steps.last_mut() {
                    last.push_str(&format!("[{index}]"));
                }
            }
        }
    }
    steps
}

fn is_name(text: &str) -> bool {
    let plain = text.strip_prefix('_').unwrap_or(text);
    !plain.is_empty() && text.len() <= LONGEST_NAME && plain.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The end of the string that starts at a quote.
fn string_end(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests;
