//! The decision: one resource, one request, every consent that counts.

use model::time::Instant;
use smol_str::{SmolStr, ToSmolStr};

use crate::criteria::{Asker, View, Why};
use crate::facts::ResourceFacts;
use crate::from_fhir::Rule;
use crate::label::Confidentiality;
use crate::obligation::Obligations;
use crate::policy::{Compiled, Plan, Policies};
use crate::request::{AccessRequest, Action};
use crate::settings::{BtgMode, ImplicitPolicy, Purposes, Settings};
use crate::vocabulary::TREATMENT;

/// A declaration with a shorter reason is none.
const SHORTEST_REASON: usize = 10;

/// The role that treats: whom the implicit policy `permit-treatment` is for.
const CLINICIAN: &str = "clinician";

/// What was decided and why. The trace is for audit and ledger, never for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Permit or deny.
    pub effect: Effect,
    /// The provisions that decided, of every consent that had a say.
    pub matched: Vec<Matched>,
    /// Break-glass was needed and used.
    pub btg: bool,
    /// The version of the sensitivity map that labelled the resource, where one did.
    pub map: Option<SmolStr>,
}

/// The outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Released, if the obligations are met.
    Permit(Obligations),
    /// Withheld.
    Deny(Reason),
}

/// Why something is withheld; the first that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The request names nobody.
    NoActor,
    /// The request names no purpose.
    NoPurpose,
    /// The resource belongs to no patient and is not of the directory.
    NoPatient,
    /// A consent of the patient denies.
    Consent,
    /// A policy of the site denies.
    AdminPolicy,
    /// An active consent could not be understood.
    Indeterminate,
    /// No consent decides, and the implicit policy does not cover it.
    ImplicitPolicy,
    /// Its selection rested on something withheld.
    Selection,
}

impl Reason {
    /// A short word for traces and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoActor => "no-actor",
            Self::NoPurpose => "no-purpose",
            Self::NoPatient => "no-patient",
            Self::Consent => "consent",
            Self::AdminPolicy => "admin-policy",
            Self::Indeterminate => "indeterminate-consent",
            Self::ImplicitPolicy => "implicit-policy",
            Self::Selection => "selected-by-withheld",
        }
    }
}

/// A provision that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// The id of the Consent.
    pub consent: SmolStr,
    /// Its version, if it says one.
    pub version: Option<SmolStr>,
    /// The provision (`provision.provision[0]`), `policyRule`, or the place that was not understood.
    pub path: SmolStr,
    /// What it said: permit, deny or indeterminate.
    pub said: &'static str,
}

impl Decision {
    /// Whether the resource may be released.
    pub fn is_permit(&self) -> bool {
        matches!(self.effect, Effect::Permit(_))
    }

    /// What is owed for a release; nothing for a deny.
    pub fn obligations(&self) -> Obligations {
        match &self.effect {
            Effect::Permit(obligations) => obligations.clone(),
            Effect::Deny(_) => Obligations::default(),
        }
    }

    pub(crate) fn deny(reason: Reason) -> Self {
        Self { effect: Effect::Deny(reason), matched: Vec::new(), btg: false, map: None }
    }
}

/// Decides whether a resource may be released to a request. Pure and total: every input has a decision.
///
/// Every patient the resource names and every purpose of the request must be permitted, unless the site has set
/// [`Purposes::Any`]. Time is an argument; periods
/// of consents and the limit of a break-glass declaration are taken at `now`.
pub fn decide(
    policies: &Policies,
    request: &AccessRequest,
    facts: &ResourceFacts,
    settings: &Settings,
    now: Instant,
) -> Decision {
    let asker = Asker::new(policies.names(), request, settings);
    decided(policies, request, settings, now, &asker, &[], facts)
}

/// One request, made ready to decide many resources: what rests on the request alone is looked at once.
pub(crate) struct Prepared<'a> {
    policies: &'a Policies,
    request: &'a AccessRequest,
    settings: &'a Settings,
    now: Instant,
    asker: Asker<'a>,
    plans: Vec<Plan>,
}

