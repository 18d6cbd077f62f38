//! Paths as tables write them.

use smol_str::SmolStr;

use super::{End, Path, Start, Step, Test};

/// Reads a path.
///
/// # Errors
/// What was expected, in words for the package's author.
pub(crate) fn parse(text: &str) -> Result<Path, String> {
    let mut out = Path { start: Start::Here, steps: Vec::new(), end: End::Element };
    if text == "." {
        return Ok(out);
    }
    if text.is_empty() {
        return Err("expected a path, found nothing".to_owned());
    }
    let pieces = split(text, '/');
    let last = pieces.len().saturating_sub(1);
    for (at, piece) in pieces.iter().enumerate() {
        let is_start = out.steps.is_empty();
        match *piece {
            "." => {}
            ".." if is_start => {
                out.start = match out.start {
                    Start::Here => Start::Up(1),
                    Start::Up(count) => Start::Up(count + 1),
                    Start::Ancestor(_) => return Err("expected no .. after ~".to_owned()),
                };
            }
            "text()" if at == last => out.end = End::Text,
            _ => {
                if let Some(name) = piece.strip_prefix('@') {
                    if at != last || !is_name(name) {
                        return Err(format!("expected an attribute at the end of the path {text}"));
                    }
                    out.end = End::Attribute(name.into());
                } else if let Some(name) = piece.strip_prefix('~') {
                    if at != 0 {
                        return Err(format!("expected ~ at the beginning of the path {text}"));
                    }
                    out.start = Start::Ancestor(Box::new(step(name)?));
                } else {
                    out.steps.push(step(piece)?);
                }
            }
        }
    }
    Ok(out)
}

fn step(text: &str) -> Result<Step, String> {
    let (name, mut rest) = match text.find('[') {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let name = match name {
        "*" => None,
        name if is_name(name) => Some(name.into()),
        _ => return Err(format!("expected the name of an element, found {name:?}")),
    };
    let mut tests = Vec::new();
    while !rest.is_empty() {
        let inner = rest.strip_prefix('[').ok_or("expected [")?;
        let end = closing(inner).ok_or("expected ]")?;
        let (inside, after) = inner.split_at(end);
        tests.push(test(inside)?);
        rest = after.strip_prefix(']').unwrap_or_default();
    }
    Ok(Step { name, tests })
}

fn test(text: &str) -> Result<Test, String> {
    if text == "unread" {
        return Ok(Test::Unread);
    }
    if let Ok(number) = text.parse::<usize>() {
        return Ok(Test::Number(number));
    }
    let (mut negated, text) = match text.strip_prefix('!') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let (left, values) = match find(text, '=') {
        Some(at) => {
            let (left, right) = text.split_at(at);
            let right = right.get(1..).unwrap_or_default();
            if let Some(left) = left.strip_suffix(':') {
                return Ok(Test::Written { path: parse(left)?, value: right.trim().into() });
            }
            let left = match left.strip_suffix('!') {
                Some(left) => {
                    negated = !negated;
                    left
                }
                None => left,
            };
            (left, right.split('|').map(|value| SmolStr::new(value.trim())).collect())
        }
        None => (text, Vec::new()),
    };
    if left == "template" {
        return Ok(Test::Template { oids: values, negated });
    }
    if let Some(name) = left.strip_prefix('@') {
        return Ok(Test::Attribute { name: name.into(), values, negated });
    }
    let paths: Result<Vec<Path>, String> = split(left, '|').into_iter().map(parse).collect();
    Ok(Test::Path { paths: paths?, values, negated })
}

fn is_name(text: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':' | '.');
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(good)
}

/// The parts of a text between these characters, where they stand outside brackets.
pub(crate) fn split(text: &str, at: char) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(found) = find(rest, at) {
        let (head, tail) = rest.split_at(found);
        out.push(head);
        rest = tail.get(at.len_utf8()..).unwrap_or_default();
    }
    out.push(rest);
    out
}

/// Where a character stands outside brackets and parentheses.
pub(crate) fn find(text: &str, wanted: char) -> Option<usize> {
    let mut depth = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            _ if c == wanted && depth == 0 => return Some(at),
            '[' | '(' => depth += 1,
            ']' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// Where the bracket ends that stands open.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            ']' if depth == 0 => return Some(at),
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
    }
    None
}
