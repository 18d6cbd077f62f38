//! From text to tree. FHIRPath 2.0.0, appendix "Formal Specifications" (the grammar).

mod token;

use std::sync::OnceLock;

use smol_str::{SmolStr, format_smolstr};

use crate::ast::{AND, Call, Expr, Member, OR, Operator, Seen, TYPE, UNION, Variable};
use crate::function::Function;
use crate::quantity::{Quantity, Unit};
use crate::temporal::CalendarUnit;
use crate::types::TypeName;
use token::{Lexer, Token};

/// How deep the text may be nested in parentheses and arguments. R4 goes to 10; a debug build takes 16 KiB a level.
const NESTING_LIMIT: usize = 64;

/// How high the tree may be: `a.b.c` and `1 + 2 + 3` make it high without any nesting. R4 goes to 18.
const HEIGHT_LIMIT: usize = 100;

/// Bytes of the longest expression; the longest of R4 has 3 000.
const LENGTH_LIMIT: usize = 64 * 1024;

/// The text is no FHIRPath expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} at offset {offset}")]
pub struct SyntaxError {
    /// What was expected.
    pub message: SmolStr,
    /// Bytes from the start of the expression.
    pub offset: usize,
}

/// Reads a whole expression.
pub(crate) fn expression(text: &str) -> Result<Expr, SyntaxError> {
    if text.len() > LENGTH_LIMIT {
        return Err(SyntaxError { message: "expected a shorter expression".into(), offset: LENGTH_LIMIT });
    }
    let mut parser = Parser { lexer: Lexer::new(text), token: Token::End, offset: 0, depth: 0 };
    parser.advance()?;
    let (expr, _) = parser.binary(0)?;
    match parser.token {
        Token::End => Ok(expr),
        _ => Err(parser.error("expected an operator or the end")),
    }
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    token: Token,
    offset: usize,
    depth: usize,
}

/// A tree and its height: operators and steps in a row make it high without any nesting in the text.
type Tall = (Expr, usize);

