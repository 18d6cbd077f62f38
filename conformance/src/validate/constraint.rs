//! Invariants: FHIRPath that has to be true of an element. FHIR R4 elementdefinition.html, "constraint".

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use definitions::profile::{Constraint, ConstraintSeverity};
use fhirpath::{AsRule, Context, EvalError, Expression, Host, Item};
use model::outcome::{Issue, Severity};
use smallvec::SmallVec;
use smol_str::SmolStr;
use terminology::{Coding, Membership};

use crate::place::Place;
use crate::scope::Scope;

use super::node::Node;
use super::walk::{Claims, Walk};

/// A constraint, made ready once however many elements carry it.
pub(crate) struct Rule {
    key: SmolStr,
    severity: ConstraintSeverity,
    human: String,
    best_practice: bool,
    /// Whether it uses functions of texts, or asks for a type. They are empty for an absent value, by FHIRPath, where
    /// expressions of R4 (`fullUrl.contains('/_history/').not()`) take them to be false: an empty result is no breach.
    asks_texts: bool,
    /// None: the expression is no FHIRPath.
    expression: Option<Expression>,
}

/// The constraints of a validator by their key and expression.
#[derive(Default)]
pub(crate) struct Rules {
    known: Mutex<HashMap<(SmolStr, String), Arc<Rule>>>,
}

/// Checked with the form (`structure`) or by a rule of the resource (`rules`), however they are written.
const ELSEWHERE: [&str; 7] = ["ele-1", "ext-1", "dom-2", "dom-3", "dom-4", "dom-5", "ref-1"];

const TEXTS: [&str; 5] = [".contains(", ".startsWith(", ".endsWith(", ".matches(", " is "];

impl Rules {
    /// A constraint made ready; none for those that are checked elsewhere.
    pub(crate) fn compile(&self, constraint: &Constraint) -> Option<Arc<Rule>> {
        let text = constraint.expression.as_deref()?;
        if ELSEWHERE.contains(&&*constraint.key) {
            return None;
        }
        let make = || {
            Arc::new(Rule {
                key: constraint.key.clone(),
                severity: constraint.severity,
                human: constraint.human.clone(),
                best_practice: constraint.best_practice,
                asks_texts: TEXTS.iter().any(|function| text.contains(function)),
                expression: Expression::parse(text).ok(),
            })
        };
        match self.known.lock() {
            Ok(mut known) => {
                let name = (constraint.key.clone(), text.to_owned());
                Some(Arc::clone(known.entry(name).or_insert_with(make)))
            }
            Err(_) => Some(make()),
        }
    }
}

impl<'r> Walk<'r> {
    /// The invariants of all definitions that apply to a value, each once.
    pub(super) fn constraints(&mut self, node: &Node<'r>, claims: &Claims, place: &Place<'_>) {
        if claims.iter().all(|claim| claim.rules().is_empty()) {
            return;
        }
        let asker = Asker { scope: self.scope };
        let context = asker.context();
        let mut done: SmallVec<[&Arc<Rule>; 8]> = SmallVec::new();
        for claim in claims {
            for rule in claim.rules() {
                if done.iter().any(|known| Arc::ptr_eq(known, rule)) {
                    continue;
                }
                done.push(rule);
                // A warning cannot make anything invalid.
                if self.asking > 0 && (rule.severity == ConstraintSeverity::Warning || rule.best_practice) {
                    continue;
                }
                let holds = holds(rule, &context, node);
                if holds != Ok(true) {
                    let source = claim.plan.canonical();
                    self.broken(rule, holds.err(), source, place);
                }
            }
        }
    }

    fn broken(&mut self, rule: &Rule, error: Option<EvalError>, source: &str, place: &Place<'_>) {
        let severity = match (&error, rule.severity) {
            (Some(EvalError::NotAvailable(_) | EvalError::Limit(_)), _) => Severity::Information,
            // The fault is the expression's: it takes what may repeat for a single value.
            (Some(_), _) => Severity::Warning,
            _ if rule.best_practice && self.scope.options.best_practice => Severity::Warning,
            _ if rule.best_practice => Severity::Information,
            (_, ConstraintSeverity::Error) => Severity::Error,
            (_, ConstraintSeverity::Warning) => Severity::Warning,
        };
        let text = match error {
            None => format!("{}: {}", rule.key, rule.human),
            Some(error) => format!("{}: {} (not evaluated: {error})", rule.key, rule.human),
        };
        self.report.problem(Issue::new(severity, "invariant", text).rule(source), place);
    }

