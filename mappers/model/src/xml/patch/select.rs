//! The paths of RFC 5261, section 4.1: a part of XPath 1.0.

use super::tree::{Element, Node, text_of};

/// A path from the root.
#[derive(Clone, Debug)]
pub(super) struct Selector {
    steps: Vec<Step>,
    last: Last,
}

/// What is selected of the element at the end of the steps.
#[derive(Clone, Debug)]
enum Last {
    Itself,
    Attribute(String),
    /// The n-th text node.
    Text(usize),
}

#[derive(Clone, Debug)]
struct Step {
    /// `None`: any element.
    name: Option<Name>,
    conditions: Vec<Condition>,
}

/// Namespace and local name.
type Name = (String, String);

#[derive(Clone, Debug)]
enum Condition {
    Position(usize),
    /// Elements from here on, an attribute of the last one or its text, and what it has to be.
    Equals(Vec<Name>, Option<String>, String),
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A way of child indexes from the root.
    Node(Vec<usize>),
    /// An attribute of the element at the end of the way.
    Attribute(Vec<usize>, String),
}

impl Selector {
    /// `None` for what is no such path; `namespace` resolves prefixes.
    pub(super) fn parse(text: &str, namespace: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix('/').unwrap_or(text);
        let mut selector = Self { steps: Vec::new(), last: Last::Itself };
        let pieces = split(text, '/')?;
        let end = pieces.len().checked_sub(1)?;
        for (at, piece) in pieces.into_iter().enumerate() {
            let is_last = at == end;
            if let Some(name) = piece.strip_prefix('@').filter(|_| is_last && at > 0) {
                selector.last = Last::Attribute(plain(name)?);
            } else if let Some(rest) = piece.strip_prefix("text()").filter(|_| is_last && at > 0) {
                let number = match rest {
                    "" => Some(1),
                    rest => rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'))?.trim().parse().ok(),
                };
                selector.last = Last::Text(number.filter(|number| *number > 0)?);
            } else {
                selector.steps.push(Step::parse(piece, &namespace)?);
            }
        }
        (!selector.steps.is_empty()).then_some(selector)
    }

    /// Everything at the path.
    pub(super) fn find(&self, root: &Element) -> Vec<Found> {
        let Some((first, rest)) = self.steps.split_first() else { return Vec::new() };
        let mut ways: Vec<(Vec<usize>, &Element)> = Vec::new();
        if !first.chosen(std::iter::once((0, root)).collect()).is_empty() {
            ways.push((Vec::new(), root));
        }
        for step in rest {
            let mut next = Vec::new();
            for (way, element) in &ways {
                let children = element.children.iter().enumerate();
                let elements = children.filter_map(|(at, node)| match node {
                    Node::Element(child) => Some((at, child)),
                    _ => None,
                });
                for (at, child) in step.chosen(elements.collect()) {
                    next.push((way.iter().copied().chain([at]).collect(), child));
                }
            }
            ways = next;
        }
        let found = ways.into_iter().filter_map(|(way, element)| match &self.last {
            Last::Itself => Some(Found::Node(way)),
            Last::Attribute(name) => element.attribute(name).map(|_| Found::Attribute(way, name.clone())),
            Last::Text(number) => {
                let mut texts = element.children.iter().enumerate().filter(|(_, node)| matches!(node, Node::Text(_)));
                texts.nth(number - 1).map(|(at, _)| Found::Node(way.into_iter().chain([at]).collect()))
            }
        });
        found.collect()
    }
}

impl Step {
    fn parse(piece: &str, namespace: &impl Fn(&str) -> Option<String>) -> Option<Self> {
        let open = piece.find('[').unwrap_or(piece.len());
        let (name, mut rest) = (piece.get(..open)?, piece.get(open..)?);
        let mut conditions = Vec::new();
        while !rest.is_empty() {
            let inner = rest.strip_prefix('[')?;
            let end = unquoted(inner, ']')?;
            conditions.push(Condition::parse(inner.get(..end)?.trim(), namespace)?);
            rest = inner.get(end + 1..)?;
        }
        let name = if name == "*" { None } else { Some(qualified(name, namespace)?) };
        Some(Self { name, conditions })
    }

    /// Those of the children of one element that the step takes.
    fn chosen<'e>(&self, elements: Vec<(usize, &'e Element)>) -> Vec<(usize, &'e Element)> {
        let named = |element: &Element| {
            self.name.as_ref().is_none_or(|(space, name)| element.space == *space && element.name == *name)
        };
        let mut chosen: Vec<_> = elements.into_iter().filter(|(_, element)| named(element)).collect();
        for condition in &self.conditions {
            match condition {
                Condition::Position(number) => {
                    chosen = chosen.into_iter().skip(number.saturating_sub(1)).take(usize::from(*number > 0)).collect();
                }
                Condition::Equals(way, attribute, value) => {
                    chosen.retain(|(_, element)| holds(element, way, attribute.as_deref(), value));
                }
            }
        }
        chosen
    }
}

impl Condition {
    fn parse(text: &str, namespace: &impl Fn(&str) -> Option<String>) -> Option<Self> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().ok().map(Self::Position);
        }
        let at = unquoted(text, '=')?;
        let (path, value) = (text.get(..at)?.trim(), text.get(at + 1..)?.trim());
        let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        let value = value.strip_prefix(quote)?.strip_suffix(quote)?;
        let (mut way, mut attribute) = (Vec::new(), None);
        if path != "." && path != "text()" {
            for piece in path.split('/') {
                match piece.strip_prefix('@') {
                    Some(name) if attribute.is_none() => attribute = Some(plain(name)?),
                    None if attribute.is_none() => way.push(qualified(piece, namespace)?),
                    _ => return None,
                }
            }
        }
        Some(Self::Equals(way, attribute, value.to_owned()))
    }
}

fn holds(element: &Element, way: &[Name], attribute: Option<&str>, value: &str) -> bool {
    match way.split_first() {
        None => match attribute {
            Some(name) => element.attribute(name) == Some(value),
            None => text_of(&element.children) == value,
        },
        Some(((space, name), rest)) => element.children.iter().any(|node| match node {
            Node::Element(child) => {
                child.space == *space && child.name == *name && holds(child, rest, attribute, value)
            }
            _ => false,
        }),
    }
}

fn qualified(text: &str, namespace: &impl Fn(&str) -> Option<String>) -> Option<Name> {
    let (prefix, name) = text.split_once(':').unwrap_or(("", text));
    Some((namespace(prefix)?, plain(name)?))
}

fn plain(name: &str) -> Option<String> {
    xml::is_name(name).then(|| name.to_owned())
}

/// Pieces between separators that stand in no quotation and no predicate.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut pieces, mut start, mut depth, mut quote) = (Vec::new(), 0, 0_usize, None);
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(letter),
            (None, '[') => depth += 1,
            (None, ']') => depth = depth.checked_sub(1)?,
            (None, _) if letter == separator && depth == 0 => {
                pieces.push(text.get(start..at)?);
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(text.get(start..)?);
    (depth == 0 && quote.is_none()).then_some(pieces)
}

/// Where a sign stands first outside of quotation marks.
fn unquoted(text: &str, sign: char) -> Option<usize> {
    let mut quote = None;
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (Some(_), _) => {}
            (None, _) if letter == sign => return Some(at),
            (None, '"' | '\'') => quote = Some(letter),
            _ => {}
        }
    }
    None
}
