//! Rules: structure validation, mapping quality, package lint.
