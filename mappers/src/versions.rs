//! What each version of HL7 v2 has: fields, components and message types that came later or were withdrawn.
//!
//! The facts stand in `versions.csv` of a package, so that an overlay can say what its receiver takes.

use smol_str::SmolStr;

use crate::load::{RawPackage, RawRow};
use crate::package::LoadError;
use crate::path;

/// A version as numbers, `2.5.1` as 2, 5, 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version([u8; 3]);

/// The first version in which a message names its structure.
pub(crate) const STRUCTURED: Version = Version([2, 3, 1]);

impl Version {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut out = [0; 3];
        let mut parts = text.split('.');
        for (slot, part) in out.iter_mut().zip(&mut parts) {
            *slot = part.parse().ok()?;
        }
        (parts.next().is_none() && text.contains('.')).then_some(Self(out))
    }
}

/// From a number to a number, both included.
type Range = (u32, u32);

/// Where something stands, and in which versions.
#[derive(Debug)]
pub(crate) struct Entry {
    segment: SmolStr,
    /// None: the whole segment.
    fields: Vec<Range>,
    /// None: all of the field.
    components: Option<Range>,
    since: Option<Version>,
    until: Option<Version>,
    pub(crate) instead: Option<Instead>,
}

impl Entry {
    /// Whether it speaks of a whole field.
    pub(crate) fn is_whole(&self) -> bool {
        self.components.is_none()
    }
}

/// Where a value goes in a version that has no place of its own for it.
#[derive(Debug)]
pub(crate) struct Instead {
    pub(crate) place: path::FieldPlace,
    pub(crate) near: Near,
    /// What stands beside it there.
    pub(crate) constants: Vec<(path::FieldPlace, SmolStr)>,
}

/// Which segment of the name is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Near {
    /// The same.
    Same,
    /// The nearest before.
    Before,
    /// The next one, before another of the value's own segment begins; made if there is none.
    Behind,
}

/// The facts about versions of a package.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    entries: Vec<Entry>,
    /// Message types: `OML^O21`, the first version, what stands for it before.
    types: Vec<(SmolStr, Version, SmolStr)>,
}

impl Versions {
    pub(crate) fn compile(raw: &RawPackage, errors: &mut Vec<LoadError>) -> Self {
        let mut out = Self::default();
        for row in raw.tables.get("versions").map(Vec::as_slice).unwrap_or_default() {
            if let Err(message) = out.row(row) {
                errors.push(row.error(message));
            }
        }
        // What can move is asked before what can only be left out.
        out.entries.sort_by_key(|entry| entry.instead.is_none());
        out
    }

    fn row(&mut self, row: &RawRow) -> Result<(), String> {
        let version = |cell: &str| match cell {
            "" => Ok(None),
            text => {
                Version::parse(text).map(Some).ok_or_else(|| format!("expected a version like 2.5.1, found {text}"))
            }
        };
        let (since, until) = (version(row.cell(1))?, version(row.cell(2))?);
        let place = row.cell(0);
        if place.contains('^') {
            let since = since.ok_or("a message type needs the version it begins with")?;
            self.types.push((place.into(), since, row.cell(3).into()));
            return Ok(());
        }
        if since.is_none() && until.is_none() {
            return Err("expected since or until".to_owned());
        }
        let (segment, rest) = place.split_once('-').unwrap_or((place, ""));
        if segment.len() != 3 {
            return Err(format!("expected a place like PID-3.7..8, found {place}"));
        }
        let wrong = || format!("expected a place like PID-3.7..8, found {place}");
        // `PID-5/6/9.9..11`: the dots of a range are not the dot before components.
        let plain = rest.replace("..", "–");
        let (fields, components) = plain.split_once('.').map_or((plain.as_str(), None), |(f, c)| (f, Some(c)));
        let range = |text: &str| {
            let (lo, hi) = text.split_once('–').unwrap_or((text, text));
            Some((lo.parse::<u32>().ok()?, hi.parse::<u32>().ok()?))
        };
        let fields: Option<Vec<Range>> = fields.split('/').filter(|text| !text.is_empty()).map(range).collect();
        let components = match components {
            Some(text) => Some(range(text).ok_or_else(wrong)?),
            None => None,
        };
        let instead = match row.cell(3) {
            "" => None,
            text => Some(instead(text)?),
        };
        let entry =
            Entry { segment: segment.into(), fields: fields.ok_or_else(wrong)?, components, since, until, instead };
        self.entries.push(entry);
        Ok(())
    }

    /// What speaks against a place in a version; none if the version has it.
    pub(crate) fn against(&self, version: Version, segment: &str, field: u32, component: u32) -> Option<&Entry> {
        let within = |(lo, hi): &Range, n: u32| (*lo..=*hi).contains(&n);
        self.entries.iter().find(|entry| {
            entry.segment == segment
                && (entry.fields.is_empty() || entry.fields.iter().any(|range| within(range, field)))
                && entry.components.as_ref().is_none_or(|range| within(range, component))
                && (entry.since.is_some_and(|since| version < since)
                    || entry.until.is_some_and(|until| version > until))
        })
    }

    /// The type a version has for a message: its own, or what stood for it before.
    pub(crate) fn message_type(&self, version: Version, code: &str, trigger: &str) -> Option<(&str, &str)> {
        let kind = format!("{code}^{trigger}");
        let found = self.types.iter().find(|(name, since, _)| *name == kind && version < *since)?;
        found.2.split_once('^')
    }
}

fn instead(text: &str) -> Result<Instead, String> {
    let mut pieces = text.split(';');
    let first = pieces.next().unwrap_or_default();
    let (near, first) = match (first.strip_prefix('<'), first.strip_prefix('>')) {
        (Some(place), _) => (Near::Before, place),
        (None, Some(place)) => (Near::Behind, place),
        (None, None) => (Near::Same, first),
    };
    let place =
        |text: &str| path::field_place(text).ok_or_else(|| format!("expected a place like PID-3.1, found {text}"));
    let mut constants = Vec::new();
    for piece in pieces {
        let (left, value) = piece.split_once('=').ok_or("expected PLACE=TEXT after ;")?;
        constants.push((place(left)?, value.into()));
    }
    Ok(Instead { place: place(first)?, near, constants })
}
