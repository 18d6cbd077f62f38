//! Filtering, projection, subsetting and combining. FHIRPath 2.0.0, "Functions".

use std::cmp::Ordering;
use std::collections::HashMap;

use super::{Evaluator, Flow, Items, Pushed, Scope, Sink, known_type, push_all, push_one};
use crate::ast::{Call, Expr, Variable};
use crate::compare;
use crate::error::EvalError;
use crate::item::Item;
use crate::node;

/// A collection that takes each value once and keeps the order.
///
/// Texts and elements are looked up by a fingerprint once there are more than a handful, so that `isDistinct` over the
/// entries of a large Bundle and `repeat` over a large expansion stay linear.
#[derive(Default)]
pub(crate) struct Distinct<'a> {
    items: Items<'a>,
    /// Where the items of a fingerprint stand; those that have none stand under `None`. Empty as long as it is small.
    places: HashMap<Option<u64>, Vec<usize>>,
}

impl<'a> Distinct<'a> {
    /// As many are faster looked at than hashed.
    const FEW: usize = 12;

    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Whether an equal item is in.
    pub(crate) fn has(&self, evaluator: &Evaluator<'_, 'a>, item: &Item<'a>) -> Result<bool, EvalError> {
        let is_equal = |known: &Item<'a>| compare::equal(known, item) == Some(true);
        if self.places.is_empty() {
            return Ok(self.items.iter().any(is_equal));
        }
        let mark = compare::fingerprint(item);
        // What has a fingerprint may still equal what has none: a Quantity element and a Quantity.
        let candidates = [Some(mark), mark.is_some().then_some(None)].into_iter().flatten();
        for index in candidates.filter_map(|mark| self.places.get(&mark)).flatten() {
            evaluator.charge(1)?;
            if self.items.get(*index).is_some_and(is_equal) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes an item unless an equal one is in; the flow is always to go on.
    pub(crate) fn push(&mut self, evaluator: &Evaluator<'_, 'a>, item: Item<'a>) -> Pushed {
        evaluator.charge(1)?;
        self.insert(evaluator, item).map(|_| Flow::On)
    }

    pub(crate) fn insert(&mut self, evaluator: &Evaluator<'_, 'a>, item: Item<'a>) -> Result<bool, EvalError> {
        if self.has(evaluator, &item)? {
            return Ok(false);
        }
        if self.items.len() >= Self::FEW {
            if self.places.is_empty() {
                for (index, known) in self.items.iter().enumerate() {
                    self.places.entry(compare::fingerprint(known)).or_default().push(index);
                }
            }
            self.places.entry(compare::fingerprint(&item)).or_default().push(self.items.len());
        }
        evaluator.gather(&mut self.items, item)?;
        Ok(true)
    }

    pub(crate) fn into_items(self) -> Items<'a> {
        self.items
    }
}

impl<'a> Evaluator<'_, 'a> {
    pub(crate) fn distinct(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let mut all = Distinct::new();
        self.input(call, scope, &mut |item| all.push(self, item))?;
        push_all(all.into_items(), sink)
    }

    pub(crate) fn is_distinct(&self, call: &Call, scope: &Scope<'_, 'a>) -> Result<bool, EvalError> {
        let mut all = Distinct::new();
        let flow = self.input(call, scope, &mut |item| {
            self.charge(1)?;
            Ok(if all.insert(self, item)? { Flow::On } else { Flow::Stop })
        })?;
        Ok(flow == Flow::On)
    }

