//! What a rule sees of the resource it looks at.

use model::json::Json;

use crate::resolve::Resolver;
use crate::validate::{Options, Validator};

/// One resource instance and what stands around it.
///
/// Rules get one for every resource: the root, each resource of a Bundle entry, of Parameters, each contained one.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'r> {
    /// Definitions and terminology.
    pub(crate) validator: &'r Validator,
    /// As the caller asked.
    pub(crate) options: &'r Options<'r>,
    /// The innermost Bundle around the resource, and the index of its entry.
    pub(crate) bundle: Option<(&'r Json, usize)>,
    /// The resource that contains this one, if it is contained.
    pub(crate) container: Option<&'r Json>,
    /// The resource itself.
    pub(crate) resource: &'r Json,
    /// Where references lead: made once from `root`.
    pub(crate) resolver: &'r Resolver<'r>,
}
