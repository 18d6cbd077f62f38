//! Registries of codes that are small, public and built in: countries, their parts, and currencies.

use std::sync::{Arc, LazyLock};

use smol_str::SmolStr;

use crate::code_system::CodeSystem;
use crate::concepts::Concepts;

/// The built-in code system of a URI.
pub(crate) fn code_system(system: &str) -> Option<Arc<dyn Concepts>> {
    let list: &LazyLock<Arc<CodeSystem>> = match system {
        "urn:iso:std:iso:3166" => &COUNTRIES,
        "urn:iso:std:iso:3166:-2" => &SUBDIVISIONS,
        "urn:iso:std:iso:4217" => &CURRENCIES,
        _ => return None,
    };
    Some(Arc::<CodeSystem>::clone(list))
}

/// ISO 3166-1 alpha-2, alpha-3 and numeric codes (FHIR R4 iso3166.html).
static COUNTRIES: LazyLock<Arc<CodeSystem>> = LazyLock::new(|| {
    let all = || rust_iso3166::ALL.iter();
    let codes = all()
        .map(|country| (country.alpha2.to_owned(), SmolStr::new(country.name)))
        .chain(all().map(|country| (country.alpha3.to_owned(), SmolStr::new(country.name))))
        .chain(all().map(|country| (format!("{:03}", country.numeric), SmolStr::new(country.name))));
    Arc::new(CodeSystem::list("urn:iso:std:iso:3166", "ISO 3166-1", codes))
});

/// ISO 3166-2: parts of countries.
static SUBDIVISIONS: LazyLock<Arc<CodeSystem>> = LazyLock::new(|| {
    let mut codes: Vec<(String, SmolStr)> = rust_iso3166::ALL
        .iter()
        .flat_map(|country| country.subdivisions().unwrap_or_default())
        .map(|part| (part.code.to_owned(), SmolStr::new(part.name)))
        .collect();
    codes.sort();
    Arc::new(CodeSystem::list("urn:iso:std:iso:3166:-2", "ISO 3166-2", codes.into_iter()))
});

/// ISO 4217: every code the crate knows, found by trying the alphabet, as it has no list without more dependencies.
static CURRENCIES: LazyLock<Arc<CodeSystem>> = LazyLock::new(|| {
    let letters = || ('A'..='Z').map(String::from);
    let pairs = letters().flat_map(|first| letters().map(move |second| format!("{first}{second}")));
    let codes = pairs.flat_map(|pair| letters().map(move |third| format!("{pair}{third}")));
    let present = codes.filter_map(|code| {
        let name = iso_currency::Currency::from_code(&code)?.name().to_owned();
        Some((code, SmolStr::from(name)))
    });
    let mut known: Vec<(String, SmolStr)> = present.collect();
    for code in WITHDRAWN {
        if !known.iter().any(|(present, _)| present == code) {
            known.push(((*code).to_owned(), SmolStr::new(code)));
        }
    }
    Arc::new(CodeSystem::list("urn:iso:std:iso:4217", "ISO 4217", known.into_iter()))
});

/// Codes that are no longer in use, or were never ISO's but are in R4's value set of currencies: bills of the past hold
/// them.
const WITHDRAWN: &[&str] = &[
    "AFA", "ANG", "ATS", "AZM", "BEF", "BGL", "BGN", "BYB", "BYR", "CSD", "CUC", "CYP", "DEM", "EEK", "ESP", "FIM",
    "FRF", "GGP", "GHC", "GRD", "HRK", "IEP", "IMP", "ITL", "JEP", "LTL", "LUF", "LVL", "MRO", "MTL", "MZM", "NLG",
    "PTE", "ROL", "RUR", "SDD", "SIT", "SKK", "SLL", "STD", "TMM", "TRL", "TVD", "VEB", "VEF", "YUM", "ZMK", "ZWL",
];

#[cfg(test)]
mod tests;
