//! The patient's consent, compiled and decided. Pure.
