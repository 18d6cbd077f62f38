//! Static checks: what can be known to be wrong before any input is seen.
//!
//! FHIRPath 2.0.0, "Type Safety and Strict Evaluation".

mod infer;
mod known;

use crate::ast::Expr;
use crate::error::SemanticError;
use crate::types::Type;

/// How much is held against an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// What is wrong for every input: unknown functions, arguments of a type that cannot be, positions in
    /// collections that have no order (`children().first()`), and the JSON name of a choice (`valueQuantity`), which is
    /// never an element.
    Lenient,
    /// Also names that the types at hand do not have, and unknown types.
    Strict,
}

/// Checks an expression for inputs of a type; `None`: there is no input, or nothing is known of it.
pub(crate) fn check(expr: &Expr, of: Option<Type>, strictness: Strictness) -> Result<(), SemanticError> {
    infer::Checker::new(of, strictness).run(expr)
}
