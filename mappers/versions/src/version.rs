//! The versions of FHIR, their names and their tables.

use std::fmt;
use std::sync::LazyLock;

use model::types::{self, Table};

/// A published version of FHIR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// 1.0.2.
    Dstu2,
    /// 3.0.2.
    Stu3,
    /// 4.0.1.
    R4,
    /// 4.3.0.
    R4b,
    /// 5.0.0.
    R5,
}

impl Version {
    /// All of them, the oldest first.
    pub const ALL: [Self; 5] = [Self::Dstu2, Self::Stu3, Self::R4, Self::R4b, Self::R5];

    /// Publication and number without the patch, as in `fhirVersion=4.0` and in URLs of extensions.
    pub fn number(self) -> &'static str {
        match self {
            Self::Dstu2 => "1.0",
            Self::Stu3 => "3.0",
            Self::R4 => "4.0",
            Self::R4b => "4.3",
            Self::R5 => "5.0",
        }
    }

    /// The name of the format: `fhir-r4`.
    pub fn format(self) -> &'static str {
        match self {
            Self::Dstu2 => "fhir-dstu2",
            Self::Stu3 => "fhir-stu3",
            Self::R4 => "fhir-r4",
            Self::R4b => "fhir-r4b",
            Self::R5 => "fhir-r5",
        }
    }

    /// The version of a format (`fhir-stu3`) or a number with or without patch (`3.0`, `3.0.2`).
    ///
    /// Numbers of drafts are taken for what came of them as far as their content is the same: 3.0.x, 4.0.x, 4.3.x, 5.0.x.
    pub fn parse(text: &str) -> Option<Self> {
        let of_format = Self::ALL.into_iter().find(|version| version.format() == text);
        of_format.or_else(|| {
            let mut parts = text.split('.');
            let (major, minor) = (parts.next()?, parts.next()?);
            let is_patch = parts.next().is_none_or(|patch| patch.bytes().all(|byte| byte.is_ascii_digit()));
            (is_patch && parts.next().is_none())
                .then(|| Self::ALL.into_iter().find(|version| version.number() == format!("{major}.{minor}")))?
        })
    }

    /// What its resources and data types are made of.
    pub fn table(self) -> &'static Table {
        static DSTU2: LazyLock<Table> = LazyLock::new(|| read(include_str!("../generated/dstu2.tables")));
        static STU3: LazyLock<Table> = LazyLock::new(|| read(include_str!("../generated/stu3.tables")));
        static R4B: LazyLock<Table> = LazyLock::new(|| read(include_str!("../generated/r4b.tables")));
        static R5: LazyLock<Table> = LazyLock::new(|| read(include_str!("../generated/r5.tables")));
        match self {
            Self::Dstu2 => &DSTU2,
            Self::Stu3 => &STU3,
            Self::R4 => types::r4(),
            Self::R4b => &R4B,
            Self::R5 => &R5,
        }
    }

    /// What the URL of an extension that holds an element of this version begins with; the path follows.
    pub(crate) fn extension_base(self) -> &'static str {
        match self {
            Self::Dstu2 => "http://hl7.org/fhir/1.0/StructureDefinition/extension-",
            Self::Stu3 => "http://hl7.org/fhir/3.0/StructureDefinition/extension-",
            Self::R4 => "http://hl7.org/fhir/4.0/StructureDefinition/extension-",
            Self::R4b => "http://hl7.org/fhir/4.3/StructureDefinition/extension-",
            Self::R5 => "http://hl7.org/fhir/5.0/StructureDefinition/extension-",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Dstu2 => "DSTU2",
            Self::Stu3 => "STU3",
            Self::R4 => "R4",
            Self::R4b => "R4B",
            Self::R5 => "R5",
        })
    }
}

#[expect(clippy::expect_used, reason = "the text is part of the build and a test reads it")]
fn read(text: &'static str) -> Table {
    Table::read(text).expect("the embedded tables are well formed")
}