    /// Whether each item of the first is in the second.
    pub(crate) fn is_subset(&self, part: Items<'a>, whole: Items<'a>) -> Result<bool, EvalError> {
        let mut all = Distinct::new();
        for item in whole {
            all.push(self, item)?;
        }
        for item in part {
            if !all.has(self, &item)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(crate) fn filter(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let Some(criteria) = call.arguments.first() else { return Ok(Flow::On) };
        let mut index = 0;
        self.input(call, scope, &mut |item| {
            let keep = self.scoped(|| self.truth(criteria, &scope.item(&item, index)))?;
            index += 1;
            if keep == Some(true) { sink(item) } else { Ok(Flow::On) }
        })
    }

    pub(crate) fn select(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let Some(projection) = call.arguments.first() else { return Ok(Flow::On) };
        let mut index = 0;
        self.input(call, scope, &mut |item| {
            let at = index;
            index += 1;
            self.scoped(|| self.each(projection, &scope.item(&item, at), sink))
        })
    }

    /// FHIRPath 2.0.0, "repeat": each item found once, then what it leads to.
    pub(crate) fn repeat(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let Some(projection) = call.arguments.first() else { return Ok(Flow::On) };
        let mut waiting: std::collections::VecDeque<Item<'a>> = self.input_items(call, scope)?.into_iter().collect();
        let mut seen = Distinct::new();
        while let Some(item) = waiting.pop_front() {
            let mut stopped = false;
            self.scoped(|| {
                self.each(projection, &scope.item(&item, 0), &mut |found| {
                    self.charge(1)?;
                    if !seen.insert(self, found.clone())? {
                        return Ok(Flow::On);
                    }
                    if sink(found.clone())? == Flow::Stop {
                        stopped = true;
                        return Ok(Flow::Stop);
                    }
                    waiting.push_back(found);
                    Ok(Flow::On)
                })
            })?;
            if stopped {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::On)
    }

    pub(crate) fn of_type(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let Some(name) = &call.type_name else { return Ok(Flow::On) };
        known_type(name)?;
        self.input(call, scope, &mut |item| if self.passes(&item, name) { sink(item) } else { Ok(Flow::On) })
    }

    pub(crate) fn first(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let mut found = None;
        self.input(call, scope, &mut |item| {
            found = Some(item);
            Ok(Flow::Stop)
        })?;
        push_one(found, sink)
    }

    pub(crate) fn last(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let mut found = None;
        self.input(call, scope, &mut |item| {
            found = Some(item);
            Ok(Flow::On)
        })?;
        push_one(found, sink)
    }

    /// Leaves the first `count` items out.
    pub(crate) fn skip(&self, count: i64, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let mut at = 0_i64;
        self.input(call, scope, &mut |item| {
            at += 1;
            if at > count { sink(item) } else { Ok(Flow::On) }
        })
    }

    pub(crate) fn take(&self, count: i64, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        if count <= 0 {
            return Ok(Flow::On);
        }
        let mut at = 0_i64;
        let mut wanted = Flow::On;
        self.input(call, scope, &mut |item| {
            at += 1;
            wanted = sink(item)?;
            Ok(if at >= count { Flow::Stop } else { wanted })
        })?;
        Ok(wanted)
    }

    /// FHIRPath 2.0.0, "intersect": each common value once.
    pub(crate) fn intersect(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let mut others = Distinct::new();
        for item in self.argument_items(call, 0, scope)? {
            others.push(self, item)?;
        }
        let mut common = Distinct::new();
        self.input(call, scope, &mut |item| {
            if others.has(self, &item)? { common.push(self, item) } else { Ok(Flow::On) }
        })?;
        push_all(common.into_items(), sink)
    }

    /// FHIRPath 2.0.0, "exclude": keeps the order and what comes twice.
    pub(crate) fn exclude(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let mut others = Distinct::new();
        for item in self.argument_items(call, 0, scope)? {
            others.push(self, item)?;
        }
        self.input(call, scope, &mut |item| if others.has(self, &item)? { Ok(Flow::On) } else { sink(item) })
    }

    pub(crate) fn union_function(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let mut all = Distinct::new();
        self.input(call, scope, &mut |item| all.push(self, item))?;
        for item in self.argument_items(call, 0, scope)? {
            all.push(self, item)?;
        }
        push_all(all.into_items(), sink)
    }

    pub(crate) fn combine(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        if self.input(call, scope, sink)? == Flow::Stop {
            return Ok(Flow::Stop);
        }
        push_all(self.argument_items(call, 0, scope)?, sink)
    }

    /// The first collection that has an item.
    pub(crate) fn coalesce(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        for index in 0..call.arguments.len() {
            let items = self.argument_items(call, index, scope)?;
            if !items.is_empty() {
                return push_all(items, sink);
            }
        }
        Ok(Flow::On)
    }

    /// `sort(key, …)`: stable; an item without a key comes first either way.
    pub(crate) fn sort(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let items = self.input_items(call, scope)?;
        self.charge(items.len().saturating_mul(16))?;
        let mut keyed = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let mut keys = Vec::with_capacity(call.arguments.len().max(1));
            for key in &call.arguments {
                keys.push(self.scoped(|| self.single(key, &scope.item(&item, index), "sort"))?);
            }
            if call.arguments.is_empty() {
                keys.push(Some(item.clone()));
            }
            keyed.push((keys, item));
        }
        let mut fault = false;
        let mut compare = |left: &[Option<Item<'a>>], right: &[Option<Item<'a>>]| {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                let ordering = match (left, right) {
                    (None, None) => Ordering::Equal,
                    (None, Some(_)) => Ordering::Less,
                    (Some(_), None) => Ordering::Greater,
                    (Some(left), Some(right)) => {
                        let ordering = compare::order(left, right);
                        fault |= ordering.is_err();
                        let ordering = ordering.ok().flatten().unwrap_or(Ordering::Equal);
                        if call.descending.get(index) == Some(&true) { ordering.reverse() } else { ordering }
                    }
                };
                if ordering != Ordering::Equal {
                    return ordering;
                }
            }
            Ordering::Equal
        };
        let keyed = merge_sort(keyed, &mut |left, right| compare(&left.0, &right.0));
        if fault {
            return Err(EvalError::Type { at: "sort".into(), expected: "keys of one ordered type" });
        }
        push_all(keyed.into_iter().map(|(_, item)| item), sink)
    }

    pub(crate) fn children(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        self.input(call, scope, &mut |item| {
            let Item::Node(parent) = item else { return Ok(Flow::On) };
            self.push_nodes(sink, |push| node::each_of_all(&parent, &mut |_, child| push(child)))
        })
    }

    /// Depth first, parents before children.
    pub(crate) fn descendants(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        if let (Some(Expr::Variable(Variable::Resource)), Some(resource)) = (&call.base, self.context.resource) {
            // dom-3 of R4 asks for them four times for each contained resource.
            let all = self.context.descendants.get_or_init(|| {
                let mut all = Vec::new();
                node::each_descendant(&resource, &mut |node| {
                    all.push(node);
                    true
                });
                all
            });
            self.charge(all.len())?;
            return push_all(all.iter().copied().map(Item::Node), sink);
        }
        self.input(call, scope, &mut |item| {
            let Item::Node(root) = item else { return Ok(Flow::On) };
            self.push_nodes(sink, |push| node::each_descendant(&root, push))
        })
    }

    pub(crate) fn aggregate(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let Some(step) = call.arguments.first() else { return Ok(Flow::On) };
        let mut total = self.argument_items(call, 1, scope)?;
        let mut index = 0;
        self.input(call, scope, &mut |item| {
            let inner = Scope { focus: std::slice::from_ref(&item), index: Some(index), total: Some(&total) };
            let next = self.scoped(|| self.items(step, &inner))?;
            total = next;
            index += 1;
            Ok(Flow::On)
        })?;
        push_all(total, sink)
    }
}

/// Sorts stably. The one of the standard library may panic where the order is not total, and dates of different
/// precision have no total order.
fn merge_sort<T>(mut items: Vec<T>, compare: &mut dyn FnMut(&T, &T) -> Ordering) -> Vec<T> {
    if items.len() < 2 {
        return items;
    }
    let right = merge_sort(items.split_off(items.len() / 2), compare);
    let left = merge_sort(items, compare);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(first), Some(second)) = (left.peek(), right.peek()) {
        let from = if compare(first, second) == Ordering::Greater { &mut right } else { &mut left };
        merged.extend(from.next());
    }
    merged.extend(left);
    merged.extend(right);
    merged
}
