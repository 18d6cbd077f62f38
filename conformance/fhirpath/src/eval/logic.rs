//! Truth: three-valued logic, comparison, and the functions that give a Boolean.
//!
//! FHIRPath 2.0.0, "Boolean logic", "Equality", "Comparison", "Collections", "Existence".

use std::cmp::Ordering;

use super::{Evaluator, Flow, Items, Scope, known_type, only, text_of};
use crate::ast::{Call, Expr, Operator};
use crate::compare;
use crate::error::EvalError;
use crate::function::Function;
use crate::item::Item;

/// Whether an operator gives a Boolean.
pub(crate) fn is_logical(operator: Operator) -> bool {
    !matches!(
        operator,
        Operator::Times
            | Operator::Divide
            | Operator::Div
            | Operator::Mod
            | Operator::Add
            | Operator::Subtract
            | Operator::Concatenate
    )
}

impl<'a> Evaluator<'_, 'a> {
    /// The value as a Boolean; an item that is none counts as true. FHIRPath 2.0.0, "Singleton Evaluation of Collections".
    pub(crate) fn truth(&self, expr: &Expr, scope: &Scope<'_, 'a>) -> Result<Option<bool>, EvalError> {
        match expr {
            Expr::Boolean(value) => Ok(Some(*value)),
            Expr::And(list) => self.and(list, scope),
            Expr::Or(list) => self.or(list, scope),
            Expr::Binary(parts) if is_logical(parts.0) => {
                self.charge(1)?;
                self.logical(parts.0, &parts.1, &parts.2, scope)
            }
            Expr::Is(parts) => {
                known_type(&parts.1)?;
                Ok(self.single(&parts.0, scope, "is")?.map(|item| self.is(&item, &parts.1)))
            }
            Expr::Call(call) => {
                self.charge(1)?;
                match self.truth_of_call(call, scope)? {
                    Some(known) => Ok(known),
                    None => self.generic_truth(expr, scope),
                }
            }
            _ => self.generic_truth(expr, scope),
        }
    }

    fn generic_truth(&self, expr: &Expr, scope: &Scope<'_, 'a>) -> Result<Option<bool>, EvalError> {
        Ok(self.single(expr, scope, "boolean")?.map(|item| truth_of(&item)))
    }

    fn and(&self, list: &[Expr], scope: &Scope<'_, 'a>) -> Result<Option<bool>, EvalError> {
        let mut result = Some(true);
        for expr in list {
            match self.scoped(|| self.truth(expr, scope))? {
                Some(false) => return Ok(Some(false)),
                Some(true) => {}
                None => result = None,
            }
        }
        Ok(result)
    }

    fn or(&self, list: &[Expr], scope: &Scope<'_, 'a>) -> Result<Option<bool>, EvalError> {
        let mut result = Some(false);
        for expr in list {
            match self.scoped(|| self.truth(expr, scope))? {
                Some(true) => return Ok(Some(true)),
                Some(false) => {}
                None => result = None,
            }
        }
        Ok(result)
    }

    fn logical(
        &self,
        operator: Operator,
        left: &Expr,
        right: &Expr,
        scope: &Scope<'_, 'a>,
    ) -> Result<Option<bool>, EvalError> {
        match operator {
            Operator::Implies => match self.scoped(|| self.truth(left, scope))? {
                Some(false) => Ok(Some(true)),
                Some(true) => self.scoped(|| self.truth(right, scope)),
                None => Ok(self.scoped(|| self.truth(right, scope))?.filter(|right| *right)),
            },
            Operator::Xor => {
                let left = self.scoped(|| self.truth(left, scope))?;
                let right = self.scoped(|| self.truth(right, scope))?;
                Ok(left.zip(right).map(|(left, right)| left != right))
            }
            Operator::Equal => self.equality(left, right, scope),
            Operator::NotEqual => Ok(self.equality(left, right, scope)?.map(|equal| !equal)),
            Operator::Equivalent => self.equivalence(left, right, scope).map(Some),
            Operator::NotEquivalent => self.equivalence(left, right, scope).map(|equivalent| Some(!equivalent)),
            Operator::In => self.membership(left, right, scope, "in"),
            Operator::Contains => self.membership(right, left, scope, "contains"),
            _ => self.comparison(operator, left, right, scope),
        }
    }

    fn equality(&self, left: &Expr, right: &Expr, scope: &Scope<'_, 'a>) -> Result<Option<bool>, EvalError> {
        let left = self.scoped(|| self.items(left, scope))?;
        // `code = 'x'`: a literal is compared where it stands.
        if let (Expr::String(text), [item]) = (right, left.as_slice())
            && let Some(found) = item.as_text()
        {
            return Ok(Some(found == text));
        }
        let right = self.scoped(|| self.items(right, scope))?;
        self.equal(&left, &right)
    }

    fn equivalence(&self, left: &Expr, right: &Expr, scope: &Scope<'_, 'a>) -> Result<bool, EvalError> {
        let left = self.scoped(|| self.items(left, scope))?;
        let right = self.scoped(|| self.items(right, scope))?;
        if left.len() == right.len() {
            // Each may be compared with each, and deep ones take a while.
            self.charge(left.len().saturating_mul(left.len()).saturating_mul(4))?;
        }
        Ok(compare::same_in_any_order(&left, &right, compare::equivalent))
    }

    /// Whether an item is in a collection. FHIRPath 2.0.0, "in (membership)".
    fn membership(&self, item: &Expr, all: &Expr, scope: &Scope<'_, 'a>, at: &str) -> Result<Option<bool>, EvalError> {
        let Some(item) = self.scoped(|| self.single(item, scope, at))? else { return Ok(None) };
        let mut found = false;
        let mut look = |other: Item<'a>| {
            self.charge(1)?;
            found = compare::equal(&item, &other) == Some(true);
            Ok(if found { Flow::Stop } else { Flow::On })
        };
        match all {
            // What is looked for is found without making the union first.
            Expr::Union(list) => {
                for expr in list {
                    if self.scoped(|| self.each(expr, scope, &mut look))? == Flow::Stop {
                        break;
                    }
                }
            }
            other => {
                self.scoped(|| self.each(other, scope, &mut look))?;
            }
        }
        Ok(Some(found))
    }

    fn comparison(
        &self,
        operator: Operator,
        left: &Expr,
        right: &Expr,
        scope: &Scope<'_, 'a>,
    ) -> Result<Option<bool>, EvalError> {
        let left = self.scoped(|| self.single(left, scope, operator.symbol()))?;
        let right = self.scoped(|| self.single(right, scope, operator.symbol()))?;
        let (Some(left), Some(right)) = (left, right) else { return Ok(None) };
        match compare::order(&left, &right) {
            Ok(ordering) => Ok(ordering.map(|ordering| match operator {
                Operator::Less => ordering == Ordering::Less,
                Operator::LessOrEqual => ordering != Ordering::Greater,
                Operator::Greater => ordering == Ordering::Greater,
                _ => ordering != Ordering::Less,
            })),
            Err(_) => Err(EvalError::Type {
                at: operator.symbol().into(),
                expected: "two strings, numbers, quantities, dates or times",
            }),
        }
    }

    /// The value of a function that gives a Boolean; the outer `None`: it is another function.
    pub(crate) fn truth_of_call(&self, call: &Call, scope: &Scope<'_, 'a>) -> Result<Option<Option<bool>>, EvalError> {
        let (least, most) = call.function.arity();
        if !(least..=most).contains(&call.arguments.len()) && !call.function.takes_type() {
            return Ok(None);
        }
        Ok(Some(match call.function {
            Function::Exists => Some(self.exists(call, scope)?),
            Function::Empty => Some(!self.any(call, scope)?),
            Function::Not => self.input_truth(call, scope)?.map(|value| !value),
            Function::All => Some(self.all(call, scope)?),
            Function::AllTrue => Some(!self.any_boolean(call, scope, false)?),
            Function::AnyTrue => Some(self.any_boolean(call, scope, true)?),
            Function::AllFalse => Some(!self.any_boolean(call, scope, true)?),
            Function::AnyFalse => Some(self.any_boolean(call, scope, false)?),
            Function::HasValue => Some(self.has_value(call, scope)?),
            Function::Is => match &call.type_name {
                Some(name) => {
                    known_type(name)?;
                    self.input_single(call, scope)?.map(|item| self.is(&item, name))
                }
                None => return Ok(None),
            },
            Function::StartsWith => self.text_test(call, scope, |text, part| text.starts_with(part))?,
            Function::EndsWith => self.text_test(call, scope, |text, part| text.ends_with(part))?,
            Function::Contains => self.text_test(call, scope, |text, part| text.contains(part))?,
            _ => return Ok(None),
        }))
    }

    /// Whether there is any item at all.
    fn any(&self, call: &Call, scope: &Scope<'_, 'a>) -> Result<bool, EvalError> {
        let mut found = false;
        self.input(call, scope, &mut |_| {
            found = true;
            Ok(Flow::Stop)
        })?;
        Ok(found)
    }

    fn exists(&self, call: &Call, scope: &Scope<'_, 'a>) -> Result<bool, EvalError> {
        let Some(criteria) = call.arguments.first() else { return self.any(call, scope) };
        let mut found = false;
        let mut index = 0;
        self.input(call, scope, &mut |item| {
            found = self.scoped(|| self.truth(criteria, &scope.item(&item, index)))? == Some(true);
            index += 1;
            Ok(if found { Flow::Stop } else { Flow::On })
        })?;
        Ok(found)
    }

    fn all(&self, call: &Call, scope: &Scope<'_, 'a>) -> Result<bool, EvalError> {
        let Some(criteria) = call.arguments.first() else { return Ok(true) };
        let mut all = true;
        let mut index = 0;
        self.input(call, scope, &mut |item| {
            all = self.scoped(|| self.truth(criteria, &scope.item(&item, index)))? == Some(true);
            index += 1;
            Ok(if all { Flow::On } else { Flow::Stop })
        })?;
        Ok(all)
    }

    fn input_truth(&self, call: &Call, scope: &Scope<'_, 'a>) -> Result<Option<bool>, EvalError> {
        match &call.base {
            Some(base) => self.truth(base, scope),
            None => {
                let mut found = None;
                self.input(call, scope, &mut |item| only(&mut found, item, &call.name))?;
                Ok(found.map(|item| truth_of(&item)))
            }
        }
    }

    /// Whether any item is that Boolean; every item has to be one.
    fn any_boolean(&self, call: &Call, scope: &Scope<'_, 'a>, wanted: bool) -> Result<bool, EvalError> {
        let mut found = false;
        self.input(call, scope, &mut |item| match item.as_boolean() {
            Some(value) => {
                found |= value == wanted;
                Ok(Flow::On)
            }
            None => Err(EvalError::Type { at: call.name.clone(), expected: "booleans" }),
        })?;
        Ok(found)
    }

    /// FHIR R4 fhirpath.html, `hasValue`.
    fn has_value(&self, call: &Call, scope: &Scope<'_, 'a>) -> Result<bool, EvalError> {
        let mut items = Items::new();
        self.input(call, scope, &mut |item| {
            items.push(item);
            Ok(if items.len() > 1 { Flow::Stop } else { Flow::On })
        })?;
        Ok(match items.as_slice() {
            [Item::Node(node)] => node.has_primitive_value(),
            [Item::Type(_)] => false,
            [_] => true,
            _ => false,
        })
    }

    fn text_test(
        &self,
        call: &Call,
        scope: &Scope<'_, 'a>,
        test: fn(&str, &str) -> bool,
    ) -> Result<Option<bool>, EvalError> {
        let Some(input) = self.input_single(call, scope)? else { return Ok(None) };
        let text = text_of(&input, &call.name)?;
        self.charge(text.len() / 256)?;
        let Some(part) = self.argument_text(call, 0, scope)? else { return Ok(None) };
        Ok(Some(test(&text, &part)))
    }
}

/// FHIRPath 2.0.0, "Singleton Evaluation of Collections": any single item is true where a Boolean is asked for.
pub(crate) fn truth_of(item: &Item<'_>) -> bool {
    item.as_boolean().unwrap_or(true)
}
