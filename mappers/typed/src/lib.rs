//! The one user of fhir-sdk: builds resources without decimals and hands back model trees.
