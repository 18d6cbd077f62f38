//! The rows of `packages/fhir-*`, compiled for one direction.

mod read;
mod target;

use std::collections::HashMap;
use std::path::Path;
use std::sync::OnceLock;

use include_dir::{Dir, include_dir};
use model::types::{ShapeId, Table};
use sha2::{Digest, Sha256};
use smol_str::SmolStr;

use crate::code::CodeMap;
use crate::version::Version;
pub(crate) use target::{Target, choice_name};

static PACKAGES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/packages");

/// A row that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct LoadError {
    /// `fhir-stu3/rows/clinical.csv`.
    pub file: String,
    /// From 1.
    pub line: u64,
    /// What was expected.
    pub message: String,
}

/// How much a package says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Census {
    /// Between R4 and which version.
    pub version: Version,
    /// Rows about elements.
    pub rows: usize,
    /// Renamed resource types.
    pub types: usize,
    /// Rows of codes and code systems.
    pub codes: usize,
    /// Resource types of the other version.
    pub resources: usize,
    /// Those of them that are a type of R4 too, by name or by a row.
    pub with_home: usize,
}

/// The SHA-256 of a version's package, in hex digits: names and contents of its files, in the order of their names.
pub fn digest(version: Version) -> String {
    fn add<'d>(folder: &'d Dir<'d>, files: &mut Vec<(&'d Path, &'d [u8])>) {
        files.extend(folder.files().map(|file| (file.path(), file.contents())));
        folder.dirs().for_each(|folder| add(folder, files));
    }
    let mut files = Vec::new();
    PACKAGES.get_dir(version.format()).into_iter().for_each(|folder| add(folder, &mut files));
    files.sort();
    let mut digest = Sha256::new();
    for (path, content) in files {
        for part in [path.to_string_lossy().as_bytes(), content] {
            digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            digest.update(part);
        }
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the packages of the program say.
pub fn census() -> Vec<Census> {
    let others = Version::ALL.into_iter().filter(|version| *version != Version::R4);
    others
        .map(|version| {
            let map = Map::between(version, Version::R4);
            let names: Vec<&str> = map.map(|map| map.from.resource_names().collect()).unwrap_or_default();
            let home = |name: &&&str| map.is_some_and(|map| map.type_of(name).is_some());
            Census {
                version,
                rows: map.map_or(0, |map| map.count.rows),
                types: map.map_or(0, |map| map.count.types),
                codes: map.map_or(0, |map| map.count.codes),
                resources: names.len(),
                with_home: names.iter().filter(home).count(),
            }
        })
        .collect()
}

/// How a value is taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    /// As the types of both elements ask.
    Plain,
    /// Its code by a map.
    Code(SmolStr),
    /// The concept of a CodeableReference; its reference goes on to the next row.
    Concept,
    /// The reference of a CodeableReference, or a Reference that becomes one.
    Reference,
    /// In an extension that nobody may pass over: its meaning is another one there.
    Modifier,
    /// Not at all, with the reason.
    Drop(SmolStr),
}

/// When a row counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// The reference leads to one of these types.
    Type(Vec<SmolStr>),
    /// A neighbour in the source has one of these values.
    Is(SmolStr, Vec<SmolStr>),
    /// A neighbour is there.
    Has(SmolStr),
    /// A neighbour is not there.
    HasNot(SmolStr),
}

/// A row in one direction.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// JSON name of the element of the source.
    pub(crate) member: SmolStr,
    pub(crate) target: Option<Target>,
    pub(crate) via: Via,
    pub(crate) system: Option<SmolStr>,
    /// All have to hold.
    pub(crate) when: Vec<When>,
    /// Whether each value stands in an item of its own (`contact[+].telecom`).
    pub(crate) is_fresh: bool,
    /// What such an item says beside the value.
    pub(crate) beside: Option<Beside>,
    /// Place among the rows: the order in which they are asked.
    pub(crate) order: usize,
    /// `fhir-stu3/rows/clinical.csv:12`.
    pub(crate) label: SmolStr,
}

/// A member of an item that says what its value is: `function=SYSTEM|CODE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Beside {
    pub(crate) member: SmolStr,
    pub(crate) system: SmolStr,
    pub(crate) code: SmolStr,
}

/// What is put where an element is required and nothing gave it.
#[derive(Clone, Debug)]
pub(crate) struct Default_ {
    pub(crate) member: SmolStr,
    /// None: absent, with the reason unknown.
    pub(crate) value: Option<SmolStr>,
    /// Not where this neighbour is.
    pub(crate) unless: Option<SmolStr>,
    pub(crate) label: SmolStr,
}

