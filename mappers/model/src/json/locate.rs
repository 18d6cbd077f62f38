//! Where an element stands in a JSON text: for issues that name line and column.

use std::ops::Range;

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Bytes before it.
    pub offset: usize,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// The line and column of a byte offset. An offset past the end counts as the end.
pub fn position_of(text: &[u8], offset: usize) -> Position {
    let offset = offset.min(text.len());
    let before = text.get(..offset).unwrap_or_default();
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let in_line = before.get(start..).unwrap_or_default();
    // Continuation bytes of UTF-8 are no characters of their own.
    let column = 1 + in_line.iter().filter(|byte| (**byte & 0xC0) != 0x80).count();
    Position { offset, line, column }
}

/// Where the value of a FHIRPath-like location (`Patient.name[0].given[1]`) starts in a JSON text.
///
/// The first step is the type and is not looked up. An array without an index means its first item. A choice may be
/// named as in FHIRPath (`Observation.value.ofType(Quantity)`). `None` if the text has no such element; the text is
/// expected to be well-formed JSON.
pub fn locate(text: &[u8], path: &str) -> Option<Position> {
    let steps = path_steps(path)?;
    let mut at = skip_space(text, 0);
    for (name, index) in &steps {
        at = find_member(text, at, name)?.start;
        if text.get(at) == Some(&b'[') {
            at = find_item(text, at, *index)?;
        }
    }
    Some(position_of(text, at))
}

/// The steps of a location after the type: JSON name and index (0 without). None if it is no such location.
pub(crate) fn path_steps(path: &str) -> Option<Vec<(String, usize)>> {
    let mut steps: Vec<String> = Vec::new();
    for step in path.split('.').skip(1) {
        match step.strip_prefix("ofType(").and_then(|rest| rest.split_once(')')) {
            Some((of_type, after)) => {
                let mut letters = of_type.chars();
                let last = steps.last_mut()?;
                last.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
                last.push_str(letters.as_str());
                last.push_str(after);
            }
            None => steps.push(step.to_owned()),
        }
    }
    steps
        .into_iter()
        .map(|step| match step.split_once('[') {
            Some((name, rest)) => Some((name.to_owned(), rest.strip_suffix(']')?.parse().ok()?)),
            None => Some((step, 0)),
        })
        .collect()
}

/// The bytes of a member's value in the object that starts at `object` (blanks before it are skipped).
///
/// `None` if there is no object or no such member. Names are compared as written: escaped names do not match.
pub fn member_span(text: &[u8], object: usize, name: &str) -> Option<Range<usize>> {
    find_member(text, skip_space(text, object), name)
}

fn find_member(text: &[u8], object: usize, name: &str) -> Option<Range<usize>> {
    let mut at = skip_space(text, open(text, object, b'{')?);
    while text.get(at) == Some(&b'"') {
        let end = skip_value(text, at)?;
        let found = text.get(at + 1..end.checked_sub(1)?)? == name.as_bytes();
        at = skip_space(text, end);
        if text.get(at) != Some(&b':') {
            return None;
        }
        let start = skip_space(text, at + 1);
        let end = skip_value(text, start)?;
        if found {
            return Some(start..end);
        }
        at = skip_space(text, end);
        if text.get(at) != Some(&b',') {
            return None;
        }
        at = skip_space(text, at + 1);
    }
    None
}

fn find_item(text: &[u8], array: usize, index: usize) -> Option<usize> {
    let mut at = skip_space(text, open(text, array, b'[')?);
    for _ in 0..index {
        at = skip_space(text, skip_value(text, at)?);
        if text.get(at) != Some(&b',') {
            return None;
        }
        at = skip_space(text, at + 1);
    }
    (text.get(at)? != &b']').then_some(at)
}

fn open(text: &[u8], at: usize, bracket: u8) -> Option<usize> {
    (text.get(at) == Some(&bracket)).then_some(at + 1)
}

pub(crate) fn skip_space(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).count()
}

/// The end of the value that starts here: brackets are counted, strings are stepped over; no recursion.
fn skip_value(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    let mut depth = 0usize;
    loop {
        match text.get(at)? {
            b'"' => {
                at += 1;
                loop {
                    match text.get(at)? {
                        b'"' => break,
                        b'\\' => at += 2,
                        _ => at += 1,
                    }
                }
                at += 1;
            }
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' if depth > 0 => {
                at += 1;
                continue;
            }
            _ => {
                let rest = text.get(at..)?;
                let word = rest
                    .iter()
                    .take_while(|byte| {
                        !matches!(byte, b',' | b':' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t' | b'"' | b'{' | b'[')
                    })
                    .count();
                if word == 0 {
                    return None;
                }
                at += word;
            }
        }
        if depth == 0 {
            return Some(at);
        }
    }
}
