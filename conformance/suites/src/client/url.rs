//! Addresses: joining to a base, and the escapes that a URL needs (RFC 3986, section 2 "Characters").

/// An address below a base; an absolute one stays as it is.
pub fn join(base: &str, reference: &str) -> String {
    if reference.starts_with("http://") || reference.starts_with("https://") {
        return reference.to_owned();
    }
    let base = base.trim_end_matches('/');
    match reference.trim_start_matches('/') {
        "" => base.to_owned(),
        rest if rest.starts_with('?') => format!("{base}{rest}"),
        rest => format!("{base}/{rest}"),
    }
}

/// Escapes what may not stand in a URL; escapes that are there already stay.
pub fn encode(text: &str) -> String {
    escape(text, |byte| byte.is_ascii_graphic() && !br#""<>\^`{}|"#.contains(&byte))
}

/// Escapes only what would break the request line: blanks, controls and what is not ASCII.
pub fn encode_least(text: &str) -> String {
    escape(text, |byte| byte.is_ascii_graphic() && !br#""<>\^`"#.contains(&byte))
}

/// A value of a query parameter, whole: every delimiter is escaped.
pub fn component(text: &str) -> String {
    escape(text, |byte| byte.is_ascii_alphanumeric() || b"-._~:,$/".contains(&byte))
}

/// Takes the escapes of a form or query value back; what is no escape stays.
pub fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let escaped = (byte == b'%').then(|| {
            let mut two = bytes.clone();
            let high = char::from(two.next()?).to_digit(16)?;
            let low = char::from(two.next()?).to_digit(16)?;
            u8::try_from(high * 16 + low).ok()
        });
        match escaped.flatten() {
            Some(value) => {
                bytes.next();
                bytes.next();
                out.push(value);
            }
            None => out.push(if byte == b'+' { b' ' } else { byte }),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn escape(text: &str, keep: impl Fn(u8) -> bool) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if keep(byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
