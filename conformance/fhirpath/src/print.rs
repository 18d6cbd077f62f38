//! An expression as text that reads back as the same expression.

use std::fmt::{self, Write};

use crate::ast::{AND, Call, Expr, Member, OR, TYPE, UNARY, UNION, Variable};
use crate::quantity::{Quantity, Unit};
use crate::temporal::DateTime;
use crate::types::TypeName;

/// Of literals, paths and calls.
const TERM: u8 = 12;

impl fmt::Display for Expr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => out.write_str("{}"),
            Self::Boolean(value) => write!(out, "{value}"),
            Self::Integer(value) => write!(out, "{value}"),
            Self::Decimal(value) => decimal(out, *value),
            Self::String(text) => quoted(out, text, '\''),
            Self::Date(date) => write!(out, "@{date}"),
            Self::DateTime(date_time) => literal(out, date_time),
            Self::Time(time) => write!(out, "@T{time}"),
            Self::Quantity(value) => quantity(out, value),
            Self::This => out.write_str("$this"),
            Self::Index => out.write_str("$index"),
            Self::Total => out.write_str("$total"),
            Self::Variable(found) => variable(out, found),
            Self::Member(found) => member(out, found),
            Self::Call(found) => call(out, found),
            Self::Index0(parts) => {
                operand(out, &parts.0, TERM)?;
                write!(out, "[{}]", parts.1)
            }
            Self::Negate(inner) => {
                out.write_char('-')?;
                operand(out, inner, UNARY)
            }
            Self::Plus(inner) => {
                out.write_char('+')?;
                operand(out, inner, UNARY)
            }
            Self::Binary(parts) => {
                let precedence = parts.0.precedence();
                operand(out, &parts.1, precedence)?;
                write!(out, " {} ", parts.0.symbol())?;
                operand(out, &parts.2, precedence + 1)
            }
            Self::Union(items) => list(out, items, " | ", UNION),
            Self::And(items) => list(out, items, " and ", AND),
            Self::Or(items) => list(out, items, " or ", OR),
            Self::Is(parts) => {
                operand(out, &parts.0, TYPE)?;
                out.write_str(" is ")?;
                type_name(out, &parts.1)
            }
            Self::As(parts) => {
                operand(out, &parts.0, TYPE)?;
                out.write_str(" as ")?;
                type_name(out, &parts.1)
            }
        }
    }
}

fn precedence(expr: &Expr) -> u8 {
    match expr {
        Expr::Negate(_) | Expr::Plus(_) => UNARY,
        Expr::Binary(parts) => parts.0.precedence(),
        Expr::Union(_) => UNION,
        Expr::And(_) => AND,
        Expr::Or(_) => OR,
        Expr::Is(_) | Expr::As(_) => TYPE,
        _ => TERM,
    }
}

fn operand(out: &mut fmt::Formatter<'_>, expr: &Expr, least: u8) -> fmt::Result {
    if precedence(expr) < least { write!(out, "({expr})") } else { write!(out, "{expr}") }
}

/// A list reads back as a list as long as only its first operand may be of its own kind, and that never is.
fn list(out: &mut fmt::Formatter<'_>, items: &[Expr], between: &str, precedence: u8) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.write_str(between)?;
        }
        operand(out, item, if index == 0 { precedence } else { precedence + 1 })?;
    }
    Ok(())
}

fn decimal(out: &mut fmt::Formatter<'_>, value: rust_decimal::Decimal) -> fmt::Result {
    // Whole numbers too large for an Integer are decimals without a point.
    write!(out, "{value}")
}

fn quantity(out: &mut fmt::Formatter<'_>, quantity: &Quantity) -> fmt::Result {
    decimal(out, quantity.value)?;
    out.write_char(' ')?;
    match &quantity.unit {
        Unit::Calendar(unit) => out.write_str(unit.word()),
        Unit::Code(code) => quoted(out, code, '\''),
    }
}

/// A dateTime that says no time ends in `T`, or it would be a date.
fn literal(out: &mut fmt::Formatter<'_>, date_time: &DateTime) -> fmt::Result {
    let mark = if date_time.time().is_none() { "T" } else { "" };
    write!(out, "@{date_time}{mark}")
}

fn variable(out: &mut fmt::Formatter<'_>, variable: &Variable) -> fmt::Result {
    out.write_char('%')?;
    match variable {
        Variable::Resource => out.write_str("resource"),
        Variable::RootResource => out.write_str("rootResource"),
        Variable::Context => out.write_str("context"),
        Variable::Constant(name, _) | Variable::Named(name) => quoted(out, name, '`'),
    }
}

fn member(out: &mut fmt::Formatter<'_>, member: &Member) -> fmt::Result {
    if let Some(base) = &member.base {
        operand(out, base, TERM)?;
        out.write_char('.')?;
    }
    name(out, &member.name)
}

fn call(out: &mut fmt::Formatter<'_>, call: &Call) -> fmt::Result {
    if let Some(base) = &call.base {
        operand(out, base, TERM)?;
        out.write_char('.')?;
    }
    write!(out, "{}(", call.name)?;
    if let Some(name) = &call.type_name {
        type_name(out, name)?;
    }
    for (index, argument) in call.arguments.iter().enumerate() {
        if index > 0 {
            out.write_str(", ")?;
        }
        match call.descending.get(index) {
            // The sign in front is what turns the order round, and `desc` turns it once more.
            Some(false) if matches!(argument, Expr::Negate(_)) => {
                out.write_char('-')?;
                operand(out, argument, UNARY)?;
                out.write_str(" desc")?;
            }
            Some(true) => {
                out.write_char('-')?;
                operand(out, argument, UNARY)?;
            }
            _ => write!(out, "{argument}")?,
        }
    }
    out.write_char(')')
}

fn type_name(out: &mut fmt::Formatter<'_>, of: &TypeName) -> fmt::Result {
    if let Some(namespace) = &of.namespace {
        name(out, namespace)?;
        out.write_char('.')?;
    }
    // In one piece: a quoted name may hold dots of its own, which must not read back as a namespace.
    name(out, &of.name)
}

/// A name, in backticks unless it is a plain word that is no keyword.
fn name(out: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    let plain = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    let keyword = matches!(
        name,
        "true"
            | "false"
            | "div"
            | "mod"
            | "and"
            | "or"
            | "xor"
            | "implies"
            | "is"
            | "as"
            | "in"
            | "contains"
            | "asc"
            | "desc"
    ) || crate::temporal::CalendarUnit::parse(name).is_some();
    if plain && !keyword { out.write_str(name) } else { quoted(out, name, '`') }
}

fn quoted(out: &mut fmt::Formatter<'_>, text: &str, delimiter: char) -> fmt::Result {
    out.write_char(delimiter)?;
    for letter in text.chars() {
        match letter {
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            '\u{c}' => out.write_str("\\f")?,
            letter if letter == delimiter => {
                out.write_char('\\')?;
                out.write_char(letter)?;
            }
            letter => out.write_char(letter)?,
        }
    }
    out.write_char(delimiter)
}
