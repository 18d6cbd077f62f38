//! The formats this product knows by name, in one table: names, media types, and who reads and writes each.
//!
//! Everything is translated by way of FHIR R4: a reader makes R4 of its format, a writer makes its format of R4. A format that
//! gets a reader or a writer here is thereby known to the command line, to `/convert` and to the operations.

use std::borrow::Cow;

use model::outcome::Issue;

use super::{Middle, Output, Stream, Work, ccda, fhir, flat, hl7v2, versions};

/// A format by the names of the command line and of `/convert`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Seen from the content: `MSH`, `FHS` or `BHS`, JSON, XML.
    Auto,
    /// HL7 v2, ER7 encoding.
    Hl7v2,
    /// A C-CDA or other CDA R2 document.
    Ccda,
    /// FHIR R4.
    FhirR4,
    /// FHIR R4B.
    FhirR4b,
    /// FHIR R5.
    FhirR5,
    /// FHIR STU3.
    FhirStu3,
    /// FHIR DSTU2.
    FhirDstu2,
    /// Flat extracts: CSV and its kin.
    Csv,
    /// Readings of wearables.
    Device,
}

/// How a format becomes FHIR R4.
#[derive(Clone, Copy)]
pub(super) enum Read {
    /// Not in this release (docs/limits.md).
    Later,
    /// An input is one thing.
    Whole(Whole),
    /// An input may hold many, found as its bytes come in.
    Many(for<'w> fn(&Work<'w>) -> Box<dyn Stream + 'w>),
}

/// Reads an input that is one thing; bytes that nobody else needs are given away.
pub(super) type Whole = fn(&Work<'_>, Cow<'_, [u8]>) -> Result<Middle, Vec<Issue>>;

/// How FHIR R4 becomes a format.
pub(super) type Write = fn(&Work<'_>, Middle) -> Result<Output, Vec<Issue>>;

/// What is known of a format.
struct Row {
    format: Format,
    /// As the interface calls it.
    name: &'static str,
    /// Media types that mean it; the first is that of what is written.
    media_types: &'static [&'static str],
    /// Of a file of it.
    extension: &'static str,
    read: Read,
    write: Option<Write>,
}

const TABLE: [Row; 10] = [
    Row { format: Format::Auto, name: "auto", media_types: &[], extension: "bin", read: Read::Later, write: None },
    Row {
        format: Format::Hl7v2,
        name: "hl7v2",
        media_types: &["application/hl7-v2", "x-application/hl7-v2+er7", "application/edi-hl7v2"],
        extension: "hl7",
        read: Read::Many(hl7v2::stream),
        write: Some(hl7v2::write),
    },
    Row {
        format: Format::Ccda,
        name: "ccda",
        media_types: &["application/cda+xml"],
        extension: "xml",
        read: Read::Whole(ccda::read),
        write: Some(ccda::write),
    },
    Row {
        format: Format::FhirR4,
        name: "fhir-r4",
        media_types: &["application/fhir+json", "application/json", "application/fhir+xml"],
        extension: "fhir.json",
        read: Read::Whole(fhir::read),
        write: Some(fhir::write),
    },
    Row {
        format: Format::FhirR4b,
        name: "fhir-r4b",
        media_types: &["application/fhir+json; fhirVersion=4.3"],
        extension: "fhir.json",
        read: Read::Whole(versions::read_r4b),
        write: Some(versions::write_r4b),
    },
    Row {
        format: Format::FhirR5,
        name: "fhir-r5",
        media_types: &["application/fhir+json; fhirVersion=5.0"],
        extension: "fhir.json",
        read: Read::Whole(versions::read_r5),
        write: Some(versions::write_r5),
    },
    Row {
        format: Format::FhirStu3,
        name: "fhir-stu3",
        media_types: &["application/fhir+json; fhirVersion=3.0"],
        extension: "fhir.json",
        read: Read::Whole(versions::read_stu3),
        write: Some(versions::write_stu3),
    },
    Row {
        format: Format::FhirDstu2,
        name: "fhir-dstu2",
        media_types: &["application/fhir+json; fhirVersion=1.0"],
        extension: "fhir.json",
        read: Read::Whole(versions::read_dstu2),
        write: None,
    },
    Row {
        format: Format::Csv,
        name: "csv",
        media_types: &["text/csv", "text/tab-separated-values"],
        extension: "csv",
        read: Read::Whole(flat::read),
        write: Some(flat::write),
    },
    Row { format: Format::Device, name: "device", media_types: &[], extension: "json", read: Read::Later, write: None },
];

