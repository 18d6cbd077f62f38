//! Which types an expression may give.

use smol_str::format_smolstr;

use super::Strictness;
use super::known::{Found, Known, Of, element, fhir, is_abstract, names};
use crate::ast::{Call, Expr, Member, Operator, Variable};
use crate::error::SemanticError;
use crate::eval::check_call;
use crate::function::Function;
use crate::types::{System, Type, TypeName};

/// What `$this`, `$index` and `$total` are while checking.
#[derive(Clone, Debug)]
struct Scope {
    focus: Known,
    total: Known,
}

pub(super) struct Checker {
    root: Known,
    strictness: Strictness,
}

type Inferred = Result<Known, SemanticError>;

impl Checker {
    pub(super) fn new(of: Option<Type>, strictness: Strictness) -> Self {
        let root = match of {
            Some(Type::Unknown) | None => Known::nothing(),
            Some(of) => Known::one(Of::Fhir(of)),
        };
        Self { root, strictness }
    }

    pub(super) fn run(&self, expr: &Expr) -> Result<(), SemanticError> {
        let scope = Scope { focus: self.root.clone(), total: Known::nothing() };
        self.infer(expr, &scope).map(|_| ())
    }

    fn infer(&self, expr: &Expr, scope: &Scope) -> Inferred {
        Ok(match expr {
            Expr::Empty => Known::empty(),
            Expr::Boolean(_) => Known::system(System::Boolean),
            Expr::Integer(_) => Known::system(System::Integer),
            Expr::Decimal(_) => Known::system(System::Decimal),
            Expr::String(_) => Known::system(System::String),
            Expr::Date(_) => Known::system(System::Date),
            Expr::DateTime(_) => Known::system(System::DateTime),
            Expr::Time(_) => Known::system(System::Time),
            Expr::Quantity(_) => Known::system(System::Quantity),
            Expr::This => scope.focus.clone(),
            Expr::Index => Known::system(System::Integer),
            Expr::Total => scope.total.clone(),
            Expr::Variable(variable) => self.variable(variable),
            Expr::Member(member) => self.member(member, scope)?,
            Expr::Call(call) => self.call(call, scope)?,
            Expr::Index0(parts) => {
                let base = self.infer(&parts.0, scope)?;
                let index = self.infer(&parts.1, scope)?;
                if index.is_surely_not(System::Integer) {
                    return Err(SemanticError::new("[]: expected an integer"));
                }
                Known { many: false, ..Self::in_order(base, "[]")? }
            }
            Expr::Negate(operand) | Expr::Plus(operand) => self.infer(operand, scope)?,
            Expr::Binary(parts) => self.binary(parts.0, &parts.1, &parts.2, scope)?,
            Expr::Union(list) => self.union(list, scope)?,
            Expr::And(list) | Expr::Or(list) => {
                for operand in list {
                    self.infer(operand, scope)?;
                }
                Known::system(System::Boolean)
            }
            Expr::Is(parts) => {
                self.infer(&parts.0, scope)?;
                self.type_name(&parts.1)?;
                Known::system(System::Boolean)
            }
            Expr::As(parts) => {
                let base = self.infer(&parts.0, scope)?;
                self.narrowed(&base, &parts.1)?
            }
        })
    }

    fn variable(&self, variable: &Variable) -> Known {
        match variable {
            Variable::Constant(..) => Known::system(System::String),
            Variable::Context => self.root.clone(),
            _ => Known::nothing(),
        }
    }

    fn union(&self, list: &[Expr], scope: &Scope) -> Inferred {
        let mut all: Option<Known> = None;
        let mut literals: Vec<&Expr> = Vec::new();
        for operand in list {
            let known = self.infer(operand, scope)?;
            all = Some(match all {
                Some(all) => all.or(known),
                None => known,
            });
            let is_literal = matches!(
                operand,
                Expr::Boolean(_) | Expr::Integer(_) | Expr::Decimal(_) | Expr::String(_) | Expr::Date(_)
            );
            if is_literal && !literals.contains(&operand) {
                literals.push(operand);
            }
        }
        let all = all.unwrap_or_else(Known::nothing);
        Ok(Known { many: literals.len() > 1, ..all })
    }

    fn binary(&self, operator: Operator, left: &Expr, right: &Expr, scope: &Scope) -> Inferred {
        let left = self.infer(left, scope)?;
        let right = self.infer(right, scope)?;
        Ok(match operator {
            Operator::Concatenate => Known::system(System::String),
            Operator::Times | Operator::Divide | Operator::Add | Operator::Subtract | Operator::Div | Operator::Mod => {
                match (&left.types, &right.types) {
                    (Some(first), Some(second)) if first.len() == 1 && first == second && left.sure => match operator {
                        Operator::Divide => Known::nothing(),
                        _ => left,
                    },
                    _ => Known::nothing(),
                }
            }
            _ => Known::system(System::Boolean),
        })
    }

