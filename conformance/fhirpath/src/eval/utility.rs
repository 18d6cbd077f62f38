//! Which function goes where, and the functions that fit nowhere else. FHIRPath 2.0.0, "Utility functions".

use smol_str::format_smolstr;

use super::{Evaluator, Flow, Items, Pushed, Scope, Sink, push_all};
use crate::ast::Call;
use crate::error::{EvalError, SemanticError};
use crate::function::Function;
use crate::item::Item;

impl<'a> Evaluator<'_, 'a> {
    pub(crate) fn call(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        check_call(call)?;
        match call.function {
            Function::Empty
            | Function::Exists
            | Function::Not
            | Function::All
            | Function::AllTrue
            | Function::AnyTrue
            | Function::AllFalse
            | Function::AnyFalse
            | Function::HasValue
            | Function::Is
            | Function::StartsWith
            | Function::EndsWith
            | Function::Contains => match self.truth_of_call(call, scope)?.flatten() {
                Some(value) => sink(Item::Boolean(value)),
                None => Ok(Flow::On),
            },
            Function::SubsetOf => {
                let (part, whole) = (self.input_items(call, scope)?, self.argument_items(call, 0, scope)?);
                sink(Item::Boolean(self.is_subset(part, whole)?))
            }
            Function::SupersetOf => {
                let (whole, part) = (self.input_items(call, scope)?, self.argument_items(call, 0, scope)?);
                sink(Item::Boolean(self.is_subset(part, whole)?))
            }
            Function::Count => {
                let mut count = 0_i64;
                self.input(call, scope, &mut |_| {
                    count += 1;
                    Ok(Flow::On)
                })?;
                sink(Item::Integer(count))
            }
            Function::Distinct => self.distinct(call, scope, sink),
            Function::IsDistinct => sink(Item::Boolean(self.is_distinct(call, scope)?)),
            Function::Where => self.filter(call, scope, sink),
            Function::Select => self.select(call, scope, sink),
            Function::Repeat => self.repeat(call, scope, sink),
            Function::OfType => self.of_type(call, scope, sink),
            Function::Sort => self.sort(call, scope, sink),
            Function::Single => match self.input_single(call, scope)? {
                Some(item) => sink(item),
                None => Ok(Flow::On),
            },
            Function::First => self.first(call, scope, sink),
            Function::Last => self.last(call, scope, sink),
            Function::Tail => self.skip(1, call, scope, sink),
            Function::Skip => match self.argument_integer(call, 0, scope)? {
                Some(count) => self.skip(count, call, scope, sink),
                None => Ok(Flow::On),
            },
            Function::Take => match self.argument_integer(call, 0, scope)? {
                Some(count) => self.take(count, call, scope, sink),
                None => Ok(Flow::On),
            },
            Function::Intersect => self.intersect(call, scope, sink),
            Function::Exclude => self.exclude(call, scope, sink),
            Function::Union => self.union_function(call, scope, sink),
            Function::Combine => self.combine(call, scope, sink),
            Function::Coalesce => self.coalesce(call, scope, sink),
            Function::Iif => self.iif(call, scope, sink),
            Function::ToBoolean
            | Function::ConvertsToBoolean
            | Function::ToInteger
            | Function::ConvertsToInteger
            | Function::ToLong
            | Function::ConvertsToLong
            | Function::ToDate
            | Function::ConvertsToDate
            | Function::ToDateTime
            | Function::ConvertsToDateTime
            | Function::ToDecimal
            | Function::ConvertsToDecimal
            | Function::ToQuantity
            | Function::ConvertsToQuantity
            | Function::ToString
            | Function::ConvertsToString
            | Function::ToTime
            | Function::ConvertsToTime => self.convert(call, scope, sink),
            Function::IndexOf
            | Function::LastIndexOf
            | Function::Substring
            | Function::Upper
            | Function::Lower
            | Function::Replace
            | Function::Matches
            | Function::MatchesFull
            | Function::ReplaceMatches
            | Function::Length
            | Function::ToChars
            | Function::Encode
            | Function::Decode
            | Function::Escape
            | Function::Unescape
            | Function::Trim
            | Function::Split
            | Function::Join => self.text_function(call, scope, sink),
            Function::Abs
            | Function::Ceiling
            | Function::Exp
            | Function::Floor
            | Function::Ln
            | Function::Log
            | Function::Power
            | Function::Round
            | Function::Sqrt
            | Function::Truncate => self.math(call, scope, sink),
            Function::LowBoundary | Function::HighBoundary => self.boundary(call, scope, sink),
            Function::Precision => self.precision(call, scope, sink),
            Function::Comparable => self.comparable(call, scope, sink),
            Function::Children => self.children(call, scope, sink),
            Function::Descendants => self.descendants(call, scope, sink),
            Function::Trace => self.trace(call, scope, sink),
            Function::Now | Function::Today | Function::TimeOfDay => self.clock(call, sink),
            Function::DefineVariable => self.define_variable(call, scope, sink),
            Function::YearOf
            | Function::MonthOf
            | Function::DayOf
            | Function::HourOf
            | Function::MinuteOf
            | Function::SecondOf
            | Function::MillisecondOf
            | Function::TimezoneOffsetOf
            | Function::DateOf
            | Function::TimeOf => self.part(call, scope, sink),
            Function::As => match &call.type_name {
                Some(name) => self.cast(name, &mut |sink| self.input(call, scope, sink), sink),
                None => Ok(Flow::On),
            },
            Function::Type => self.input(call, scope, &mut |item| sink(Item::Type(item.type_info()))),
            Function::Aggregate => self.aggregate(call, scope, sink),
            Function::Extension
            | Function::HasExtension
            | Function::GetValue
            | Function::Resolve
            | Function::ElementDefinition
            | Function::Slice
            | Function::CheckModifiers
            | Function::ConformsTo
            | Function::MemberOf
            | Function::Subsumes
            | Function::SubsumedBy
            | Function::HtmlChecks
            | Function::GetResourceKey
            | Function::GetReferenceKey => self.fhir(call, scope, sink),
            // Refused above.
            Function::Unknown => Ok(Flow::On),
        }
    }

    /// FHIRPath 2.0.0, "trace": gives its input; the host is told of it, or of the projection.
    fn trace(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let name = self.argument_text(call, 0, scope)?.unwrap_or_default();
        let items = self.input_items(call, scope)?;
        match call.arguments.get(1) {
            Some(projection) => {
                let mut shown = Items::new();
                for (index, item) in items.iter().enumerate() {
                    shown.extend(self.scoped(|| self.items(projection, &scope.item(item, index)))?);
                }
                self.context.host.trace(&name, &shown);
            }
            None => self.context.host.trace(&name, &items),
        }
        push_all(items, sink)
    }

    /// FHIRPath 3.0.0 (draft), "defineVariable": for the rest of the chain.
    fn define_variable(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let items = self.input_items(call, scope)?;
        let Some(name) = self.argument_text(call, 0, scope)? else {
            return Err(EvalError::Type { at: call.name.clone(), expected: "the name of a variable" });
        };
        let value = match call.arguments.get(1) {
            Some(value) => {
                let inner = Scope { focus: &items, ..*scope };
                self.scoped(|| self.items(value, &inner))?
            }
            None => items.clone(),
        };
        self.define(name, value)?;
        push_all(items, sink)
    }
}

/// Unknown functions and wrong numbers of arguments.
pub(crate) fn check_call(call: &Call) -> Result<(), SemanticError> {
    if call.function == Function::Unknown {
        return Err(SemanticError::new(format_smolstr!("{}(): expected a function of FHIRPath", call.name)));
    }
    let (least, most) = call.function.arity();
    let count = if call.type_name.is_some() { 1 } else { call.arguments.len() };
    if (least..=most).contains(&count) {
        return Ok(());
    }
    let expected = if least == most { format_smolstr!("{least}") } else { format_smolstr!("{least} to {most}") };
    Err(SemanticError::new(format_smolstr!("{}(): expected {expected} arguments, found {count}", call.name)))
}
