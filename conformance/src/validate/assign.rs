//! Which slice each value of an element belongs to. FHIR R4 profiling.html, "Slicing".

use definitions::profile::{ElementId, SlicingRules};
use smallvec::SmallVec;

use crate::place::Place;

use super::node::Node;
use super::plan::{Claim, is_a};
use super::slicing::{Expect, Slicing, Step, Test};
use super::value::{contains, equals};
use super::walk::{Claims, Walk, is_of, push};

impl<'r> Walk<'r> {
    /// Gives each value of `subset` its slice, and checks order, closedness and how many each slice has.
    #[expect(clippy::too_many_arguments, reason = "one list and where it stands")]
    pub(super) fn assign(
        &mut self,
        sliced: &Claim,
        nodes: &[(usize, Node<'r>)],
        subset: &[usize],
        found: &mut [Claims],
        is_list: bool,
        parent: &Place<'_>,
        here: &Place<'_>,
    ) {
        let Some(slicing) = self.scope.validator.plans().slicing(sliced) else { return };
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); slicing.slices.len()];
        let mut defaults: Vec<usize> = Vec::new();
        let mut last = None;
        let mut unmatched_before = false;
        for at in subset {
            let Some((index, node)) = nodes.get(*at) else { continue };
            let item;
            let place = if is_list {
                item = here.item(*index);
                &item
            } else {
                here
            };
            let Some(which) = self.slice_of(sliced, &slicing, *node) else {
                unmatched_before = true;
                match slicing.default {
                    Some(id) => {
                        defaults.push(*at);
                        self.join(sliced, id, *at, found);
                    }
                    None if slicing.rules == SlicingRules::Closed => {
                        let text = format_args!(
                            "expected one of the slices of {}: the slicing is closed",
                            sliced.element().path
                        );
                        self.breach("structure", text, sliced, place);
                    }
                    None => {}
                }
                continue;
            };
            if slicing.rules == SlicingRules::OpenAtEnd && unmatched_before {
                let text = format_args!("expected the slices of {} before all other values", sliced.element().path);
                self.breach("structure", text, sliced, place);
            }
            if slicing.ordered && last.is_some_and(|last| which < last) {
                let text = format_args!("expected the slices of {} in their order", sliced.element().path);
                self.breach("structure", text, sliced, place);
            }
            last = Some(last.map_or(which, |last: usize| last.max(which)));
            if let (Some(slice), Some(list)) = (slicing.slices.get(which), members.get_mut(which)) {
                list.push(*at);
                self.join(sliced, slice.id, *at, found);
            }
        }
        let counted = slicing.slices.iter().map(|slice| slice.id).zip(&members);
        let default = slicing.default.map(|id| (id, &defaults));
        for (id, list) in counted.chain(default) {
            let slice = sliced.with(id);
            self.count(&slice, list.len(), parent);
            if !slice.element().slices.is_empty() && !list.is_empty() {
                self.assign(&slice, nodes, list, found, is_list, parent, here);
            }
        }
    }

    fn join(&self, sliced: &Claim, id: ElementId, at: usize, found: &mut [Claims]) {
        if let Some(claims) = found.get_mut(at) {
            push(claims, sliced.with(id));
        }
    }

    fn count(&mut self, slice: &Claim, count: usize, parent: &Place<'_>) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let element = slice.element();
        if count < element.min {
            self.missing_slice(slice, count, parent);
        }
        if let Some(max) = element.max
            && count > max
        {
            let name = element.slice_name.as_deref().unwrap_or_default();
            let text = format_args!("expected at most {max} of {}:{name}, found {count}", element.path);
            self.breach("structure", text, slice, parent);
        }
    }

    fn slice_of(&mut self, sliced: &Claim, slicing: &Slicing, node: Node<'r>) -> Option<usize> {
        for (index, slice) in slicing.slices.iter().enumerate() {
            let claim = sliced.with(slice.id);
            if slice.tests.iter().all(|test| self.passes(test, &claim, node)) {
                return Some(index);
            }
        }
        None
    }

    fn passes(&mut self, test: &Test, slice: &Claim, node: Node<'r>) -> bool {
        if matches!(test.expect, Expect::Conforms) {
            return self.fulfils(node, slice);
        }
        let mut at: SmallVec<[Node<'r>; 2]> = SmallVec::new();
        at.push(node);
        // The type that an unresolved reference says is enough for a type.
        let mut said: Option<&str> = None;
        for step in &test.path {
            let mut next = SmallVec::new();
            for node in &at {
                match step {
                    Step::Member(name) => next.extend(self.child_or_choice(node, name)),
                    Step::OfType(name) => next.extend(is_of(node, name).then_some(*node)),
                    Step::Extension(url) => {
                        let extensions = node.children("extension");
                        let is_it = |each: &Node<'_>| each.value.and_then(|value| value.text_at(&["url"])) == Some(url);
                        next.extend(extensions.into_iter().filter(is_it));
                    }
                    Step::Resolve => {
                        let reference = match node.shape {
                            Some(_) => node.value.and_then(|value| value.text_at(&["reference"])),
                            None => node.text(),
                        };
                        let Some(reference) = reference else { continue };
                        match self.scope.resolver.resolve(&self.scope, reference).resource().and_then(Node::resource) {
                            Some(found) => next.push(found),
                            None => said = crate::resolve::named_type(reference),
                        }
                    }
                }
            }
            at = next;
        }
        match &test.expect {
            Expect::Absent => at.is_empty(),
            Expect::Nothing => true,
            Expect::Types(types) if at.is_empty() => said.is_some_and(|said| types.iter().any(|name| is_a(said, name))),
            expect => at.iter().any(|node| self.is_expected(expect, *node)),
        }
    }

    fn child_or_choice(&self, node: &Node<'r>, name: &str) -> SmallVec<[Node<'r>; 2]> {
        let found = node.children(name);
        if !found.is_empty() {
            return found;
        }
        // `valueCodeableConcept`, as some profiles write it.
        let Some((shape, object)) = node.object() else { return found };
        let mut renamed = SmallVec::new();
        for present in super::node::presents(shape, object) {
            let is_it = || super::walk::choice_name(present.element.name, present.of_type.name) == name;
            if present.element.is_choice && is_it() {
                present.nodes(&mut renamed);
            }
        }
        renamed
    }

    fn is_expected(&mut self, expect: &Expect, node: Node<'r>) -> bool {
        match expect {
            Expect::Fixed(fixed) => node.value.is_some_and(|value| equals(fixed, value)),
            Expect::Pattern(pattern) => node.value.is_some_and(|value| contains(pattern, value)),
            Expect::Members(members) => members.iter().all(|(name, expect)| {
                let children = node.children(name);
                children.iter().any(|child| self.is_expected(expect, *child))
            }),
            Expect::Any(list) => list.iter().any(|expect| self.is_expected(expect, node)),
            Expect::Code(value_set) => self.is_member(&node, value_set),
            Expect::Exists | Expect::Nothing => true,
            Expect::Types(types) => types.iter().any(|name| is_of(&node, name)),
            Expect::Profiles(profiles) => profiles.iter().any(|canonical| {
                let plan = self.scope.validator.plans().profile(canonical);
                plan.is_ok_and(|plan| self.conforms(node, &plan))
            }),
            Expect::Absent | Expect::Conforms | Expect::Unknown => false,
        }
    }
}
