//! `_filter`: conditions with and, or, not and parentheses. FHIR R4 search_filter.html.

use model::id::ResourceType;

use crate::error::SearchError;
use crate::parameter::{Kind, Parameter};
use crate::query::condition::{Reader, Scope, flattened};
use crate::query::{Chain, Clause, Link};
use crate::row::{Term, Test};
use crate::values::string::{self, How};
use crate::values::token;

/// Parentheses in parentheses, and links of a path.
const DEPTH_MOST: usize = 10;

/// Comparisons in one filter.
const COMPARISONS_MOST: usize = 100;

/// Reads a filter.
pub(crate) fn read(reader: &Reader<'_>, scope: Scope<'_>, text: &str) -> Result<Clause, SearchError> {
    let mut filter = Filter { reader, text, at: 0, compared: 0 };
    let clause = filter.either(scope, 0)?;
    match filter.rest().trim().is_empty() {
        true => Ok(clause),
        false => Err(filter.expected("and, or, or the end")),
    }
}

struct Filter<'f, 'o> {
    reader: &'f Reader<'o>,
    text: &'f str,
    at: usize,
    compared: usize,
}

impl<'f> Filter<'f, '_> {
    fn rest(&self) -> &'f str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn expected(&self, expected: &'static str) -> SearchError {
        let before = self.text.get(..self.at).unwrap_or_default();
        SearchError::Filter { at: before.chars().count(), expected }
    }

    fn skip(&mut self) {
        let rest = self.rest();
        self.at = self.at.saturating_add(rest.len().saturating_sub(rest.trim_start().len()));
    }

    /// Goes past a mark.
    fn mark(&mut self, mark: char) -> bool {
        self.skip();
        let is = self.rest().starts_with(mark);
        self.at = self.at.saturating_add(if is { mark.len_utf8() } else { 0 });
        is
    }

    /// The next word, without going past it.
    fn word(&mut self) -> &'f str {
        self.skip();
        let rest = self.rest();
        let end = rest.find(|letter: char| letter.is_whitespace() || "()[]\"".contains(letter)).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    }

    fn past(&mut self, word: &str) {
        self.at = self.at.saturating_add(word.len());
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let is = self.word().eq_ignore_ascii_case(keyword);
        if is {
            self.past(keyword);
        }
        is
    }

    /// `and` binds more tightly than `or`.
    fn either(&mut self, scope: Scope<'_>, depth: usize) -> Result<Clause, SearchError> {
        let mut any = vec![self.all(scope, depth)?];
        while self.keyword("or") {
            any.push(self.all(scope, depth)?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Clause::Any(any) })
    }

    fn all(&mut self, scope: Scope<'_>, depth: usize) -> Result<Clause, SearchError> {
        let mut all = vec![self.one(scope, depth)?];
        while self.keyword("and") {
            all.push(self.one(scope, depth)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Clause::All(all) })
    }

    fn one(&mut self, scope: Scope<'_>, depth: usize) -> Result<Clause, SearchError> {
        if depth > DEPTH_MOST {
            return Err(SearchError::TooCostly { name: "_filter".to_owned(), what: "parentheses", most: DEPTH_MOST });
        }
        if self.word().eq_ignore_ascii_case("not") && self.is_before_parenthesis() {
            self.past("not");
            let clause = self.in_parentheses(scope, depth)?;
            return Ok(Clause::Not(Box::new(clause)));
        }
        self.skip();
        if self.rest().starts_with('(') { self.in_parentheses(scope, depth) } else { self.comparison(scope, depth) }
    }

    fn is_before_parenthesis(&mut self) -> bool {
        let word = self.word();
        self.rest().get(word.len()..).is_some_and(|rest| rest.trim_start().starts_with('('))
    }

    fn in_parentheses(&mut self, scope: Scope<'_>, depth: usize) -> Result<Clause, SearchError> {
        if !self.mark('(') {
            return Err(self.expected("("));
        }
        let clause = self.either(scope, depth.saturating_add(1))?;
        if self.mark(')') { Ok(clause) } else { Err(self.expected("and, or, or )")) }
    }

    /// `name eq "peter"`, `subject.name co "x"`, `managingOrganization[name eq "x"].type eq y`.
    fn comparison(&mut self, scope: Scope<'_>, depth: usize) -> Result<Clause, SearchError> {
        self.compared = self.compared.saturating_add(1);
        if self.compared > COMPARISONS_MOST || depth > DEPTH_MOST {
            let most = if depth > DEPTH_MOST { DEPTH_MOST } else { COMPARISONS_MOST };
            return Err(SearchError::TooCostly { name: "_filter".to_owned(), what: "comparisons or links", most });
        }
        let start = self.at;
        let word = self.word();
        if word.is_empty() {
            return Err(self.expected("a parameter"));
        }
        let (name, linked) = word.split_once('.').map_or((word, false), |(name, _)| (name, true));
        self.past(name);
        if linked || self.rest().starts_with('[') {
            return self.link(scope, depth, name, start);
        }
        self.operation(scope, name, start)
    }

    /// A reference, what has to hold of its target, and the rest of the path there.
    fn link(&mut self, scope: Scope<'_>, depth: usize, name: &str, start: usize) -> Result<Clause, SearchError> {
        let (code, named) = name.split_once(':').map_or((name, None), |(code, named)| (code, Some(named)));
        let parameter = self.reader.parameter(scope, code, name)?;
        if parameter.kind != Kind::Reference {
            self.at = start;
            return Err(self.expected("a reference parameter before . or ["));
        }
        let named = match named {
            None => None,
            Some(named) => Some(ResourceType::parse(named).map_err(|_| self.expected("a resource type behind :"))?),
        };
        let may = |target: &ResourceType| named.is_none_or(|named| named == *target) && parameter.may_point_to(*target);
        let targets: Vec<ResourceType> = ResourceType::all().filter(may).collect();
        let from = self.at;
        let (mut links, mut end, mut first) = (Vec::new(), None, None);
        for target in targets {
            self.at = from;
            let types = [target];
            let within = Scope { types: &types, depth: scope.depth };
            match self.behind_link(within, depth.saturating_add(1)) {
                Ok(wanted) => {
                    end = Some(self.at);
                    links.push(Link { target, wanted });
                }
                Err(error) if named.is_none() && error.is_unknown() => {
                    first.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        match (end, first) {
            (Some(end), _) => {
                self.at = end;
                Ok(Clause::Chain(Chain { code: parameter.code.clone(), param: parameter.own_rows(), links }))
            }
            (None, Some(error)) => Err(error),
            (None, None) => Err(self.expected("a reference parameter with targets")),
        }
    }

    fn behind_link(&mut self, scope: Scope<'_>, depth: usize) -> Result<Vec<Clause>, SearchError> {
        let mut wanted = Vec::new();
        if self.rest().starts_with('[') {
            self.mark('[');
            wanted.extend(flattened(self.either(scope, depth)?));
            if !self.mark(']') {
                return Err(self.expected("]"));
            }
        }
        if !self.rest().starts_with('.') {
            return Err(self.expected("."));
        }
        self.mark('.');
        wanted.extend(flattened(self.comparison(scope, depth)?));
        Ok(wanted)
    }

    fn operation(&mut self, scope: Scope<'_>, name: &str, start: usize) -> Result<Clause, SearchError> {
        let operator = self.word();
        let known = [
            "eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le", "ap", "sa", "eb", "pr", "po", "ss", "sb", "in", "re",
        ];
        if !known.contains(&operator) {
            return Err(self.expected("eq, ne, co, sw, ew, gt, lt, ge, le, ap, sa, eb, pr, po, ss, sb, in or re"));
        }
        self.past(operator);
        let value = self.value()?;
        if matches!(name, "_id" | "_lastUpdated") {
            return self.own(scope, name, operator, &value, start);
        }
        let (code, modifier) = name.split_once(':').map_or((name, None), |(code, it)| (code, Some(it)));
        let parameter = self.reader.parameter(scope, code, name)?;
        if modifier.is_some() {
            return self.reader.values(scope, parameter, modifier, &value);
        }
        self.compared(scope, parameter, operator, &value, start)
    }

    fn own(
        &mut self,
        scope: Scope<'_>,
        name: &str,
        operator: &str,
        value: &str,
        start: usize,
    ) -> Result<Clause, SearchError> {
        let clause = |filter: &Self, value: &str| filter.reader.clause(scope, name, value);
        match (name, operator) {
            (_, "pr") => Ok(if value == "true" { Clause::All(Vec::new()) } else { Clause::Any(Vec::new()) }),
            ("_id", "eq") => clause(self, value),
            ("_id", "ne") => clause(self, value).map(|clause| Clause::Not(Box::new(clause))),
            ("_lastUpdated", "eq" | "ne" | "gt" | "lt" | "ge" | "le" | "sa" | "eb" | "ap") => {
                clause(self, &format!("{operator}{value}"))
            }
            _ => {
                self.at = start;
                Err(self.expected("an operator that this parameter has"))
            }
        }
    }

    fn compared(
        &mut self,
        scope: Scope<'_>,
        parameter: &Parameter,
        operator: &str,
        value: &str,
        start: usize,
    ) -> Result<Clause, SearchError> {
        let plain = |modifier: Option<&str>, value: &str| self.reader.values(scope, parameter, modifier, value);
        let text = |how: How| {
            let test = string::test(value, how);
            Clause::Rows(Term::AnyOf(self.reader.any(scope, parameter, parameter.param, vec![test])))
        };
        let prefixed = |value: &str| plain(None, &format!("{operator}{value}"));
        match (parameter.kind, operator) {
            (_, "pr") => match value {
                "true" => plain(Some("missing"), "false"),
                "false" => plain(Some("missing"), "true"),
                _ => Err(self.expected("true or false before here")),
            },
            (Kind::String, "eq") => Ok(text(How::Equals)),
            (Kind::String, "co") => Ok(text(How::Contains)),
            (Kind::String, "sw") => Ok(text(How::Begins)),
            (Kind::String, "ew") => Ok(text(How::Ends)),
            (Kind::String, "ne") => self.other(scope, parameter, &string::test(value, How::Equals)),
            (Kind::Token | Kind::Uri | Kind::Reference, "eq") | (Kind::Reference, "re") => plain(None, &escaped(value)),
            (Kind::Token | Kind::Uri | Kind::Reference, "ne") => {
                let (_, tests) = self.reader.tests(scope, parameter, None, &escaped(value))?;
                match tests.as_slice() {
                    [one] if parameter.has_rows() => self.other(scope, parameter, one),
                    // An id of several types: any reference that is none of those.
                    _ => Ok(Clause::All(vec![
                        plain(Some("missing"), "false")?,
                        Clause::Not(Box::new(plain(None, &escaped(value))?)),
                    ])),
                }
            }
            (Kind::Token, "in") => plain(Some("in"), &escaped(value)),
            (Kind::Token, "ss") => plain(Some("above"), &escaped(value)),
            (Kind::Token, "sb") => plain(Some("below"), &escaped(value)),
            (Kind::Uri, "sw") => Ok(self.begins(scope, parameter, value)),
            (Kind::Number | Kind::Quantity, "eq" | "ne" | "gt" | "lt" | "ge" | "le" | "ap" | "sa" | "eb") => {
                prefixed(value)
            }
            (Kind::Date, "eq" | "ne" | "gt" | "lt" | "ge" | "le" | "ap" | "sa" | "eb") => prefixed(value),
            // Overlaps: neither before nor behind.
            (Kind::Date, "po") => {
                let overlap = crate::values::date::stretch(value).ok_or_else(|| self.expected("a date before here"))?;
                let tests = crate::values::date::tests(crate::values::prefix::Prefix::Ap, overlap);
                Ok(Clause::Rows(Term::AnyOf(self.reader.any(scope, parameter, parameter.param, tests))))
            }
            (Kind::Composite, "eq") => plain(None, value),
            _ => {
                self.at = start;
                Err(self.expected("an operator that the kind of this parameter has"))
            }
        }
    }

    fn begins(&self, scope: Scope<'_>, parameter: &Parameter, value: &str) -> Clause {
        let test = Test::Prefix(value.as_bytes().to_vec());
        Clause::Rows(Term::AnyOf(self.reader.any(scope, parameter, parameter.param, vec![test])))
    }

    /// Some value is another one.
    fn other(&self, scope: Scope<'_>, parameter: &Parameter, test: &Test) -> Result<Clause, SearchError> {
        let tests = token::other_than(test);
        if tests.is_empty() {
            return Err(self.expected("a whole value before here"));
        }
        Ok(Clause::Rows(Term::AnyOf(self.reader.any(scope, parameter, parameter.param, tests))))
    }

    /// A text in quotes, or a word.
    fn value(&mut self) -> Result<String, SearchError> {
        self.skip();
        if !self.rest().starts_with('"') {
            let word = self.word();
            self.past(word);
            return if word.is_empty() { Err(self.expected("a value")) } else { Ok(word.to_owned()) };
        }
        let mut text = String::new();
        let mut letters = self.rest().char_indices().skip(1);
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.at = self.at.saturating_add(at).saturating_add(1);
                    return Ok(text);
                }
                '\\' => match letters.next().map(|(_, letter)| letter) {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('r') => text.push('\r'),
                    Some(letter) => text.push(letter),
                    None => break,
                },
                letter => text.push(letter),
            }
        }
        Err(self.expected("\" at the end of the text"))
    }
}

/// As a value of a parameter: a comma in a filter is a comma.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace(',', "\\,")
}
