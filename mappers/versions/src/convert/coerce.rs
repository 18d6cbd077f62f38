//! Values of one type as values of another; both in the form of the target's version.

use model::json::{Json, Number, Object};
use model::time::{PartialDateTime, Precision};
use model::types::Primitive;
use smol_str::SmolStr;

/// A scalar as one of another type; none if its form does not fit.
pub(super) fn scalar(value: &Json, from: Primitive, to: Primitive) -> Option<Json> {
    use Primitive as P;
    if from == to {
        return Some(value.clone());
    }
    match (from, to) {
        (P::Boolean, _) | (_, P::Boolean) => boolean(value, from, to),
        (P::Xhtml | P::Base64Binary | P::Time, _) | (_, P::Xhtml | P::Base64Binary | P::Time) => None,
        (_, P::Integer | P::PositiveInt | P::UnsignedInt | P::Decimal) => number(value, to),
        (P::Integer | P::PositiveInt | P::UnsignedInt | P::Decimal, _) => match (to, value) {
            (P::String | P::Code | P::Markdown | P::Integer64, Json::Number(number)) => {
                Some(Json::from(number.as_str()))
            }
            _ => None,
        },
        (P::Date | P::DateTime | P::Instant, P::Date | P::DateTime | P::Instant) => time(value, to),
        (P::Date | P::DateTime | P::Instant, P::String | P::Markdown) => Some(value.clone()),
        (_, P::Date | P::DateTime | P::Instant | P::Integer64) => None,
        _ => text(value, to),
    }
}

fn boolean(value: &Json, from: Primitive, to: Primitive) -> Option<Json> {
    match (from, to, value) {
        (Primitive::Boolean, Primitive::Code | Primitive::String, Json::Bool(is)) => {
            Some(Json::from(if *is { "true" } else { "false" }))
        }
        (Primitive::Code | Primitive::String, Primitive::Boolean, Json::String(text)) => match text.as_str() {
            "true" => Some(Json::Bool(true)),
            "false" => Some(Json::Bool(false)),
            _ => None,
        },
        _ => None,
    }
}

fn number(value: &Json, to: Primitive) -> Option<Json> {
    let text = match value {
        Json::Number(number) => number.as_str(),
        Json::String(text) => text.as_str(),
        _ => return None,
    };
    let whole = || text.parse::<i32>().ok();
    let fits = match to {
        Primitive::Integer => whole().is_some(),
        Primitive::UnsignedInt => whole().is_some_and(|value| value >= 0),
        Primitive::PositiveInt => whole().is_some_and(|value| value > 0),
        _ => true,
    };
    Number::parse(text).ok().filter(|_| fits).map(Json::Number)
}

fn time(value: &Json, to: Primitive) -> Option<Json> {
    let text = value.as_str()?;
    let precision = PartialDateTime::precision_of(text).ok()?;
    match to {
        Primitive::Date if precision > Precision::Day => text.get(..10).map(Json::from),
        Primitive::Instant if precision < Precision::Second => None,
        _ => Some(value.clone()),
    }
}

fn text(value: &Json, to: Primitive) -> Option<Json> {
    let text = value.as_str()?;
    let is_bare = !text.bytes().any(|byte| byte.is_ascii_whitespace());
    let fits = match to {
        Primitive::Code => !text.is_empty() && text.trim() == text && !text.contains("  "),
        Primitive::Id => is_id(text),
        Primitive::Uri | Primitive::Url | Primitive::Canonical => is_bare,
        Primitive::Oid => text.starts_with("urn:oid:"),
        Primitive::Uuid => text.starts_with("urn:uuid:"),
        _ => true,
    };
    fits.then(|| value.clone())
}

pub(super) fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

/// The family of Quantity: the same elements everywhere.
const QUANTITIES: [&str; 6] = ["Quantity", "Age", "Count", "Distance", "Duration", "SimpleQuantity"];

/// Whether a value of one type is one of the other as it stands.
pub(super) fn is_alike(from: &str, to: &str) -> bool {
    from == to || QUANTITIES.contains(&from) && QUANTITIES.contains(&to)
}

