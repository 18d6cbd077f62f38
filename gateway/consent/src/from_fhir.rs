//! From a FHIR R4 Consent to what the rules work on, strictly: what is not understood is named, never skipped.
//!
//! FHIR lets a reader ignore what it does not know; in a consent that may widen what somebody agreed to. So every
//! element is looked up in a table, and one that is missing there makes the whole consent indeterminate.

use model::id::Reference;
use model::json::Json;
use model::time::{Instant, PartialDateTime};
use smol_str::{SmolStr, format_smolstr};

use crate::facts::unversioned;
use crate::vocabulary::{ACT_CODE, CONSENT_SCOPE, PARTICIPATION_TYPE, ROLE_CODE, canonical};

mod shape;

/// More levels of nested provisions than this are not followed.
const MAX_LEVELS: usize = 8;

/// Why a Consent cannot be understood: the place and what was expected there. Holds nothing of its content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {why}")]
pub struct Misunderstood {
    /// The element, as a path below `Consent`.
    pub at: String,
    /// What was expected.
    pub why: &'static str,
}

impl Misunderstood {
    pub(crate) fn at(at: impl Into<String>, why: &'static str) -> Self {
        Self { at: at.into(), why }
    }
}

/// Permit or deny.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    Permit,
    Deny,
}

/// A stretch of time, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

impl Span {
    /// Reads a Period; an end that is not given is open, a partial date spans its whole day, month or year.
    pub(crate) fn read(period: &Json) -> Result<Self, &'static str> {
        let end = |name: &str| match period.get(name) {
            None => Ok(None),
            Some(value) => {
                let text = value.as_str().ok_or("expected a date")?;
                PartialDateTime::parse(text).map(Some).map_err(|_| "expected a date")
            }
        };
        let (start, end) = (end("start")?, end("end")?);
        let span = Self {
            from: start.map_or(Instant::MIN, |start| start.earliest()),
            to: end.map_or(Instant::MAX, |end| end.latest()),
        };
        if span.from > span.to { Err("expected a start before the end") } else { Ok(span) }
    }

    pub(crate) fn contains(&self, moment: Instant) -> bool {
        self.from <= moment && moment <= self.to
    }

    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.from <= other.from && other.to <= self.to
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.from <= other.to && other.from <= self.to
    }
}

/// A coding that a provision lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Code {
    pub(crate) system: Option<SmolStr>,
    pub(crate) code: SmolStr,
}

impl Code {
    pub(crate) fn is(&self, system: &str) -> bool {
        self.system.as_deref() == Some(system)
    }
}

/// An actor that a provision lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ActorEntry {
    pub(crate) custodian: bool,
    /// The role names its code system; without one it counts in a deny only.
    pub(crate) role_has_system: bool,
    pub(crate) reference: Option<SmolStr>,
    pub(crate) identifier: Option<(Option<SmolStr>, SmolStr)>,
}

/// `Consent.provision.data.meaning`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Instance,
    Related,
    Dependents,
    AuthoredBy,
}

/// Data that a provision lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DataEntry {
    pub(crate) meaning: Meaning,
    pub(crate) reference: SmolStr,
}

/// A provision as it was written; criteria it does not give are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Provision {
    pub(crate) path: SmolStr,
    pub(crate) rule: Option<Rule>,
    pub(crate) period: Option<Span>,
    pub(crate) actor: Option<Vec<ActorEntry>>,
    pub(crate) action: Option<Vec<Code>>,
    pub(crate) label: Option<Vec<Code>>,
    pub(crate) purpose: Option<Vec<Code>>,
    pub(crate) class: Option<Vec<Code>>,
    pub(crate) code: Option<Vec<Code>>,
    pub(crate) data_period: Option<Span>,
    pub(crate) data: Option<Vec<DataEntry>>,
    pub(crate) provisions: Vec<Provision>,
}

/// What `policyRule` says where no provision decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    Silent,
    Deny,
    Permit,
    /// An opt-in beside a root provision that is a permit: what it means is a setting of the site.
    PermitBesidePermit,
    EmergencyOnly,
}

/// A Consent that was understood.
#[derive(Clone, Debug)]
pub(crate) struct Understood {
    pub(crate) privacy: bool,
    pub(crate) research: bool,
    pub(crate) issued: Option<(Instant, Instant)>,
    pub(crate) identifiers: Vec<(SmolStr, SmolStr)>,
    pub(crate) base: Base,
    pub(crate) permits_void: bool,
    pub(crate) root: Option<Provision>,
}

/// The status, read apart from the rest: a consent that is not active needs no understanding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Active,
    NotActive,
    Unreadable,
}

