//! FHIR search without storage: parameters, index rows, plans.