/// The number of a version in the media type's parameter (FHIR R4 versioning.html, "MIME Type Parameter").
const VERSIONS: [(&str, Format); 5] = [
    ("4.0", Format::FhirR4),
    ("4.3", Format::FhirR4b),
    ("5.0", Format::FhirR5),
    ("3.0", Format::FhirStu3),
    ("1.0", Format::FhirDstu2),
];

impl Format {
    /// Reads a name such as `fhir-r4`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name == name).map(|row| row.format)
    }

    /// The name in the interface.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().map_or("auto", |row| row.name)
    }

    /// Names of all formats that an input can have; some are for a later release.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TABLE.iter().map(|row| row.name)
    }

    /// Names of the formats that can be asked for; some are for a later release.
    pub fn targets() -> impl Iterator<Item = &'static str> {
        TABLE.iter().filter(|row| row.write.is_some()).map(|row| row.name)
    }

    /// Reads a media type such as `application/hl7-v2`; of its parameters only the version of FHIR counts.
    #[must_use]
    pub fn from_content_type(content_type: &str) -> Option<Self> {
        let mut parts = content_type.split(';').map(|part| part.trim().to_ascii_lowercase());
        let essence = parts.next().unwrap_or_default();
        let found = TABLE.iter().find(|row| row.media_types.contains(&essence.as_str()))?.format;
        let version =
            parts.find_map(|part| part.strip_prefix("fhirversion=").map(|it| it.trim_matches('"').to_owned()));
        match version.filter(|_| found == Self::FhirR4) {
            Some(version) => {
                // `4.0` as http.html has it, and `4.0.1` as clients write it.
                let is_it = |number: &str| {
                    version.strip_prefix(number).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                };
                VERSIONS.iter().find(|(number, _)| is_it(number)).map(|(_, format)| *format)
            }
            None => Some(found),
        }
    }

    /// The media type of what is written in this format.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        self.row().and_then(|row| row.media_types.first()).unwrap_or(&"application/octet-stream")
    }

    /// The ending of a file of it.
    #[must_use]
    pub fn extension(self) -> &'static str {
        self.row().map_or("bin", |row| row.extension)
    }

    /// Whether this release writes it.
    #[must_use]
    pub fn is_written(self) -> bool {
        self.row().is_some_and(|row| row.write.is_some())
    }

    /// Whether this release reads it.
    #[must_use]
    pub fn is_read(self) -> bool {
        self == Self::Auto || !matches!(self.reader(), Read::Later)
    }

    pub(super) fn reader(self) -> Read {
        self.row().map_or(Read::Later, |row| row.read)
    }

    pub(super) fn writer(self) -> Option<Write> {
        self.row()?.write
    }

    fn row(self) -> Option<&'static Row> {
        TABLE.iter().find(|row| row.format == self)
    }

    /// What the content looks like; `None` if like nothing known.
    #[must_use]
    pub fn detect(input: &[u8]) -> Option<Self> {
        // UTF-16 leaves a NUL beside each letter; byte order marks and MLLP framing may come first.
        let is_text = |byte: &u8| byte.is_ascii() && !byte.is_ascii_control() && !byte.is_ascii_whitespace();
        let letters: Vec<u8> = input.iter().take(64).copied().filter(is_text).take(3).collect();
        match letters.as_slice() {
            b"MSH" | b"FHS" | b"BHS" => Some(Self::Hl7v2),
            [b'{', ..] => Some(Self::FhirR4),
            [b'<', ..] => Some(of_xml(input)),
            _ => None,
        }
    }
}

/// By the root element: a document may cite FHIR anywhere else.
fn of_xml(input: &[u8]) -> Format {
    let head = input.get(..PROLOG_BYTES).unwrap_or(input);
    let letters: Vec<u8> = head.iter().copied().filter(|byte| *byte != 0).collect();
    match root(&String::from_utf8_lossy(&letters)) {
        tag if tag.contains(FHIR_NAMESPACE) && !tag.contains("ClinicalDocument") => Format::FhirR4,
        _ => Format::Ccda,
    }
}

/// The start tag of the root, behind comments, processing instructions and a document type.
fn root(text: &str) -> &str {
    let mut rest = text.get(text.find('<').unwrap_or(0)..).unwrap_or_default();
    loop {
        let end = match rest {
            _ if rest.starts_with("<?") => "?>",
            _ if rest.starts_with("<!--") => "-->",
            _ if rest.starts_with("<!") => ">",
            _ => break,
        };
        let Some((_, after)) = rest.split_once(end) else { break };
        rest = after.trim_start();
    }
    rest.split_once('>').map_or(rest, |(tag, _)| tag)
}

const FHIR_NAMESPACE: &str = "http://hl7.org/fhir";

/// Bytes that are looked at for the root element.
pub(super) const PROLOG_BYTES: usize = 64 * 1024;
