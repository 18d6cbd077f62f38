//! Names and URIs of coding systems.

/// Prefix of URIs made of the name of a coding system that no table knows.
pub(crate) const CODING_SYSTEM: &str = "urn:anchorline:coding-system:";

/// Prefix of the URIs of HL7 v2 tables in the HL7 terminology.
pub(crate) const HL7_TABLE: &str = "http://terminology.hl7.org/CodeSystem/v2-";

/// Whether a coding system's name is that of an HL7 table: `HL70001` (HL7 table 0396, "HL7nnnn").
pub(crate) fn is_hl7_table(name: &str) -> bool {
    name.len() == 7 && name.strip_prefix("HL7").is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
}

/// The number of an HL7 table's URI.
pub(crate) fn hl7_table_number(uri: &str) -> Option<&str> {
    uri.strip_prefix(HL7_TABLE).filter(|number| number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit()))
}
