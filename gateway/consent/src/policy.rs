//! Consents and admin policies, compiled once and asked many times.

use std::collections::HashMap;

use model::json::Json;
use model::time::Instant;
use smol_str::SmolStr;

use crate::criteria::{Asker, Criteria, Names, Uses, View, Why};
use crate::from_fhir::{self, Base, Meaning, Misunderstood, Provision, Rule, Status};
use crate::settings::{BasePolicy, Settings};
use crate::vocabulary::{EMERGENCY, RESEARCH};

mod walk;

use walk::{Node, Walk};
pub(crate) use walk::{Plan, Verdict};

/// The place of what holds where no provision decides.
static POLICY_RULE: SmolStr = SmolStr::new_static("policyRule");

/// The extension that marks a Consent without patient as a policy of the site.
const ADMIN_POLICY: &str = "urn:gateway:consent:admin-policy";

/// Whether a Consent is a policy of the site: no patient, and the extension that says so.
pub fn is_admin_policy(consent: &Json) -> bool {
    let marked = |extension: &Json| {
        extension.get("url").and_then(Json::as_str) == Some(ADMIN_POLICY)
            && extension.get("valueBoolean").and_then(Json::as_bool) == Some(true)
    };
    consent.get("patient").is_none() && consent.items("extension").iter().any(marked)
}

/// The consents of one or more patients and the policies of the site, compiled.
///
/// Holds no clinical data, only what the consents name. Compile anew when a Consent is written; what changes with
/// time alone ([`Policies::next_change`]) needs no new compilation.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    consents: Vec<Compiled>,
    by_patient: HashMap<SmolStr, Vec<usize>>,
    /// Admin policies, and consents whose patient cannot be read: they count for everybody.
    everybody: Vec<usize>,
    names: Names,
    uses: Uses,
    related: Vec<SmolStr>,
    authors: bool,
}

/// One consent.
#[derive(Clone, Debug)]
pub(crate) struct Compiled {
    pub(crate) id: SmolStr,
    pub(crate) version: Option<SmolStr>,
    pub(crate) admin: bool,
    pub(crate) body: Result<Body, Misunderstood>,
}

/// What an understood consent says.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    privacy: bool,
    research: bool,
    issued: Option<(Instant, Instant)>,
    identifiers: Vec<(SmolStr, SmolStr)>,
    patient: Option<SmolStr>,
    /// Newer versions of the same instrument: the first moment at which one of them is issued.
    superseded_from: Option<Instant>,
    base: Base,
    permits_void: bool,
    /// The provisions in document order; the root first.
    nodes: Vec<Node>,
}

impl Policies {
    /// Compiles consents of patients and policies of the site.
    ///
    /// Consents that are not active are left out. One that is active and not understood is kept as such: it denies.
    /// A marked admin policy among the consents counts as one.
    pub fn compile(consents: &[Json], admin: &[Json]) -> Self {
        let mut policies = Self::default();
        for consent in consents {
            policies.add(consent, is_admin_policy(consent));
        }
        for policy in admin {
            policies.add(policy, true);
        }
        policies.supersede();
        policies
    }

    /// Instances whose references decide: give them to [`crate::Links`], with what refers to them in force.
    pub fn related_instances(&self) -> impl Iterator<Item = &str> {
        self.related.iter().map(SmolStr::as_str)
    }

    /// Whether any rule asks for related or authored data, so that resources have to be linked before a decision.
    pub fn asks_for_links(&self) -> bool {
        self.uses.data
    }

    /// Whether any rule asks who data come from, so that Provenances that target a resource belong into its
    /// [`crate::Links`].
    pub fn asks_for_authors(&self) -> bool {
        self.authors
    }

    /// Consents that are active and could not be understood: their id and what was expected where.
    pub fn misunderstood(&self) -> impl Iterator<Item = (&str, &Misunderstood)> {
        self.consents.iter().filter_map(|it| it.body.as_ref().err().map(|why| (it.id.as_str(), why)))
    }

    /// How many consents and policies were compiled.
    pub fn len(&self) -> usize {
        self.consents.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.consents.is_empty()
    }