    fn type_name(&self, name: &TypeName) -> Result<(), SemanticError> {
        // A lenient run finds it when it comes there.
        if name.is_known() || self.strictness == Strictness::Lenient {
            return Ok(());
        }
        Err(SemanticError::new(format_smolstr!("{}: expected the name of a type", name.name)))
    }

    /// What `as` and `ofType` leave.
    fn narrowed(&self, base: &Known, name: &TypeName) -> Inferred {
        self.type_name(name)?;
        let mut types = Vec::new();
        let literal = base.types.as_ref().is_some_and(|types| types.iter().any(|of| matches!(of, Of::System(_))));
        if let Some(system) = name.system
            && (literal || name.fhir.is_none())
        {
            types.push(Of::System(system));
        }
        if let Some(of) = name.fhir.and_then(Type::find) {
            types.push(Of::Fhir(of));
        }
        Ok(Known { types: Some(types), many: false, ordered: base.ordered, sure: true })
    }

    fn in_order(known: Known, at: &str) -> Inferred {
        if !known.ordered {
            return Err(SemanticError::new(format_smolstr!("{at}: expected a collection that has an order")));
        }
        Ok(known)
    }

    fn member(&self, member: &Member, scope: &Scope) -> Inferred {
        let base = match &member.base {
            Some(base) => self.infer(base, scope)?,
            None => scope.focus.clone(),
        };
        let Some(types) = &base.types else { return Ok(Known::nothing()) };
        if member.base.is_none() && member.may_be_type {
            let named = types.iter().any(|of| matches!(of, Of::Fhir(of) if of.is(&member.name)));
            if named {
                return Ok(base);
            }
            // `Resource` may be any resource; so may an abstract type at hand.
            if types.iter().any(|of| matches!(of, Of::Fhir(of) if is_abstract(*of)))
                && Type::find(&member.name).is_some()
            {
                return Ok(Known { types: Type::find(&member.name).map(|of| vec![Of::Fhir(of)]), ..base });
            }
        }
        let mut found: Vec<Of> = Vec::new();
        let mut any = types.is_empty();
        for of in types {
            match element(*of, &member.name) {
                Found::Types(types) => {
                    any = true;
                    for of in types {
                        if !found.contains(&of) {
                            found.push(of);
                        }
                    }
                }
                Found::Anything => return Ok(Known { ordered: base.ordered, ..Known::nothing() }),
                Found::ChoiceName(name) => {
                    return Err(SemanticError::new(format_smolstr!(
                        "{}: expected the name of an element; the choice is {name}",
                        member.name
                    )));
                }
                Found::Nothing => {}
            }
        }
        if !any && (self.strictness == Strictness::Strict || base.sure) {
            return Err(SemanticError::new(format_smolstr!(
                "{}: expected an element of {}",
                member.name,
                names(types)
            )));
        }
        Ok(Known { types: Some(found), many: false, ordered: base.ordered, sure: false })
    }

    fn call(&self, call: &Call, scope: &Scope) -> Inferred {
        check_call(call)?;
        let base = match &call.base {
            Some(base) => self.infer(base, scope)?,
            None => scope.focus.clone(),
        };
        if let Some(name) = &call.type_name {
            let narrowed = self.narrowed(&base, name)?;
            return Ok(if call.function == Function::Is { Known::system(System::Boolean) } else { narrowed });
        }
        let item = Scope { focus: Known { many: false, ordered: true, ..base.clone() }, total: scope.total.clone() };
        let lambda = matches!(
            call.function,
            Function::Where
                | Function::Select
                | Function::All
                | Function::Exists
                | Function::Repeat
                | Function::Sort
                | Function::Iif
                | Function::Trace
                | Function::Aggregate
                | Function::DefineVariable
        );
        let mut arguments = Vec::with_capacity(call.arguments.len());
        for (index, argument) in call.arguments.iter().enumerate() {
            // What `repeat` leads to is looked at again, and the total of an aggregate is what it gives.
            let known = match call.function {
                Function::GetReferenceKey => Known::nothing(),
                Function::Repeat => self.repeated(argument, &item)?,
                Function::Aggregate if index == 1 => self.infer(argument, scope)?,
                Function::Iif if call.base.is_none() => self.infer(argument, scope)?,
                _ if lambda => self.infer(argument, &item)?,
                _ => self.infer(argument, scope)?,
            };
            arguments.push(known);
        }
        self.check_arguments(call, &base, &arguments)?;
        self.result(call, base, arguments)
    }

    /// `repeat(item)` goes from what it was applied to, to what it gave, and on.
    fn repeated(&self, argument: &Expr, item: &Scope) -> Inferred {
        let first = self.infer(argument, item)?;
        let Some(types) = first.types.clone().filter(|types| !types.is_empty()) else { return Ok(first) };
        let again =
            Scope { focus: Known { types: Some(types), sure: false, ..first.clone() }, total: item.total.clone() };
        let lenient = Self { root: self.root.clone(), strictness: Strictness::Lenient };
        match lenient.infer(argument, &again) {
            Ok(more) => Ok(first.or(more)),
            Err(_) => Ok(first),
        }
    }

