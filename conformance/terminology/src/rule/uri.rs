//! URIs as codes (FHIR R4 terminologies-systems.html#uri): RFC 3986, section 3 "Syntax Components".

/// Checks that there is a scheme, and only characters that URIs have.
pub(super) fn check(code: &str) -> Result<(), &'static str> {
    let Some((scheme, rest)) = code.split_once(':') else { return Err("expected an absolute URI") };
    let alphabetic = scheme.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    let legal = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let clean = rest.chars().all(|letter| !letter.is_whitespace() && !letter.is_control() && !"<>\"".contains(letter));
    if alphabetic && legal && clean && !rest.is_empty() { Ok(()) } else { Err("expected an absolute URI") }
}
