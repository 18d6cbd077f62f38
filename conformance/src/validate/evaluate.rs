//! FHIRPath with what a validator knows: value sets, profiles, references.

use fhirpath::{AsRule, Context, Node};
use model::json::Json;

use crate::resolve::Resolver;
use crate::scope::Scope;

use super::constraint::Asker;
use super::{Options, Validator};

impl Validator {
    /// Runs `evaluate` in the FHIRPath context of a resource: `memberOf`, `conformsTo` and `resolve` are answered from
    /// the definitions of this validator and from the resource itself.
    pub fn around<T>(&self, resource: &Json, evaluate: impl for<'r> FnOnce(Context<'r>, Node<'r>) -> T) -> T {
        let options = Options::default();
        let resolver = Resolver::of(resource);
        let scope =
            Scope { validator: self, options: &options, bundle: None, container: None, resource, resolver: &resolver };
        let asker = Asker { scope };
        evaluate(asker.context().with_as(AsRule::Single), Node::resource(resource))
    }
}
