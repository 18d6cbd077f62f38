//! The samples, as they are sent. What they are is told in `samples/README.md`.

pub(super) const REGISTRATION: &str = include_str!("samples/registration.hl7");
pub(super) const RESULTS: &str = include_str!("samples/results.hl7");
pub(super) const UPDATE: &str = include_str!("samples/update.hl7");
pub(super) const MERGE: &str = include_str!("samples/merge.hl7");
pub(super) const UNKNOWN: &str = include_str!("samples/unknown.hl7");
pub(super) const NOT_HL7: &str = include_str!("samples/not-hl7.txt");
pub(super) const WEIGHT: &str = include_str!("samples/weight.fhir.json");
pub(super) const LETTER: &str = include_str!("samples/letter.ccda.xml");
pub(super) const TRAP: &str = include_str!("samples/trap.ccda.xml");
pub(super) const CONSENT_CLINIC: &str = include_str!("samples/consent-clinic.json");
pub(super) const CONSENT_INSURER_NO: &str = include_str!("samples/consent-insurer-no.json");
pub(super) const CONSENT_INSURER_YES: &str = include_str!("samples/consent-insurer-yes.json");

/// A message as it stands on the wire: segments end with a carriage return (HL7 v2.8.2 chapter 2, "Message delimiters").
pub(super) fn on_the_wire(sample: &str) -> Vec<u8> {
    sample.replace("\r\n", "\n").replace('\n', "\r").into_bytes()
}

/// A FHIR sample about this patient.
pub(super) fn about(sample: &str, patient: &str) -> String {
    sample.replace("PATIENT", patient)
}
