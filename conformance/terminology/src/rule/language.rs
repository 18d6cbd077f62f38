//! Language tags: RFC 5646 (BCP 47), section 2.1 "Syntax" and 2.2.9 "Classes of Conformance".

use std::collections::HashSet;
use std::sync::LazyLock;

/// Checks that a tag is well formed and its subtags are registered; the order of extlangs and prefixes of variants are
/// not looked at.
pub(super) fn check(code: &str) -> Result<(), &'static str> {
    let tag = code.to_ascii_lowercase();
    let registry = &*REGISTRY;
    if registry.grandfathered.contains(tag.as_str()) {
        return Ok(());
    }
    let parts = parse(&tag).ok_or("expected a language tag of BCP 47")?;
    let known = |subtags: &Subtags, subtag: &str| subtags.contains(subtag);
    let registered = parts.language.is_none_or(|subtag| known(&registry.languages, subtag))
        && parts.extended.iter().all(|subtag| known(&registry.extended, subtag))
        && parts.script.is_none_or(|subtag| known(&registry.scripts, subtag))
        && parts.region.is_none_or(|subtag| known(&registry.regions, subtag))
        && parts.variants.iter().all(|subtag| known(&registry.variants, subtag));
    if registered { Ok(()) } else { Err("expected registered subtags of a language tag") }
}

/// A tag's subtags; extensions and private use only have to be well formed.
#[derive(Default)]
struct Parts<'t> {
    language: Option<&'t str>,
    extended: Vec<&'t str>,
    script: Option<&'t str>,
    region: Option<&'t str>,
    variants: Vec<&'t str>,
}

fn parse(tag: &str) -> Option<Parts<'_>> {
    let alphabetic = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphabetic());
    let alphanumeric = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if tag.split('-').any(|subtag| subtag.is_empty() || subtag.len() > 8 || !alphanumeric(subtag)) {
        return None;
    }
    let mut parts = Parts::default();
    let mut subtags = tag.split('-').peekable();
    let language = subtags.next()?;
    let mut private = language == "x";
    if !private {
        if language.len() < 2 || !alphabetic(language) {
            return None;
        }
        parts.language = Some(language);
        if language.len() <= 3 {
            while parts.extended.len() < 3 {
                let Some(subtag) = subtags.next_if(|subtag| subtag.len() == 3 && alphabetic(subtag)) else { break };
                parts.extended.push(subtag);
            }
        }
        parts.script = subtags.next_if(|subtag| subtag.len() == 4 && alphabetic(subtag));
        parts.region = subtags.next_if(|subtag| {
            (subtag.len() == 2 && alphabetic(subtag))
                || (subtag.len() == 3 && subtag.bytes().all(|byte| byte.is_ascii_digit()))
        });
        while let Some(variant) = subtags.next_if(|subtag| {
            subtag.len() >= 5 || (subtag.len() == 4 && subtag.bytes().next().is_some_and(|byte| byte.is_ascii_digit()))
        }) {
            parts.variants.push(variant);
        }
        while let Some(singleton) = subtags.next() {
            if singleton.len() != 1 {
                return None;
            }
            private = singleton == "x";
            if private {
                break;
            }
            subtags.next_if(|subtag| subtag.len() >= 2)?;
            while subtags.next_if(|subtag| subtag.len() >= 2).is_some() {}
        }
    }
    (!private || subtags.next().is_some()).then_some(parts)
}

/// The IANA language subtag registry; made by `generator/language.py`.
static REGISTRY: LazyLock<Registry> =
    LazyLock::new(|| Registry::read(include_str!("../../generated/language-subtags.txt")));

#[derive(Default)]
struct Registry {
    languages: Subtags,
    extended: Subtags,
    scripts: Subtags,
    regions: Subtags,
    variants: Subtags,
    grandfathered: HashSet<&'static str>,
}

#[derive(Default)]
struct Subtags {
    single: HashSet<&'static str>,
    ranges: Vec<(&'static str, &'static str)>,
}

impl Subtags {
    fn contains(&self, subtag: &str) -> bool {
        let within = |(first, last): &(&str, &str)| subtag.len() == first.len() && (*first..=*last).contains(&subtag);
        self.single.contains(subtag) || self.ranges.iter().any(within)
    }
}

impl Registry {
    fn read(text: &'static str) -> Self {
        let mut registry = Self::default();
        for line in text.lines() {
            let mut words = line.split(' ');
            let subtags = match words.next() {
                Some("language") => &mut registry.languages,
                Some("extlang") => &mut registry.extended,
                Some("script") => &mut registry.scripts,
                Some("region") => &mut registry.regions,
                Some("variant") => &mut registry.variants,
                Some("grandfathered") => {
                    registry.grandfathered = words.collect();
                    continue;
                }
                _ => continue,
            };
            for word in words {
                match word.split_once("..") {
                    Some(range) => subtags.ranges.push(range),
                    None => {
                        subtags.single.insert(word);
                    }
                }
            }
        }
        registry
    }
}