    /// The next moment at which a consent or one of its provisions begins or ends to be in force.
    pub fn next_change(&self, now: Instant) -> Option<Instant> {
        let bodies = self.consents.iter().filter_map(|it| it.body.as_ref().ok());
        let after = |moment: Instant| Instant::from_millis(moment.millis().saturating_add(1));
        let moments = bodies.flat_map(|body| {
            let periods = body.nodes.iter().filter_map(|node| node.period);
            let edges = periods.flat_map(|period| [period.from, after(period.to)]);
            edges.chain(body.issued.map(|(earliest, _)| earliest)).chain(body.superseded_from).collect::<Vec<_>>()
        });
        moments.filter(|moment| *moment > now).min()
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    pub(crate) fn uses(&self) -> Uses {
        self.uses
    }

    /// What counts for a patient: their consents and what counts for everybody; each with its place.
    pub(crate) fn of_patient(&self, patient: &str) -> impl Iterator<Item = (usize, &Compiled)> {
        let own = self.by_patient.get(patient).into_iter().flatten();
        own.chain(&self.everybody).filter_map(|place| Some((*place, self.consents.get(*place)?)))
    }

    /// The policies of the site, each with its place.
    pub(crate) fn of_the_site(&self) -> impl Iterator<Item = (usize, &Compiled)> {
        let everybody = self.everybody.iter().filter_map(|place| Some((*place, self.consents.get(*place)?)));
        everybody.filter(|(_, it)| it.admin)
    }

    /// What of every consent can still hold for a request, whatever the resource: for many resources at once.
    pub(crate) fn plan(&self, why: Why<'_>, asker: &Asker<'_>, settings: &Settings, now: Instant) -> Plan {
        let of = |compiled: &Compiled| {
            let body = compiled.body.as_ref().ok()?;
            if !body.in_force(why, now) {
                return None;
            }
            let node = |node: &Node| node.can_hold(body.permits_void, why, asker, settings, now);
            Some(body.nodes.iter().map(node).collect())
        };
        Plan(self.consents.iter().map(of).collect())
    }

    fn add(&mut self, consent: &Json, admin: bool) {
        let status = from_fhir::status(consent);
        if status == Status::NotActive {
            return;
        }
        let patient = from_fhir::patient(consent);
        let body = match status {
            Status::Active => self.body(consent, admin, patient.clone()),
            _ => Err(Misunderstood::at("status", "expected a status of FHIR R4")),
        };
        let place = self.consents.len();
        // A consent in the form of R5 names its patient elsewhere; it is not understood, and denies that patient's data.
        let whose = patient.or_else(|| r5_patient(consent)).filter(|_| !admin);
        match whose {
            Some(patient) => self.by_patient.entry(patient).or_default().push(place),
            None => self.everybody.push(place),
        }
        self.consents.push(Compiled {
            id: SmolStr::new(consent.get("id").and_then(Json::as_str).unwrap_or_default()),
            version: consent.text_at(&["meta", "versionId"]).map(SmolStr::new),
            admin,
            body,
        });
    }

    fn body(&mut self, consent: &Json, admin: bool, patient: Option<SmolStr>) -> Result<Body, Misunderstood> {
        let understood = from_fhir::understand(consent)?;
        if patient.is_none() && (!admin || consent.get("patient").is_some()) {
            return Err(Misunderstood::at("patient", "expected a reference to a Patient"));
        }
        let mut nodes = Vec::new();
        if let Some(root) = understood.root {
            self.flatten(root, &[], &mut nodes)?;
        }
        Ok(Body {
            privacy: understood.privacy,
            research: understood.research,
            issued: understood.issued,
            identifiers: understood.identifiers,
            patient,
            superseded_from: None,
            base: understood.base,
            permits_void: understood.permits_void,
            nodes,
        })
    }

    /// Puts a provision and those below it in order; each inherits the criteria it does not give itself.
    fn flatten(
        &mut self,
        provision: Provision,
        replaced: &[Provision],
        nodes: &mut Vec<Node>,
    ) -> Result<(), Misunderstood> {
        for entry in provision.data.iter().flatten() {
            self.authors |= entry.meaning == Meaning::AuthoredBy;
            if entry.meaning == Meaning::Related && !self.related.contains(&entry.reference) {
                self.related.push(entry.reference.clone());
            }
        }
        let compiled_as = provision.rule.unwrap_or(Rule::Deny);
        let criteria = Criteria::compile(&provision, compiled_as, &mut self.names, &mut self.uses)?;
        let compile = |above: &Provision| Criteria::compile(above, compiled_as, &mut self.names, &mut self.uses);
        let above = replaced.iter().map(compile).collect::<Result<_, _>>()?;
        let place = nodes.len();
        nodes.push(Node {
            rule: provision.rule,
            criteria,
            replaced: above,
            period: provision.period,
            end: 0,
            path: provision.path.clone(),
        });
        for mut nested in provision.provisions.iter().cloned() {
            let replaced: Vec<Provision> = replaced.iter().cloned().chain(replaces(&nested, &provision)).collect();
            inherit(&mut nested, &provision);
            self.flatten(nested, &replaced, nodes)?;
        }
        let end = nodes.len();
        if let Some(node) = nodes.get_mut(place) {
            node.end = end;
        }
        Ok(())
    }

    /// Among consents of one patient that share a business identifier the latest counts. Two that cannot be put in
    /// order, because a date is missing or too coarse, both count.
    fn supersede(&mut self) {
        let understood = |it: &Compiled| it.body.as_ref().ok().cloned();
        let bodies: Vec<(usize, Body)> = self
            .consents
            .iter()
            .enumerate()
            .filter_map(|(place, it)| understood(it).map(|body| (place, body)))
            .collect();
        let bodies: Vec<&(usize, Body)> = bodies.iter().filter(|(_, body)| !body.identifiers.is_empty()).collect();
        for (place, body) in &bodies {
            let later = bodies.iter().filter(|(other, newer)| other != place && newer.replaces(body));
            let from = later.filter_map(|(_, newer)| newer.issued.map(|(earliest, _)| earliest)).min();
            if let Some(Ok(body)) = self.consents.get_mut(*place).map(|it| it.body.as_mut()) {
                body.superseded_from = from;
            }
        }
    }
}

fn inherit(nested: &mut Provision, parent: &Provision) {
    fn take<T: Clone>(own: &mut Option<T>, inherited: &Option<T>) {
        if own.is_none() {
            own.clone_from(inherited);
        }
    }
    take(&mut nested.actor, &parent.actor);
    take(&mut nested.action, &parent.action);
    take(&mut nested.label, &parent.label);
    take(&mut nested.purpose, &parent.purpose);
    take(&mut nested.class, &parent.class);
    take(&mut nested.code, &parent.code);
    take(&mut nested.data_period, &parent.data_period);
    take(&mut nested.data, &parent.data);
}

/// The criteria of the provision above that a nested one gives anew; `None` if there are none.
fn replaces(nested: &Provision, parent: &Provision) -> Option<Provision> {
    fn both<T: Clone>(own: &Option<T>, above: &Option<T>) -> Option<T> {
        own.as_ref().and(above.clone())
    }
    let replaced = Provision {
        path: parent.path.clone(),
        actor: both(&nested.actor, &parent.actor),
        action: both(&nested.action, &parent.action),
        label: both(&nested.label, &parent.label),
        purpose: both(&nested.purpose, &parent.purpose),
        class: both(&nested.class, &parent.class),
        code: both(&nested.code, &parent.code),
        data_period: both(&nested.data_period, &parent.data_period),
        data: both(&nested.data, &parent.data),
        ..Provision::default()
    };
    let none = Provision { path: parent.path.clone(), ..Provision::default() };
    (replaced != none).then_some(replaced)
}

fn r5_patient(consent: &Json) -> Option<SmolStr> {
    let subject = consent.text_at(&["subject", "reference"])?;
    subject.starts_with("Patient/").then(|| crate::facts::unversioned(subject))
}

impl Body {
    fn replaces(&self, older: &Self) -> bool {
        let same = self.patient == older.patient && self.identifiers.iter().any(|it| older.identifiers.contains(it));
        let later = match (self.issued, older.issued) {
            (Some((earliest, _)), Some((_, latest))) => latest < earliest,
            _ => false,
        };
        same && later
    }

