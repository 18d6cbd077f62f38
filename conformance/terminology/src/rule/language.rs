//! Language tags: RFC 5646 (BCP 47), section 2.1 "Syntax".

/// Checks that a tag is well formed; whether its subtags are registered is not asked.
pub(super) fn check(code: &str) -> Result<(), &'static str> {
    if well_formed(code) { Ok(()) } else { Err("expected a language tag of BCP 47") }
}

fn well_formed(tag: &str) -> bool {
    let alphabetic = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphabetic());
    let alphanumeric = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if tag.split('-').any(|subtag| subtag.is_empty() || subtag.len() > 8 || !alphanumeric(subtag)) {
        return GRANDFATHERED.iter().any(|known| known.eq_ignore_ascii_case(tag));
    }
    let mut subtags = tag.split('-').peekable();
    let Some(language) = subtags.next() else { return false };
    let mut private = language.eq_ignore_ascii_case("x");
    if !private {
        if !(2..=8).contains(&language.len()) || !alphabetic(language) {
            return GRANDFATHERED.iter().any(|known| known.eq_ignore_ascii_case(tag));
        }
        if language.len() <= 3 {
            for _ in 0..3 {
                if subtags.next_if(|subtag| subtag.len() == 3 && alphabetic(subtag)).is_none() {
                    break;
                }
            }
        }
        let _script = subtags.next_if(|subtag| subtag.len() == 4 && alphabetic(subtag));
        let region = |subtag: &&str| {
            (subtag.len() == 2 && alphabetic(subtag))
                || (subtag.len() == 3 && subtag.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let _region = subtags.next_if(region);
        let variant = |subtag: &&str| {
            subtag.len() >= 5 || (subtag.len() == 4 && subtag.bytes().next().is_some_and(|byte| byte.is_ascii_digit()))
        };
        while subtags.next_if(variant).is_some() {}
        while let Some(singleton) = subtags.next() {
            if singleton.len() != 1 {
                return GRANDFATHERED.iter().any(|known| known.eq_ignore_ascii_case(tag));
            }
            private = singleton.eq_ignore_ascii_case("x");
            if private {
                break;
            }
            if subtags.next_if(|subtag| subtag.len() >= 2).is_none() {
                return false;
            }
            while subtags.next_if(|subtag| subtag.len() >= 2).is_some() {}
        }
    }
    !private || subtags.next().is_some()
}

/// Tags that the grammar does not cover but the registry keeps (RFC 5646, section 2.2.8, "irregular").
const GRANDFATHERED: &[&str] = &[
    "en-GB-oed",
    "i-ami",
    "i-bnn",
    "i-default",
    "i-enochian",
    "i-hak",
    "i-klingon",
    "i-lux",
    "i-mingo",
    "i-navajo",
    "i-pwn",
    "i-tao",
    "i-tay",
    "i-tsu",
    "sgn-BE-FR",
    "sgn-BE-NL",
    "sgn-CH-DE",
];
