//! One parameter of a query as what has to hold: kinds, modifiers, chains.

use std::cell::Cell;

use crate::error::SearchError;
use crate::extract;
use crate::parameter::{Kind, Parameter};
use crate::query::escape::{split, unescaped};
use crate::query::{CODES_MOST, Chain, Clause, CodeSet, Has, Link, ListOf, NoCodes, Options, expected, filter};
use crate::row::{Match, RowKind, Term, Test};
use crate::text;
use crate::values::near::Near;
use crate::values::number::Approximate;
use crate::values::prefix::Prefix;
use crate::values::reference::{self, Wanted};
use crate::values::string::{self, How};
use crate::values::{composite, date, quantity, token, uri};
use model::id::{Reference, ResourceId, ResourceType};

/// Links of a chain, and `_has` in `_has`.
const DEPTH_MOST: usize = 5;

/// Comparisons that one query may come to, values times types times systems.
const MATCHES_MOST: usize = 50_000;

/// Reads conditions; keeps count of what they cost.
pub(crate) struct Reader<'o> {
    pub(crate) options: &'o Options<'o>,
    matches: Cell<usize>,
}

/// Where a name is looked up, and how deep in a chain.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'t> {
    pub(crate) types: &'t [ResourceType],
    pub(crate) depth: usize,
}

impl<'o> Reader<'o> {
    pub(crate) fn new(options: &'o Options<'o>) -> Self {
        Self { options, matches: Cell::new(0) }
    }

    /// What a parameter asks for.
    pub(crate) fn clause(&self, scope: Scope<'_>, name: &str, value: &str) -> Result<Clause, SearchError> {
        if scope.depth > DEPTH_MOST {
            return Err(SearchError::TooCostly { name: shortened(name), what: "links in a chain", most: DEPTH_MOST });
        }
        if let Some(rest) = name.strip_prefix("_has:") {
            return self.has(scope, name, rest, value);
        }
        if let Some((head, rest)) = name.split_once('.') {
            return self.chain(scope, head, rest, value);
        }
        let (code, modifier) = name.split_once(':').map_or((name, None), |(code, it)| (code, Some(it)));
        let plain = || match modifier {
            None => Ok(()),
            Some(modifier) => Err(refused_modifier(code, modifier, "none")),
        };
        match code {
            "_id" => plain().and_then(|()| self.ids(value)),
            "_lastUpdated" => plain().and_then(|()| self.updated(value)),
            "_text" | "_content" => plain().and_then(|()| {
                text::read(value, code == "_content").ok_or_else(|| wrong(code, "words, with AND, OR and parentheses"))
            }),
            "_list" => plain().and_then(|()| list(value)),
            "_filter" => plain().and_then(|()| filter::read(self, scope, value)),
            _ => {
                let parameter = self.parameter(scope, code, name)?;
                self.values(scope, parameter, modifier, value)
            }
        }
    }