pub(crate) fn status(consent: &Json) -> Status {
    match consent.get("status").and_then(Json::as_str) {
        Some("active") => Status::Active,
        Some("draft" | "proposed" | "rejected" | "inactive" | "entered-in-error") => Status::NotActive,
        _ => Status::Unreadable,
    }
}

/// The patient a Consent is of, as `Patient/id`.
pub(crate) fn patient(consent: &Json) -> Option<SmolStr> {
    let reference = Reference::parse(consent.text_at(&["patient", "reference"])?).ok()?;
    (reference.resource_type.as_str() == "Patient").then(|| format_smolstr!("{reference}"))
}

/// Reads a Consent whose status is active.
pub(crate) fn understand(consent: &Json) -> Result<Understood, Misunderstood> {
    shape::check(consent)?;
    let (privacy, research, scope_has_system) = scope(consent)?;
    let root = consent.get("provision").map(|root| provision(root, "provision", 1)).transpose()?;
    let verified = |entry: &Json| entry.get("verified").and_then(Json::as_bool) == Some(true);
    let verification = consent.items("verification");
    Ok(Understood {
        privacy,
        research,
        issued: issued(consent)?,
        identifiers: consent.items("identifier").iter().filter_map(identifier).collect(),
        base: base(consent, root.as_ref()),
        permits_void: !scope_has_system || !verification.is_empty() && !verification.iter().any(verified),
        root,
    })
}

fn scope(consent: &Json) -> Result<(bool, bool, bool), Misunderstood> {
    let scope = consent.get("scope").ok_or_else(|| Misunderstood::at("scope", "expected a scope"))?;
    let codings = codings(scope.items("coding"), "scope")?;
    if codings.is_empty() {
        return Err(Misunderstood::at("scope", "expected a coding"));
    }
    let named = |code: &str| codings.iter().any(|it| it.code == code && (it.system.is_none() || it.is(CONSENT_SCOPE)));
    Ok((named("patient-privacy"), named("research"), codings.iter().any(|it| it.is(CONSENT_SCOPE))))
}

fn issued(consent: &Json) -> Result<Option<(Instant, Instant)>, Misunderstood> {
    let Some(text) = consent.get("dateTime").and_then(Json::as_str) else { return Ok(None) };
    let date = PartialDateTime::parse(text).map_err(|_| Misunderstood::at("dateTime", "expected a date"))?;
    Ok(Some((date.earliest(), date.latest())))
}

/// Only an identifier that names its system can tell two versions of one instrument from two instruments.
fn identifier(identifier: &Json) -> Option<(SmolStr, SmolStr)> {
    let system = identifier.get("system").and_then(Json::as_str)?;
    let value = identifier.get("value").and_then(Json::as_str)?;
    Some((SmolStr::new(system), SmolStr::new(value)))
}

/// A code without a system counts only towards deny, as in a provision.
fn base(consent: &Json, root: Option<&Provision>) -> Base {
    let mut base = Base::Silent;
    for coding in consent.get("policyRule").map(|rule| rule.items("coding")).unwrap_or_default() {
        let system = coding.get("system").and_then(Json::as_str).map(canonical);
        let with_system = system == Some(ACT_CODE);
        if system.is_some() && !with_system {
            continue;
        }
        let root_permits = root.is_some_and(|root| root.rule == Some(Rule::Permit));
        let said = match coding.get("code").and_then(Json::as_str) {
            Some("OPTOUT" | "OPTOUTE") => Base::Deny,
            Some("OPTIN" | "OPTINR") if with_system && root_permits => Base::PermitBesidePermit,
            Some("OPTIN" | "OPTINR") if with_system => Base::Permit,
            Some("EMRGONLY") if with_system => Base::EmergencyOnly,
            Some("EMRGONLY") => Base::Deny,
            _ => Base::Silent,
        };
        base = match (base, said) {
            (Base::Deny, _) | (_, Base::Deny) => Base::Deny,
            (Base::EmergencyOnly, _) | (_, Base::EmergencyOnly) => Base::EmergencyOnly,
            (Base::Silent, said) => said,
            (base, _) => base,
        };
    }
    base
}