/// A resource type that is called differently.
#[derive(Clone, Debug)]
pub(crate) struct TypeRow {
    pub(crate) from: SmolStr,
    pub(crate) to: SmolStr,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    rows: usize,
    types: usize,
    codes: usize,
}

/// Everything needed to go from one version to another.
pub(crate) struct Map {
    pub(crate) from_version: Version,
    pub(crate) to_version: Version,
    pub(crate) from: &'static Table,
    pub(crate) to: &'static Table,
    rules: HashMap<ShapeId, Vec<Rule>>,
    defaults: HashMap<ShapeId, Vec<Default_>>,
    types: Vec<TypeRow>,
    codes: HashMap<SmolStr, CodeMap>,
    /// Code systems by their URI in the source.
    systems: HashMap<SmolStr, SmolStr>,
    count: Count,
}

impl Map {
    /// The map between R4 and another version; none for other pairs.
    pub(crate) fn between(from: Version, to: Version) -> Option<&'static Self> {
        static MAPS: [OnceLock<Map>; 8] = [const { OnceLock::new() }; 8];
        let (other, back) = match (from, to) {
            (other, Version::R4) if other != Version::R4 => (other, 0),
            (Version::R4, other) if other != Version::R4 => (other, 1),
            _ => return None,
        };
        let number = match other {
            Version::Dstu2 => 0,
            Version::Stu3 => 1,
            Version::R4b => 2,
            _ => 3,
        };
        let cell = MAPS.get(number * 2 + back)?;
        Some(cell.get_or_init(|| {
            let (map, errors) = Self::load(other, from, to);
            debug_assert!(errors.is_empty(), "expected packages of the program without faults");
            map
        }))
    }

    fn load(other: Version, from: Version, to: Version) -> (Self, Vec<LoadError>) {
        let mut map = Self {
            from_version: from,
            to_version: to,
            from: from.table(),
            to: to.table(),
            rules: HashMap::new(),
            defaults: HashMap::new(),
            types: Vec::new(),
            codes: HashMap::new(),
            systems: HashMap::new(),
            count: Count::default(),
        };
        let mut errors = Vec::new();
        if let Some(folder) = PACKAGES.get_dir(other.format()) {
            read::package(folder, to == Version::R4, &mut map, &mut errors);
        }
        (map, errors)
    }

    /// Every row that cannot be used, of all packages and both directions.
    #[cfg(test)]
    pub(crate) fn faults() -> Vec<LoadError> {
        let mut all = Vec::new();
        for other in Version::ALL.into_iter().filter(|version| *version != Version::R4) {
            all.extend(Self::load(other, other, Version::R4).1);
            all.extend(Self::load(other, Version::R4, other).1);
        }
        all
    }

    /// The rules for an element of a shape, in their order.
    pub(crate) fn rules(&self, shape: ShapeId) -> &[Rule] {
        self.rules.get(&shape).map(Vec::as_slice).unwrap_or_default()
    }

    /// What stands for required elements of a shape of the target.
    pub(crate) fn defaults(&self, shape: ShapeId) -> &[Default_] {
        self.defaults.get(&shape).map(Vec::as_slice).unwrap_or_default()
    }

    /// The type that stands for a type of the source; none if the target has none.
    pub(crate) fn type_of(&self, name: &str) -> Option<&str> {
        match self.types.iter().find(|row| row.from == name) {
            Some(row) => Some(row.to.as_str()),
            None => self.to.resource(name).map(|shape| shape.path.as_str()),
        }
    }

    pub(crate) fn code_map(&self, name: &str) -> Option<&CodeMap> {
        self.codes.get(name)
    }

    /// The URI of a code system in the target.
    pub(crate) fn system(&self, uri: &str) -> Option<SmolStr> {
        if let Some(found) = self.systems.get(uri) {
            return Some(found.clone());
        }
        // Of the tables of HL7 v2 and v3 there are hundreds, all renamed by the same pattern between STU3 and R4.
        if self.from_version < Version::R4 {
            let rest = uri.strip_prefix("http://hl7.org/fhir/")?;
            let (family, name) = rest.split_once('/')?;
            return matches!(family, "v2" | "v3").then(|| {
                smol_str::format_smolstr!("http://terminology.hl7.org/CodeSystem/{family}-{}", name.replace('/', "-"))
            });
        }
        if self.to_version < Version::R4 {
            let rest = uri.strip_prefix("http://terminology.hl7.org/CodeSystem/")?;
            let (family, name) = rest.split_once('-')?;
            return matches!(family, "v2" | "v3")
                .then(|| smol_str::format_smolstr!("http://hl7.org/fhir/{family}/{name}"));
        }
        None
    }
}
