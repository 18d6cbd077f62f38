//! XPath 1.0 over the JSON tree, read as the XML form of the resource.
//!
//! Functions: `count`, `not`, `contains`, `starts-with`, `string`, `string-length`, `normalize-space`, `boolean`,
//! `position`, `last`, `true`, `false`, `local-name`.

use std::cmp::Ordering;

use model::json::Json;

use crate::path::{Cursor, DEPTH, LIMIT, PathError, number, scalar};

pub(super) fn values(resource: &Json, path: &str) -> Result<Vec<String>, PathError> {
    let mut cursor = Cursor::new(path);
    let expression = parse_or(&mut cursor, DEPTH)?;
    cursor.space();
    if !cursor.rest().is_empty() {
        return cursor.expected("the end");
    }
    let document = Node::Document(resource);
    Ok(match expression.evaluate(&Context { node: document, position: 1, last: 1, document }) {
        Value::Nodes(nodes) => nodes.into_iter().filter_map(Node::text).collect(),
        Value::Text(text) => vec![text],
        Value::Truth(truth) => vec![truth.to_string()],
    })
}

#[derive(Clone, Copy)]
enum Node<'j> {
    /// Above the root element.
    Document(&'j Json),
    /// An element.
    Element(&'j str, &'j Json),
    /// An element that holds a resource: its one child is named by the resource's type.
    Holder(&'j str, &'j Json),
    /// An attribute.
    Attribute(&'j str, &'j Json),
}

impl<'j> Node<'j> {
    fn name(self) -> &'j str {
        match self {
            Self::Document(_) => "",
            Self::Element(name, _) | Self::Holder(name, _) | Self::Attribute(name, _) => name,
        }
    }

    /// A primitive's value. XPath would give an element's text, which FHIR leaves empty: scripts mean the value.
    fn text(self) -> Option<String> {
        match self {
            Self::Element(_, value) | Self::Attribute(_, value) => match value {
                Json::Object(_) => Some(String::new()),
                value => scalar(value),
            },
            Self::Document(_) | Self::Holder(..) => Some(String::new()),
        }
    }

    fn children(self) -> Vec<Node<'j>> {
        match self {
            Self::Document(value) | Self::Holder(_, value) => {
                let name = value.get("resourceType").and_then(Json::as_str);
                name.map(|name| Self::Element(name, value)).into_iter().collect()
            }
            Self::Element(of, Json::Object(object)) => {
                let resource = object.contains_key("resourceType");
                let mut found = Vec::new();
                for (name, value) in object.iter() {
                    let attribute = (name == "id" && !resource) || (name == "url" && of.ends_with("xtension"));
                    if name == "resourceType" || name.starts_with('_') || attribute {
                        continue;
                    }
                    match value {
                        Json::Array(items) => found.extend(items.iter().map(|item| Self::child(name, item))),
                        value => found.push(Self::child(name, value)),
                    }
                }
                found
            }
            Self::Element(..) | Self::Attribute(..) => Vec::new(),
        }
    }

    fn child(name: &'j str, value: &'j Json) -> Self {
        let resource = value.get("resourceType").is_some();
        if resource { Self::Holder(name, value) } else { Self::Element(name, value) }
    }

    fn attributes(self) -> Vec<Node<'j>> {
        match self {
            Self::Element(of, Json::Object(object)) if !object.contains_key("resourceType") => ["id", "url"]
                .into_iter()
                .filter(|name| *name == "id" || of.ends_with("xtension"))
                .filter_map(|name| Some(Self::Attribute(name, object.get(name)?)))
                .collect(),
            Self::Element(_, value) if scalar(value).is_some() => vec![Self::Attribute("value", value)],
            _ => Vec::new(),
        }
    }

    fn descend(self, found: &mut Vec<Node<'j>>, depth: usize) {
        if depth == 0 || found.len() >= LIMIT {
            return;
        }
        found.push(self);
        for child in self.children() {
            child.descend(found, depth - 1);
        }
    }
}

enum Value<'j> {
    Nodes(Vec<Node<'j>>),
    Text(String),
    Truth(bool),
}

impl Value<'_> {
    fn truth(&self) -> bool {
        match self {
            Self::Nodes(nodes) => !nodes.is_empty(),
            Self::Text(text) => !text.is_empty() && number::compare(text, "0") != Some(Ordering::Equal),
            Self::Truth(truth) => *truth,
        }
    }

    fn texts(&self) -> Vec<String> {
        match self {
            Self::Nodes(nodes) => nodes.iter().filter_map(|node| node.text()).collect(),
            Self::Text(text) => vec![text.clone()],
            Self::Truth(truth) => vec![truth.to_string()],
        }
    }

    fn text(&self) -> String {
        self.texts().into_iter().next().unwrap_or_default()
    }
}

