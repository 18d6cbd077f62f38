//! Whether a code is in a value set, in three-valued logic.

use crate::answer::{Coding, Membership, Reason};
use crate::concepts::{Completeness, Concept, Concepts};
use crate::rule::Verdict;
use crate::service::System;
use crate::ucum;
use crate::value_set::{Clause, Content, Given, ValueSet};

/// Bound on clauses looked at for one question; imports that share imports could otherwise grow without end.
const STEPS: usize = 10_000;

/// Decides for one coding.
pub(crate) fn member(value_set: &ValueSet, coding: &Coding<'_>) -> Membership {
    let mut steps = STEPS;
    decide(value_set, coding, &mut steps)
}

/// Whether the excludes of a value set take a coding away.
pub(crate) fn excluded(value_set: &ValueSet, coding: &Coding<'_>) -> Membership {
    let mut steps = STEPS;
    any(&value_set.excludes, true, coding, &mut steps)
}

fn decide(value_set: &ValueSet, coding: &Coding<'_>, steps: &mut usize) -> Membership {
    let composed = if value_set.includes.is_empty() {
        Membership::Unknown(Reason::Empty(value_set.url.clone()))
    } else {
        composed(value_set, coding, steps)
    };
    match (composed, &value_set.given) {
        // The publisher's expansion answers where the definitions that are loaded do not.
        (Membership::Unknown(reason), Some(given)) => match given.member(coding) {
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

fn composed(value_set: &ValueSet, coding: &Coding<'_>, steps: &mut usize) -> Membership {
    let included = any(&value_set.includes, value_set.inactive, coding, steps);
    if included == Membership::NotIn || value_set.excludes.is_empty() {
        return included;
    }
    match (included, any(&value_set.excludes, true, coding, steps)) {
        (_, Membership::In) => Membership::NotIn,
        (Membership::In, unknown @ Membership::Unknown(_)) => unknown,
        (included, _) => included,
    }
}

/// In if one clause holds it, out if none does.
fn any(clauses: &[Clause], inactive: bool, coding: &Coding<'_>, steps: &mut usize) -> Membership {
    let mut answer = Membership::NotIn;
    for clause in clauses {
        match clause.member(inactive, coding, steps) {
            Membership::In => return Membership::In,
            Membership::NotIn => {}
            unknown @ Membership::Unknown(_) => answer = unknown,
        }
    }
    answer
}

impl Clause {
    fn member(&self, inactive: bool, coding: &Coding<'_>, steps: &mut usize) -> Membership {
        match steps.checked_sub(1) {
            Some(left) => *steps = left,
            None => return Membership::Unknown(Reason::Steps(STEPS)),
        }
        if let (Some(system), Some(asked)) = (&self.system, coding.system)
            && system != asked
        {
            return Membership::NotIn;
        }
        if let (Some(version), Some(asked)) = (&self.version, coding.version)
            && version != asked
        {
            return Membership::NotIn;
        }
        let mut answer = match (&self.system, self.imports.is_empty()) {
            // Without a system the imports alone say what is meant.
            (None, false) => Membership::In,
            (None, true) => Membership::NotIn,
            (Some(_), _) => self.content_member(inactive, coding),
        };
        for import in &self.imports {
            if answer == Membership::NotIn {
                break;
            }
            match import {
                Ok(value_set) => match decide(value_set, coding, steps) {
                    Membership::In => {}
                    Membership::NotIn => answer = Membership::NotIn,
                    unknown @ Membership::Unknown(_) => answer = unknown,
                },
                Err(reason) => answer = Membership::Unknown(reason.clone()),
            }
        }
        answer
    }

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
            None if concepts.completeness() == Completeness::Complete => Membership::NotIn,
            None => Membership::Unknown(self.missing()),
        }
    }
}

impl Given {
    /// Whether the stored expansion has the code; none if it is silent.
    fn member(&self, coding: &Coding<'_>) -> Option<bool> {
        let found = match coding.system {
            Some(system) => self.index.get(system).is_some_and(|codes| codes.contains_key(coding.code)),
            None => self.index.values().any(|codes| codes.contains_key(coding.code)),
        };
        if found || self.complete { Some(found) } else { None }
    }
}

#[cfg(test)]
mod tests;
