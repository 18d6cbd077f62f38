//! Evaluation: items are pushed from step to step, so that a path makes no collection and `exists` ends at the first.

mod boundary;
mod collection;
mod convert;
mod fhir;
mod logic;
mod math;
mod operator;
mod temporal;
mod text;
mod utility;

pub(crate) use utility::check_call;

use std::cell::{Cell, RefCell};

use smallvec::SmallVec;
use smol_str::{SmolStr, format_smolstr};

use crate::ast::{Call, Expr, Member, Variable};
use crate::compare;
use crate::context::{AsRule, Context};
use crate::error::{EvalError, SemanticError};
use crate::item::Item;
use crate::node::{self, Lookup, Node};
use crate::quantity::Quantity;
use crate::types::{Type, TypeName};

/// A collection; most have one item.
pub(crate) type Items<'a> = SmallVec<[Item<'a>; 1]>;

/// Whether more items are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    On,
    Stop,
}

pub(crate) type Pushed = Result<Flow, EvalError>;
pub(crate) type Sink<'s, 'a> = &'s mut dyn FnMut(Item<'a>) -> Pushed;

/// What `$this`, `$index` and `$total` are.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'s, 'a> {
    pub(crate) focus: &'s [Item<'a>],
    pub(crate) index: Option<usize>,
    pub(crate) total: Option<&'s [Item<'a>]>,
}

impl<'s, 'a> Scope<'s, 'a> {
    pub(crate) fn of(focus: &'s [Item<'a>]) -> Self {
        Self { focus, index: None, total: None }
    }

    /// One item of an iteration.
    pub(crate) fn item<'t>(&self, item: &'t Item<'a>, index: usize) -> Scope<'t, 'a>
    where
        's: 't,
    {
        Scope { focus: std::slice::from_ref(item), index: Some(index), total: self.total }
    }
}

/// One evaluation.
pub(crate) struct Evaluator<'e, 'a> {
    pub(crate) context: &'e Context<'a>,
    /// What the expression was applied to: `%context`.
    pub(crate) input: &'e [Item<'a>],
    steps: Cell<u64>,
    /// What `defineVariable` made, innermost last.
    defined: RefCell<Vec<(SmolStr, Items<'a>)>>,
}