    /// The parameter of a code, if every type has it and compares it alike.
    pub(crate) fn parameter(&self, scope: Scope<'_>, code: &str, name: &str) -> Result<&'o Parameter, SearchError> {
        let mut found: Option<&Parameter> = None;
        for resource_type in scope.types {
            let own = self.options.registry.find(*resource_type, code);
            match (found, own) {
                (_, None) => return Err(self.unknown(scope, name)),
                (Some(known), Some(own)) if known.kind != own.kind => return Err(self.unknown(scope, name)),
                (None, own) => found = own,
                _ => {}
            }
        }
        found.ok_or_else(|| self.unknown(scope, name))
    }

    pub(crate) fn unknown(&self, scope: Scope<'_>, name: &str) -> SearchError {
        let registry = self.options.registry;
        let (resource_type, mut supported) = match scope.types {
            [one] => (one.to_string(), registry.parameters(*one).iter().map(|it| it.code.as_str()).collect()),
            _ => {
                let first = scope.types.first().map_or(&[][..], |first| registry.parameters(*first));
                let in_all = |code: &str| scope.types.iter().all(|it| registry.find(*it, code).is_some());
                let codes: Vec<&str> = first.iter().map(|it| it.code.as_str()).filter(|code| in_all(code)).collect();
                ("all of these types".to_owned(), codes)
            }
        };
        supported.extend(["_text", "_content", "_list", "_has", "_filter"]);
        supported.extend(["_count", "_sort", "_include", "_revinclude", "_total", "_summary", "_elements"]);
        supported.dedup();
        SearchError::Unknown { name: shortened(name), resource_type, supported: supported.join(", ") }
    }

    fn ids(&self, value: &str) -> Result<Clause, SearchError> {
        let id = |id: &&str| ResourceId::parse(id).ok().map(|id| id.to_string());
        let ids: Option<Vec<String>> = split(value, ',', usize::MAX).iter().map(id).collect();
        ids.map(Clause::Ids).ok_or_else(|| wrong("_id", "ids of 1 to 64 letters, digits, - and ."))
    }

    fn updated(&self, value: &str) -> Result<Clause, SearchError> {
        let mut any = Vec::new();
        for text in split(value, ',', usize::MAX) {
            let (prefix, stretch) =
                date::read(text, self.options.now).ok_or_else(|| wrong("_lastUpdated", expected(Kind::Date)))?;
            any.extend(date::allowed(prefix, stretch));
        }
        Ok(Clause::Updated(any))
    }

    fn has(&self, scope: Scope<'_>, name: &str, rest: &str, value: &str) -> Result<Clause, SearchError> {
        let form = || wrong("_has", "_has:Type:parameter:condition, a reference parameter of that type");
        let (source, rest) = rest.split_once(':').ok_or_else(form)?;
        let (code, inner) = rest.split_once(':').ok_or_else(form)?;
        let source = ResourceType::parse(source).map_err(|_| form())?;
        let types = [source];
        let within = Scope { types: &types, depth: scope.depth.saturating_add(1) };
        let parameter = self.parameter(within, code, name)?;
        let may = parameter.kind == Kind::Reference && scope.types.iter().any(|own| parameter.may_point_to(*own));
        if !may {
            return Err(form());
        }
        let wanted = flattened(self.clause(within, inner, value)?);
        Ok(Clause::Has(Has { source, code: parameter.code.clone(), param: parameter.own_rows(), wanted }))
    }

    fn chain(&self, scope: Scope<'_>, head: &str, rest: &str, value: &str) -> Result<Clause, SearchError> {
        let (code, modifier) = head.split_once(':').map_or((head, None), |(code, it)| (code, Some(it)));
        let parameter = self.parameter(scope, code, head)?;
        if parameter.kind != Kind::Reference {
            return Err(wrong(code, "a reference parameter before the point of a chain"));
        }
        let named = match modifier {
            None => None,
            Some(modifier) => {
                let target = ResourceType::parse(modifier).ok().filter(|target| parameter.may_point_to(*target));
                Some(target.ok_or_else(|| refused_modifier(code, modifier, "a type that the parameter refers to"))?)
            }
        };
        let targets = self.targets(scope, code, named);
        let (mut links, mut first) = (Vec::new(), None);
        for target in targets {
            let types = [target];
            let within = Scope { types: &types, depth: scope.depth.saturating_add(1) };
            match self.clause(within, rest, value) {
                Ok(clause) => links.push(Link { target, wanted: flattened(clause) }),
                // Of several types, those count that have the parameter.
                Err(error) if named.is_none() && error.is_unknown() => {
                    first.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        match first {
            Some(error) if links.is_empty() => Err(error),
            _ => Ok(Clause::Chain(Chain { code: parameter.code.clone(), param: parameter.own_rows(), links })),
        }
    }

    /// The types that a reference parameter of these types may lead to.
    fn targets(&self, scope: Scope<'_>, code: &str, named: Option<ResourceType>) -> Vec<ResourceType> {
        let own = scope.types.iter().filter_map(|own| self.options.registry.find(*own, code));
        let own: Vec<&Parameter> = own.collect();
        let may = |target: &ResourceType| own.iter().any(|parameter| parameter.may_point_to(*target));
        named.map_or_else(|| ResourceType::all().filter(may).collect(), |named| vec![named])
    }

    /// What a parameter's value asks for, with its modifier.
    pub(crate) fn values(
        &self,
        scope: Scope<'_>,
        parameter: &Parameter,
        modifier: Option<&str>,
        value: &str,
    ) -> Result<Clause, SearchError> {
        let code = parameter.code.as_str();
        if let Some(modifier) = modifier {
            let known = parameter.kind.modifiers();
            let is_type = known.contains(&"[type]") && ResourceType::parse(modifier).is_ok();
            let allowed =
                parameter.modifiers.is_empty() || parameter.modifiers.iter().any(|it| it == modifier) || is_type;
            if !(known.contains(&modifier) && modifier != "[type]" || is_type) || !allowed {
                return Err(refused_modifier(code, modifier, &known.join(", ")));
            }
        }
        if modifier == Some("missing") {
            let tests = match parameter.only() {
                None => vec![Test::Present],
                Some(only) => vec![
                    Test::Prefix(format!("{only}/").into_bytes()),
                    Test::Contains(format!("/{only}/").into_bytes()),
                ],
            };
            let present = self.any(scope, parameter, parameter.param, tests);
            return match value {
                "true" => Ok(Clause::Rows(Term::NoneOf(present))),
                "false" => Ok(Clause::Rows(Term::AnyOf(present))),
                _ => Err(wrong(code, "true or false")),
            };
        }
        let values = split(value, ',', usize::MAX);
        if parameter.kind == Kind::Composite {
            return self.composite(scope, parameter, &values);
        }
        if parameter.kind == Kind::Special {
            let mut near = Vec::new();
            for text in values {
                let place = Near::read(parameter.param, &parts(code, text, parameter.kind)?);
                let place = place.ok_or_else(|| wrong(code, expected(Kind::Special)))?;
                near.push(Clause::All(vec![Clause::Rows(Term::AnyOf(vec![place.band()])), Clause::Near(place)]));
            }
            return Ok(one_of(near));
        }
        let (mut any, mut driving) = (Vec::new(), Vec::new());
        for text in values {
            let (param, tests) = self.tests(scope, parameter, modifier, text)?;
            any.extend(self.any(scope, parameter, param, tests));
            if modifier == Some("of-type") {
                // The value alone finds it; the detail says of which type it is.
                let value = parts(code, text, parameter.kind)?.pop().unwrap_or_default();
                let test = Test::Prefix(token::form("", &value));
                driving.extend(self.any(scope, parameter, parameter.param, vec![test]));
            }
        }
        let spent = self.matches.get().saturating_add(any.len());
        self.matches.set(spent);
        if spent > MATCHES_MOST {
            return Err(SearchError::TooCostly { name: code.to_owned(), what: "values", most: MATCHES_MOST });
        }
        let whole = Clause::Rows(match modifier {
            Some("not" | "not-in") => Term::NoneOf(any),
            _ => Term::AnyOf(any),
        });
        Ok(match driving.is_empty() {
            true => whole,
            false => Clause::All(vec![Clause::Rows(Term::AnyOf(driving)), whole]),
        })
    }

    /// Matches for every kind of row that these types write for the parameter.
    pub(crate) fn any(&self, scope: Scope<'_>, parameter: &Parameter, param: u32, tests: Vec<Test>) -> Vec<Match> {
        let kind = |of: &ResourceType| extract::kind_of(extract::kind(of.as_str(), parameter), parameter, param);
        let mut kinds: Vec<RowKind> = scope.types.iter().map(kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let rows = parameter.rows_of(param);
        let mut any = Vec::with_capacity(rows.len().saturating_mul(tests.len()));
        for kind in kinds {
            for row in &rows {
                any.extend(tests.iter().map(|test| Match { param: *row, test: test.clone(), kind }));
            }
        }
        any
    }

    /// The tests of one alternative, any of which may pass, and the rows they are for.
    pub(crate) fn tests(
        &self,
        scope: Scope<'_>,
        parameter: &Parameter,
        modifier: Option<&str>,
        text: &str,
    ) -> Result<(u32, Vec<Test>), SearchError> {
        let code = parameter.code.as_str();
        let fail = || wrong(code, expected(parameter.kind));
        let whole = || unescaped(text).filter(|text| !text.is_empty()).ok_or_else(fail);
        let (mut param, mut prefix) = (parameter.param, Prefix::Eq);
        let tests = match (parameter.kind, modifier) {
            (Kind::Number, _) => {
                let number = Approximate::read(text).ok_or_else(fail)?;
                prefix = number.prefix;
                number.tests(b"", Some).ok_or_else(fail)?
            }
            (Kind::Date, _) => {
                let (found, stretch) = date::read(text, self.options.now).ok_or_else(fail)?;
                prefix = found;
                date::tests(found, stretch)
            }
            (Kind::Quantity, _) => {
                let (number, tests) = quantity::tests(&parts(code, text, parameter.kind)?).ok_or_else(fail)?;
                prefix = number.prefix;
                tests
            }
            (Kind::String, Some("exact")) => vec![string::test(&whole()?, How::Exact)],
            (Kind::String, Some("contains")) => vec![string::test(&whole()?, How::Contains)],
            (Kind::String, _) => vec![string::test(&whole()?, How::Begins)],
            (Kind::Token, Some("text")) => {
                param = parameter.text;
                vec![string::test(&whole()?, How::Begins)]
            }
            (Kind::Token, Some("of-type")) => {
                param = parameter.of_type;
                let fail = || wrong(code, "system|code|value");
                vec![token::test_of_type(&parts(code, text, parameter.kind)?).ok_or_else(fail)?]
            }
            (Kind::Token, Some("in" | "not-in")) => self.coded(code, CodeSet::ValueSet(&whole()?))?,
            (Kind::Token, Some(way @ ("above" | "below"))) => {
                let parts = parts(code, text, parameter.kind)?;
                let [system, concept] = parts.as_slice() else { return Err(wrong(code, "system|code")) };
                let set = match way {
                    "above" => CodeSet::Above { system, code: concept },
                    _ => CodeSet::Below { system, code: concept },
                };
                self.coded(code, set)?
            }
            (Kind::Token, _) => {
                let parts = parts(code, text, parameter.kind)?;
                let mut tests = vec![token::test(&parts).ok_or_else(fail)?];
                tests.extend(token::implied(parameter, &parts));
                tests
            }
            (Kind::Uri, Some("below")) => uri::below(&whole()?),
            (Kind::Uri, Some("above")) => uri::above(&whole()?),
            (Kind::Uri, _) => vec![uri::test(&whole()?).ok_or_else(fail)?],
            (Kind::Reference, Some("identifier")) => {
                param = parameter.identifier;
                let fail = || wrong(code, expected(Kind::Token));
                vec![token::test(&parts(code, text, parameter.kind)?).ok_or_else(fail)?]
            }
            (Kind::Reference, named) => {
                let named = named.and_then(|named| ResourceType::parse(named).ok());
                self.referring(scope, parameter, named, &whole()?).ok_or_else(fail)?
            }
            (Kind::Composite | Kind::Special, _) => return Err(fail()),
        };
        let allowed = &parameter.comparators;
        if prefix != Prefix::Eq && !allowed.is_empty() && !allowed.iter().any(|it| it == prefix.as_str()) {
            return Err(SearchError::Modifier {
                name: code.to_owned(),
                modifier: prefix.as_str().to_owned(),
                supported: allowed.join(", "),
            });
        }
        Ok((param, tests))
    }

    fn coded(&self, name: &str, set: CodeSet<'_>) -> Result<Vec<Test>, SearchError> {
        match self.options.host.codes(set) {
            Ok(codes) if codes.len() <= CODES_MOST => {
                Ok(codes.iter().map(|it| Test::Equals(token::form(&it.system, &it.code))).collect())
            }
            Ok(_) | Err(NoCodes::TooMany) => {
                Err(SearchError::TooCostly { name: name.to_owned(), what: "codes", most: CODES_MOST })
            }
            Err(NoCodes::Unknown) => Err(SearchError::Codes { name: name.to_owned() }),
        }
    }

    fn referring(
        &self,
        scope: Scope<'_>,
        parameter: &Parameter,
        named: Option<ResourceType>,
        text: &str,
    ) -> Option<Vec<Test>> {
        let base = self.options.base;
        let own = |reference: Reference| reference::matches(parameter.param, &reference, base);
        let matches = match reference::read(text, base)? {
            Wanted::Own(reference)
                if named.or(parameter.only()).is_none_or(|named| named == reference.resource_type) =>
            {
                own(reference)
            }
            Wanted::Own(_) => Vec::new(),
            Wanted::Id(id) => {
                let targets = self.targets(scope, &parameter.code, named);
                targets.into_iter().flat_map(|target| own(Reference::new(target, id.clone()))).collect()
            }
            Wanted::Url(url) if parameter.only().is_none_or(|only| url.contains(&format!("/{only}/"))) => {
                vec![reference::equals(parameter.param, url)]
            }
            Wanted::Url(_) => Vec::new(),
        };
        Some(matches.into_iter().map(|one| one.test).collect())
    }

    fn composite(&self, scope: Scope<'_>, parameter: &Parameter, values: &[&str]) -> Result<Clause, SearchError> {
        let fail = || wrong(&parameter.code, expected(Kind::Composite));
        let (mut any, mut driving) = (Vec::new(), Vec::new());
        // What finds the first part finds whatever has the whole.
        let driver =
            parameter.components.first().and_then(|first| self.parameter(scope, &first.code, &first.code).ok());
        let mut drives = driver.is_some();
        for value in values {
            let texts = split(value, '$', usize::MAX);
            if texts.len() != parameter.components.len() {
                return Err(fail());
            }
            let mut parts = Vec::with_capacity(texts.len());
            for (text, component) in texts.iter().zip(&parameter.components) {
                parts.push(self.tests(scope, component, None, text).map_err(|_| fail())?.1);
            }
            if let (Some(driver), Some(component), Some(tests)) = (driver, parameter.components.first(), parts.first())
            {
                drives &= driver.kind == component.kind;
                driving.extend(self.any(scope, driver, driver.param, tests.clone()));
            }
            let last = parts.pop().unwrap_or_default();
            let pair = composite::ends_in_numbers(&parameter.components).then(|| parts.pop().unwrap_or_default());
            let mut frames: Vec<Vec<u8>> = vec![Vec::new()];
            for tests in &parts {
                let mut next = Vec::new();
                for test in tests {
                    let form = composite::form_of(test).ok_or_else(fail)?;
                    next.extend(frames.iter().map(|frame| [frame.as_slice(), &composite::framed(&form, &[])].concat()));
                }
                frames = next;
            }
            for frame in &frames {
                let tests = match &pair {
                    Some(from) => composite::pair_tests(frame, from, &last),
                    None => last.iter().map(|test| composite::behind(frame, test)).collect(),
                };
                any.extend(self.any(scope, parameter, parameter.param, tests.ok_or_else(fail)?));
            }
        }
        let whole = Clause::Rows(Term::AnyOf(any));
        Ok(if drives { Clause::All(vec![Clause::Rows(Term::AnyOf(driving)), whole]) } else { whole })
    }
}

/// The clauses that have to hold together, without the outermost `All`.
pub(crate) fn flattened(clause: Clause) -> Vec<Clause> {
    match clause {
        Clause::All(clauses) => clauses.into_iter().flat_map(flattened).collect(),
        clause => vec![clause],
    }
}

fn one_of(mut clauses: Vec<Clause>) -> Clause {
    match clauses.len() {
        1 => clauses.remove(0),
        _ => Clause::Any(clauses),
    }
}

fn list(value: &str) -> Result<Clause, SearchError> {
    let fail = || wrong("_list", "the id of a List, List/id, or a function such as $current-problems");
    let mut any = Vec::new();
    for text in split(value, ',', usize::MAX) {
        let text = unescaped(text).ok_or_else(fail)?;
        any.push(Clause::List(match text.strip_prefix('$') {
            Some(function) if !function.is_empty() => ListOf::Function(format!("${function}")),
            _ => {
                let id = text.strip_prefix("List/").unwrap_or(&text);
                ListOf::Id(ResourceId::parse(id).map_err(|_| fail())?.to_string())
            }
        }));
    }
    Ok(one_of(any))
}

/// The unescaped parts of a value.
fn parts(name: &str, text: &str, kind: Kind) -> Result<Vec<String>, SearchError> {
    let parts: Option<Vec<String>> = split(text, '|', usize::MAX).into_iter().map(unescaped).collect();
    let parts = parts.ok_or_else(|| wrong(name, expected(kind)))?;
    // A code may hold the separator where nobody escaped it: `system|code|more`.
    Ok(match (kind, parts.as_slice()) {
        (Kind::Token, [system, code, more @ ..]) if more.len() > 1 => {
            vec![system.clone(), std::iter::once(code).chain(more).map(String::as_str).collect::<Vec<_>>().join("|")]
        }
        _ => parts,
    })
}

pub(crate) fn wrong(name: &str, expected: &'static str) -> SearchError {
    SearchError::Value { name: name.to_owned(), expected }
}

fn refused_modifier(name: &str, modifier: &str, supported: &str) -> SearchError {
    SearchError::Modifier { name: shortened(name), modifier: shortened(modifier), supported: supported.to_owned() }
}

/// A name is the client's own text: shortened, so that an answer carries no more than a name.
pub(crate) fn shortened(name: &str) -> String {
    name.chars().filter(char::is_ascii_graphic).take(64).collect()
}
