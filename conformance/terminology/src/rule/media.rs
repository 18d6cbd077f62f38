//! Media types: RFC 6838, section 4.2 "Naming Requirements"; parameters as in RFC 2045, section 5.1.

/// Checks `type/subtype` with optional parameters. The registry is not asked: new types are registered every week and
/// unregistered ones are in use.
pub(super) fn check(code: &str) -> Result<(), &'static str> {
    let mut parts = code.split(';');
    let essence = parts.next().unwrap_or_default().trim_end();
    let Some((kind, subtype)) = essence.split_once('/') else { return Err("expected a media type: type/subtype") };
    if !name(kind) || !name(subtype) {
        return Err("expected a media type: type/subtype");
    }
    for parameter in parts {
        let Some((attribute, value)) = parameter.trim().split_once('=') else {
            return Err("expected a media type parameter: name=value");
        };
        let quoted = value.len() >= 2 && value.starts_with('"') && value.ends_with('"');
        if !token(attribute) || !(token(value) || quoted) {
            return Err("expected a media type parameter: name=value");
        }
    }
    Ok(())
}

fn name(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
    // `*` is no registered name but a media range (RFC 9110, section 12.5.1), which some Attachments hold.
    text == "*" || (first && text.len() <= 127 && text.bytes().all(rest))
}

fn token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte))
}