/// A value as one of another type, for types that are not alike. `system` is where a bare code is from.
pub(super) fn shape(value: &Json, from: &str, to: &str, system: Option<&SmolStr>) -> Option<Json> {
    let one = |name: &'static str, value: Json| Some(Json::Object(Object::of([(name, value)])));
    let is_text = |name: &str| {
        matches!(name, "string" | "markdown" | "code" | "uri" | "url" | "canonical" | "id" | "oid" | "uuid")
    };
    match (from, to) {
        ("Coding", "CodeableConcept") => one("coding", Json::array([value.clone()])),
        ("CodeableConcept", "Coding") => best(value, system).cloned(),
        ("code", "CodeableConcept") => one("coding", Json::array([coding(value, system)])),
        ("code", "Coding") => Some(coding(value, system)),
        ("CodeableConcept", "code") => best(value, system)?.get("code").cloned(),
        ("Coding", "code") => value.get("code").cloned(),
        ("string" | "markdown", "CodeableConcept") => one("text", value.clone()),
        ("CodeableConcept", "string" | "markdown") => value
            .get("text")
            .cloned()
            .or_else(|| value.items("coding").iter().find_map(|coding| coding.get("display")).cloned()),
        ("Coding", "string" | "markdown") => value.get("display").or_else(|| value.get("code")).cloned(),
        ("string", "Coding") => one("display", value.clone()),
        ("uri", "Coding") => one("code", value.clone()),
        ("uri" | "canonical" | "oid" | "url", "CodeableConcept") => {
            one("coding", Json::array([Json::Object(Object::of([("code", value.clone())]))]))
        }
        ("boolean", "CodeableConcept") => one("text", Json::from(value.as_bool()?.to_string())),
        ("string" | "markdown", "Annotation") => one("text", value.clone()),
        ("Annotation", "string" | "markdown") => value.get("text").cloned(),
        ("Reference", "uri" | "canonical" | "url") => value.get("reference").cloned(),
        ("uri" | "canonical" | "url" | "oid", "Reference") => one("reference", value.clone()),
        ("string" | "markdown", "Reference") => one("display", value.clone()),
        ("Reference", "string" | "markdown") => value.get("display").or_else(|| value.get("reference")).cloned(),
        ("Identifier", "Reference") => one("identifier", value.clone()),
        ("Reference", "Identifier") => value.get("identifier").cloned(),
        ("Identifier", "string" | "uri" | "id") => {
            value.get("value").cloned().filter(|value| to != "id" || value.as_str().is_some_and(is_id))
        }
        ("string" | "uri" | "id", "Identifier") => one("value", value.clone()),
        ("Identifier", "CodeableConcept") => {
            let members = value.get("system").map(|system| ("system", system.clone())).into_iter();
            let members = members.chain(value.get("value").map(|value| ("code", value.clone())));
            one("coding", Json::array([Json::object(members)]))
        }
        ("CodeableConcept", "Identifier") => {
            let coding = best(value, system)?;
            let members = coding.get("system").map(|system| ("system", system.clone())).into_iter();
            Some(Json::object(members.chain(coding.get("code").map(|code| ("value", code.clone())))))
        }
        ("dateTime" | "date" | "instant", "Period") => one("start", value.clone()),
        ("Period", "dateTime") => value.get("start").cloned(),
        ("dateTime" | "date", "Timing") => one("event", Json::array([value.clone()])),
        ("Period", "Timing") => one("repeat", Json::Object(Object::of([("boundsPeriod", value.clone())]))),
        ("Timing", "Period") => value.at(&["repeat", "boundsPeriod"]).cloned(),
        ("Timing", "dateTime") => value.items("event").first().cloned(),
        (
            "decimal" | "integer" | "positiveInt" | "unsignedInt",
            "Quantity" | "Money" | "Duration" | "Age" | "Count" | "Distance",
        ) => one("value", value.clone()),
        ("Quantity" | "Money" | "Duration" | "Age" | "Count" | "Distance", "decimal") => value.get("value").cloned(),
        ("Quantity" | "Duration", "integer" | "positiveInt" | "unsignedInt") => value
            .get("value")
            .and_then(Json::as_number)
            .filter(|number| number.as_u64().is_some())
            .map(|number| Json::Number(number.clone())),
        ("Quantity" | "Age" | "Duration", "Range") => one("low", value.clone()),
        ("Quantity", "Ratio") => one("numerator", value.clone()),
        ("Quantity", "RatioRange") => one("lowNumerator", value.clone()),
        ("Attachment", "url" | "uri") => value.get("url").cloned(),
        ("url" | "uri", "Attachment") => one("url", value.clone()),
        ("base64Binary", "Attachment") => one("data", value.clone()),
        ("string", "Expression") => one("expression", value.clone()),
        ("Expression", "string") => value.get("expression").cloned(),
        ("string", "HumanName") => one("text", value.clone()),
        ("HumanName", "string") => value.get("text").cloned(),
        ("string", "ContactPoint") => one("value", value.clone()),
        ("ContactPoint", "string" | "url") => value.get("value").cloned(),
        ("ContactPoint", "ContactDetail" | "ExtendedContactDetail") => one("telecom", Json::array([value.clone()])),
        ("ExtendedContactDetail" | "ContactDetail", "ContactPoint") => value.items("telecom").first().cloned(),
        ("CodeableConcept", "CodeableReference") => one("concept", value.clone()),
        ("CodeableReference", "CodeableConcept") => value.get("concept").cloned(),
        ("Reference", "CodeableReference") => one("reference", value.clone()),
        ("CodeableReference", "Reference") => value.get("reference").cloned(),
        (a, b) if is_text(a) && is_text(b) => Some(value.clone()),
        _ => None,
    }
}

fn coding(code: &Json, system: Option<&SmolStr>) -> Json {
    let system = system.map(|system| ("system", Json::String(system.clone())));
    Json::object(system.into_iter().chain([("code", code.clone())]))
}

/// The coding of a system, else the first one.
fn best<'j>(concept: &'j Json, system: Option<&SmolStr>) -> Option<&'j Json> {
    let codings = concept.items("coding");
    let of_system = |coding: &&Json| system.is_some_and(|system| coding.text_at(&["system"]) == Some(system));
    codings.iter().find(of_system).or_else(|| codings.first().filter(|_| system.is_none())).or_else(|| codings.first())
}
