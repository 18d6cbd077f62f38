//! Why an expression gives no result.

use smol_str::SmolStr;

/// Evaluation stopped. No variant carries a value of the instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// More than one item where FHIRPath asks for one. FHIRPath 2.0.0, "Singleton Evaluation of Collections".
    #[error("{0}: expected a single item")]
    Singleton(SmolStr),
    /// An item of another type.
    #[error("{at}: expected {expected}")]
    Type {
        /// The function or operator.
        at: SmolStr,
        /// What it takes.
        expected: &'static str,
    },
    /// The expression itself is wrong for any input.
    #[error(transparent)]
    Semantic(#[from] SemanticError),
    /// A bound that keeps an expression from running for ever.
    #[error("expected an evaluation within its bound of {0}")]
    Limit(&'static str),
    /// What the expression asks for is not there: a profile, a clock.
    #[error("{0}")]
    NotAvailable(SmolStr),
}

/// The expression is well formed and still wrong: unknown names, wrong number of arguments, types that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SemanticError {
    /// What was expected, with the name at fault.
    pub message: SmolStr,
}

impl SemanticError {
    pub(crate) fn new(message: impl Into<SmolStr>) -> Self {
        Self { message: message.into() }
    }
}
