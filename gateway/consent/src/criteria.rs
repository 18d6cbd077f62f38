//! A provision's criteria, compiled: interned references and codes, bits for purposes, labels and actions.

use std::collections::HashMap;

use model::id::Identifier;
use smol_str::SmolStr;

use crate::facts::{ClassKind, ResourceFacts, class_key, coding_key};
use crate::from_fhir::{ActorEntry, Code, DataEntry, Meaning, Misunderstood, Provision, Rule, Span};
use crate::label::{Confidentiality, LabelCriterion};
use crate::request::{AccessRequest, Action, Purpose};
use crate::settings::{LabelCover, Settings};
use crate::vocabulary::{ACT_REASON, CONSENT_ACTION, LOINC, MIME, RESOURCE_TYPES, URI, purpose_with_descendants};

/// The number of a text that some compiled consent names.
pub(crate) type Id = u32;

/// Numbers for every text the compiled consents name; what is not here is named by none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(HashMap<SmolStr, Id>);

impl Names {
    fn add(&mut self, name: SmolStr) -> Id {
        let next = Id::try_from(self.0.len()).unwrap_or(Id::MAX);
        *self.0.entry(name).or_insert(next)
    }

    fn find(&self, name: &str) -> Option<Id> {
        self.0.get(name).copied()
    }

    fn find_all<'a>(&self, names: impl IntoIterator<Item = &'a SmolStr>) -> Vec<Id> {
        names.into_iter().filter_map(|name| self.find(name)).collect()
    }
}

/// Which parts of a resource any of the compiled consents asks for; the others are not looked up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Uses {
    pub(crate) codes: bool,
    pub(crate) classes: bool,
    pub(crate) data: bool,
}

/// A request in the numbers of the compiled consents: made once, however many resources are decided for it.
pub(crate) struct Asker<'a> {
    cover: LabelCover,
    identifiers: &'a [Identifier],
    actors: Vec<Id>,
    custodians: Option<Vec<Id>>,
    action: u8,
}

impl<'a> Asker<'a> {
    pub(crate) fn new(names: &Names, request: &'a AccessRequest, settings: &Settings) -> Self {
        let mut actors: Vec<Id> =
            request.actor.refs.iter().filter_map(|reference| names.find(unversioned(reference))).collect();
        for identifier in &request.actor.identifiers {
            actors.extend(names.find(&identifier_key(identifier.system.as_deref(), &identifier.value)));
        }
        Self {
            cover: settings.label_cover,
            identifiers: &request.actor.identifiers,
            actors,
            custodians: request.custodian.as_ref().map(|refs| names.find_all(refs)),
            action: action_bit(request.action),
        }
    }
}

/// A request and a resource in the numbers of the compiled consents: made once per decision.
pub(crate) struct View<'a> {
    pub(crate) facts: &'a ResourceFacts,
    pub(crate) effective: Confidentiality,
    asker: &'a Asker<'a>,
    codes: Vec<Id>,
    classes: Vec<Id>,
    own: Option<Id>,
    references: Vec<Id>,
    referrers: Vec<Id>,
    authors: Vec<Id>,
}

impl<'a> View<'a> {
    pub(crate) fn new(
        names: &Names,
        uses: Uses,
        asker: &'a Asker<'a>,
        facts: &'a ResourceFacts,
        settings: &Settings,
    ) -> Self {
        let when = |used: bool, list: &[SmolStr]| if used { names.find_all(list) } else { Vec::new() };
        let codes = match uses.codes {
            true => names.find_all(facts.codes.iter().filter_map(|found| found.key.as_ref())),
            false => Vec::new(),
        };
        Self {
            facts,
            effective: facts.labels.effective(settings.labelling),
            asker,
            codes,
            classes: when(uses.classes, &facts.classes),
            own: if uses.data { names.find(&facts.reference) } else { None },
            references: when(uses.data, &facts.references),
            referrers: when(uses.data, &facts.referrers),
            authors: when(uses.data, &facts.authors),
        }
    }

    pub(crate) fn asker(&self) -> &Asker<'a> {
        self.asker
    }
}

/// Purposes that are asked about together: one, or all of a request where the site has it so.
#[derive(Clone, Copy)]
pub(crate) struct Why<'a> {
    pub(crate) bits: u64,
    purposes: &'a [Purpose],
}

impl<'a> Why<'a> {
    pub(crate) fn new(purposes: &'a [Purpose]) -> Self {
        Self { bits: purposes.iter().fold(0, |bits, purpose| bits | purpose.bit()), purposes }
    }

    pub(crate) fn has_patient_request(&self) -> bool {
        self.purposes.iter().any(Purpose::is_patient_request)
    }
}

/// The criteria that hold for one provision: its own, and those it inherits because it does not give them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Criteria {
    purpose: Option<PurposeCriterion>,
    action: Option<u8>,
    label: Option<LabelCriterion>,
    class: Option<ClassCriterion>,
    code: Option<Vec<CodeEntry>>,
    actor: Option<ActorCriterion>,
    data: Option<Vec<(Meaning, Id)>>,
    data_period: Option<Span>,
    /// The purposes name break-glass or emergency treatment themselves, not by a wider code.
    pub(crate) names_emergency: bool,
}

