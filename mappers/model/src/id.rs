//! Types, ids and references of resources, and ids derived from what a message says.

use std::fmt;

use sha1::{Digest, Sha1};
use smol_str::SmolStr;
use uuid::{Builder, Uuid};

use crate::generated::RESOURCE_TYPES;

/// The text is not what its type asks for. Never quotes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// Not one of the types of R4.
    #[error("expected a resource type of FHIR R4")]
    ResourceType,
    /// Not `[A-Za-z0-9\-\.]{1,64}`.
    #[error("expected an id of 1 to 64 letters, digits, '-' or '.'")]
    Id,
    /// Not `Type/id`.
    #[error("expected a reference of the form Type/id")]
    Reference,
}

/// The name of a concrete R4 resource type. FHIR R4 resourcelist.html.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceType(&'static str);

impl ResourceType {
    /// Checks a name against the list of R4 (case matters).
    ///
    /// # Errors
    /// `IdError::ResourceType` for every other name, abstract types (`Resource`) among them.
    pub fn parse(name: &str) -> Result<Self, IdError> {
        let index = RESOURCE_TYPES.binary_search(&name).map_err(|_| IdError::ResourceType)?;
        RESOURCE_TYPES.get(index).copied().map(Self).ok_or(IdError::ResourceType)
    }

    /// Every type of R4, sorted by name.
    pub fn all() -> impl Iterator<Item = Self> {
        RESOURCE_TYPES.iter().copied().map(Self)
    }

    /// The name.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Debug for ResourceType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

/// The logical id of a resource: `[A-Za-z0-9\-\.]{1,64}`. FHIR R4 datatypes.html, "id".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId(SmolStr);

impl ResourceId {
    /// Checks an id.
    ///
    /// # Errors
    /// `IdError::Id` for other characters or another length.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let well_formed = (1..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
        if well_formed { Ok(Self(SmolStr::new(text))) } else { Err(IdError::Id) }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Uuid> for ResourceId {
    /// The hyphenated lower case form.
    fn from(uuid: Uuid) -> Self {
        Self(SmolStr::new(uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer())))
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A literal reference to a resource of this server. FHIR R4 references.html, "Literal References".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// The type of the target.
    pub resource_type: ResourceType,
    /// The id of the target.
    pub id: ResourceId,
}

impl Reference {
    /// A reference to this resource.
    pub fn new(resource_type: ResourceType, id: ResourceId) -> Self {
        Self { resource_type, id }
    }

    /// Reads `Type/id` or `Type/id/_history/version` (the version is dropped).
    ///
    /// # Errors
    /// `IdError::Reference` for anything else: absolute URLs, `urn:`, `#fragment`.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let mut pieces = text.split('/');
        let resource_type = ResourceType::parse(pieces.next().unwrap_or_default()).map_err(|_| IdError::Reference)?;
        let id = ResourceId::parse(pieces.next().unwrap_or_default()).map_err(|_| IdError::Reference)?;
        match (pieces.next(), pieces.next(), pieces.next()) {
            (None, ..) => Ok(Self { resource_type, id }),
            (Some("_history"), Some(version), None) if ResourceId::parse(version).is_ok() => {
                Ok(Self { resource_type, id })
            }
            _ => Err(IdError::Reference),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.resource_type, self.id)
    }
}

/// A business identifier. FHIR R4 datatypes.html, "Identifier".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier {
    /// The namespace of the value, a URI.
    pub system: Option<SmolStr>,
    /// The value within the namespace.
    pub value: SmolStr,
}

impl Identifier {
    /// An identifier in a namespace.
    pub fn new(system: &str, value: &str) -> Self {
        Self { system: Some(SmolStr::new(system)), value: SmolStr::new(value) }
    }
}

/// A UUID of version 5 (RFC 9562, section 5.5) over several parts, the same for the same parts.
///
/// Each part goes in with its length, so `["ab", "c"]` and `["a", "bc"]` give different ids.
pub fn uuid_v5(namespace: &Uuid, parts: &[&str]) -> Uuid {
    let mut name = UuidName::default();
    for part in parts {
        name.push(part);
    }
    name.uuid(namespace)
}

/// The name of a UUID of version 5, put together part by part as in [`uuid_v5`]; may be used again.
#[derive(Clone, Debug, Default)]
pub struct UuidName(Vec<u8>);

impl UuidName {
    /// Adds a part.
    pub fn push(&mut self, part: &str) {
        let mut digits = [0; 20];
        let mut from = digits.len();
        let mut rest = part.len();
        for (at, slot) in digits.iter_mut().enumerate().rev() {
            // A remainder by 10 is a digit.
            *slot = b'0' + (rest % 10) as u8;
            from = at;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.0.extend_from_slice(digits.get(from..).unwrap_or_default());
        self.0.push(b':');
        self.0.extend_from_slice(part.as_bytes());
    }

    /// How much there is, for [`UuidName::truncate`].
    pub fn mark(&self) -> usize {
        self.0.len()
    }

    /// Takes the parts out again that came after a mark.
    pub fn truncate(&mut self, mark: usize) {
        self.0.truncate(mark);
    }

    /// The id of the parts so far.
    pub fn uuid(&self, namespace: &Uuid) -> Uuid {
        let digest = Sha1::new().chain_update(namespace).chain_update(&self.0).finalize();
        let mut first = [0; 16];
        for (slot, byte) in first.iter_mut().zip(digest) {
            *slot = byte;
        }
        Builder::from_sha1_bytes(first).into_uuid()
    }
}

#[cfg(test)]
mod tests;
