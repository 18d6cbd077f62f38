//! FHIRPath 2.0 over the lossless tree: compile once, evaluate many times.