#[derive(Clone, Debug, Default)]
struct PurposeCriterion {
    known: u64,
    /// Codes that are compared as text; without a system by code alone.
    others: Vec<Code>,
}

#[derive(Clone, Debug, Default)]
struct ClassCriterion {
    keys: Vec<Id>,
    /// A class of a system that is not supported: in a deny every resource is of it.
    always: bool,
}

#[derive(Clone, Debug)]
struct CodeEntry {
    key: Option<Id>,
    code: SmolStr,
}

#[derive(Clone, Debug, Default)]
struct ActorCriterion {
    recipients: Vec<Id>,
    /// Identifiers without a system, in a deny.
    values: Vec<SmolStr>,
    custodians: Vec<Id>,
    /// A custodian named by an identifier alone, in a deny: holders are known by reference only.
    some_custodian: bool,
}

impl Criteria {
    /// Compiles the criteria of a provision whose inherited criteria are already filled in.
    pub(crate) fn compile(
        provision: &Provision,
        rule: Rule,
        names: &mut Names,
        uses: &mut Uses,
    ) -> Result<Self, Misunderstood> {
        let in_a_deny = rule == Rule::Deny;
        let counts = |code: &&Code| in_a_deny || code.system.is_some();
        let mut criteria = Self { data_period: provision.data_period, ..Self::default() };
        if let Some(listed) = &provision.purpose {
            let mut criterion = PurposeCriterion::default();
            for code in listed.iter().filter(counts) {
                let reason = code.system.is_none() || code.is(ACT_REASON);
                if reason {
                    criterion.known |= purpose_with_descendants(&code.code);
                    criteria.names_emergency |= matches!(code.code.as_str(), "BTG" | "ETREAT");
                }
                criterion.others.push(code.clone());
            }
            criteria.purpose = Some(criterion);
        }
        if let Some(listed) = &provision.action {
            let known = listed.iter().filter(counts).filter(|code| code.system.is_none() || code.is(CONSENT_ACTION));
            let bits = known.filter_map(|code| Action::parse(&code.code).ok()).map(action_bit);
            criteria.action = Some(bits.fold(0, |all, bit| all | bit));
        }
        if let Some(listed) = &provision.label {
            let mut criterion = LabelCriterion::default();
            for code in listed {
                criterion.list(code.system.as_deref(), &code.code, in_a_deny).map_err(|()| {
                    Misunderstood::at(
                        format!("{}.securityLabel", provision.path),
                        "expected a known confidentiality code",
                    )
                })?;
            }
            criteria.label = Some(criterion);
        }
        if let Some(listed) = &provision.class {
            uses.classes = true;
            let mut criterion = ClassCriterion::default();
            for code in listed.iter().filter(counts) {
                criterion.list(code, in_a_deny, names);
            }
            criteria.class = Some(criterion);
        }
        if let Some(listed) = &provision.code {
            uses.codes = true;
            let entry = |code: &Code| CodeEntry {
                key: code.system.as_ref().map(|system| names.add(coding_key(system, &code.code))),
                code: code.code.clone(),
            };
            criteria.code = Some(listed.iter().filter(counts).map(entry).collect());
        }
        if let Some(listed) = &provision.actor {
            let mut criterion = ActorCriterion::default();
            for entry in listed.iter().filter(|entry| in_a_deny || entry.role_has_system) {
                criterion.list(entry, in_a_deny, names);
            }
            criteria.actor = Some(criterion);
        }
        if let Some(listed) = &provision.data {
            uses.data = true;
            let entry = |entry: &DataEntry| (entry.meaning, names.add(entry.reference.clone()));
            criteria.data = Some(listed.iter().map(entry).collect());
        }
        Ok(criteria)
    }

    /// Whether the criteria hold that rest on the request alone.
    pub(crate) fn hold_for(&self, rule: Rule, why: Why<'_>, asker: &Asker<'_>) -> bool {
        self.purpose.as_ref().is_none_or(|it| it.holds(why))
            && self.action.is_none_or(|bits| bits & asker.action != 0)
            && self.actor.as_ref().is_none_or(|it| it.holds(rule == Rule::Deny, asker))
    }

    /// Whether the others hold. The cheap ones come first.
    pub(crate) fn hold_of(&self, rule: Rule, view: &View<'_>) -> bool {
        let in_a_deny = rule == Rule::Deny;
        self.label.as_ref().is_none_or(|it| match rule {
            Rule::Deny => it.denies(&view.facts.labels, view.effective),
            Rule::Permit => it.permits(&view.facts.labels, view.effective, view.asker.cover),
        }) && self.class.as_ref().is_none_or(|it| it.always || any_of(&it.keys, &view.classes))
            && self.data_period.is_none_or(|period| match (&view.facts.time, rule) {
                (None, rule) => rule == Rule::Deny,
                (Some(time), Rule::Deny) => period.overlaps(time),
                (Some(time), Rule::Permit) => period.covers(time),
            })
            && self.code.as_ref().is_none_or(|it| it.iter().any(|entry| entry.holds(in_a_deny, view)))
            && self.data.as_ref().is_none_or(|it| it.iter().any(|entry| data_holds(*entry, in_a_deny, view)))
    }
}

