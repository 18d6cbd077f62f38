//! What CDA R2 writes in its own way: identifiers by OID or UUID, telecommunication addresses as URLs.

use jiff::tz::TimeZone;
use smol_str::{SmolStr, format_smolstr};

use super::identity::{is_oid, is_uuid};
use super::time::{moment, parse_ts};
use super::{Back, Call, Failure, Function, Output, exact};

/// The functions of this subject.
pub(super) const FUNCTIONS: &[Function] = &[
    Function { name: "universal", arguments: 0, forward: universal, backward: Some(bare) },
    Function { name: "scheme", arguments: 0, forward: scheme, backward: None },
    Function { name: "contact", arguments: 0, forward: contact, backward: Some(super::same) },
    Function { name: "language", arguments: 0, forward: language, backward: Some(super::same) },
    Function { name: "instantUtc", arguments: 0, forward: instant_utc, backward: Some(super::time::digits_of_time) },
];

/// The URI of an OID or a UUID (FHIR R4 datatypes.html, "uri"); what is neither as it stands.
pub(crate) fn universal_uri(text: &str) -> Option<SmolStr> {
    if is_oid(text) {
        return Some(format_smolstr!("urn:oid:{text}"));
    }
    is_uuid(text).then(|| format_smolstr!("urn:uuid:{}", text.to_ascii_lowercase()))
}

fn universal(call: &Call<'_>) -> Result<Output, Failure> {
    let text = call.value.trim();
    match universal_uri(text) {
        Some(uri) => Ok(Output { lossy: (!uri.ends_with(text)).then_some(""), value: uri }),
        None if text.is_empty() => Err(Failure("expected an OID or a UUID, found blanks")),
        None => exact(text),
    }
}

fn bare(back: &Back<'_>) -> Option<Vec<String>> {
    let value = back.value;
    let bare = value.strip_prefix("urn:oid:").or_else(|| value.strip_prefix("urn:uuid:")).unwrap_or(value);
    Some(vec![bare.to_owned()])
}

/// ContactPoint.system of a URL (CDA R2 datatypes, "TEL": RFC 3966 and others); a bare number is a telephone's.
fn scheme(call: &Call<'_>) -> Result<Output, Failure> {
    let text = call.value.trim();
    let Some((scheme, rest)) = text.split_once(':') else {
        return exact(if text.contains('@') { "email" } else { "phone" });
    };
    exact(match scheme.trim().to_ascii_lowercase().as_str() {
        _ if rest.trim().is_empty() => return Err(Failure("expected an address after the scheme")),
        "tel" => "phone",
        "fax" | "x-text-fax" => "fax",
        "mailto" => "email",
        "http" | "https" | "ftp" => "url",
        "sms" => "sms",
        _ => "other",
    })
}

/// ContactPoint.value of a URL: the number or address alone, a web address whole.
fn contact(call: &Call<'_>) -> Result<Output, Failure> {
    let text = call.value.trim();
    let value = match text.split_once(':') {
        Some((scheme, rest))
            if matches!(
                scheme.trim().to_ascii_lowercase().as_str(),
                "tel" | "fax" | "x-text-fax" | "mailto" | "sms"
            ) =>
        {
            rest.trim()
        }
        _ => text,
    };
    if value.is_empty() { Err(Failure("expected an address, found blanks")) } else { exact(value) }
}

/// The URL of a number or address of a ContactPoint.system; one that is a URL already as it stands.
pub(crate) fn contact_url(value: &str, system: &str) -> String {
    let value = value.trim();
    let scheme = match system {
        "phone" | "pager" => "tel:",
        "fax" => "fax:",
        "sms" => "sms:",
        "email" => "mailto:",
        _ => "",
    };
    let known = ["tel:", "fax:", "mailto:", "sms:", "http:", "https:"];
    let is_url =
        known.iter().any(|known| value.get(..known.len()).is_some_and(|head| head.eq_ignore_ascii_case(known)));
    if is_url { value.to_owned() } else { format!("{scheme}{value}") }
}

