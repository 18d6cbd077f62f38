//! Canonical JSON bytes for hashing: RFC 8785, except that numbers keep their lexeme.
//!
//! RFC 8785, section 3.2.2.3 would print numbers as ECMAScript does and so turn `1.50` into `1.5`, another value in
//! FHIR. Here two texts have the same canonical bytes exactly if they differ only in white space, in the escapes of
//! their strings and in the order of members.

use crate::json::{Json, write_scalar, write_string};

/// The canonical bytes of a value: members sorted by UTF-16 code units (RFC 8785, section 3.2.3), no white space.
pub fn bytes(value: &Json) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    append(value, &mut out);
    out
}

/// Whether two values differ at most in the order of their members.
pub fn same(left: &Json, right: &Json) -> bool {
    left == right || bytes(left) == bytes(right)
}

fn append(value: &Json, out: &mut Vec<u8>) {
    match value {
        Json::Object(object) => {
            let mut members: Vec<(&str, &Json)> = object.iter().collect();
            members.sort_by(|(left, _), (right, _)| left.encode_utf16().cmp(right.encode_utf16()));
            out.push(b'{');
            for (index, (name, member)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_string(name, out);
                out.push(b':');
                append(member, out);
            }
            out.push(b'}');
        }
        Json::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                append(item, out);
            }
            out.push(b']');
        }
        scalar => write_scalar(scalar, out),
    }
}

#[cfg(test)]
mod tests;
