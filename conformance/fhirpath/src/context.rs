//! What surrounds an evaluation: variables, outside knowledge, the time, bounds.

use std::cell::OnceCell;

use model::time::Instant;
use smol_str::SmolStr;

use crate::item::Item;
use crate::node::Node;

/// What only the caller knows. Every answer may be «not known»: `None`.
pub trait Host<'a> {
    /// The resource a reference leads to, beyond contained resources and the entries of the Bundle around.
    ///
    /// A target that is known by its type only may be answered as `Node::new(None, None, Type)`: `resolve() is Patient`
    /// then holds.
    fn resolve(&self, _reference: &str, _from: &Node<'a>) -> Option<Node<'a>> {
        None
    }

    /// Whether a code, Coding or CodeableConcept is in a value set.
    fn member_of(&self, _code: &Item<'a>, _value_set: &str) -> Option<bool> {
        None
    }

    /// Whether an element conforms to a profile.
    fn conforms_to(&self, _node: &Node<'a>, _profile: &str) -> Option<bool> {
        None
    }

    /// Whether the first code is the second or more general.
    fn subsumes(&self, _general: &Item<'a>, _special: &Item<'a>) -> Option<bool> {
        None
    }

    /// Whether an element belongs to a slice of a profile.
    fn is_in_slice(&self, _node: &Node<'a>, _profile: &str, _slice: &str) -> Option<bool> {
        None
    }

    /// The ElementDefinition of an element.
    fn element_definition(&self, _node: &Node<'a>) -> Option<Node<'a>> {
        None
    }

    /// Whether the text is XHTML as a Narrative may have it.
    fn is_narrative(&self, _xhtml: &str) -> Option<bool> {
        None
    }

    /// What `trace` was given.
    fn trace(&self, _name: &str, _items: &[Item<'a>]) {}
}

/// A host that knows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHost;

impl Host<'_> for NoHost {}

/// What `as` does with several items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AsRule {
    /// An error. FHIRPath 2.0.0, "as".
    #[default]
    Single,
    /// Each for itself, as invariants and search parameters of R4 take it to be. `String`, `Boolean` and the like then
    /// also stand for the primitives of FHIR.
    Each,
}

/// Bounds of one evaluation.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Items looked at.
    pub steps: u64,
    /// Items of a collection.
    pub items: usize,
    /// Bytes of a text that is made.
    pub text_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { steps: 20_000_000, items: 1_000_000, text_bytes: 4 << 20 }
    }
}

/// What surrounds an evaluation.
#[derive(Clone)]
pub struct Context<'a> {
    pub(crate) root_resource: Option<Node<'a>>,
    pub(crate) resource: Option<Node<'a>>,
    pub(crate) variables: Vec<(SmolStr, Vec<Item<'a>>)>,
    pub(crate) host: &'a dyn Host<'a>,
    pub(crate) now: Option<Instant>,
    pub(crate) limits: Limits,
    pub(crate) as_rule: AsRule,
    /// All below `%resource`, once they have been asked for.
    pub(crate) descendants: OnceCell<Vec<Node<'a>>>,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Context")
            .field("limits", &self.limits)
            .field("as_rule", &self.as_rule)
            .finish_non_exhaustive()
    }
}

impl Default for Context<'_> {
    fn default() -> Self {
        Self {
            root_resource: None,
            resource: None,
            variables: Vec::new(),
            host: &NoHost,
            now: None,
            limits: Limits::default(),
            as_rule: AsRule::Single,
            descendants: OnceCell::new(),
        }
    }
}

impl<'a> Context<'a> {
    /// Around a resource that stands for itself: `%resource` and `%rootResource`.
    pub fn new(resource: Node<'a>) -> Self {
        Self { root_resource: Some(resource), resource: Some(resource), ..Self::default() }
    }

    /// Around a resource inside another: a contained resource (`%rootResource` is its container) or a Bundle's entry.
    #[must_use]
    pub fn with_root(mut self, root: Node<'a>) -> Self {
        self.root_resource = Some(root);
        self
    }

    /// Asks this host for what the tree does not say.
    #[must_use]
    pub fn with_host(mut self, host: &'a dyn Host<'a>) -> Self {
        self.host = host;
        self
    }

    /// The time of `now()`, `today()` and `timeOfDay()`; without it they are errors.
    #[must_use]
    pub fn with_now(mut self, now: Instant) -> Self {
        self.now = Some(now);
        self
    }

    /// A variable `%name`.
    #[must_use]
    pub fn with_variable(mut self, name: &str, items: Vec<Item<'a>>) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((SmolStr::new(name), items));
        self
    }

    /// Other bounds.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What `as` does with several items.
    #[must_use]
    pub fn with_as(mut self, rule: AsRule) -> Self {
        self.as_rule = rule;
        self
    }
}