    fn in_force(&self, why: Why<'_>, now: Instant) -> bool {
        let research = why.bits & *RESEARCH != 0;
        (self.privacy || self.research && research)
            && self.issued.is_none_or(|(earliest, _)| earliest <= now)
            && self.superseded_from.is_none_or(|from| from > now)
            && self.nodes.first().is_none_or(|root| root.period.is_none_or(|period| period.contains(now)))
    }

    /// What the consent says; `None` if it is silent or not in force.
    pub(crate) fn decide<'a>(
        &'a self,
        why: Why<'_>,
        view: &View<'_>,
        settings: &Settings,
        now: Instant,
        planned: Option<&[bool]>,
    ) -> Option<Verdict<'a>> {
        if planned.is_none() && !self.in_force(why, now) {
            return None;
        }
        let permits_void = self.permits_void;
        let asked = Walk { nodes: &self.nodes, permits_void, why, view, settings, now, planned };
        if let Some(verdict) = asked.down(0) {
            return Some(verdict);
        }
        let emergency = why.bits & *EMERGENCY != 0;
        let rule = match self.base {
            Base::Silent => return None,
            Base::PermitBesidePermit => match settings.base_policy {
                BasePolicy::Guarded => return None,
                BasePolicy::Literal => Rule::Permit,
            },
            Base::Deny => Rule::Deny,
            Base::Permit => Rule::Permit,
            Base::EmergencyOnly if emergency => Rule::Permit,
            Base::EmergencyOnly => Rule::Deny,
        };
        let holds = rule == Rule::Deny || !self.permits_void;
        holds.then_some(Verdict { rule, path: &POLICY_RULE, bars_break_glass: false })
    }
}

#[cfg(test)]
mod tests;
