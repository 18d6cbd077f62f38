//! Expressions as trees.

use std::sync::OnceLock;

use model::types::Shape;
use regex::Regex;
use rust_decimal::Decimal;
use smol_str::SmolStr;

use crate::function::Function;
use crate::node::Lookup;
use crate::quantity::Quantity;
use crate::temporal::{Date, DateTime, Time};
use crate::types::TypeName;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    /// `{}`.
    Empty,
    Boolean(bool),
    Integer(i64),
    Decimal(Decimal),
    String(SmolStr),
    Date(Date),
    DateTime(DateTime),
    Time(Time),
    Quantity(Box<Quantity>),
    This,
    Index,
    Total,
    Variable(Variable),
    Member(Box<Member>),
    Call(Box<Call>),
    Index0(Box<(Expr, Expr)>),
    Negate(Box<Expr>),
    /// Unary plus.
    Plus(Box<Expr>),
    Binary(Box<(Operator, Expr, Expr)>),
    /// `a | b | c`.
    Union(Vec<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Is(Box<(Expr, TypeName)>),
    As(Box<(Expr, TypeName)>),
}

/// What a `%name` stands for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Variable {
    Resource,
    RootResource,
    Context,
    /// `%ucum`, `%vs-…`: the name as written and its value.
    Constant(SmolStr, SmolStr),
    Named(SmolStr),
}

/// `base.name`, or `name` of what is at hand.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) base: Option<Expr>,
    pub(crate) name: SmolStr,
    /// Whether it may name the type of what is at hand: the first step, with a capital.
    pub(crate) may_be_type: bool,
    pub(crate) seen: Seen,
}

impl PartialEq for Member {
    fn eq(&self, other: &Self) -> bool {
        self.base == other.base && self.name == other.name
    }
}

/// How the name is found in the shape met first; a step nearly always meets one shape only.
#[derive(Clone, Default)]
pub(crate) struct Seen(OnceLock<(&'static Shape, Lookup)>);

impl std::fmt::Debug for Seen {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Seen")
    }
}

impl Seen {
    /// How the name is found in a shape, if that is the one met first.
    pub(crate) fn lookup(&self, shape: &'static Shape, name: &str) -> Option<Lookup> {
        let (seen, lookup) = self.0.get_or_init(|| (shape, Lookup::of(shape, name)));
        std::ptr::eq(*seen, shape).then_some(*lookup)
    }
}

/// `base.function(arguments)`, or a function of what is at hand.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) base: Option<Expr>,
    pub(crate) function: Function,
    /// As written; differs from the function's own only if that is unknown.
    pub(crate) name: SmolStr,
    pub(crate) arguments: Vec<Expr>,
    /// Of `is`, `as` and `ofType`.
    pub(crate) type_name: Option<TypeName>,
    /// Of `sort`: which keys go down.
    pub(crate) descending: Vec<bool>,
    /// The regular expression of a literal, compiled once.
    pub(crate) regex: OnceLock<Option<Regex>>,
}

impl PartialEq for Call {
    fn eq(&self, other: &Self) -> bool {
        self.base == other.base
            && self.name == other.name
            && self.arguments == other.arguments
            && self.type_name == other.type_name
            && self.descending == other.descending
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Times,
    Divide,
    Div,
    Mod,
    Add,
    Subtract,
    Concatenate,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    Equivalent,
    NotEquivalent,
    In,
    Contains,
    Xor,
    Implies,
}

impl Operator {
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Times => "*",
            Self::Divide => "/",
            Self::Div => "div",
            Self::Mod => "mod",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Concatenate => "&",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Equivalent => "~",
            Self::NotEquivalent => "!~",
            Self::In => "in",
            Self::Contains => "contains",
            Self::Xor => "xor",
            Self::Implies => "implies",
        }
    }

    /// Binds tighter the higher it is. FHIRPath 2.0.0, "Operator Precedence".
    pub(crate) fn precedence(self) -> u8 {
        match self {
            Self::Times | Self::Divide | Self::Div | Self::Mod => 10,
            Self::Add | Self::Subtract | Self::Concatenate => 9,
            Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual => 6,
            Self::Equal | Self::NotEqual | Self::Equivalent | Self::NotEquivalent => 5,
            Self::In | Self::Contains => 4,
            Self::Xor => 2,
            Self::Implies => 1,
        }
    }
}

/// Of unary signs.
pub(crate) const UNARY: u8 = 11;
/// Of `is` and `as`.
pub(crate) const TYPE: u8 = 8;
/// Of `|`.
pub(crate) const UNION: u8 = 7;
/// Of `and`.
pub(crate) const AND: u8 = 3;
/// Of `or`.
pub(crate) const OR: u8 = 2;
