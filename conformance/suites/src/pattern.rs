//! Regular expressions in suites, bounded in size.

/// Whether a pattern is found anywhere in a text.
///
/// # Errors
/// What is wrong with the pattern.
pub(crate) fn is_match(pattern: &str, text: &str) -> Result<bool, String> {
    let compiled = regex::RegexBuilder::new(pattern).size_limit(1 << 20).build();
    compiled.map(|compiled| compiled.is_match(text)).map_err(|_| "expected a regular expression".to_owned())
}