/// What can be read of a time that is not written as CDA writes it: ISO 8601 with its signs, or the date alone.
pub(crate) fn date_in(text: &str) -> Option<String> {
    let (day, rest) = text.split_at_checked(10).unwrap_or((text, ""));
    let parts: Vec<&str> = day.split('-').collect();
    if let [year, month, day] = parts.as_slice()
        && (year.len(), month.len(), day.len()) == (4, 2, 2)
    {
        let zone = rest.rfind(['+', '-']).map_or("", |at| rest.get(at..).unwrap_or_default());
        let time = rest.strip_suffix(zone).unwrap_or(rest).trim_end_matches('Z').trim_start_matches(['T', ' ']);
        let zone = if rest.ends_with('Z') { "+0000" } else { zone };
        let whole: String = format!("{year}{month}{day}{time}{zone}").replace(':', "");
        if parse_ts(&whole).is_ok() {
            return Some(whole);
        }
        return Some(format!("{year}{month}{day}"));
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let long = [8, 6, 4].into_iter().find(|long| digits > *long)?;
    text.get(..long).filter(|date| parse_ts(date).is_ok()).map(str::to_owned)
}

/// An instant where FHIR needs one (Bundle.timestamp, Provenance.recorded): a time without zone is taken as UTC, a date
/// as its beginning, with an issue that says so; what was said stands beside it.
fn instant_utc(call: &Call<'_>) -> Result<Output, Failure> {
    let ts = parse_ts(call.value)?;
    let utc = TimeZone::UTC;
    let zone = call.zone.unwrap_or(&utc);
    if let Some(value) = moment(&ts, Some(zone)) {
        let said = ts.has_zone() || call.zone.is_some();
        let why = if said { "" } else { "a time without zone where FHIR needs an instant: taken as UTC" };
        let exact = said && ts.to_the_second();
        return Ok(Output { value, lossy: (!exact).then_some(why) });
    }
    let Some(date) = ts.whole_date() else { return Err(Failure("expected a date at least, for an instant")) };
    let why = "a date where FHIR needs an instant: its first moment in UTC";
    Ok(Output { value: format_smolstr!("{date}T00:00:00Z"), lossy: Some(why) })
}

/// Codes of ISO 639-1.
const LANGUAGES: &str = "\
    aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en \
    eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja \
    jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb \
    nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq \
    sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu \
";

/// Codes of ISO 639-2, both forms, of the languages that C-CDA documents are met in, and their codes of ISO 639-1.
const LONGER: &[(&str, &str)] = &[
    ("eng", "en"),
    ("isl", "is"),
    ("ice", "is"),
    ("ewe", "ee"),
    ("spa", "es"),
    ("fra", "fr"),
    ("fre", "fr"),
    ("deu", "de"),
    ("ger", "de"),
    ("zho", "zh"),
    ("chi", "zh"),
    ("por", "pt"),
    ("rus", "ru"),
    ("ara", "ar"),
    ("jpn", "ja"),
    ("kor", "ko"),
    ("vie", "vi"),
    ("ita", "it"),
    ("pol", "pl"),
    ("hin", "hi"),
    ("urd", "ur"),
    ("fas", "fa"),
    ("per", "fa"),
    ("tgl", "tl"),
    ("nld", "nl"),
    ("dut", "nl"),
    ("ell", "el"),
    ("gre", "el"),
    ("heb", "he"),
    ("tur", "tr"),
    ("ukr", "uk"),
    ("swe", "sv"),
    ("nor", "no"),
    ("dan", "da"),
    ("fin", "fi"),
    ("hun", "hu"),
    ("ces", "cs"),
    ("cze", "cs"),
    ("ron", "ro"),
    ("rum", "ro"),
    ("tha", "th"),
    ("ben", "bn"),
    ("pan", "pa"),
    ("guj", "gu"),
    ("tam", "ta"),
    ("tel", "te"),
    ("khm", "km"),
    ("lao", "lo"),
    ("som", "so"),
    ("swa", "sw"),
    ("amh", "am"),
    ("hat", "ht"),
    ("hye", "hy"),
    ("arm", "hy"),
    ("sqi", "sq"),
    ("alb", "sq"),
    ("bos", "bs"),
    ("hrv", "hr"),
    ("srp", "sr"),
    ("nav", "nv"),
];

/// A language as BCP 47 (RFC 5646): the code in small letters, the country in capitals. What is no code is none.
fn language(call: &Call<'_>) -> Result<Output, Failure> {
    const EXPECTED: Failure = Failure("expected a language of BCP 47 or ISO 639");
    let text = call.value.trim();
    let mut parts = text.split(['-', '_']);
    let code = parts.next().unwrap_or_default().to_ascii_lowercase();
    let code = match LONGER.iter().find(|(longer, _)| *longer == code) {
        Some((_, short)) => (*short).to_owned(),
        None => code,
    };
    if !LANGUAGES.split_ascii_whitespace().any(|known| known == code) {
        return Err(EXPECTED);
    }
    let value = match (parts.next(), parts.next()) {
        (None, _) => code,
        (Some(country), None) if country.len() == 2 && country.bytes().all(|b| b.is_ascii_alphabetic()) => {
            format!("{code}-{}", country.to_ascii_uppercase())
        }
        _ => return Err(EXPECTED),
    };
    Ok(Output { lossy: (value != text).then_some(""), value: value.into() })
}