struct Context<'j> {
    node: Node<'j>,
    position: usize,
    last: usize,
    document: Node<'j>,
}

enum Expression {
    Path { absolute: bool, steps: Vec<Step> },
    Text(String),
    Compare(&'static str, Box<Expression>, Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Call(&'static str, Vec<Expression>),
}

struct Step {
    axis: Axis,
    name: Option<String>,
    predicates: Vec<Expression>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Axis {
    Child,
    Descendant,
    Attribute,
    Itself,
}

impl Expression {
    fn evaluate<'j>(&self, context: &Context<'j>) -> Value<'j> {
        match self {
            Self::Text(text) => Value::Text(text.clone()),
            Self::And(left, right) => Value::Truth(left.evaluate(context).truth() && right.evaluate(context).truth()),
            Self::Or(left, right) => Value::Truth(left.evaluate(context).truth() || right.evaluate(context).truth()),
            Self::Compare(operator, left, right) => {
                let (left, right) = (left.evaluate(context).texts(), right.evaluate(context).texts());
                // XPath 1.0, "Booleans": a comparison of node sets holds if it holds for any pair.
                Value::Truth(left.iter().any(|left| right.iter().any(|right| holds(operator, left, right))))
            }
            Self::Call(name, arguments) => call(name, arguments, context),
            Self::Path { absolute, steps } => {
                let start = if *absolute { context.document } else { context.node };
                let nodes = steps.iter().fold(vec![start], |nodes, step| step.follow(&nodes, context.document));
                Value::Nodes(nodes)
            }
        }
    }
}

impl Step {
    fn follow<'j>(&self, nodes: &[Node<'j>], document: Node<'j>) -> Vec<Node<'j>> {
        let mut found = Vec::new();
        for node in nodes {
            let mut here = match self.axis {
                Axis::Itself => vec![*node],
                Axis::Child => node.children(),
                Axis::Attribute => node.attributes(),
                Axis::Descendant => {
                    let mut below = Vec::new();
                    for child in node.children() {
                        child.descend(&mut below, DEPTH);
                    }
                    below
                }
            };
            if let Some(name) = &self.name {
                here.retain(|node| node.name() == name);
            }
            for predicate in &self.predicates {
                let last = here.len();
                let mut position = 0;
                here.retain(|node| {
                    position += 1;
                    match predicate.evaluate(&Context { node: *node, position, last, document }) {
                        // A bare number is a position.
                        Value::Text(text) if number::compare(&text, "0").is_some() => text == position.to_string(),
                        value => value.truth(),
                    }
                });
            }
            found.extend(here);
            if found.len() > LIMIT {
                break;
            }
        }
        found
    }
}

fn holds(operator: &str, left: &str, right: &str) -> bool {
    let ordered = number::compare_ordered(left, right);
    match operator {
        "=" => left == right || ordered == Some(Ordering::Equal),
        "!=" => left != right && ordered != Some(Ordering::Equal),
        "<" => ordered == Some(Ordering::Less),
        "<=" => matches!(ordered, Some(Ordering::Less | Ordering::Equal)),
        ">" => ordered == Some(Ordering::Greater),
        _ => matches!(ordered, Some(Ordering::Greater | Ordering::Equal)),
    }
}

fn call<'j>(name: &str, arguments: &[Expression], context: &Context<'j>) -> Value<'j> {
    let value = |index: usize| arguments.get(index).map(|argument| argument.evaluate(context));
    let text = |index: usize| match value(index) {
        Some(value) => value.text(),
        None => context.node.text().unwrap_or_default(),
    };
    match name {
        "count" => Value::Text(match value(0) {
            Some(Value::Nodes(nodes)) => nodes.len().to_string(),
            _ => "0".to_owned(),
        }),
        "not" => Value::Truth(!value(0).is_some_and(|value| value.truth())),
        "boolean" => Value::Truth(value(0).is_some_and(|value| value.truth())),
        "contains" => Value::Truth(text(0).contains(&text(1))),
        "starts-with" => Value::Truth(text(0).starts_with(&text(1))),
        "string" => Value::Text(text(0)),
        "string-length" => Value::Text(text(0).chars().count().to_string()),
        "normalize-space" => Value::Text(text(0).split_whitespace().collect::<Vec<_>>().join(" ")),
        "local-name" => Value::Text(context.node.name().to_owned()),
        "position" => Value::Text(context.position.to_string()),
        "last" => Value::Text(context.last.to_string()),
        "true" => Value::Truth(true),
        _ => Value::Truth(false),
    }
}

const FUNCTIONS: [&str; 13] = [
    "count",
    "not",
    "boolean",
    "contains",
    "starts-with",
    "string-length",
    "string",
    "normalize-space",
    "local-name",
    "position",
    "last",
    "true",
    "false",
];
const OPERATORS: [&str; 6] = ["!=", "<=", ">=", "=", "<", ">"];

