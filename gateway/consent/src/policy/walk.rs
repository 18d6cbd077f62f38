//! The way through the provisions of one consent.

use model::time::Instant;
use smol_str::SmolStr;

use crate::criteria::{Asker, Criteria, View, Why};
use crate::from_fhir::{Rule, Span};
use crate::settings::{Inheritance, Settings};

#[derive(Clone, Debug)]
pub(super) struct Node {
    /// `None`: a root without a type, which decides nothing itself.
    pub(super) rule: Option<Rule>,
    pub(super) criteria: Criteria,
    /// What this one or one above replaced of the criteria further up: they must hold too where the site has set
    /// [`Inheritance::Narrow`].
    pub(super) replaced: Vec<Criteria>,
    pub(super) period: Option<Span>,
    /// The place behind the last node below this one.
    pub(super) end: usize,
    pub(super) path: SmolStr,
}

/// By the places of consents and of their provisions what can hold for a request; `None`: the consent is not in force.
pub(crate) struct Plan(pub(super) Vec<Option<Box<[bool]>>>);

impl Plan {
    pub(crate) fn of(&self, place: usize) -> Option<&[bool]> {
        self.0.get(place)?.as_deref()
    }
}

/// What one consent says to one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict<'a> {
    pub(crate) rule: Rule,
    pub(crate) path: &'a SmolStr,
    /// A deny that names break-glass or emergency treatment itself.
    pub(crate) bars_break_glass: bool,
}

/// One way through the provisions of a consent.
pub(super) struct Walk<'a, 'v> {
    pub(super) nodes: &'a [Node],
    pub(super) permits_void: bool,
    pub(super) why: Why<'v>,
    pub(super) view: &'v View<'v>,
    pub(super) settings: &'v Settings,
    pub(super) now: Instant,
    pub(super) planned: Option<&'v [bool]>,
}

impl Node {
    /// Whether this provision can decide, as far as that rests on the request alone.
    pub(super) fn can_hold(
        &self,
        permits_void: bool,
        why: Why<'_>,
        asker: &Asker<'_>,
        settings: &Settings,
        now: Instant,
    ) -> bool {
        let Some(rule) = self.rule.filter(|rule| *rule == Rule::Deny || !permits_void) else { return false };
        self.period.is_none_or(|period| period.contains(now))
            && self.counting(rule, settings).all(|criteria| criteria.hold_for(rule, why, asker))
    }

    /// The criteria that must hold. A deny keeps its reach: what narrows must not let anything out.
    fn counting(&self, rule: Rule, settings: &Settings) -> impl Iterator<Item = &Criteria> {
        let narrowed = rule == Rule::Permit && settings.inheritance == Inheritance::Narrow;
        let replaced: &[Criteria] = if narrowed { &self.replaced } else { &[] };
        std::iter::once(&self.criteria).chain(replaced)
    }
}

impl<'a> Walk<'a, '_> {
    /// The deepest provision that matches decides; where several below one provision match, a deny does.
    pub(super) fn down(&self, place: usize) -> Option<Verdict<'a>> {
        let node = self.nodes.get(place)?;
        if !node.period.is_none_or(|period| period.contains(self.now)) {
            return None;
        }
        let mut found: Option<Verdict<'a>> = None;
        let mut child = place.saturating_add(1);
        while child < node.end {
            if let Some(verdict) = self.down(child) {
                found = Some(found.map_or(verdict, |other| stronger(other, verdict)));
            }
            child = self.nodes.get(child).map_or(node.end, |node| node.end);
        }
        if found.is_some() {
            return found;
        }
        let can_hold = match self.planned {
            Some(planned) => planned.get(place).copied().unwrap_or_default(),
            None => node.can_hold(self.permits_void, self.why, self.view.asker(), self.settings, self.now),
        };
        let rule = node.rule.filter(|_| can_hold)?;
        let holds = node.counting(rule, self.settings).all(|criteria| criteria.hold_of(rule, self.view));
        holds.then(|| Verdict {
            rule,
            path: &node.path,
            bars_break_glass: rule == Rule::Deny && node.criteria.names_emergency,
        })
    }
}

fn stronger<'a>(one: Verdict<'a>, other: Verdict<'a>) -> Verdict<'a> {
    let rank = |verdict: &Verdict<'_>| (verdict.rule == Rule::Deny, verdict.bars_break_glass);
    if rank(&other) > rank(&one) { other } else { one }
}
