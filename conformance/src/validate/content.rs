//! What a definition says of one value: fixed, pattern, least and greatest, length, binding.

use std::cmp::Ordering;

use definitions::profile::Element;
use model::json::Json;

use crate::place::Place;

use super::node::Node;
use super::plan::Claim;
use super::value::{compare, contains, equals};
use super::walk::{Claims, Walk};

impl<'r> Walk<'r> {
    pub(super) fn content(&mut self, node: &Node<'r>, claims: &Claims, place: &Place<'_>) {
        for claim in claims {
            let element = claim.element();
            if let Some(value) = node.value {
                self.given(element, value, node, claim, place);
            } else if element.fixed.is_some() || element.pattern.is_some() {
                let text = format_args!("expected the value that {} asks for", element.path);
                self.breach("value", text, claim, place);
            }
        }
        self.bindings(node, claims, place);
        self.demands(node, claims, place);
        if node.type_name == "Coding" && self.asking == 0 {
            self.coding(node, place);
        }
        if node.type_name == "canonical" && self.asking == 0 {
            self.canonical(node, claims, place);
        }
    }

    /// Quantities are converted where their units allow it.
    fn order(&self, value: &Json, bound: &Json) -> Option<Ordering> {
        match value {
            Json::Object(_) => self.scope.order_quantities(value, bound).or_else(|| compare(value, bound)),
            _ => compare(value, bound),
        }
    }

    fn given(&mut self, element: &Element, value: &Json, node: &Node<'r>, claim: &Claim, place: &Place<'_>) {
        if let Some(fixed) = &element.fixed
            && !equals(&fixed.value, value)
        {
            self.breach("value", format_args!("expected the fixed value of {}", element.path), claim, place);
        }
        if let Some(pattern) = &element.pattern
            && !contains(&pattern.value, value)
        {
            self.breach("value", format_args!("expected the pattern of {}", element.path), claim, place);
        }
        if let Some(least) = &element.min_value
            && self.order(value, &least.value) == Some(Ordering::Less)
        {
            self.breach("invalid", format_args!("expected at least the least value of {}", element.path), claim, place);
        }
        if let Some(greatest) = &element.max_value
            && self.order(value, &greatest.value) == Some(Ordering::Greater)
        {
            self.breach(
                "invalid",
                format_args!("expected at most the greatest value of {}", element.path),
                claim,
                place,
            );
        }
        if let (Some(max), Some(text)) = (element.max_length, node.text())
            && text.chars().count() > max as usize
        {
            self.breach("too-long", format_args!("expected at most {max} characters"), claim, place);
        }
    }
}