impl<'a> Prepared<'a> {
    pub(crate) fn new(
        policies: &'a Policies,
        request: &'a AccessRequest,
        settings: &'a Settings,
        now: Instant,
    ) -> Self {
        let asker = Asker::new(policies.names(), request, settings);
        let plans = purposes(request, settings).map(|why| policies.plan(why, &asker, settings, now)).collect();
        Self { policies, request, settings, now, asker, plans }
    }

    /// As [`decide`].
    pub(crate) fn decide(&self, facts: &ResourceFacts) -> Decision {
        decided(self.policies, self.request, self.settings, self.now, &self.asker, &self.plans, facts)
    }
}

/// The purposes that are decided one by one, or together.
fn purposes<'a>(request: &'a AccessRequest, settings: &Settings) -> impl Iterator<Item = Why<'a>> + use<'a> {
    let together = match settings.purposes {
        Purposes::Every => 1,
        Purposes::Any => request.purposes.len().max(1),
    };
    request.purposes.chunks(together).map(Why::new)
}

fn decided(
    policies: &Policies,
    request: &AccessRequest,
    settings: &Settings,
    now: Instant,
    asker: &Asker<'_>,
    plans: &[Plan],
    facts: &ResourceFacts,
) -> Decision {
    if request.actor.refs.is_empty() && request.actor.identifiers.is_empty() {
        return Decision::deny(Reason::NoActor);
    }
    if request.purposes.is_empty() {
        return Decision::deny(Reason::NoPurpose);
    }
    let view = View::new(policies.names(), policies.uses(), asker, facts, settings);
    let asked = Asked { policies, request, settings, view, now, plans };
    let mut trace = Trace::new(policies.len());
    if facts.patients.is_empty() {
        return match facts.is_directory() {
            true => asked.of_the_directory(trace),
            false => Decision::deny(Reason::NoPatient),
        };
    }
    let mut btg = false;
    for patient in &facts.patients {
        for (why, plan) in asked.purposes() {
            match asked.about(patient, why, plan, &mut trace) {
                Ok(overridden) => btg |= overridden,
                Err(reason) => {
                    return Decision { effect: Effect::Deny(reason), matched: trace.found, btg: false, map: None };
                }
            }
            trace.again = true;
        }
    }
    let obligations = match (&request.btg, btg) {
        (Some(declared), true) => Obligations::of_break_glass(declared.started.after(settings.btg_ttl)),
        _ => Obligations::default(),
    };
    Decision { effect: Effect::Permit(obligations), matched: trace.found, btg, map: None }
}

struct Asked<'a> {
    policies: &'a Policies,
    request: &'a AccessRequest,
    settings: &'a Settings,
    view: View<'a>,
    now: Instant,
    /// One for each of the purposes that are decided; none for a single decision.
    plans: &'a [Plan],
}

