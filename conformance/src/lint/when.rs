//! Conditions as logic: what follows from what, and what contradicts itself.
//!
//! A row's `when` is a conjunction. Only conclusions that hold for every message are drawn; where nothing can be
//! proven the answer is no.

use super::view::Row;

/// A place in a segment or value: `OBX-5.1`, `CX.4.2`; 0 where it does not go that deep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct At {
    /// `OBX-5`, or the datatype (`CX`).
    pub(super) head: String,
    repetition: u32,
    steps: [u32; 2],
}

impl At {
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let first = parts.next().filter(|first| !first.is_empty())?;
        let (head, repetition) = match first.split_once('[') {
            Some((head, rest)) => (head, rest.strip_suffix(']')?.parse().ok()?),
            None => (first, 0),
        };
        let mut step = || parts.next().map_or(Some(0), |text| text.parse().ok());
        let steps = [step()?, step()?];
        Some(Self { head: head.to_owned(), repetition, steps })
    }

    /// Segment and number of the field, for a place in a segment.
    pub(super) fn field(&self) -> Option<(&str, u32)> {
        let (segment, field) = self.head.split_once('-')?;
        Some((segment, field.parse().ok()?))
    }

    /// Numbers of component and subcomponent.
    pub(super) fn parts(&self) -> [u32; 2] {
        self.steps
    }

    /// Whether the other place is this one or lies in it.
    fn holds(&self, other: &At) -> bool {
        let [component, subcomponent] = self.steps;
        let [other_component, other_subcomponent] = other.steps;
        self.head == other.head
            && (self.repetition == 0 || self.repetition == other.repetition)
            && (component == 0 || component == other_component)
            && (subcomponent == 0 || subcomponent == other_subcomponent)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Exists,
    /// Lower case.
    In(Vec<String>),
    /// `number`, `compared`, `timestamp`, `time`.
    Form(String),
    Repeats,
    Role,
}

/// One term of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) negated: bool,
    pub(super) at: At,
    pub(super) test: Test,
}

impl Term {
    fn turned(&self) -> Self {
        Self { negated: !self.negated, ..self.clone() }
    }
}

/// The terms of a condition; what the loader refuses is left out.
pub(super) fn terms(when: &str) -> Vec<Term> {
    when.split(" and ").map(str::trim).filter(|piece| !piece.is_empty()).filter_map(term).collect()
}

fn term(piece: &str) -> Option<Term> {
    let (negated, piece) = match piece.strip_prefix('!') {
        Some(piece) => (true, piece),
        None => (false, piece),
    };
    let lower = |values: &str| values.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>();
    let (negated, place, test) = if let Some(role) = piece.strip_prefix('@') {
        let at = At { head: format!("@{role}"), repetition: 0, steps: [0, 0] };
        return Some(Term { negated, at, test: Test::Role });
    } else if let Some((form, place)) = piece.split_once('(') {
        let place = place.strip_suffix(')')?;
        (negated, place, if form == "repeats" { Test::Repeats } else { Test::Form(form.to_owned()) })
    } else if let Some((place, values)) = piece.split_once(" in ") {
        (negated, place, Test::In(lower(values)))
    } else if let Some((place, value)) = piece.split_once("!=") {
        (true, place, Test::In(lower(value)))
    } else if let Some((place, value)) = piece.split_once('=') {
        (negated, place, Test::In(lower(value)))
    } else {
        (negated, piece, Test::Exists)
    };
    Some(Term { negated, at: At::read(place.trim())?, test })
}

/// What is true whenever a row gives a value: its condition, and that its source is there.
pub(super) fn facts(row: &Row) -> Vec<Term> {
    let mut facts = terms(row.cell("when"));
    let source = row.cell("source");
    if !matches!(source, "const" | "default" | "id") && !source.starts_with('@') {
        facts.extend(At::read(source).map(|at| Term { negated: false, at, test: Test::Exists }));
    }
    facts
}

/// Whether the term is true whenever all the facts are.
pub(super) fn implies(facts: &[Term], wanted: &Term) -> bool {
    facts.iter().any(|fact| follows(fact, wanted))
}

/// Two terms that cannot both be true, if there are any.
pub(super) fn contradiction(facts: &[Term]) -> Option<(&Term, &Term)> {
    facts.iter().find_map(|fact| {
        let other = facts.iter().find(|other| follows(fact, &other.turned()))?;
        Some((fact, other))
    })
}

fn follows(fact: &Term, wanted: &Term) -> bool {
    if fact == wanted {
        return true;
    }
    let same = fact.at == wanted.at;
    // Nothing there: no value, no form, no second repetition.
    let absent = fact.negated && fact.test == Test::Exists && fact.at.holds(&wanted.at);
    match (&wanted.test, wanted.negated) {
        (Test::Exists, false) => {
            !fact.negated && fact.test != Test::Role && wanted.at.holds(&fact.at) && !asks_for_nothing(&fact.test)
        }
        (Test::Exists, true) => absent,
        (Test::In(wanted), false) => match &fact.test {
            Test::In(given) => same && !fact.negated && given.iter().all(|value| wanted.contains(value)),
            _ => false,
        },
        (Test::In(wanted), true) => match &fact.test {
            Test::In(given) if !fact.negated => same && !given.iter().any(|value| wanted.contains(value)),
            Test::In(given) => same && wanted.iter().all(|value| given.contains(value)),
            _ => absent,
        },
        (Test::Form(wanted), true) => {
            let excluded = |given: &str| {
                matches!(
                    (given, wanted.as_str()),
                    ("number", "compared") | ("compared", "number" | "timestamp" | "time")
                )
            };
            absent || matches!(&fact.test, Test::Form(given) if same && !fact.negated && excluded(given))
        }
        (Test::Repeats, true) => absent,
        (Test::Form(_) | Test::Repeats | Test::Role, _) => false,
    }
}

/// `PLACE=` with nothing after it is true where nothing stands.
fn asks_for_nothing(test: &Test) -> bool {
    matches!(test, Test::In(values) if values.iter().any(String::is_empty) || values.is_empty())
}

impl std::fmt::Display for Term {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let not = if self.negated { "!" } else { "" };
        let mut place = self.at.head.clone();
        for step in self.at.steps.iter().filter(|step| **step > 0) {
            place.push_str(&format!(".{step}"));
        }
        match &self.test {
            Test::Exists | Test::Role => write!(formatter, "{not}{place}"),
            Test::In(values) => write!(formatter, "{not}{place} in {}", values.join(" ").to_uppercase()),
            Test::Form(form) => write!(formatter, "{not}{form}({place})"),
            Test::Repeats => write!(formatter, "{not}repeats({place})"),
        }
    }
}
