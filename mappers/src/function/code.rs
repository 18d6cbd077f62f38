//! Names and URIs of coding systems.

use smol_str::{SmolStr, format_smolstr};

use super::escaped;
use super::identity::is_oid;

/// Prefix of URIs made of the name of a coding system that no table knows.
pub(crate) const CODING_SYSTEM: &str = "urn:anchorline:coding-system:";

/// Prefix of the URIs of HL7 v2 tables in the HL7 terminology.
const HL7_TABLE: &str = "http://terminology.hl7.org/CodeSystem/v2-";

/// Prefix of the URIs of their value sets.
const HL7_TABLE_SET: &str = "http://terminology.hl7.org/ValueSet/v2-";

/// Whether a coding system's name is that of an HL7 table: `HL70001` (HL7 table 0396, "HL7nnnn").
fn is_hl7_table(name: &str) -> bool {
    name.len() == 7 && name.strip_prefix("HL7").is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
}

/// The OID under which HL7 tables stand, by number: table 0001 is `2.16.840.1.113883.12.1`.
const HL7_TABLE_OID: &str = "2.16.840.1.113883.12.";

/// The URI of a coding system's name that no vocabulary map has, and whether the name cannot be made of it again.
pub(crate) fn system_uri(name: &str) -> (SmolStr, Option<&'static str>) {
    if is_hl7_table(name) {
        return (format_smolstr!("{HL7_TABLE}{}", name.get(3..).unwrap_or_default()), None);
    }
    let number = name.strip_prefix(HL7_TABLE_OID).and_then(|number| number.parse::<u16>().ok());
    if let Some(number) = number.filter(|number| *number < 10_000) {
        return (format_smolstr!("{HL7_TABLE}{number:04}"), Some(""));
    }
    if is_oid(name) {
        return (format_smolstr!("urn:oid:{name}"), None);
    }
    if (name.contains("://") || name.starts_with("urn:")) && !name.contains(char::is_whitespace) {
        // The way back writes an OID bare, and a table by its name.
        let rewritten = name.starts_with("urn:oid:") || hl7_table_number(name).is_some();
        return (name.into(), rewritten.then_some(""));
    }
    (format_smolstr!("{CODING_SYSTEM}{}", escaped(name)), None)
}

/// The number of an HL7 table's URI; some write the value set of the table for its codes.
pub(crate) fn hl7_table_number(uri: &str) -> Option<&str> {
    let number = uri.strip_prefix(HL7_TABLE).or_else(|| uri.strip_prefix(HL7_TABLE_SET));
    number.filter(|number| number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit()))
}
