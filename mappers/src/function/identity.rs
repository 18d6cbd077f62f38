//! Systems of identifiers: universal ids and assigning authorities.

use smol_str::format_smolstr;

use crate::concept::CodeMap;

use super::{Back, Call, Failure, Function, Output, exact};

/// The functions of this subject.
pub(super) const FUNCTIONS: &[Function] = &[
    Function { name: "universal_id", arguments: 1, forward: universal_id, backward: Some(universal_id_parts) },
    Function { name: "authority", arguments: 0, forward: authority, backward: Some(authority_name) },
    Function { name: "bare_id", arguments: 1, forward: bare_id, backward: Some(bare_id_parts) },
];

/// Prefix of URIs made of the name of an assigning authority that has no universal id.
const AUTHORITY: &str = "urn:anchorline:authority:";

/// Names of assigning authorities that have a URI: those of the source first, then those of the package.
#[derive(Clone, Copy, Default)]
pub(crate) struct Authorities<'a> {
    /// Name and URI, as the source's configuration says.
    pub(crate) source: &'a [(String, String)],
    /// The vocabulary map `AssigningAuthority`.
    pub(crate) package: Option<&'a CodeMap>,
}

impl<'a> Authorities<'a> {
    /// The URI of a name.
    pub(crate) fn uri(&self, name: &str) -> Option<&'a str> {
        let name = name.trim();
        let own = self.source.iter().find(|(known, _)| known == name).map(|(_, uri)| uri.as_str());
        own.or_else(|| self.package?.forward(name).map(|concept| concept.target.as_str()))
    }

    /// The name of a URI.
    pub(crate) fn name(&self, uri: &str) -> Option<&'a str> {
        let own = self.source.iter().find(|(_, known)| known == uri).map(|(name, _)| name.as_str());
        own.or_else(|| self.package?.backward(None, uri).map(|name| name.as_str()))
    }
}

/// FHIR R4 datatypes.html, "oid": arcs of digits without leading zeros, the first 0, 1 or 2.
pub(super) fn is_oid(text: &str) -> bool {
    let arc = |arc: &str| {
        !arc.is_empty() && arc.bytes().all(|b| b.is_ascii_digit()) && (arc.len() == 1 || !arc.starts_with('0'))
    };
    text.contains('.') && text.split('.').all(arc) && matches!(text.as_bytes(), [b'0'..=b'2', b'.', ..])
}

/// RFC 9562, section 4: 8-4-4-4-12 hexadecimal digits.
pub(super) fn is_uuid(text: &str) -> bool {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

/// HL7 v2.8.2 chapter 2A, "HD" and table 0301 "Universal ID Type": an OID, a UUID or a URI becomes a URI. An OID that has a URI of its
/// own (FHIR R4 identifier-registry.html) becomes that.
fn universal_id(call: &Call<'_>) -> Result<Output, Failure> {
    let value = call.value.trim();
    let kind = call.arguments.first().map_or("", |kind| kind.trim());
    if value.is_empty() {
        return Err(Failure("expected a universal id, found blanks"));
    }
    if let Some(uri) = call.authorities.uri(value).filter(|_| matches!(kind, "" | "ISO") && is_oid(value)) {
        return Ok(Output { value: uri.into(), lossy: kind.is_empty().then_some("") });
    }
    match kind {
        "ISO" if is_oid(value) => exact(format_smolstr!("urn:oid:{value}")),
        "" if is_oid(value) => Ok(Output { value: format_smolstr!("urn:oid:{value}"), lossy: Some("") }),
        "UUID" | "GUID" if is_uuid(value) => {
            let lower = value.to_ascii_lowercase();
            let lossy = (kind != "UUID" || lower != value).then_some("");
            Ok(Output { value: format_smolstr!("urn:uuid:{lower}"), lossy })
        }
        // What has no scheme is no URI by itself.
        "URI" | "URL" if !value.contains(char::is_whitespace) && plain_name(value).is_none() => exact(value),
        "" => exact(format_smolstr!("{AUTHORITY}{}", escaped(value))),
        other => exact(format_smolstr!("{AUTHORITY}{}:{}", escaped(other), escaped(value))),
    }
}

pub(super) fn universal_id_parts(back: &Back<'_>) -> Option<Vec<String>> {
    let value = back.value;
    if let Some(oid) = back.authorities.name(value).filter(|name| is_oid(name)) {
        return Some(vec![oid.to_owned(), "ISO".to_owned()]);
    }
    if let Some(oid) = value.strip_prefix("urn:oid:") {
        return Some(vec![oid.to_owned(), "ISO".to_owned()]);
    }
    if let Some(uuid) = value.strip_prefix("urn:uuid:") {
        return Some(vec![uuid.to_owned(), "UUID".to_owned()]);
    }
    if let Some(named) = value.strip_prefix(AUTHORITY) {
        let (kind, id) = named.split_once(':')?;
        return Some(vec![unescaped(id), unescaped(kind)]);
    }
    if plain_name(value).is_some() {
        return None;
    }
    Some(vec![value.to_owned(), "URI".to_owned()])
}

/// The URI of an assigning authority's name: what the source or the package says it is, else one made of the name. Two
/// authorities of one source are told apart, nothing is invented.
fn authority(call: &Call<'_>) -> Result<Output, Failure> {
    let name = call.value.trim();
    if name.is_empty() {
        return Err(Failure("expected a name, found blanks"));
    }
    match call.authorities.uri(name) {
        Some(uri) => {
            let lossy = (call.authorities.name(uri) != Some(name)).then_some("");
            Ok(Output { value: uri.into(), lossy })
        }
        None => exact(format_smolstr!("{AUTHORITY}{}", escaped(name))),
    }
}

pub(super) fn authority_name(back: &Back<'_>) -> Option<Vec<String>> {
    if let Some(name) = back.authorities.name(back.value) {
        return (!is_oid(name)).then(|| vec![name.to_owned()]);
    }
    if let Some(name) = plain_name(back.value) {
        return Some(vec![name.to_owned()]);
    }
    let name = back.value.strip_prefix(AUTHORITY)?;
    (!name.contains(':')).then(|| vec![unescaped(name)])
}

/// A name that others write where FHIR R4 wants a URI (datatypes.html, "Identifier"): bare, or as `urn:id:NAME`.
fn plain_name(system: &str) -> Option<&str> {
    let name = system.strip_prefix("urn:id:").or_else(|| (!system.contains([':', '/'])).then_some(system))?;
    (!name.is_empty() && !is_oid(name)).then_some(name)
}

/// A universal id beside its type, each in an element of its own.
fn bare_id(call: &Call<'_>) -> Result<Output, Failure> {
    exact(call.value.trim())
}

/// An OID may stand as a URI, which says its type too.
fn bare_id_parts(back: &Back<'_>) -> Option<Vec<String>> {
    Some(match back.value.strip_prefix("urn:oid:") {
        Some(oid) => vec![oid.to_owned(), "ISO".to_owned()],
        None => vec![back.value.to_owned()],
    })
}

/// Characters outside `unreserved` of RFC 3986, section 2.3, as `%XX`.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The inverse of [`escaped`].
pub(crate) fn unescaped(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match (byte, hex) {
            (b'%', Some(decoded)) => {
                out.push(decoded);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(*byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
