//! Behaviour by expression: what stands left gives what stands right.
