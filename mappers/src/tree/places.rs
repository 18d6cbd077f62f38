//! What conditions ask of an element.

use formats::cda::Element;

use super::run::{Filling, Run};
use super::table::{Form, Term, Test};
use crate::build;
use crate::function;
use crate::quick::trim;

impl<'d> Run<'_, 'd> {
    /// Whether all conditions of a row hold.
    pub(super) fn holds(&self, when: &[Term], element: Element<'d>, to: Option<&Filling<'_>>) -> bool {
        when.iter().all(|term| self.asked(&term.test, element, to) != term.negated)
    }

    fn asked(&self, test: &Test, element: Element<'d>, to: Option<&Filling<'_>>) -> bool {
        match test {
            Test::Any(paths) => paths.iter().any(|path| path.has_value(element)),
            Test::In(path, values) => {
                let mut found = false;
                path.each(element, &|_| false, &mut |value| {
                    let text = value.text();
                    let text = trim(&text);
                    found = values.iter().any(|value| value == text);
                    !found
                });
                found
            }
            Test::Role(role) => self.role(*role).is_some(),
            Test::Parent(kind) => {
                let around = to.map_or_else(|| self.open.last().copied(), |_| self.parent());
                around.and_then(|number| self.resources.get(number)).is_some_and(|resource| resource.kind == *kind)
            }
            Test::Coded(map, path) => {
                let text = path.first(element);
                let map = self.compiled.maps.get(*map);
                text.zip(map).is_some_and(|(value, map)| map.forward_any(&value.text()).is_some())
            }
            Test::Form(form, path) => path.first(element).is_some_and(|value| {
                let text = value.text();
                match form {
                    Form::Number => function::is_number(trim(&text)),
                    Form::Integer => trim(&text).parse::<i64>().is_ok(),
                    Form::Unit => !trim(&text).contains(char::is_whitespace) && trim(&text).is_ascii(),
                    Form::Universal => function::universal_uri(trim(&text)).is_some(),
                    Form::Timestamp => trim(&text).len() > 8 && function::is_timestamp(trim(&text)),
                }
            }),
            Test::Filled(target) => to.is_some_and(|to| {
                let at = build::seek(to.object, crate::map::SELF, &target.steps, &mut Vec::new());
                at.exists
            }),
        }
    }
}
