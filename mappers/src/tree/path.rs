//! Source paths: where in a tree of elements a value stands, seen from the element of a table.
//!
//! A small part of XPath in its own spelling: `effectiveTime/low/@value`, `participant[@typeCode=CSM]/participantRole`,
//! `..`, `~section` (the nearest ancestor of that name). Read once when a package is loaded.

use std::borrow::Cow;

use formats::cda::Element;
use smol_str::SmolStr;

mod parse;

pub(crate) use parse::{find, parse, split};

/// A path from an element to values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    start: Start,
    pub(crate) steps: Vec<Step>,
    pub(crate) end: End,
}

/// Where a path begins.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Start {
    Here,
    /// So many parents up.
    Up(usize),
    /// The nearest ancestor that is like this, or the element itself.
    Ancestor(Box<Step>),
}

/// One step to child elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Name of the children; `None` for any.
    pub(crate) name: Option<SmolStr>,
    pub(crate) tests: Vec<Test>,
}

/// What a child must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    /// The attribute has one of these values; with none given, any.
    Attribute { name: SmolStr, values: Vec<SmolStr>, negated: bool },
    /// A value stands at one of the paths, one of these if any are given.
    Path { paths: Vec<Path>, values: Vec<SmolStr>, negated: bool },
    /// One of its templates.
    Template { oids: Vec<SmolStr>, negated: bool },
    /// Asks nothing; the way back writes it.
    Written { path: Path, value: SmolStr },
    /// The n-th that passes the tests before, from 1.
    Number(usize),
    /// No table has read it yet.
    Unread,
}

/// What of the element is the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Element,
    Attribute(SmolStr),
    Text,
}

/// A value that a path leads to.
#[derive(Clone, Copy)]
pub(crate) struct Value<'d> {
    pub(crate) element: Element<'d>,
    /// The attribute's text and leaf; else the element itself, or its own text.
    pub(crate) part: Part<'d>,
}

/// What of an element a value is.
#[derive(Clone, Copy)]
pub(crate) enum Part<'d> {
    Whole,
    Attribute(&'d str, Option<u32>),
    Text,
}

impl<'d> Value<'d> {
    /// The text of a value: the attribute's, the element's own, or that of its attribute `value`, else all below it.
    pub(crate) fn text(&self) -> Cow<'d, str> {
        match self.part {
            Part::Attribute(text, _) => Cow::Borrowed(text),
            Part::Text => own_text(self.element),
            Part::Whole => match self.element.attribute("value") {
                Some(text) => Cow::Borrowed(text),
                None => self.element.text(),
            },
        }
    }

    /// Calls with each leaf that [`Value::text`] is made of.
    pub(crate) fn leaves(&self, mut take: impl FnMut(u32)) {
        match self.part {
            Part::Attribute(_, leaf) => leaf.into_iter().for_each(take),
            Part::Text => self.element.text_leaves().for_each(take),
            Part::Whole => match self.element.attribute_leaf("value") {
                Some(leaf) => take(leaf),
                None => texts_below(self.element, &mut take),
            },
        }
    }
}

