//! FHIR packages, StructureDefinitions and their snapshots: what resources are checked against.
