//! A compiled expression.

use std::fmt;
use std::sync::Arc;

use crate::ast::Expr;
use crate::check::{self, Strictness};
use crate::context::{AsRule, Context};
use crate::error::{EvalError, SemanticError};
use crate::eval::{Evaluator, Items, Scope};
use crate::item::Item;
use crate::node::Node;
use crate::parse::{self, SyntaxError};
use crate::types::Type;

/// A compiled expression; cheap to clone, and free to share between threads.
#[derive(Clone)]
pub struct Expression(Arc<Compiled>);

struct Compiled {
    text: String,
    expr: Expr,
}

impl Expression {
    /// Reads an expression. FHIRPath 2.0.0, appendix "Formal Specifications".
    ///
    /// # Errors
    /// What was expected and where; an expression that is nested too deeply or too long is one, too.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let expr = parse::expression(text)?;
        Ok(Self(Arc::new(Compiled { text: text.to_owned(), expr })))
    }

    /// The text as it was read.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The value for a collection of items; an empty one is an evaluation without a resource.
    ///
    /// # Errors
    /// As FHIRPath asks for, and when a bound of the context is reached.
    pub fn evaluate<'a>(&self, context: &Context<'a>, focus: &[Item<'a>]) -> Result<Vec<Item<'a>>, EvalError> {
        let evaluator = Evaluator::new(context, focus);
        let mut items = Items::new();
        evaluator.each(&self.0.expr, &Scope::of(focus), &mut |item| evaluator.gather(&mut items, item))?;
        Ok(items.into_vec())
    }

    /// The value for an element as a Boolean, or none if it is empty; makes no collection.
    ///
    /// A single item that is no Boolean is true. FHIRPath 2.0.0, "Singleton Evaluation of Collections".
    ///
    /// # Errors
    /// Those of [`Expression::evaluate`], and several items.
    pub fn truth<'a>(&self, context: &Context<'a>, node: Node<'a>) -> Result<Option<bool>, EvalError> {
        let focus = [Item::Node(node)];
        Evaluator::new(context, &focus).truth(&self.0.expr, &Scope::of(&focus))
    }

    /// Whether an element meets an invariant: a result that is empty or false does not.
    ///
    /// `as` takes several items here, as the invariants of R4 ask for. FHIR R4 elementdefinition.html,
    /// `constraint.expression`.
    ///
    /// # Errors
    /// Those of [`Expression::truth`].
    pub fn test<'a>(&self, context: &Context<'a>, node: Node<'a>) -> Result<bool, EvalError> {
        let truth = match context.as_rule {
            AsRule::Each => self.truth(context, node),
            AsRule::Single => self.truth(&context.clone().with_as(AsRule::Each), node),
        };
        Ok(truth? == Some(true))
    }

    /// Looks for what is wrong for every input of a type; `None`: nothing is known of the input.
    ///
    /// # Errors
    /// The first fault found.
    pub fn check(&self, of: Option<Type>, strictness: Strictness) -> Result<(), SemanticError> {
        check::check(&self.0.expr, of, strictness)
    }
}

/// The expression in one way of writing it: reads back as the same expression.
impl fmt::Display for Expression {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0.expr)
    }
}

/// The same tree, however it was written.
impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.0.expr == other.0.expr
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Expression({:?})", self.0.text)
    }
}