    fn check_arguments(&self, call: &Call, base: &Known, arguments: &[Known]) -> Result<(), SemanticError> {
        let wants = |index: usize, of: System, text: &'static str| match arguments.get(index) {
            Some(known) if known.is_surely_not(of) || known.many => {
                Err(SemanticError::new(format_smolstr!("{}(): expected {text}", call.name)))
            }
            _ => Ok(()),
        };
        match call.function {
            Function::Iif => wants(0, System::Boolean, "a criterion that is a boolean"),
            Function::Skip | Function::Take => wants(0, System::Integer, "an integer"),
            Function::StartsWith | Function::EndsWith | Function::IndexOf | Function::Matches | Function::Extension => {
                wants(0, System::String, "a string")
            }
            _ => Ok(()),
        }?;
        let positional = matches!(
            call.function,
            Function::First | Function::Last | Function::Tail | Function::Skip | Function::Take
        );
        if positional {
            Self::in_order(base.clone(), &call.name)?;
        }
        Ok(())
    }

    fn result(&self, call: &Call, base: Known, arguments: Vec<Known>) -> Inferred {
        let mut arguments = arguments.into_iter();
        let mut argument = || arguments.next().unwrap_or_else(Known::nothing);
        Ok(match call.function {
            Function::Where
            | Function::Trace
            | Function::DefineVariable
            | Function::CheckModifiers
            | Function::Slice => base,
            Function::Exclude | Function::Distinct | Function::Intersect | Function::Skip | Function::Take => base,
            Function::Tail => base,
            Function::First | Function::Last | Function::Single => Known { many: false, ..base },
            Function::Sort => Known { ordered: true, ..base },
            Function::Select => Known { ordered: base.ordered, sure: false, ..argument() },
            Function::Repeat => Known { sure: false, many: false, ..argument() },
            Function::Union | Function::Combine => base.or(argument()),
            Function::Iif => {
                argument();
                let then = argument();
                match call.arguments.len() {
                    3 => then.or(argument()),
                    _ => then,
                }
            }
            Function::Children | Function::Descendants => Known { ordered: false, ..Known::nothing() },
            Function::Extension => Known { ordered: true, ..fhir("Extension") },
            Function::ElementDefinition => fhir("ElementDefinition"),
            Function::Type => Known { sure: false, ..Known::one(Of::Info) },
            Function::Count
            | Function::IndexOf
            | Function::LastIndexOf
            | Function::Length
            | Function::ToInteger
            | Function::ToLong
            | Function::Precision
            | Function::Ceiling
            | Function::Floor
            | Function::Truncate => Known::system(System::Integer),
            Function::ToDecimal | Function::Exp | Function::Ln | Function::Log | Function::Sqrt | Function::Round => {
                Known::system(System::Decimal)
            }
            Function::ToString
            | Function::Upper
            | Function::Lower
            | Function::Substring
            | Function::Replace
            | Function::ReplaceMatches
            | Function::ToChars
            | Function::Encode
            | Function::Decode
            | Function::Escape
            | Function::Unescape
            | Function::Trim
            | Function::Split
            | Function::Join => Known::system(System::String),
            Function::ToDate | Function::Today | Function::DateOf => Known::system(System::Date),
            Function::ToDateTime | Function::Now => Known::system(System::DateTime),
            Function::ToTime | Function::TimeOfDay | Function::TimeOf => Known::system(System::Time),
            Function::ToQuantity => Known::system(System::Quantity),
            Function::Empty
            | Function::Exists
            | Function::All
            | Function::AllTrue
            | Function::AnyTrue
            | Function::AllFalse
            | Function::AnyFalse
            | Function::SubsetOf
            | Function::SupersetOf
            | Function::IsDistinct
            | Function::Not
            | Function::HasValue
            | Function::HasExtension
            | Function::StartsWith
            | Function::EndsWith
            | Function::Contains
            | Function::Matches
            | Function::MatchesFull
            | Function::ToBoolean
            | Function::ConvertsToBoolean
            | Function::ConvertsToInteger
            | Function::ConvertsToLong
            | Function::ConvertsToDate
            | Function::ConvertsToDateTime
            | Function::ConvertsToDecimal
            | Function::ConvertsToQuantity
            | Function::ConvertsToString
            | Function::ConvertsToTime
            | Function::Comparable
            | Function::ConformsTo
            | Function::MemberOf
            | Function::Subsumes
            | Function::SubsumedBy
            | Function::HtmlChecks => Known::system(System::Boolean),
            _ => Known::nothing(),
        })
    }
}
