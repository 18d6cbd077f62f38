//! Whether a code is in a value set, in three-valued logic.

use smol_str::SmolStr;

use crate::answer::{Coding, Membership, Reason};
use crate::code_system::fold;
use crate::concepts::{Concept, Concepts};
use crate::rule::Verdict;
use crate::service::{System, Terminology};
use crate::ucum;
use crate::value_set::{Clause, Content, Given, GivenCodes, ValueSet};

/// Bound on clauses looked at for one question; imports that share imports could otherwise grow without end.
const STEPS: usize = 10_000;
/// How deep value sets may import each other.
pub(crate) const DEPTH: usize = 32;

/// Decides for one coding.
pub(crate) fn member(terminology: &Terminology, value_set: &ValueSet, coding: &Coding<'_>) -> Membership {
    Question { terminology, coding, steps: STEPS, open: Vec::new() }.decide(value_set, value_set)
}

/// A question on its way through value sets that import each other.
struct Question<'q> {
    terminology: &'q Terminology,
    coding: &'q Coding<'q>,
    /// Clauses that may still be looked at.
    steps: usize,
    /// The value sets being decided, by address: one inside another of the same is a cycle.
    open: Vec<*const ValueSet>,
}

impl Question<'_> {
    /// Decides for a value set; `root` is the resource it stands in, whose contained value sets it may import.
    fn decide(&mut self, value_set: &ValueSet, root: &ValueSet) -> Membership {
        let address = std::ptr::from_ref(value_set);
        if self.open.contains(&address) {
            return Membership::Unknown(Reason::Cycle(value_set.url.clone()));
        }
        if self.open.len() >= DEPTH {
            return Membership::Unknown(Reason::Depth(DEPTH));
        }
        self.open.push(address);
        let composed = if value_set.includes.is_empty() {
            Membership::Unknown(Reason::Empty(value_set.url.clone()))
        } else {
            self.composed(value_set, root)
        };
        self.open.pop();
        match (composed, &value_set.given) {
            // The publisher's expansion answers where the definitions that are loaded do not.
            (Membership::Unknown(reason), Some(given)) => match given.member(self.coding) {
                Some(true) => Membership::In,
                Some(false) => Membership::NotIn,
                None => Membership::Unknown(match reason {
                    Reason::Empty(url) => Reason::Truncated(url),
                    other => other,
                }),
            },
            (answer, _) => answer,
        }
    }

    fn composed(&mut self, value_set: &ValueSet, root: &ValueSet) -> Membership {
        let included = self.any(&value_set.includes, value_set.inactive, root);
        if included == Membership::NotIn || value_set.excludes.is_empty() {
            return included;
        }
        match (included, self.any(&value_set.excludes, true, root)) {
            (_, Membership::In) => Membership::NotIn,
            (Membership::In, unknown @ Membership::Unknown(_)) => unknown,
            (included, _) => included,
        }
    }

    /// In if one clause holds it, out if none does.
    fn any(&mut self, clauses: &[Clause], inactive: bool, root: &ValueSet) -> Membership {
        let mut answer = Membership::NotIn;
        for clause in clauses {
            match self.clause(clause, inactive, root) {
                Membership::In => return Membership::In,
                Membership::NotIn => {}
                unknown @ Membership::Unknown(_) => answer = unknown,
            }
        }
        answer
    }

    fn clause(&mut self, clause: &Clause, inactive: bool, root: &ValueSet) -> Membership {
        match self.steps.checked_sub(1) {
            Some(left) => self.steps = left,
            None => return Membership::Unknown(Reason::Steps(STEPS)),
        }
        if let (Some(system), Some(asked)) = (&clause.system, self.coding.system)
            && system != asked
        {
            return Membership::NotIn;
        }
        if let (Some(version), Some(asked)) = (&clause.version, self.coding.version)
            && version != asked
        {
            return Membership::NotIn;
        }
        let mut answer = match (&clause.system, clause.imports.is_empty()) {
            // Without a system the imports alone say what is meant.
            (None, false) => Membership::In,
            (None, true) => Membership::NotIn,
            (Some(_), _) => clause.content_member(inactive, self.coding),
        };
        for import in &clause.imports {
            if answer == Membership::NotIn {
                break;
            }
            match self.imported(import, root) {
                Membership::In => {}
                Membership::NotIn => answer = Membership::NotIn,
                unknown @ Membership::Unknown(_) => answer = unknown,
            }
        }
        answer
    }

    fn imported(&mut self, import: &SmolStr, root: &ValueSet) -> Membership {
        match import.strip_prefix('#') {
            Some(id) => match root.contained.get(id) {
                Some(contained) => self.decide(contained, root),
                None => Membership::Unknown(Reason::ValueSet(import.clone())),
            },
            None => match self.terminology.value_set(import) {
                Ok(value_set) => self.decide(&value_set, &value_set),
                Err(reason) => Membership::Unknown(reason),
            },
        }
    }
}

impl Clause {
    fn content_member(&self, inactive: bool, coding: &Coding<'_>) -> Membership {
        match &self.content {
            Content::Listed(listed) => {
                if listed.find(coding.code).is_none() {
                    return Membership::NotIn;
                }
                match &self.resolved {
                    System::Loaded(concepts) if !inactive => match concepts.find(coding.code) {
                        Some(concept) if !concepts.active(concept) => Membership::NotIn,
                        _ => Membership::In,
                    },
                    _ => Membership::In,
                }
            }
            Content::All => match &self.resolved {
                System::Loaded(concepts) => self.found(concepts.as_ref(), inactive, coding, |_| true),
                System::Rule(rule) => match rule.check(coding.code) {
                    Verdict::Valid => Membership::In,
                    Verdict::Invalid(_) => Membership::NotIn,
                },
                _ => Membership::Unknown(self.missing()),
            },
            Content::Filtered { filters, selected } => match &self.resolved {
                System::Loaded(concepts) => self.found(concepts.as_ref(), inactive, coding, |concept| match selected {
                    Some(selected) => selected.contains(&concept),
                    None => filters.iter().all(|filter| filter.accepts(concepts.as_ref(), concept)),
                }),
                _ => Membership::Unknown(self.missing()),
            },
            Content::Commensurable(unit) => match ucum::comparable(coding.code, unit) {
                Ok(true) => Membership::In,
                Ok(false) | Err(_) => Membership::NotIn,
            },
            Content::Undecided(reason) => Membership::Unknown(reason.clone()),
        }
    }

    fn found(
        &self,
        concepts: &dyn Concepts,
        inactive: bool,
        coding: &Coding<'_>,
        accepts: impl FnOnce(Concept) -> bool,
    ) -> Membership {
        match concepts.find(coding.code) {
            Some(concept) if (inactive || concepts.active(concept)) && accepts(concept) => Membership::In,
            Some(_) => Membership::NotIn,
            None if concepts.rules_out(coding.code) => Membership::NotIn,
            None => Membership::Unknown(self.missing()),
        }
    }
}

impl Given {
    /// Whether the stored expansion has the code; none if it is silent.
    fn member(&self, coding: &Coding<'_>) -> Option<bool> {
        let has = |codes: &GivenCodes| codes.codes.contains(fold(coding.code, codes.case_sensitive).as_ref());
        let found = match coding.system {
            Some(system) => self.index.get(system).is_some_and(has),
            None => self.index.values().any(has),
        };
        if found || self.complete { Some(found) } else { None }
    }
}

#[cfg(test)]
mod tests;
