//! Names of elements and attributes, each kept once.

use std::collections::BTreeMap;

/// What a namespace means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// `urn:hl7-org:v3`, or none.
    Cda,
    /// The extensions of HL7's structured documents group.
    Sdtc,
    /// XML Schema instance: `xsi:type`.
    Instance,
    /// `xml:lang`, `xml:space`.
    Xml,
    /// Any other.
    Other,
}

impl Space {
    const COUNT: usize = 5;

    pub(super) fn of_uri(uri: &str) -> Self {
        match uri.trim() {
            "" | "urn:hl7-org:v3" => Self::Cda,
            "urn:hl7-org:sdtc" => Self::Sdtc,
            "http://www.w3.org/2001/XMLSchema-instance" => Self::Instance,
            "http://www.w3.org/XML/1998/namespace" => Self::Xml,
            _ => Self::Other,
        }
    }

    /// What the usual prefixes stand for, where one is not declared.
    pub(super) fn of_prefix(prefix: &str) -> Self {
        match prefix {
            "xsi" => Self::Instance,
            "sdtc" => Self::Sdtc,
            "cda" | "hl7" | "v3" => Self::Cda,
            _ => Self::Other,
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Cda => "",
            Self::Sdtc => "sdtc:",
            Self::Instance => "xsi:",
            Self::Xml => "xml:",
            Self::Other => "other:",
        }
    }
}

/// The names of a document; a name is its number.
#[derive(Default)]
pub(super) struct Names(Vec<Box<str>>);

impl Names {
    pub(super) fn text(&self, name: u32) -> &str {
        self.0.get(name as usize).map_or("", |name| name)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Finds the number of a name while a document is read.
pub(super) struct Interner {
    names: Names,
    /// By namespace, then name: a search that no choice of names makes slow.
    known: [BTreeMap<Box<str>, u32>; Space::COUNT],
    /// Names met lately, by a few of their letters; nearly every name is found here.
    lately: Vec<(Space, u32)>,
}

const LATELY: usize = 1024;

impl Interner {
    pub(super) fn new() -> Self {
        Self { names: Names::default(), known: Default::default(), lately: vec![(Space::Other, u32::MAX); LATELY] }
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn finish(self) -> Names {
        self.names
    }

    pub(super) fn intern(&mut self, space: Space, local: &str) -> u32 {
        let slot = slot(space, local);
        if let Some(&(known, id)) = self.lately.get(slot)
            && known == space
            // Not by taking the prefix off: comparing empty texts is slow on some processors.
            && self.names.text(id).get(space.prefix().len()..) == Some(local)
        {
            return id;
        }
        let id = self.search(space, local);
        if let Some(place) = self.lately.get_mut(slot) {
            *place = (space, id);
        }
        id
    }

    fn search(&mut self, space: Space, local: &str) -> u32 {
        let Some(known) = self.known.get_mut(space as usize) else { return u32::MAX };
        if let Some(id) = known.get(local) {
            return *id;
        }
        // Far below: a document has few names, and no more than its limit.
        let id = u32::try_from(self.names.0.len()).unwrap_or(u32::MAX);
        known.insert(local.into(), id);
        self.names.0.push(format!("{}{local}", space.prefix()).into());
        id
    }
}

/// Where a name is looked for first.
fn slot(space: Space, local: &str) -> usize {
    let bytes = local.as_bytes();
    let letter = |at: usize| bytes.get(at).map_or(0, |byte| u32::from(*byte));
    let last = bytes.last().map_or(0, |byte| u32::from(*byte));
    let mix = [letter(0), letter(2), letter(4), letter(7), last, bytes.len() as u32, space as u32];
    let mix = mix.into_iter().fold(0_u32, |mix, part| mix.wrapping_mul(31).wrapping_add(part));
    (mix.wrapping_mul(0x9E37_79B1) >> 22) as usize
}