impl Asked<'_> {
    fn purposes(&self) -> impl Iterator<Item = (Why<'_>, Option<&Plan>)> {
        purposes(self.request, self.settings).enumerate().map(|(place, why)| (why, self.plans.get(place)))
    }

    fn of_the_directory(&self, mut trace: Trace) -> Decision {
        for (why, plan) in self.purposes() {
            let heard = self.hear(self.policies.of_the_site(), why, plan, &mut trace);
            trace.again = true;
            if let Some(reason) = heard.denied {
                return Decision { effect: Effect::Deny(reason), matched: trace.found, btg: false, map: None };
            }
        }
        Decision { effect: Effect::Permit(Obligations::default()), matched: trace.found, btg: false, map: None }
    }

    /// Whether one patient permits these purposes; `Ok(true)` if only by break-glass.
    fn about(&self, patient: &str, why: Why<'_>, plan: Option<&Plan>, trace: &mut Trace) -> Result<bool, Reason> {
        if self.is_patient_themselves(patient, why) {
            let heard = self.hear(self.policies.of_the_site(), why, plan, trace);
            return heard.denied.map_or(Ok(false), Err);
        }
        let heard = self.hear(self.policies.of_patient(patient), why, plan, trace);
        let reason = match heard.denied {
            None if heard.permitted || self.implicitly_permits(why) => return Ok(false),
            None => Reason::ImplicitPolicy,
            Some(reason) => reason,
        };
        let overrides = !heard.bars_break_glass
            && self.view.effective < Confidentiality::VeryRestricted
            && self.breaks_glass_for(patient);
        if overrides { Ok(true) } else { Err(reason) }
    }

    /// Asks every consent; any deny denies, else any permit permits.
    fn hear<'p>(
        &self,
        consents: impl Iterator<Item = (usize, &'p Compiled)>,
        why: Why<'_>,
        plan: Option<&Plan>,
        trace: &mut Trace,
    ) -> Heard {
        let mut heard = Heard::default();
        for (place, consent) in consents {
            let body = match &consent.body {
                Ok(body) => body,
                Err(why) => {
                    heard.denied = heard.denied.or(Some(Reason::Indeterminate));
                    trace.note(consent, &why.at.to_smolstr(), "indeterminate");
                    continue;
                }
            };
            let planned = plan.map(|plan| plan.of(place));
            if planned == Some(None) {
                continue;
            }
            let planned = planned.flatten();
            let Some(verdict) = body.decide(why, &self.view, self.settings, self.now, planned) else { continue };
            match verdict.rule {
                Rule::Permit => {
                    heard.permitted = true;
                    trace.note(consent, verdict.path, "permit");
                }
                Rule::Deny => {
                    let reason = if consent.admin { Reason::AdminPolicy } else { Reason::Consent };
                    heard.denied = heard.denied.filter(|it| *it != Reason::Indeterminate).or(Some(reason));
                    heard.bars_break_glass |= verdict.bars_break_glass;
                    trace.note(consent, verdict.path, "deny");
                }
            }
        }
        heard
    }

    fn implicitly_permits(&self, why: Why<'_>) -> bool {
        let clinician = || self.request.actor.roles.iter().any(|role| role == CLINICIAN);
        let covered = match self.settings.implicit_policy {
            ImplicitPolicy::Deny => false,
            ImplicitPolicy::PermitTreatment => clinician() && why.bits & *TREATMENT != 0,
            ImplicitPolicy::PermitAll => true,
        };
        covered && self.view.effective <= Confidentiality::Normal
    }

    /// The patient asks for their own data, with a token that is bound to them.
    fn is_patient_themselves(&self, patient: &str, why: Why<'_>) -> bool {
        let actor = &self.request.actor;
        let Some(bound) = &actor.bound_patient else { return false };
        let may = match self.request.action {
            Action::Access => true,
            Action::Correct => self.view.facts.resource_type == "Consent",
            Action::Disclose | Action::Collect | Action::Use => false,
        };
        may && why.has_patient_request()
            && (bound == patient || actor.bound_records.iter().any(|record| record == patient))
            && actor.refs.iter().any(|reference| reference == bound)
            && self.view.effective < Confidentiality::VeryRestricted
    }

    fn breaks_glass_for(&self, patient: &str) -> bool {
        let Some(declared) = &self.request.btg else { return false };
        let btg_alone = matches!(self.request.purposes.as_slice(), [purpose] if purpose.is_btg());
        self.settings.btg == BtgMode::Override
            && declared.declared
            && btg_alone
            && declared.reason.trim().chars().count() >= SHORTEST_REASON
            && self.request.actor.emergency_authorised
            && self.request.action == Action::Access
            && self.request.interaction.reads_a_record()
            && self.request.patient.as_deref() == Some(patient)
            && declared.started <= self.now
            && self.now.since(declared.started) <= self.settings.btg_ttl
    }
}

#[derive(Default)]
struct Heard {
    permitted: bool,
    denied: Option<Reason>,
    bars_break_glass: bool,
}

struct Trace {
    found: Vec<Matched>,
    /// Another patient or purpose was asked about before: what it said may come again.
    again: bool,
}

impl Trace {
    fn new(consents: usize) -> Self {
        Self { found: Vec::with_capacity(consents.min(16)), again: false }
    }

    fn note(&mut self, consent: &Compiled, path: &SmolStr, said: &'static str) {
        let same = |it: &Matched| it.consent == consent.id && it.path == *path && it.said == said;
        if !self.again || !self.found.iter().any(same) {
            self.found.push(Matched {
                consent: consent.id.clone(),
                version: consent.version.clone(),
                path: path.clone(),
                said,
            });
        }
    }
}

#[cfg(test)]
mod tests;