impl<'e, 'a> Evaluator<'e, 'a> {
    pub(crate) fn new(context: &'e Context<'a>, input: &'e [Item<'a>]) -> Self {
        Self { context, input, steps: Cell::new(0), defined: RefCell::new(Vec::new()) }
    }

    /// Counts work, so that no expression runs for ever.
    pub(crate) fn charge(&self, steps: usize) -> Result<(), EvalError> {
        let total = self.steps.get().saturating_add(steps as u64);
        self.steps.set(total);
        if total > self.context.limits.steps { Err(EvalError::Limit("steps")) } else { Ok(()) }
    }

    /// A text that is made has a bound.
    pub(crate) fn text(&self, text: impl Into<SmolStr>) -> Result<Item<'a>, EvalError> {
        let text = text.into();
        self.check_text(text.len())?;
        Ok(Item::String(text))
    }

    pub(crate) fn check_text(&self, bytes: usize) -> Result<(), EvalError> {
        if bytes > self.context.limits.text_bytes {
            return Err(EvalError::Limit("text bytes"));
        }
        self.charge(bytes / 64)
    }

    /// Pushes each item of an expression's value.
    pub(crate) fn each(&self, expr: &Expr, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        self.charge(1)?;
        match expr {
            Expr::Empty => Ok(Flow::On),
            Expr::Boolean(value) => sink(Item::Boolean(*value)),
            Expr::Integer(value) => sink(Item::Integer(*value)),
            Expr::Decimal(value) => sink(Item::Decimal(*value)),
            Expr::String(text) => sink(Item::String(text.clone())),
            Expr::Date(date) => sink(Item::Date(*date)),
            Expr::DateTime(date_time) => sink(Item::DateTime(*date_time)),
            Expr::Time(time) => sink(Item::Time(*time)),
            Expr::Quantity(quantity) => sink(Item::Quantity(quantity.clone())),
            Expr::This => push_all(scope.focus.iter().cloned(), sink),
            Expr::Index => match scope.index {
                Some(index) => sink(Item::Integer(i64::try_from(index).unwrap_or(i64::MAX))),
                None => Err(SemanticError::new("$index: expected to stand in an iteration").into()),
            },
            Expr::Total => match scope.total {
                Some(total) => push_all(total.iter().cloned(), sink),
                None => Err(SemanticError::new("$total: expected to stand in aggregate()").into()),
            },
            Expr::Variable(variable) => self.variable(variable, sink),
            Expr::Member(member) => self.member(member, scope, sink),
            Expr::Call(call) => self.call(call, scope, sink),
            Expr::Index0(both) => self.index(&both.0, &both.1, scope, sink),
            Expr::Negate(operand) => self.negate(operand, scope, sink),
            Expr::Plus(operand) => match self.single(operand, scope, "+")? {
                Some(item) if item.as_decimal().is_some() || item.to_quantity().is_some() => sink(item),
                Some(_) => Err(EvalError::Type { at: "+".into(), expected: "a number or a quantity" }),
                None => Ok(Flow::On),
            },
            Expr::Binary(parts) if logic::is_logical(parts.0) => self.push_truth(expr, scope, sink),
            Expr::Binary(parts) => match self.arithmetic(parts.0, &parts.1, &parts.2, scope)? {
                Some(item) => sink(item),
                None => Ok(Flow::On),
            },
            Expr::Union(list) => self.union(list, scope, sink),
            Expr::And(_) | Expr::Or(_) | Expr::Is(_) => self.push_truth(expr, scope, sink),
            Expr::As(parts) => self.cast(&parts.1, &mut |sink| self.each(&parts.0, scope, sink), sink),
        }
    }

    fn push_truth(&self, expr: &Expr, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        match self.truth(expr, scope)? {
            Some(value) => sink(Item::Boolean(value)),
            None => Ok(Flow::On),
        }
    }

    /// The value as a collection.
    pub(crate) fn items(&self, expr: &Expr, scope: &Scope<'_, 'a>) -> Result<Items<'a>, EvalError> {
        let mut items = Items::new();
        self.each(expr, scope, &mut |item| self.gather(&mut items, item))?;
        Ok(items)
    }

    /// Adds to a collection; it has a bound.
    pub(crate) fn gather(&self, items: &mut Items<'a>, item: Item<'a>) -> Pushed {
        if items.len() >= self.context.limits.items {
            return Err(EvalError::Limit("items"));
        }
        items.push(item);
        Ok(Flow::On)
    }

    /// The value as at most one item.
    pub(crate) fn single(&self, expr: &Expr, scope: &Scope<'_, 'a>, at: &str) -> Result<Option<Item<'a>>, EvalError> {
        let mut found = None;
        self.each(expr, scope, &mut |item| only(&mut found, item, at))?;
        Ok(found)
    }

    /// Evaluates with the variables as they are, and forgets those that it defines.
    pub(crate) fn scoped<T>(&self, run: impl FnOnce() -> Result<T, EvalError>) -> Result<T, EvalError> {
        let mark = self.defined.borrow().len();
        let result = run();
        self.defined.borrow_mut().truncate(mark);
        result
    }

    /// Pushes what a call is applied to: its base, or what is at hand.
    pub(crate) fn input(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        match &call.base {
            Some(base) => self.each(base, scope, sink),
            None => push_all(scope.focus.iter().cloned(), sink),
        }
    }

    pub(crate) fn input_items(&self, call: &Call, scope: &Scope<'_, 'a>) -> Result<Items<'a>, EvalError> {
        let mut items = Items::new();
        self.input(call, scope, &mut |item| self.gather(&mut items, item))?;
        Ok(items)
    }

    pub(crate) fn input_single(&self, call: &Call, scope: &Scope<'_, 'a>) -> Result<Option<Item<'a>>, EvalError> {
        let mut found = None;
        self.input(call, scope, &mut |item| only(&mut found, item, &call.name))?;
        Ok(found)
    }

    /// An argument that is not evaluated for each item.
    pub(crate) fn argument(
        &self,
        call: &Call,
        index: usize,
        scope: &Scope<'_, 'a>,
    ) -> Result<Option<Item<'a>>, EvalError> {
        match call.arguments.get(index) {
            Some(argument) => self.scoped(|| self.single(argument, scope, &call.name)),
            None => Ok(None),
        }
    }

    pub(crate) fn argument_items(
        &self,
        call: &Call,
        index: usize,
        scope: &Scope<'_, 'a>,
    ) -> Result<Items<'a>, EvalError> {
        match call.arguments.get(index) {
            Some(argument) => self.scoped(|| self.items(argument, scope)),
            None => Ok(Items::new()),
        }
    }

    pub(crate) fn argument_text(
        &self,
        call: &Call,
        index: usize,
        scope: &Scope<'_, 'a>,
    ) -> Result<Option<SmolStr>, EvalError> {
        match self.argument(call, index, scope)? {
            Some(item) => text_of(&item, &call.name).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn argument_integer(
        &self,
        call: &Call,
        index: usize,
        scope: &Scope<'_, 'a>,
    ) -> Result<Option<i64>, EvalError> {
        match self.argument(call, index, scope)? {
            Some(item) => match item.as_integer() {
                Some(value) => Ok(Some(value)),
                None => Err(EvalError::Type { at: call.name.clone(), expected: "an integer" }),
            },
            None => Ok(None),
        }
    }

    fn variable(&self, variable: &Variable, sink: Sink<'_, 'a>) -> Pushed {
        let node = |node: Option<Node<'a>>, sink: Sink<'_, 'a>| match node {
            Some(node) => sink(Item::Node(node)),
            None => Ok(Flow::On),
        };
        match variable {
            Variable::Resource => node(self.context.resource, sink),
            Variable::RootResource => node(self.context.root_resource.or(self.context.resource), sink),
            Variable::Context => push_all(self.input.iter().cloned(), sink),
            Variable::Constant(_, value) => sink(Item::String(value.clone())),
            Variable::Named(name) => {
                let defined =
                    self.defined.borrow().iter().rev().find(|(known, _)| known == name).map(|(_, items)| items.clone());
                if let Some(items) = defined {
                    return push_all(items, sink);
                }
                match self.context.variables.iter().find(|(known, _)| known == name) {
                    Some((_, items)) => push_all(items.iter().cloned(), sink),
                    None => {
                        Err(SemanticError::new(format_smolstr!("%{name}: expected a variable that is defined")).into())
                    }
                }
            }
        }
    }

    /// Adds a variable to what follows in the chain.
    pub(crate) fn define(&self, name: SmolStr, items: Items<'a>) -> Result<(), EvalError> {
        let reserved = matches!(name.as_str(), "resource" | "rootResource" | "context" | "ucum" | "sct" | "loinc");
        let taken = reserved
            || self.defined.borrow().iter().any(|(known, _)| *known == name)
            || self.context.variables.iter().any(|(known, _)| *known == name);
        if taken {
            return Err(SemanticError::new(format_smolstr!("%{name}: expected a name that is not taken")).into());
        }
        self.defined.borrow_mut().push((name, items));
        Ok(())
    }

    fn member(&self, member: &Member, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        match &member.base {
            Some(base) => self.each(base, scope, &mut |item| self.children_of(&item, member, sink)),
            None => {
                for item in scope.focus {
                    let flow = match item {
                        // FHIRPath 2.0.0, "Path Selection": a path may start with the type of what it is applied to.
                        Item::Node(node) if member.may_be_type && node.of().is(&member.name) => sink(item.clone())?,
                        _ => self.children_of(item, member, sink)?,
                    };
                    if flow == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
                Ok(Flow::On)
            }
        }
    }

    fn children_of(&self, item: &Item<'a>, member: &Member, sink: Sink<'_, 'a>) -> Pushed {
        let node = match item {
            Item::Node(node) => node,
            Item::Quantity(quantity) => return push_quantity(quantity, &member.name, sink),
            Item::Type(info) => {
                return match member.name.as_str() {
                    "namespace" => sink(Item::String(info.namespace.into())),
                    "name" => sink(Item::String(info.name.into())),
                    _ => Ok(Flow::On),
                };
            }
            _ => return Ok(Flow::On),
        };
        // FHIR R4 fhirpath.html: the value of a primitive is an element of its own.
        if matches!(node.of(), Type::Primitive(_)) && member.name == "value" {
            return match node.to_system() {
                Some(value) => sink(value),
                None => Ok(Flow::On),
            };
        }
        let Some(object) = node.object() else { return Ok(Flow::On) };
        let lookup = match node.shape() {
            None => None,
            Some(shape) => match member.seen.lookup(shape, &member.name) {
                Some(lookup) => Some(lookup),
                // `descendants().reference` meets many shapes, and nearly none has the member.
                None if !node::may_have(object, &member.name) => return Ok(Flow::On),
                None => Some(Lookup::of(shape, &member.name)),
            },
        };
        self.push_nodes(sink, |push| node::each_child(node, &member.name, lookup, push))
    }

    /// Runs a walk over nodes and pushes each; an error or a stop ends the walk.
    pub(crate) fn push_nodes(
        &self,
        sink: Sink<'_, 'a>,
        walk: impl FnOnce(&mut dyn FnMut(Node<'a>) -> bool) -> bool,
    ) -> Pushed {
        let mut result = Ok(Flow::On);
        walk(&mut |node| {
            result = self.charge(1).and_then(|()| sink(Item::Node(node)));
            matches!(result, Ok(Flow::On))
        });
        result
    }

    fn index(&self, base: &Expr, index: &Expr, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let index = match self.scoped(|| self.single(index, scope, "[]"))? {
            Some(item) => match item.as_integer() {
                Some(index) => index,
                None => return Err(EvalError::Type { at: "[]".into(), expected: "an integer" }),
            },
            None => return Ok(Flow::On),
        };
        let mut at = 0_i64;
        let mut found = None;
        self.each(base, scope, &mut |item| {
            if at == index {
                found = Some(item);
                return Ok(Flow::Stop);
            }
            at += 1;
            Ok(Flow::On)
        })?;
        match found {
            Some(item) => sink(item),
            None => Ok(Flow::On),
        }
    }

    /// `as`, as operator and as function.
    pub(crate) fn cast(
        &self,
        name: &TypeName,
        base: &mut dyn FnMut(Sink<'_, 'a>) -> Pushed,
        sink: Sink<'_, 'a>,
    ) -> Pushed {
        known_type(name)?;
        match self.context.as_rule {
            AsRule::Each => base(&mut |item| if self.passes(&item, name) { sink(item) } else { Ok(Flow::On) }),
            AsRule::Single => {
                let mut found = None;
                base(&mut |item| only(&mut found, item, "as"))?;
                match found {
                    Some(item) if self.passes(&item, name) => sink(item),
                    _ => Ok(Flow::On),
                }
            }
        }
    }

    /// Whether an item is of a type, or of one based on it.
    pub(crate) fn is(&self, item: &Item<'a>, name: &TypeName) -> bool {
        item.is(name) || self.stands_for(item, name)
    }

    /// Whether `as` and `ofType` let an item pass.
    pub(crate) fn passes(&self, item: &Item<'a>, name: &TypeName) -> bool {
        item.passes(name) || self.stands_for(item, name)
    }

    /// Invariants of profiles say `value as String` and mean the primitive of FHIR.
    fn stands_for(&self, item: &Item<'a>, name: &TypeName) -> bool {
        match (item, name.system, self.context.as_rule) {
            (Item::Node(node), Some(system), AsRule::Each) if name.namespace.is_none() => {
                node.type_name() == system.fhir_name()
            }
            _ => false,
        }
    }

    /// `|`: each value once.
    fn union(&self, list: &[Expr], scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let mut all = collection::Distinct::new();
        for expr in list {
            let flow = self.scoped(|| self.each(expr, scope, &mut |item| all.push(self, item)))?;
            debug_assert_eq!(flow, Flow::On, "a union wants every item");
        }
        push_all(all.into_items(), sink)
    }

    /// Whether two collections are equal; none if that is open. FHIRPath 2.0.0, "Equals".
    pub(crate) fn equal(&self, left: &[Item<'a>], right: &[Item<'a>]) -> Result<Option<bool>, EvalError> {
        if left.is_empty() || right.is_empty() {
            return Ok(None);
        }
        if left.len() != right.len() {
            return Ok(Some(false));
        }
        self.charge(left.len())?;
        let mut open = false;
        for (left, right) in left.iter().zip(right) {
            match compare::equal(left, right) {
                Some(true) => {}
                Some(false) => return Ok(Some(false)),
                None => open = true,
            }
        }
        Ok((!open).then_some(true))
    }
}

pub(crate) fn push_all<'a>(items: impl IntoIterator<Item = Item<'a>>, sink: Sink<'_, 'a>) -> Pushed {
    for item in items {
        if sink(item)? == Flow::Stop {
            return Ok(Flow::Stop);
        }
    }
    Ok(Flow::On)
}

/// Pushes at most one item.
pub(crate) fn push_one<'a>(item: Option<Item<'a>>, sink: Sink<'_, 'a>) -> Pushed {
    match item {
        Some(item) => sink(item),
        None => Ok(Flow::On),
    }
}

/// Keeps the first item; a second one is an error.
pub(crate) fn only<'a>(found: &mut Option<Item<'a>>, item: Item<'a>, at: &str) -> Pushed {
    if found.is_some() {
        return Err(EvalError::Singleton(at.into()));
    }
    *found = Some(item);
    Ok(Flow::On)
}

/// The text of a String, or of any primitive of FHIR that JSON writes as a string.
pub(crate) fn text_of(item: &Item<'_>, at: &str) -> Result<SmolStr, EvalError> {
    match item {
        Item::String(text) => Ok(text.clone()),
        Item::Node(node) => match node.value() {
            Some(model::json::Json::String(text)) => Ok(text.clone()),
            _ => Err(EvalError::Type { at: at.into(), expected: "a string" }),
        },
        _ => Err(EvalError::Type { at: at.into(), expected: "a string" }),
    }
}

/// A type that nobody knows.
pub(crate) fn known_type(name: &TypeName) -> Result<(), EvalError> {
    if name.is_known() {
        return Ok(());
    }
    Err(EvalError::Type { at: name.name.clone(), expected: "the name of a type" })
}

fn push_quantity<'a>(quantity: &Quantity, name: &str, sink: Sink<'_, 'a>) -> Pushed {
    match name {
        "value" => sink(Item::Decimal(quantity.value)),
        "unit" | "code" => sink(Item::String(quantity.unit_text().into())),
        _ => Ok(Flow::On),
    }
}