impl PurposeCriterion {
    fn holds(&self, why: Why<'_>) -> bool {
        let is = |listed: &Code, purpose: &Purpose| {
            listed.code == purpose.code() && listed.system.as_deref().is_none_or(|system| system == purpose.system())
        };
        self.known & why.bits != 0
            || self.others.iter().any(|listed| why.purposes.iter().any(|purpose| is(listed, purpose)))
    }
}

impl ClassCriterion {
    fn list(&mut self, code: &Code, in_a_deny: bool, names: &mut Names) {
        let text = code.code.as_str();
        let uncased = text.to_ascii_lowercase();
        let canonical = text.split('|').next().unwrap_or_default();
        let base_type = canonical.strip_prefix("http://hl7.org/fhir/StructureDefinition/");
        let all = [
            (ClassKind::Type, text),
            (ClassKind::Profile, canonical),
            (ClassKind::Type, base_type.unwrap_or(text)),
            (ClassKind::Mime, uncased.as_str()),
            (ClassKind::Document, text),
        ];
        let kinds = match code.system.as_deref() {
            None => &all[..],
            Some(RESOURCE_TYPES | "http://hl7.org/fhir/fhir-types") => all.get(..1).unwrap_or_default(),
            Some(URI) => all.get(1..if base_type.is_some() { 3 } else { 2 }).unwrap_or_default(),
            Some(MIME) => all.get(3..4).unwrap_or_default(),
            Some(LOINC) => all.get(4..5).unwrap_or_default(),
            Some(_) => {
                self.always |= in_a_deny;
                &[]
            }
        };
        self.keys.extend(kinds.iter().map(|(kind, code)| names.add(class_key(*kind, code))));
    }
}

impl CodeEntry {
    fn holds(&self, in_a_deny: bool, view: &View<'_>) -> bool {
        match self.key {
            Some(key) if view.codes.contains(&key) => true,
            // Neither a listed code without a system nor one in the resource says what it is of: by code, to deny.
            Some(_) => in_a_deny && view.facts.codes.iter().any(|found| found.key.is_none() && found.code == self.code),
            None => in_a_deny && view.facts.codes.iter().any(|found| found.code == self.code),
        }
    }
}

impl ActorCriterion {
    fn list(&mut self, entry: &ActorEntry, in_a_deny: bool, names: &mut Names) {
        let ids = if entry.custodian { &mut self.custodians } else { &mut self.recipients };
        ids.extend(entry.reference.as_ref().map(|reference| names.add(reference.clone())));
        match &entry.identifier {
            Some(_) if entry.custodian => self.some_custodian |= in_a_deny && entry.reference.is_none(),
            Some((Some(system), value)) => ids.push(names.add(identifier_key(Some(system), value))),
            Some((None, value)) if in_a_deny => self.values.push(value.clone()),
            _ => {}
        }
    }

    fn holds(&self, in_a_deny: bool, asker: &Asker<'_>) -> bool {
        any_of(&self.recipients, &asker.actors)
            || self.values.iter().any(|value| asker.identifiers.iter().any(|own| own.value == *value))
            || self.some_custodian
            || match &asker.custodians {
                Some(custodians) => any_of(&self.custodians, custodians),
                None => in_a_deny && !self.custodians.is_empty(),
            }
    }
}

fn data_holds((meaning, target): (Meaning, Id), in_a_deny: bool, view: &View<'_>) -> bool {
    let own = view.own == Some(target);
    let refers_to_it = view.references.contains(&target);
    // What other resources say was not looked up: a deny takes it that they say so.
    let unknown = in_a_deny && !view.facts.linked;
    match meaning {
        Meaning::Instance => own,
        Meaning::Dependents => own || refers_to_it,
        Meaning::Related => own || refers_to_it || unknown || view.referrers.contains(&target),
        // No author at all is an author that is not known, as with a missing date.
        Meaning::AuthoredBy => unknown || in_a_deny && view.facts.authors.is_empty() || view.authors.contains(&target),
    }
}

fn any_of(listed: &[Id], present: &[Id]) -> bool {
    listed.iter().any(|id| present.contains(id))
}

fn unversioned(reference: &str) -> &str {
    reference.split_once("/_history/").map_or(reference, |(instance, _)| instance)
}

/// Identifiers are told from references by the separator, which no reference holds.
fn identifier_key(system: Option<&str>, value: &str) -> SmolStr {
    coding_key(system.unwrap_or_default(), value)
}

fn action_bit(action: Action) -> u8 {
    match action {
        Action::Access => 1,
        Action::Disclose => 2,
        Action::Collect => 4,
        Action::Use => 8,
        Action::Correct => 16,
    }
}