fn provision(json: &Json, path: &str, level: usize) -> Result<Provision, Misunderstood> {
    let fail = |name: &str, why: &'static str| Misunderstood::at(format!("{path}.{name}"), why);
    if level > MAX_LEVELS {
        return Err(Misunderstood::at(path, "expected at most eight levels of provisions"));
    }
    let rule = match json.get("type").and_then(Json::as_str) {
        Some("permit") => Some(Rule::Permit),
        Some("deny") => Some(Rule::Deny),
        None if level == 1 && json.get("type").is_none() => None,
        _ => return Err(fail("type", "expected permit or deny")),
    };
    let period = |name: &str| json.get(name).map(Span::read).transpose().map_err(|why| fail(name, why));
    let coded = |name: &str| match json.get(name) {
        None => Ok(None),
        Some(_) => codings(json.items(name), &format!("{path}.{name}")).map(Some),
    };
    let concepts = |name: &str| match json.get(name) {
        None => Ok(None),
        Some(_) => {
            let mut all = Vec::new();
            for concept in json.items(name) {
                let place = format!("{path}.{name}");
                let codes = codings(concept.items("coding"), &place)?;
                if codes.is_empty() {
                    return Err(Misunderstood::at(place, "expected a coding"));
                }
                all.extend(codes);
            }
            Ok(Some(all))
        }
    };
    let mut provisions = Vec::new();
    for (index, nested) in json.items("provision").iter().enumerate() {
        provisions.push(provision(nested, &format!("{path}.provision[{index}]"), level.saturating_add(1))?);
    }
    Ok(Provision {
        path: SmolStr::new(path),
        rule,
        period: period("period")?,
        actor: list(json, "actor", actor).map_err(|why| fail("actor", why))?,
        action: concepts("action")?,
        label: coded("securityLabel")?,
        purpose: coded("purpose")?,
        class: coded("class")?,
        code: concepts("code")?,
        data_period: period("dataPeriod")?,
        data: list(json, "data", data).map_err(|why| fail("data", why))?,
        provisions,
    })
}

fn list<T>(
    json: &Json,
    name: &str,
    read: impl Fn(&Json) -> Result<T, &'static str>,
) -> Result<Option<Vec<T>>, &'static str> {
    match json.get(name) {
        None => Ok(None),
        Some(_) => json.items(name).iter().map(read).collect::<Result<_, _>>().map(Some),
    }
}

fn codings(codings: &[Json], path: &str) -> Result<Vec<Code>, Misunderstood> {
    let read = |coding: &Json| {
        let code =
            coding.get("code").and_then(Json::as_str).ok_or_else(|| Misunderstood::at(path, "expected a code"))?;
        let system = coding.get("system").and_then(Json::as_str).map(|system| SmolStr::new(canonical(system)));
        Ok(Code { system, code: SmolStr::new(code) })
    };
    codings.iter().map(read).collect()
}

fn actor(json: &Json) -> Result<ActorEntry, &'static str> {
    let role = json.get("role").ok_or("expected a role")?;
    let mut kind = None;
    let mut role_has_system = false;
    for coding in role.items("coding") {
        let system = coding.get("system").and_then(Json::as_str).map(canonical);
        let known = system.is_none_or(|it| it == PARTICIPATION_TYPE || it == ROLE_CODE);
        let custodian = match coding.get("code").and_then(Json::as_str) {
            Some("IRCP" | "PRCP" | "GRANTEE" | "DELEGATEE") if known => false,
            Some("CST") if known => true,
            _ => continue,
        };
        if kind.is_some_and(|other| other != custodian) {
            return Err("expected one role, recipient or custodian");
        }
        kind = Some(custodian);
        role_has_system |= system.is_some();
    }
    let custodian = kind.ok_or("expected the role of a recipient or a custodian")?;
    let target = json.get("reference").ok_or("expected a reference")?;
    let reference = target.get("reference").and_then(Json::as_str);
    if reference.is_some_and(|it| it.starts_with('#')) {
        return Err("expected a reference that is not to a contained resource");
    }
    let value = target.text_at(&["identifier", "value"]).map(SmolStr::new);
    let system = target.text_at(&["identifier", "system"]).map(SmolStr::new);
    if reference.is_none() && value.is_none() {
        return Err("expected a reference or an identifier");
    }
    Ok(ActorEntry {
        custodian,
        role_has_system,
        reference: reference.map(unversioned),
        identifier: value.map(|value| (system, value)),
    })
}

fn data(json: &Json) -> Result<DataEntry, &'static str> {
    let meaning = match json.get("meaning").and_then(Json::as_str) {
        Some("instance") => Meaning::Instance,
        Some("related") => Meaning::Related,
        Some("dependents") => Meaning::Dependents,
        Some("authoredby") => Meaning::AuthoredBy,
        _ => return Err("expected instance, related, dependents or authoredby"),
    };
    match json.text_at(&["reference", "reference"]) {
        Some(reference) if !reference.starts_with('#') => Ok(DataEntry { meaning, reference: unversioned(reference) }),
        _ => Err("expected a literal reference"),
    }
}

#[cfg(test)]
mod tests;