fn own_text(element: Element<'_>) -> Cow<'_, str> {
    let mut texts = element.texts().map(|(text, _)| text);
    let Some(first) = texts.next() else { return Cow::Borrowed("") };
    let Some(second) = texts.next() else { return Cow::Borrowed(first) };
    let mut out = format!("{first}{second}");
    texts.for_each(|text| out.push_str(text));
    Cow::Owned(out)
}

fn texts_below(element: Element<'_>, take: &mut impl FnMut(u32)) {
    let mut open = vec![element];
    while let Some(element) = open.pop() {
        element.text_leaves().for_each(&mut *take);
        open.extend(element.children());
    }
}

/// Whether one of an element's `templateId`s has this root.
pub(crate) fn has_template(element: Element<'_>, oid: &str) -> bool {
    element.children().filter(|child| child.name() == "templateId").any(|id| id.attribute("root") == Some(oid))
}

impl Path {
    /// Takes what `more` says of a template for the same template, behind it: the first is what the way back writes.
    pub(crate) fn widen(&mut self, more: &impl Fn(&str) -> Vec<SmolStr>) {
        let start = match &mut self.start {
            Start::Ancestor(step) => Some(&mut **step),
            _ => None,
        };
        for test in start.into_iter().chain(&mut self.steps).flat_map(|step| &mut step.tests) {
            match test {
                Test::Template { oids, .. } => {
                    let found: Vec<SmolStr> = oids.iter().flat_map(|oid| more(oid)).collect();
                    oids.extend(found);
                }
                Test::Path { paths, .. } => paths.iter_mut().for_each(|path| path.widen(more)),
                Test::Written { path, .. } => path.widen(more),
                _ => {}
            }
        }
    }

    /// The name of the elements that its only step is about, `*` for any; `None` if it is no single step.
    pub(crate) fn only_name(&self) -> Option<SmolStr> {
        match (self, self.steps.as_slice()) {
            (Self { start: Start::Here, end: End::Element, .. }, [step]) => {
                Some(step.name.clone().unwrap_or_else(|| SmolStr::new_static("*")))
            }
            _ => None,
        }
    }

    /// The templates and codes (`code/@code`) of which an element must have one to be as the only step says; empty: any.
    pub(crate) fn wanted(&self) -> (Vec<SmolStr>, Vec<SmolStr>) {
        let (mut templates, mut codes) = (Vec::new(), Vec::new());
        for test in self.steps.first().into_iter().flat_map(|step| &step.tests) {
            match test {
                Test::Template { oids, negated: false } if templates.is_empty() => templates.clone_from(oids),
                Test::Path { paths, values, negated: false } if codes.is_empty() => {
                    if matches!(paths.as_slice(), [path] if parse("code/@code").as_ref() == Ok(path)) {
                        codes.clone_from(values);
                    }
                }
                _ => {}
            }
        }
        (templates, codes)
    }

    /// Whether an element is as the only step says, its name aside.
    pub(crate) fn is_of(&self, element: Element<'_>) -> bool {
        self.steps.first().is_some_and(|step| step.passes(element, &mut [0; 4], &|_| false))
    }

    /// Whether it leads to what stands below its element.
    pub(crate) fn is_below(&self) -> bool {
        self.start == Start::Here
    }

    /// The path from where it begins, as one below that element.
    pub(crate) fn below(&self) -> Self {
        Self { start: Start::Here, ..self.clone() }
    }

    /// The ancestor it starts from, if it does.
    pub(crate) fn ancestor(&self) -> Option<&Step> {
        match &self.start {
            Start::Ancestor(step) => Some(step),
            _ => None,
        }
    }

    /// Calls with each value, in the order of the document, until told to stop (`false`).
    pub(crate) fn each<'d>(
        &self,
        from: Element<'d>,
        read: &dyn Fn(u32) -> bool,
        take: &mut dyn FnMut(Value<'d>) -> bool,
    ) {
        let mut start = from;
        match &self.start {
            Start::Here => {}
            Start::Up(count) => {
                for _ in 0..*count {
                    let Some(parent) = start.parent() else { return };
                    start = parent;
                }
            }
            Start::Ancestor(step) => {
                while step.name.as_ref().is_some_and(|name| name != start.name())
                    || !step.passes(start, &mut [0; 4], read)
                {
                    let Some(parent) = start.parent() else { return };
                    start = parent;
                }
            }
        }
        self.walk(start, 0, read, take);
    }

    fn walk<'d>(
        &self,
        at: Element<'d>,
        depth: usize,
        read: &dyn Fn(u32) -> bool,
        take: &mut dyn FnMut(Value<'d>) -> bool,
    ) -> bool {
        let Some(step) = self.steps.get(depth) else {
            let part = match &self.end {
                End::Element => Part::Whole,
                End::Attribute(name) => match at.attribute(name) {
                    Some(text) if !text.trim().is_empty() => Part::Attribute(text, at.attribute_leaf(name)),
                    _ => return true,
                },
                End::Text if at.has_text() => Part::Text,
                End::Text => return true,
            };
            return take(Value { element: at, part });
        };
        let mut counts = [0usize; 4];
        let each =
            |child: Element<'d>| !step.passes(child, &mut counts, read) || self.walk(child, depth + 1, read, take);
        match step.name.as_ref() {
            Some(name) => match at.listed(name) {
                Some(ids) => ids.iter().filter_map(|id| at.document().element(*id)).all(each),
                None => at.children().filter(|child| child.name() == name).all(each),
            },
            None => at.children().all(each),
        }
    }

    /// The first value.
    pub(crate) fn first<'d>(&self, from: Element<'d>) -> Option<Value<'d>> {
        let mut found = None;
        self.each(from, &|_| false, &mut |value| {
            found = Some(value);
            false
        });
        found
    }

    /// Whether a value stands there that says something: an element that only says why it does not is none.
    pub(crate) fn has_value(&self, from: Element<'_>) -> bool {
        let mut found = false;
        self.each(from, &|_| false, &mut |value| {
            found = !matches!(value.part, Part::Whole) || !is_null(value.element);
            !found
        });
        found
    }
}

/// Whether an element says nothing but why (`nullFlavor`).
pub(crate) fn is_null(element: Element<'_>) -> bool {
    element.attribute("nullFlavor").is_some()
        && element.children().next().is_none()
        && !element.has_text()
        && element.attributes().all(|attribute| matches!(attribute.name, "nullFlavor" | "xsi:type"))
}

impl Step {
    fn passes(&self, child: Element<'_>, counts: &mut [usize; 4], read: &dyn Fn(u32) -> bool) -> bool {
        self.tests.iter().enumerate().all(|(at, test)| match test {
            Test::Attribute { name, values, negated } => {
                let held = child.attribute(name).is_some_and(|text| values.is_empty() || one_of(values, text));
                held != *negated
            }
            Test::Path { paths, values, negated } => {
                let held = paths.iter().any(|path| {
                    if values.is_empty() {
                        return path.has_value(child);
                    }
                    let mut found = false;
                    path.each(child, read, &mut |value| {
                        found = one_of(values, value.text().trim());
                        !found
                    });
                    found
                });
                held != *negated
            }
            Test::Template { oids, negated } => oids.iter().any(|oid| has_template(child, oid)) != *negated,
            Test::Number(wanted) => {
                let Some(count) = counts.get_mut(at.min(3)) else { return false };
                *count += 1;
                count == wanted
            }
            Test::Written { .. } => true,
            Test::Unread => !read(child.id()),
        })
    }
}

fn one_of(values: &[SmolStr], text: &str) -> bool {
    values.iter().any(|value| value == text)
}