    /// Whether a FHIRPath from the resource selects an element.
    pub(super) fn is_selected(&self, expression: &str, node: &Node<'r>) -> bool {
        let Ok(expression) = Expression::parse(expression) else { return true };
        let asker = Asker { scope: self.scope };
        let resource = fhirpath::Node::resource(self.scope.resource);
        let Ok(found) = expression.evaluate(&asker.context(), &[Item::Node(resource)]) else { return true };
        let own = node.path();
        found.iter().any(|item| match item {
            Item::Node(found) => found.is_same(&own),
            Item::Boolean(holds) => *holds,
            _ => false,
        })
    }

    /// Whether an invariant of an extension's context holds: of the element that has it, with `%extension` for itself.
    pub(super) fn is_allowed(&self, invariant: &str, owner: &Node<'r>, extension: &Node<'r>) -> bool {
        let Ok(expression) = Expression::parse(invariant) else { return true };
        let asker = Asker { scope: self.scope };
        let context = asker.context().with_variable("extension", vec![Item::Node(extension.path())]);
        expression.truth(&context, owner.path()).map_or(true, |found| found == Some(true))
    }
}

fn holds<'a>(rule: &Rule, context: &Context<'a>, node: &Node<'a>) -> Result<bool, EvalError> {
    let Some(expression) = &rule.expression else {
        return Err(EvalError::NotAvailable(SmolStr::new_static("the expression is no FHIRPath")));
    };
    let found = expression.truth(context, node.path())?;
    Ok(found == Some(true) || rule.asks_texts && found.is_none())
}

/// Answers what an expression asks of the world around its resource.
pub(crate) struct Asker<'r> {
    pub(crate) scope: Scope<'r>,
}

impl<'r> Asker<'r> {
    pub(crate) fn context(&'r self) -> Context<'r> {
        let context = Context::new(fhirpath::Node::resource(self.scope.resource)).with_as(AsRule::Each).with_host(self);
        match self.scope.container {
            Some(container) => context.with_root(fhirpath::Node::resource(container)),
            None => context,
        }
    }
}

impl<'r> Host<'r> for Asker<'r> {
    fn resolve(&self, reference: &str, _from: &fhirpath::Node<'r>) -> Option<fhirpath::Node<'r>> {
        self.scope.resolver.resolve(&self.scope, reference).resource().map(fhirpath::Node::resource)
    }

    fn member_of(&self, code: &Item<'r>, value_set: &str) -> Option<bool> {
        let terminology = self.scope.validator.terminology();
        let answers = match code {
            Item::String(code) => vec![terminology.member(value_set, &Coding::code(code))],
            Item::Node(node) => {
                let value = node.value()?;
                match value.as_str() {
                    Some(code) => vec![terminology.member(value_set, &Coding::code(code))],
                    None => {
                        let codings = value.items("coding");
                        let codings = if codings.is_empty() { std::slice::from_ref(value) } else { codings };
                        let codings = codings.iter().filter_map(super::binding::coding);
                        codings.map(|coding| terminology.member(value_set, &coding)).collect()
                    }
                }
            }
            _ => return None,
        };
        if answers.contains(&Membership::In) {
            return Some(true);
        }
        answers.iter().all(|answer| *answer == Membership::NotIn).then_some(false)
    }

    fn conforms_to(&self, node: &fhirpath::Node<'r>, profile: &str) -> Option<bool> {
        let plan = self.scope.validator.plans().profile(profile).ok()?;
        let node = Node::of(node)?;
        Some(Walk::new(self.scope).conforms(node, &plan))
    }

    fn is_narrative(&self, xhtml: &str) -> Option<bool> {
        Some(super::form::is_narrative(xhtml))
    }
}