fn parse_or(cursor: &mut Cursor<'_>, depth: usize) -> Result<Expression, PathError> {
    if depth == 0 {
        return cursor.expected("less nesting");
    }
    let mut left = parse_and(cursor, depth)?;
    loop {
        cursor.space();
        if !cursor.take_word("or") {
            return Ok(left);
        }
        left = Expression::Or(Box::new(left), Box::new(parse_and(cursor, depth)?));
    }
}

fn parse_and(cursor: &mut Cursor<'_>, depth: usize) -> Result<Expression, PathError> {
    let mut left = parse_comparison(cursor, depth)?;
    loop {
        cursor.space();
        if !cursor.take_word("and") {
            return Ok(left);
        }
        left = Expression::And(Box::new(left), Box::new(parse_comparison(cursor, depth)?));
    }
}

fn parse_comparison(cursor: &mut Cursor<'_>, depth: usize) -> Result<Expression, PathError> {
    let left = parse_operand(cursor, depth)?;
    cursor.space();
    for operator in OPERATORS {
        if cursor.take(operator) {
            return Ok(Expression::Compare(operator, Box::new(left), Box::new(parse_operand(cursor, depth)?)));
        }
    }
    Ok(left)
}

fn parse_operand(cursor: &mut Cursor<'_>, depth: usize) -> Result<Expression, PathError> {
    cursor.space();
    if let Some(text) = cursor.quoted() {
        return Ok(Expression::Text(text.to_owned()));
    }
    if cursor.rest().starts_with(|letter: char| letter.is_ascii_digit() || letter == '-') {
        return Ok(Expression::Text(
            cursor.take_while(|letter| letter.is_ascii_digit() || "-.".contains(letter)).to_owned(),
        ));
    }
    if cursor.take("(") {
        let inner = parse_or(cursor, depth - 1)?;
        cursor.space();
        return if cursor.take(")") { Ok(inner) } else { cursor.expected("`)`") };
    }
    let before = cursor.at;
    for name in FUNCTIONS {
        if cursor.take_word(name) && cursor.take("(") {
            return arguments(name, cursor, depth);
        }
        cursor.at = before;
    }
    parse_path(cursor, depth)
}

fn arguments(name: &'static str, cursor: &mut Cursor<'_>, depth: usize) -> Result<Expression, PathError> {
    let mut arguments = Vec::new();
    loop {
        cursor.space();
        if cursor.take(")") {
            return Ok(Expression::Call(name, arguments));
        }
        if !arguments.is_empty() && !cursor.take(",") {
            return cursor.expected("`,` or `)`");
        }
        arguments.push(parse_or(cursor, depth - 1)?);
    }
}

fn parse_path(cursor: &mut Cursor<'_>, depth: usize) -> Result<Expression, PathError> {
    let mut steps = Vec::new();
    let (mut axis, absolute) = if cursor.take("//") {
        (Axis::Descendant, true)
    } else if cursor.take("/") {
        (Axis::Child, true)
    } else {
        (Axis::Child, false)
    };
    loop {
        steps.push(parse_step(cursor, axis, depth)?);
        axis = if cursor.take("//") {
            Axis::Descendant
        } else if cursor.take("/") {
            Axis::Child
        } else {
            return Ok(Expression::Path { absolute, steps });
        };
    }
}

fn parse_step(cursor: &mut Cursor<'_>, axis: Axis, depth: usize) -> Result<Step, PathError> {
    if cursor.take("text()") || (!cursor.rest().starts_with("..") && cursor.take(".")) {
        return Ok(Step { axis: Axis::Itself, name: None, predicates: Vec::new() });
    }
    let axis = match cursor.take("@") {
        true if axis == Axis::Child => Axis::Attribute,
        true => return cursor.expected("an element after `//`"),
        false => axis,
    };
    let name = if cursor.take("*") {
        None
    } else {
        let name = cursor.take_while(|letter| letter.is_alphanumeric() || "_-:".contains(letter));
        let name = name.rsplit(':').next().unwrap_or_default();
        if name.is_empty() {
            return cursor.expected("an element's name");
        }
        if cursor.rest().starts_with('(') {
            return cursor.expected("a function that this tool knows");
        }
        Some(name.to_owned())
    };
    let mut predicates = Vec::new();
    while cursor.take("[") {
        if depth <= 1 {
            return cursor.expected("less nesting");
        }
        predicates.push(parse_or(cursor, depth - 1)?);
        cursor.space();
        if !cursor.take("]") {
            return cursor.expected("`]`");
        }
    }
    Ok(Step { axis, name, predicates })
}
