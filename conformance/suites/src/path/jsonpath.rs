//! JSONPath as far as test scripts use it: members, indexes, `*`, `..`, and filters that compare a member with a literal.

use model::json::Json;

use crate::path::{Cursor, DEPTH, LIMIT, PathError, scalar};

pub(super) fn values(resource: &Json, path: &str) -> Result<Vec<String>, PathError> {
    let mut cursor = Cursor::new(path);
    cursor.take("$");
    let found = walk(vec![resource], &mut cursor)?;
    if !cursor.rest().is_empty() {
        return cursor.expected("`.name`, `[index]` or the end");
    }
    Ok(found.into_iter().map(|value| scalar(value).unwrap_or_else(|| value.to_text())).collect())
}

/// Follows the steps from here on, up to something that is no step.
fn walk<'j>(mut found: Vec<&'j Json>, cursor: &mut Cursor<'_>) -> Result<Vec<&'j Json>, PathError> {
    loop {
        if cursor.take("..") {
            let mut all = Vec::new();
            for value in &found {
                descend(value, &mut all, DEPTH);
            }
            found = member(&all, cursor)?;
        } else if cursor.take(".") {
            found = member(&found, cursor)?;
        } else if cursor.take("[") {
            found = bracket(&found, cursor)?;
        } else {
            return Ok(found);
        }
        found.truncate(LIMIT);
    }
}

fn descend<'j>(value: &'j Json, all: &mut Vec<&'j Json>, depth: usize) {
    if depth == 0 || all.len() >= LIMIT {
        return;
    }
    all.push(value);
    for child in children(value) {
        descend(child, all, depth - 1);
    }
}

fn children(value: &Json) -> Vec<&Json> {
    match value {
        Json::Array(items) => items.iter().collect(),
        Json::Object(object) => object.iter().map(|(_, value)| value).collect(),
        _ => Vec::new(),
    }
}

fn member<'j>(found: &[&'j Json], cursor: &mut Cursor<'_>) -> Result<Vec<&'j Json>, PathError> {
    if cursor.take("*") {
        return Ok(found.iter().flat_map(|value| children(value)).collect());
    }
    let name = cursor.take_while(|letter| letter.is_alphanumeric() || "_-".contains(letter));
    if name.is_empty() {
        return cursor.expected("a member's name");
    }
    Ok(found.iter().filter_map(|value| value.get(name)).collect())
}

fn bracket<'j>(found: &[&'j Json], cursor: &mut Cursor<'_>) -> Result<Vec<&'j Json>, PathError> {
    cursor.space();
    let picked = if cursor.take("*") {
        found.iter().flat_map(|value| children(value)).collect()
    } else if cursor.take("?(") {
        filter(found, cursor)?
    } else if let Some(name) = cursor.quoted() {
        found.iter().filter_map(|value| value.get(name)).collect()
    } else {
        let digits = cursor.take_while(|letter| letter.is_ascii_digit() || letter == '-');
        let Ok(index) = digits.parse::<i64>() else { return cursor.expected("an index, a name in quotes or `*`") };
        let pick = |items: &'j [Json]| {
            let place = if index < 0 { i64::try_from(items.len()).ok()?.checked_add(index)? } else { index };
            items.get(usize::try_from(place).ok()?)
        };
        found.iter().filter_map(|value| pick(value.as_array()?)).collect()
    };
    cursor.space();
    if cursor.take("]") { Ok(picked) } else { cursor.expected("`]`") }
}

/// `?(@.member == 'text')`, `?(@.member)`, with `==` and `!=`.
fn filter<'j>(found: &[&'j Json], cursor: &mut Cursor<'_>) -> Result<Vec<&'j Json>, PathError> {
    cursor.space();
    if !cursor.take("@") {
        return cursor.expected("`@`");
    }
    let start = cursor.at;
    let candidates: Vec<&Json> = found.iter().flat_map(|value| children(value)).collect();
    walk(Vec::new(), cursor)?;
    let after = cursor.at;
    cursor.space();
    let equal = if cursor.take("==") {
        Some(true)
    } else if cursor.take("!=") {
        Some(false)
    } else {
        None
    };
    cursor.space();
    let literal = match (equal, cursor.quoted()) {
        (None, _) => "",
        (Some(_), Some(text)) => text,
        (Some(_), None) => cursor.take_while(|letter| letter.is_alphanumeric() || "-.".contains(letter)),
    };
    cursor.space();
    if !cursor.take(")") {
        return cursor.expected("`)`");
    }
    let mut kept = Vec::new();
    for candidate in candidates {
        let mut inner = Cursor { path: cursor.path.get(..after).unwrap_or_default(), at: start };
        let values = walk(vec![candidate], &mut inner)?;
        let texts = || values.iter().filter_map(|value| scalar(value)).any(|text| text == literal);
        if match equal {
            None => !values.is_empty(),
            Some(true) => texts(),
            Some(false) => !texts(),
        } {
            kept.push(candidate);
        }
    }
    Ok(kept)
}