impl Parser<'_> {
    fn advance(&mut self) -> Result<Token, SyntaxError> {
        let (token, offset) = self.lexer.next()?;
        self.offset = offset;
        Ok(std::mem::replace(&mut self.token, token))
    }

    fn error(&self, message: &'static str) -> SyntaxError {
        SyntaxError { message: message.into(), offset: self.offset }
    }

    fn deeper(&self) -> Result<usize, SyntaxError> {
        if self.depth >= NESTING_LIMIT {
            return Err(self.error("expected an expression that is nested less deeply"));
        }
        Ok(self.depth + 1)
    }

    fn higher(&self, height: usize) -> Result<usize, SyntaxError> {
        if height >= HEIGHT_LIMIT {
            return Err(self.error("expected an expression that is nested less deeply"));
        }
        Ok(height + 1)
    }

    fn at(&self, symbol: &str) -> bool {
        matches!(&self.token, Token::Symbol(found) if *found == symbol)
    }

    fn expect(&mut self, symbol: &'static str) -> Result<(), SyntaxError> {
        if !self.at(symbol) {
            let message = format_smolstr!("expected {symbol}");
            return Err(SyntaxError { message, offset: self.offset });
        }
        self.advance().map(|_| ())
    }

    /// An expression of operators that bind at least that tight.
    fn binary(&mut self, least: u8) -> Result<Tall, SyntaxError> {
        self.depth = self.deeper()?;
        let result = self.binary_inside(least);
        self.depth -= 1;
        result
    }

    fn binary_inside(&mut self, least: u8) -> Result<Tall, SyntaxError> {
        let (mut left, mut height) = self.unary()?;
        loop {
            let Some(infix) = self.infix() else { return Ok((left, height)) };
            let precedence = infix.precedence();
            if precedence < least {
                return Ok((left, height));
            }
            self.advance()?;
            if let Infix::Is | Infix::As = infix {
                let name = self.type_name()?;
                height = self.higher(height)?;
                left = match infix {
                    Infix::Is => Expr::Is(Box::new((left, name))),
                    _ => Expr::As(Box::new((left, name))),
                };
                continue;
            }
            let (right, other) = self.binary(precedence + 1)?;
            let is_list = matches!(
                (&infix, &left),
                (Infix::Union, Expr::Union(_)) | (Infix::And, Expr::And(_)) | (Infix::Or, Expr::Or(_))
            );
            // A list grows in breadth.
            height = if is_list { height.max(self.higher(other)?) } else { self.higher(height.max(other))? };
            left = join(infix, left, right);
        }
    }

    fn infix(&self) -> Option<Infix> {
        Some(match &self.token {
            Token::Symbol(symbol) => match *symbol {
                "*" => Infix::Operator(Operator::Times),
                "/" => Infix::Operator(Operator::Divide),
                "+" => Infix::Operator(Operator::Add),
                "-" => Infix::Operator(Operator::Subtract),
                "&" => Infix::Operator(Operator::Concatenate),
                "|" => Infix::Union,
                "<" => Infix::Operator(Operator::Less),
                "<=" => Infix::Operator(Operator::LessOrEqual),
                ">" => Infix::Operator(Operator::Greater),
                ">=" => Infix::Operator(Operator::GreaterOrEqual),
                "=" => Infix::Operator(Operator::Equal),
                "!=" => Infix::Operator(Operator::NotEqual),
                "~" => Infix::Operator(Operator::Equivalent),
                "!~" => Infix::Operator(Operator::NotEquivalent),
                _ => return None,
            },
            Token::Word(word) => match word.as_str() {
                "div" => Infix::Operator(Operator::Div),
                "mod" => Infix::Operator(Operator::Mod),
                "is" => Infix::Is,
                "as" => Infix::As,
                "in" => Infix::Operator(Operator::In),
                "contains" => Infix::Operator(Operator::Contains),
                "and" => Infix::And,
                "or" => Infix::Or,
                "xor" => Infix::Operator(Operator::Xor),
                "implies" => Infix::Operator(Operator::Implies),
                _ => return None,
            },
            _ => return None,
        })
    }

    /// Signs, then steps: `-1.abs()` is `-(1.abs())`.
    fn unary(&mut self) -> Result<Tall, SyntaxError> {
        let negative = self.at("-");
        if !negative && !self.at("+") {
            return self.postfix();
        }
        self.depth = self.deeper()?;
        self.advance()?;
        let operand = self.unary();
        self.depth -= 1;
        let (operand, height) = operand?;
        let operand = Box::new(operand);
        Ok((if negative { Expr::Negate(operand) } else { Expr::Plus(operand) }, self.higher(height)?))
    }

    /// A term and its invocations and indexers.
    fn postfix(&mut self) -> Result<Tall, SyntaxError> {
        let (mut left, mut height) = self.term()?;
        loop {
            if self.at(".") {
                self.advance()?;
                let (name, quoted) = match self.advance()? {
                    Token::Word(word) => (word, false),
                    Token::Quoted(word) => (word, true),
                    Token::Special(special) => {
                        // `name.$this` is the item itself. FHIRPath 2.0.0, grammar, "invocation".
                        let special = match special {
                            "$index" => Expr::Index,
                            "$total" => Expr::Total,
                            _ => Expr::This,
                        };
                        height = self.higher(height)?;
                        left = call(Some(left), Function::Select, "select", vec![special]);
                        continue;
                    }
                    _ => return Err(self.error("expected a name after the point")),
                };
                let (step, other) = self.invocation(Some(left), name, quoted)?;
                height = self.higher(height.max(other))?;
                left = step;
            } else if self.at("[") {
                self.advance()?;
                let (index, other) = self.binary(0)?;
                self.expect("]")?;
                height = self.higher(height.max(other))?;
                left = Expr::Index0(Box::new((left, index)));
            } else {
                return Ok((left, height));
            }
        }
    }

    /// A member or a function, whose name has been read.
    fn invocation(&mut self, base: Option<Expr>, name: SmolStr, quoted: bool) -> Result<Tall, SyntaxError> {
        if !self.at("(") {
            let may_be_type = base.is_none() && name.starts_with(|first: char| first.is_ascii_uppercase());
            let member = Member { base, name, may_be_type, seen: Seen::default() };
            return Ok((Expr::Member(Box::new(member)), 1));
        }
        if quoted {
            return Err(self.error("expected a function's name without backticks"));
        }
        self.advance()?;
        let function = Function::find(&name);
        let mut call = Call {
            base,
            function,
            name,
            arguments: Vec::new(),
            type_name: None,
            descending: Vec::new(),
            regex: OnceLock::new(),
        };
        let mut height = 1;
        if function.takes_type() && !self.at(")") {
            call.type_name = Some(self.type_name()?);
        } else if !self.at(")") {
            loop {
                let (argument, other) = self.argument(&mut call)?;
                height = height.max(self.higher(other)?);
                call.arguments.push(argument);
                if !self.at(",") {
                    break;
                }
                self.advance()?;
            }
        }
        self.expect(")")?;
        Ok((Expr::Call(Box::new(call)), height))
    }

    /// An argument; those of `sort` may end in `asc` or `desc`, or start with the sign that turns the order round.
    fn argument(&mut self, call: &mut Call) -> Result<Tall, SyntaxError> {
        let (argument, height) = self.binary(0)?;
        if call.function != Function::Sort {
            return Ok((argument, height));
        }
        let (argument, descending) = match argument {
            Expr::Negate(inner) => (*inner, true),
            other => (other, false),
        };
        let word = match &self.token {
            Token::Word(word) if word == "desc" => Some(true),
            Token::Word(word) if word == "asc" => Some(false),
            _ => None,
        };
        if word.is_some() {
            self.advance()?;
        }
        call.descending.push(word.map_or(descending, |word| word != descending));
        Ok((argument, height))
    }

    fn type_name(&mut self) -> Result<TypeName, SyntaxError> {
        let first = self.name()?;
        if !self.at(".") {
            return Ok(TypeName::new(None, first));
        }
        self.advance()?;
        let mut name = self.name()?;
        // Paths of backbone elements are no types, but R4 examples have them; they are known to nobody.
        while self.at(".") {
            self.advance()?;
            name = format_smolstr!("{name}.{}", self.name()?);
        }
        Ok(TypeName::new(Some(first), name))
    }

    fn name(&mut self) -> Result<SmolStr, SyntaxError> {
        match &self.token {
            Token::Word(_) | Token::Quoted(_) => match self.advance()? {
                Token::Word(name) | Token::Quoted(name) => Ok(name),
                _ => Err(self.error("expected a name")),
            },
            _ => Err(self.error("expected a name")),
        }
    }

    fn term(&mut self) -> Result<Tall, SyntaxError> {
        let start = self.offset;
        let expr = match self.advance()? {
            Token::Symbol("(") => {
                let inner = self.binary(0)?;
                self.expect(")")?;
                return Ok(inner);
            }
            Token::Symbol("{") => {
                self.expect("}")?;
                Expr::Empty
            }
            Token::String(text) => Expr::String(text),
            Token::Integer(value) => match self.unit()? {
                Some(unit) => Expr::Quantity(Box::new(Quantity::new(value.into(), unit))),
                None => Expr::Integer(value),
            },
            Token::Decimal(value) => match self.unit()? {
                Some(unit) => Expr::Quantity(Box::new(Quantity::new(value, unit))),
                None => Expr::Decimal(value),
            },
            Token::Date(date) => Expr::Date(date),
            Token::DateTime(date_time) => Expr::DateTime(date_time),
            Token::Time(time) => Expr::Time(time),
            Token::External(name) => Expr::Variable(variable(name)),
            Token::Special("$this") => Expr::This,
            Token::Special("$index") => Expr::Index,
            Token::Special(_) => Expr::Total,
            Token::Quoted(name) => return self.invocation(None, name, true),
            Token::Word(word) => match word.as_str() {
                "true" => Expr::Boolean(true),
                "false" => Expr::Boolean(false),
                "div" | "mod" | "and" | "or" | "xor" | "implies" if !self.at("(") => {
                    return Err(SyntaxError { message: "expected a value before the operator".into(), offset: start });
                }
                _ => return self.invocation(None, word, false),
            },
            Token::Symbol(_) | Token::End => {
                return Err(SyntaxError { message: "expected a value".into(), offset: start });
            }
        };
        Ok((expr, 1))
    }

    /// The unit after a number, if there is one.
    fn unit(&mut self) -> Result<Option<Unit>, SyntaxError> {
        let unit = match &self.token {
            Token::String(code) => Unit::Code(code.clone()),
            Token::Word(word) => match CalendarUnit::parse(word) {
                Some(unit) => Unit::Calendar(unit),
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        self.advance()?;
        Ok(Some(unit))
    }
}

#[derive(Clone, Copy)]
enum Infix {
    Operator(Operator),
    Union,
    And,
    Or,
    Is,
    As,
}

impl Infix {
    fn precedence(self) -> u8 {
        match self {
            Self::Operator(operator) => operator.precedence(),
            Self::Union => UNION,
            Self::And => AND,
            Self::Or => OR,
            Self::Is | Self::As => TYPE,
        }
    }
}

fn join(infix: Infix, left: Expr, right: Expr) -> Expr {
    match (infix, left) {
        (Infix::Union, Expr::Union(mut list)) => {
            list.push(right);
            Expr::Union(list)
        }
        (Infix::And, Expr::And(mut list)) => {
            list.push(right);
            Expr::And(list)
        }
        (Infix::Or, Expr::Or(mut list)) => {
            list.push(right);
            Expr::Or(list)
        }
        (Infix::Union, left) => Expr::Union(vec![left, right]),
        (Infix::And, left) => Expr::And(vec![left, right]),
        (Infix::Or, left) => Expr::Or(vec![left, right]),
        (Infix::Operator(operator), left) => Expr::Binary(Box::new((operator, left, right))),
        // Types are read by the caller.
        (Infix::Is | Infix::As, left) => left,
    }
}

fn call(base: Option<Expr>, function: Function, name: &'static str, arguments: Vec<Expr>) -> Expr {
    Expr::Call(Box::new(Call {
        base,
        function,
        name: SmolStr::new_static(name),
        arguments,
        type_name: None,
        descending: Vec::new(),
        regex: OnceLock::new(),
    }))
}

/// FHIRPath 2.0.0, "Environment variables"; FHIR R4 fhirpath.html, "Variables".
fn variable(name: SmolStr) -> Variable {
    let constant = |value: &'static str| SmolStr::new_static(value);
    let value = match name.as_str() {
        "resource" => return Variable::Resource,
        "rootResource" => return Variable::RootResource,
        "context" => return Variable::Context,
        "ucum" => constant("http://unitsofmeasure.org"),
        "sct" => constant("http://snomed.info/sct"),
        "loinc" => constant("http://loinc.org"),
        other => match (other.strip_prefix("vs-"), other.strip_prefix("ext-")) {
            (Some(rest), _) => format_smolstr!("http://hl7.org/fhir/ValueSet/{rest}"),
            (_, Some(rest)) => format_smolstr!("http://hl7.org/fhir/StructureDefinition/{rest}"),
            _ => return Variable::Named(name),
        },
    };
    Variable::Constant(name, value)
}

#[cfg(test)]
mod tests;
