//! Turns the tables of documents made of elements into rules: `templates/`, `datatypes/` and `entries.csv`.

use smol_str::SmolStr;

use super::Compiler;
use crate::elements;
use crate::function;
use crate::load::RawRow;
use crate::map::{AliasId, SELF, Way};
use crate::package::LoadError;
use crate::path::{self, Holds, Target};
use crate::tree::path::{Path, find, parse, split};
use crate::tree::table::{
    Entry, Form, Identity, Match, Part, Place, Row, SectionRule, Source, Table, Term, Test, Via, Wanted,
};

/// The code of the section around.
const SECTION: &str = "~section/code/@code";

/// What a row belongs to.
struct Owner {
    root: SmolStr,
    role: AliasId,
    resource: bool,
}

impl Compiler<'_> {
    /// Compiles the tables of a package for trees.
    pub(super) fn tree(&mut self) {
        self.tree_headers();
        for (path, rows) in &self.raw.tables {
            let Some(number) = table_name(path).and_then(|name| self.tables.get(name).copied()) else { continue };
            let Some(table) = self.out.tree.tables.get(number) else { continue };
            let owner = Owner { root: table.root.clone(), role: table.role, resource: table.resource };
            let (mut identity, mut compiled, mut defaults) = (None, Vec::new(), Vec::new());
            let (mut matches, mut wrap) = (Vec::new(), None);
            for raw in rows {
                if raw.cell(0) == "id" {
                    match self.tree_identity(raw) {
                        Ok(found) => identity = Some(found),
                        Err(message) => self.errors.push(raw.error(message)),
                    }
                    continue;
                }
                if matches!(raw.cell(0), "match" | "wrap") {
                    let read = match raw.cell(0) {
                        "match" => self.tree_match(raw, &owner).map(|found| matches.push(found)),
                        _ => self.tree_table(raw.cell(2)).map(|found| wrap = Some(found)),
                    };
                    if let Err(message) = read {
                        self.errors.push(raw.error(message));
                    }
                    continue;
                }
                match self.tree_row(raw, &owner) {
                    Ok(row) if raw.cell(0) == "default" => defaults.push(row),
                    Ok(row) => compiled.push(row),
                    Err(message) => self.errors.push(raw.error(message)),
                }
            }
            if let Some(table) = self.out.tree.tables.get_mut(number) {
                (table.identity, table.rows, table.defaults) = (identity, compiled, defaults);
                (table.matches, table.wrap) = (matches, wrap);
            }
        }
        self.entries();
        self.sections();
        self.checks();
        self.required();
    }

    fn sections(&mut self) {
        for raw in self.raw.tables.get("sections").into_iter().flatten() {
            if !elements::is_resource(raw.cell(2)) {
                self.errors.push(raw.error(format!("unknown resource type {}", raw.cell(2))));
                continue;
            }
            self.out.tree.sections.push(SectionRule {
                code: raw.cell(0).into(),
                title: raw.cell(1).into(),
                resource: raw.cell(2).into(),
                member: raw.cell(3).into(),
                values: raw.cell(4).split_whitespace().map(SmolStr::new).collect(),
            });
        }
    }

    fn tree_headers(&mut self) {
        for (path, rows) in &self.raw.tables {
            let Some(name) = table_name(path) else { continue };
            let problem = |message: String| LoadError {
                file: rows.first().map_or_else(|| path.clone(), |row| row.file.to_string()),
                line: 0,
                message,
            };
            let Some((_, root)) = name.split_once('-') else {
                self.errors.push(problem(format!("expected a name like ProblemObservation-Condition, found {name}")));
                continue;
            };
            let root = root.split('+').next().unwrap_or(root);
            let kind = root.split_once('@').map_or(root, |(kind, _)| kind);
            let resource = elements::is_resource(kind);
            let template = path.starts_with("templates/");
            if !resource && !(elements::is_complex(kind) && (!template || kind.contains('.'))) && kind != "None" {
                self.errors.push(problem(format!("unknown target: {kind}")));
                continue;
            }
            let role = match resource.then(|| self.alias(root)) {
                Some(Ok(role)) => role,
                Some(Err(message)) => {
                    self.errors.push(problem(message));
                    continue;
                }
                None => SELF,
            };
            self.tables.insert(name.into(), self.out.tree.tables.len());
            self.out.tree.tables.push(Table {
                root: kind.into(),
                role,
                resource,
                identity: None,
                rows: Vec::new(),
                defaults: Vec::new(),
                matches: Vec::new(),
                wrap: None,
            });
        }
    }

    fn tree_identity(&mut self, raw: &RawRow) -> Result<Identity, String> {
        let mut alternatives = Vec::new();
        for alternative in split(raw.cell(2), '|') {
            let mut parts = Vec::new();
            for part in split(alternative, '+').into_iter().map(str::trim) {
                parts.push(match part {
                    "#" => Part::Position,
                    "@parent" => Part::Parent,
                    _ => match part.strip_prefix('@').filter(|name| name.starts_with(|c: char| c.is_ascii_uppercase()))
                    {
                        Some(role) => Part::Role(self.alias(role)?),
                        None => Part::Path(self.path(part)?),
                    },
                });
            }
            alternatives.push(parts);
        }
        let each = match raw.cell(5) {
            "" => false,
            "each" => true,
            other => return Err(format!("unknown way {other} of an id: expected nothing or each")),
        };
        Ok(Identity { alternatives, each })
    }

    fn tree_row(&mut self, raw: &RawRow, owner: &Owner) -> Result<Row, String> {
        let rule = self.rule(raw);
        let source = match raw.cell(0) {
            "const" | "default" => Source::Constant,
            "@parent" => Source::Parent,
            text => match text.strip_prefix('@').filter(|name| name.starts_with(|c: char| c.is_ascii_uppercase())) {
                Some(role) if role.ends_with('*') => Source::Each(self.alias(role.trim_end_matches('*'))?),
                Some(role) => Source::Role(self.alias(role)?),
                None => Source::Path(self.path(text)?),
            },
        };
        let (role, target) = self.tree_target(raw.cell(1), owner)?;
        let via = self.tree_via(raw.cell(2), &source, &target, owner, raw.cell(1), raw.cell(5) == "<")?;
        let with = self.with(raw.cell(3), &target)?;
        let when = self.tree_when(raw.cell(4), owner)?;
        let way = match raw.cell(5) {
            "" => Way::Both,
            ">" => Way::Forward,
            "<" => Way::Backward,
            other => return Err(format!("unknown way {other}: expected nothing, > or <")),
        };
        let each = target.steps.is_empty() || target.appends();
        Ok(Row { source, role, target, via, with, when, way, rule, each })
    }

    /// `match,Observation.hasMember[0]`: what the way back asks of a resource; with `via` one of these values. Several
    /// elements stand between `|`, each with its own values after `=`. With `parent(DiagnosticReport)` it is asked only of
    /// what is written inside one; with `~section/code/@code=…` and no element the section is what is asked for.
    fn tree_match(&mut self, raw: &RawRow, owner: &Owner) -> Result<Match, String> {
        let place = match self.tree_when(raw.cell(4), owner)?.as_slice() {
            [] => None,
            [Term { negated, test: Test::Parent(kind) }] => Some(Place::Inside(kind.clone(), *negated)),
            [Term { negated: false, test: Test::In(path, codes) }]
                if *path == parse(SECTION)? && raw.cell(1).is_empty() =>
            {
                Some(Place::Section(codes.clone()))
            }
            _ => return Err("a match asks of the place parent(Type), or without an element the section".to_owned()),
        };
        let list = |text: &str| text.split_whitespace().map(SmolStr::new).collect::<Vec<_>>();
        let mut any = Vec::new();
        for one in raw.cell(1).split('|').filter(|one| !one.is_empty()) {
            let (negated, one) = one.strip_prefix('!').map_or((false, one), |one| (true, one));
            let (element, values) = one.split_once('=').unwrap_or((one, raw.cell(2)));
            any.push(Wanted { target: self.tree_target(element, owner)?.1, values: list(values), negated });
        }
        if any.is_empty() && !matches!(place, Some(Place::Section(_))) {
            return Err("expected an element".to_owned());
        }
        Ok(Match { any, place })
    }

    fn tree_target(&mut self, text: &str, owner: &Owner) -> Result<(AliasId, Target), String> {
        if text.is_empty() {
            let steps = Vec::new();
            return Ok((SELF, Target { steps, holds: Holds::Reference, anchor: 0, anchor_kind: SmolStr::default() }));
        }
        let names = |name: &str| if name.contains(':') { Some(name.into()) } else { self.raw.names.get(name).cloned() };
        if let Some(rest) = text.strip_prefix(owner.root.as_str()).and_then(|rest| rest.strip_prefix('.')) {
            return Ok((SELF, path::target(&owner.root, rest, &names)?));
        }
        if !owner.resource && owner.root != "None" {
            return Err(format!("expected a target of {}, found {text}", owner.root));
        }
        let (head, rest) = text.split_once('.').unwrap_or((text, ""));
        let kind = head.split_once('@').map_or(head, |(kind, _)| kind);
        let target = path::target(kind, rest, &names)?;
        let role = self.alias(head)?;
        Ok((if role == owner.role { SELF } else { role }, target))
    }

    fn tree_via(
        &mut self,
        text: &str,
        source: &Source,
        target: &Target,
        owner: &Owner,
        name: &str,
        backward: bool,
    ) -> Result<Via, String> {
        match source {
            Source::Role(_) | Source::Each(_) | Source::Parent => {
                return match (text, target.holds) {
                    ("", Holds::Reference) if !target.steps.is_empty() => Ok(Via::Reference),
                    ("", _) => Err("expected a target that is a Reference".to_owned()),
                    _ => Err("expected no via for a reference".to_owned()),
                };
            }
            Source::Constant if text.starts_with('^') => {
                let names = |name: &str| self.url(name);
                let root = name.split(['.', '@']).next().unwrap_or_default();
                let from = path::target(root, text.trim_start_matches('^'), &names)?;
                return if from.holds == target.holds {
                    Ok(Via::Copy(from))
                } else {
                    Err("a copy is of the same type".to_owned())
                };
            }
            Source::Constant if text == "absent" => return Ok(Via::Absent("unknown".into())),
            Source::Constant => return Ok(Via::Literal(self.literal(text, target)?)),
            Source::Path(_) if target.steps.is_empty() && backward => return Ok(Via::Written(text.into())),
            Source::Path(_) => {}
        }
        if let Some(reason) = text.strip_prefix("drop:") {
            return Ok(Via::Drop(reason.trim().into()));
        }
        if let Some(table) = text.strip_prefix('=') {
            let number = self.tree_table(table)?;
            let made = self.out.tree.tables.get(number).is_some_and(|table| table.resource);
            // `Attachment.url` names a resource by its address, without a Reference around it.
            let named = target.holds == Holds::Text && target.steps.last().is_some_and(|step| step.name == "url");
            return if made && (named || target.holds == Holds::Reference) {
                Ok(Via::Resource(number))
            } else {
                Err(format!("{table} builds a resource: expected a target that is a Reference or a url, or none"))
            };
        }
        if let Some(table) = text.strip_prefix(':') {
            let number = self.tree_table(table)?;
            let root = self.out.tree.tables.get(number).map(|table| table.root.clone()).unwrap_or_default();
            return if root == owner.root || root == "None" {
                Ok(Via::Rows(number))
            } else {
                Err(format!("{table} fills {root}, this table {}", owner.root))
            };
        }
        if let Some(types) = text.strip_prefix("dispatch") {
            let types = types.strip_prefix('(').and_then(|types| types.strip_suffix(')')).unwrap_or(types);
            let types: Vec<SmolStr> = types.split('|').filter(|name| !name.is_empty()).map(SmolStr::new).collect();
            if let Some(unknown) = types.iter().find(|name| !elements::is_resource(name)) {
                return Err(format!("unknown resource type {unknown}"));
            }
            return Ok(Via::Dispatch(types));
        }
        if target.steps.is_empty() {
            return Err("expected a target".to_owned());
        }
        let textual = matches!(target.holds, Holds::Text);
        match text {
            "ed" if textual => return Ok(Via::Referred),
            "narrative" if textual => return Ok(Via::Narrative),
            "attachment" if textual => return Ok(Via::Attachment),
            "size" if target.holds == Holds::Integer => return Ok(Via::Size),
            "hash" if textual => return Ok(Via::Hash),
            "note" if textual => return Ok(Via::Note),
            _ => {}
        }
        if let Some((first, map)) = text.split_once(':') {
            let map = self.maps.get(map).copied().ok_or_else(|| format!("unknown vocabulary map {map}"))?;
            return match first {
                "code" if textual => Ok(Via::Code(map)),
                "system" if textual => Ok(Via::System(map)),
                "code" | "system" => Err("expected a target that holds a code".to_owned()),
                table => self.tree_datatype(table, Some(map), target),
            };
        }
        if self.tables.contains_key(text) {
            return self.tree_datatype(text, None, target);
        }
        let function = function::named(text).ok_or_else(|| format!("unknown function or table {text:?}"))?;
        if function.arguments != 0 || matches!(target.holds, Holds::Complex(_) | Holds::Reference) {
            return Err(format!("{text} gives a primitive of one text: the target is none, or it takes more"));
        }
        Ok(Via::Function(function))
    }

    fn tree_table(&self, name: &str) -> Result<usize, String> {
        self.tables.get(name).copied().ok_or_else(|| format!("unknown table {name}"))
    }

    fn tree_datatype(&self, name: &str, map: Option<usize>, target: &Target) -> Result<Via, String> {
        let table = self.tree_table(name)?;
        let root = self.out.tree.tables.get(table).map_or("", |table| table.root.as_str());
        let fits = matches!(target.holds, Holds::Complex(kind) if kind == root || (root == "Quantity"
            && matches!(kind, "Duration" | "Age" | "Count" | "Distance" | "SimpleQuantity")));
        if fits { Ok(Via::Table { table, map }) } else { Err(format!("{name} builds {root}, the target is none")) }
    }

    fn tree_when(&mut self, text: &str, owner: &Owner) -> Result<Vec<Term>, String> {
        let mut out = Vec::new();
        for piece in text.split(" and ").map(str::trim).filter(|piece| !piece.is_empty()) {
            let (mut negated, piece) = match piece.strip_prefix('!') {
                Some(piece) => (true, piece),
                None => (false, piece),
            };
            let called = piece.split_once('(').filter(|(name, _)| !name.contains(['[', '/', '@']) && *name != "text");
            let test = if let Some((form, rest)) = called {
                let inner = rest.strip_suffix(')').ok_or("expected )")?;
                match form {
                    "parent" => Test::Parent(inner.into()),
                    "filled" => Test::Filled(self.tree_target(inner, owner)?.1),
                    "number" => Test::Form(Form::Number, self.path(inner)?),
                    "integer" => Test::Form(Form::Integer, self.path(inner)?),
                    "ucum" => Test::Form(Form::Unit, self.path(inner)?),
                    "universal" => Test::Form(Form::Universal, self.path(inner)?),
                    "timestamp" => Test::Form(Form::Timestamp, self.path(inner)?),
                    _ => match form.strip_prefix("code:") {
                        Some(map) => {
                            let number = self.maps.get(map).copied();
                            Test::Coded(
                                number.ok_or_else(|| format!("unknown vocabulary map {map}"))?,
                                self.path(inner)?,
                            )
                        }
                        None => return Err(format!("unknown condition {form}")),
                    },
                }
            } else if let Some(role) =
                piece.strip_prefix('@').filter(|name| name.starts_with(|c: char| c.is_ascii_uppercase()))
            {
                Test::Role(self.alias(role)?)
            } else if let Some(at) = piece.find(" in ") {
                let (left, right) = piece.split_at(at);
                let values = right.get(4..).unwrap_or_default();
                Test::In(self.path(left.trim())?, values.split_whitespace().map(SmolStr::new).collect())
            } else if let Some(at) = find(piece, '=') {
                let (left, right) = piece.split_at(at);
                let left = match left.strip_suffix('!') {
                    Some(left) => {
                        negated = !negated;
                        left
                    }
                    None => left,
                };
                Test::In(self.path(left.trim())?, vec![right.get(1..).unwrap_or_default().trim().into()])
            } else {
                let paths: Result<Vec<Path>, String> =
                    split(piece, '|').into_iter().map(|path| self.path(path.trim())).collect();
                Test::Any(paths?)
            };
            out.push(Term { negated, test });
        }
        Ok(out)
    }

    /// A path whose templates are also known by what documents of older and other guides call them.
    fn path(&self, text: &str) -> Result<Path, String> {
        let mut path = parse(text)?;
        path.widen(&|oid| self.aliases(oid));
        Ok(path)
    }

    /// Other names of a template (`aliases.csv`). They are read like it and never written.
    fn aliases(&self, oid: &str) -> Vec<SmolStr> {
        let rows = self.raw.tables.get("aliases").into_iter().flatten();
        rows.filter(|raw| raw.cell(1) == oid).map(|raw| raw.cell(0).into()).collect()
    }

    fn entries(&mut self) {
        let Some(rows) = self.raw.tables.get("entries") else {
            return;
        };
        let owner = Owner { root: "None".into(), role: SELF, resource: false };
        for raw in rows {
            let list =
                |text: &str| text.split('|').filter(|part| !part.is_empty()).map(SmolStr::new).collect::<Vec<_>>();
            let tables: Result<Vec<usize>, String> =
                raw.cell(4).split_whitespace().map(|name| self.tree_table(name)).collect();
            match (tables, self.tree_when(raw.cell(3), &owner)) {
                (Ok(tables), Ok(when)) => {
                    let none =
                        |table: &&usize| self.out.tree.tables.get(**table).is_some_and(|table| table.root == "None");
                    let through = tables.iter().find(none).copied();
                    if through.is_some() && tables.len() > 1 {
                        self.errors.push(raw.error("a table without a resource stands alone"));
                    }
                    let mut templates = list(raw.cell(1));
                    // Behind its own names: the way back writes the first.
                    let aliases: Vec<SmolStr> = templates.iter().flat_map(|oid| self.aliases(oid)).collect();
                    templates.extend(aliases);
                    let entry = Entry { templates, codes: list(raw.cell(2)), when, tables, through };
                    let list = self.out.tree.entries.entry(raw.cell(0).into()).or_default();
                    self.out.tree.order.push((raw.cell(0).into(), list.len()));
                    list.push(entry);
                }
                (Err(message), _) | (_, Err(message)) => self.errors.push(raw.error(message)),
            }
        }
    }
}

/// Name of the table a file holds.
fn table_name(path: &str) -> Option<&str> {
    path.strip_prefix("templates/").or_else(|| path.strip_prefix("datatypes/"))
}
