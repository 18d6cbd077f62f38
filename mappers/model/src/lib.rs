//! FHIR as this product holds it: a lossless tree, resources, ids, time and outcomes.
