//! Values of parameters: alternatives and escapes. FHIR R4 search.html, "Escaping Search Parameters".

/// Splits at every separator that is not escaped, at most into `limit` pieces; escapes stay as they are.
pub(crate) fn split(text: &str, separator: char, limit: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while pieces.len().saturating_add(1) < limit {
        let mut escaped = false;
        let found = rest.char_indices().find(|(_, letter)| {
            let here = *letter == separator && !escaped;
            escaped = *letter == '\\' && !escaped;
            here
        });
        let Some((before, after)) = found.and_then(|(at, _)| rest.split_at_checked(at)) else { break };
        pieces.push(before);
        let mut letters = after.chars();
        letters.next();
        rest = letters.as_str();
    }
    pieces.push(rest);
    pieces
}

/// The text behind the escapes; `None` for a backslash before anything but `\`, `,`, `|` and `$`.
pub(crate) fn unescaped(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some(escaped @ ('\\' | ',' | '|' | '$')) => out.push(escaped),
                _ => return None,
            },
            other => out.push(other),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests;
