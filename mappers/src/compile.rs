//! Turns the rows of a package into rules with every name resolved.

use std::collections::{BTreeMap, HashMap};

use model::json::{Json, Number};
use smol_str::SmolStr;

use crate::choice::choices;
use crate::concept::{CodeMap, Concept};
use crate::elements;
use crate::flat::plan::Plan;
use crate::function;
use crate::load::{RawPackage, RawRow};
use crate::map::{
    AliasId, Form, Identity, MessageTable, NO_ANSWER, Part, Place, Row, SELF, SegmentId, Source, Table, Term, Test,
    Via, Way, With, WithValue,
};
use crate::needs::needs;
use crate::package::LoadError;
use crate::path::{self, At, Holds, Step, Target};
use crate::quick::Quick;
use crate::tree::table as tree_tables;
use crate::versions::Versions;

mod answers;
mod beside;
mod checks;
mod message;
mod reference;
mod rivals;
mod tree;

/// The tables of a package, ready to run.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    pub(crate) tables: Vec<Table>,
    /// Those of a package for documents made of elements.
    pub(crate) tree: tree_tables::Tables,
    pub(crate) maps: Vec<CodeMap>,
    pub(crate) messages: Vec<MessageTable>,
    /// Number of the message table by type (`ADT^A01`), and the structure it has.
    pub(crate) types: BTreeMap<SmolStr, (usize, SmolStr)>,
    /// The table for every other type.
    pub(crate) fallback: Option<usize>,
    pub(crate) segments: HashMap<SmolStr, SegmentId, Quick>,
    pub(crate) segment_names: Vec<SmolStr>,
    pub(crate) aliases: Vec<SmolStr>,
    pub(crate) rules: Vec<(SmolStr, usize)>,
    /// How many answers to conditions rows share.
    pub(crate) answers: u32,
    /// Number of the vocabulary map of assigning authorities.
    authorities: Option<usize>,
    pub(crate) versions: Versions,
    /// Rows of different fields that fill the same array, by table and row: set n is `Row.rivals` n + 1.
    pub(crate) rivals: Vec<Vec<(usize, usize)>>,
    /// The tables of a flat extract.
    pub(crate) flat: Plan,
}

impl Compiled {
    /// `package/file:line` of a rule.
    pub(crate) fn rule(&self, rule: u32) -> String {
        self.rules.get(rule as usize).map_or_else(String::new, |(file, line)| format!("{file}:{line}"))
    }

    /// The vocabulary map `AssigningAuthority`: names of authorities to URIs.
    pub(crate) fn authorities(&self) -> Option<&CodeMap> {
        self.maps.get(self.authorities?)
    }

    /// The role of a name, if a row has it.
    pub(crate) fn alias(&self, name: &str) -> Option<AliasId> {
        self.aliases.iter().position(|alias| alias == name).and_then(|n| AliasId::try_from(n).ok())
    }

    /// The name of a segment by its number.
    pub(crate) fn segment_name(&self, segment: SegmentId) -> &str {
        self.segment_names.get(usize::from(segment)).map_or("", SmolStr::as_str)
    }

    /// The resource type of a role.
    pub(crate) fn alias_type(&self, alias: AliasId) -> &str {
        let name = self.aliases.get(usize::from(alias)).map_or("", SmolStr::as_str);
        name.split_once('@').map_or(name, |(kind, _)| kind)
    }
}

/// Compiles a package, or says everything that is wrong with it.
pub(crate) fn compile(raw: &RawPackage, errors: &mut Vec<LoadError>) -> Compiled {
    let mut compiler = Compiler { raw, out: Compiled::default(), tables: HashMap::new(), maps: HashMap::new(), errors };
    compiler.out.flat = Plan::new(&raw.flat);
    compiler.codes();
    if raw.is_tree() {
        compiler.tree();
        return compiler.out;
    }
    compiler.headers();
    compiler.rows();
    compiler.rivals();
    compiler.messages();
    let mut out = compiler.out;
    for table in &mut out.tables {
        table.needs = needs(table);
        table.choices = choices(table);
        answers::share(table, &mut out.answers);
    }
    out.versions = Versions::compile(raw, errors);
    let mut plan = std::mem::take(&mut out.flat);
    plan.finish(&out, errors);
    out.flat = plan;
    out
}

struct Compiler<'a> {
    raw: &'a RawPackage,
    out: Compiled,
    tables: HashMap<SmolStr, usize>,
    maps: HashMap<SmolStr, usize>,
    errors: &'a mut Vec<LoadError>,
}

/// What a row may refer to: the segment or datatype of its table.
#[derive(Clone, Copy)]
enum Level<'a> {
    Segment(&'a str),
    Datatype(&'a str),
    Message,
    /// A table of a flat extract.
    Flat(&'a str),
}

impl Compiler<'_> {
    fn url(&self, name: &str) -> Option<SmolStr> {
        if name.contains(':') {
            return Some(name.into());
        }
        self.raw.names.get(name).cloned()
    }

    fn rule(&mut self, row: &RawRow) -> u32 {
        self.out.rules.push((row.file.clone(), row.line));
        u32::try_from(self.out.rules.len() - 1).unwrap_or(u32::MAX)
    }

    fn segment(&mut self, name: &str) -> SegmentId {
        if let Some(id) = self.out.segments.get(name) {
            return *id;
        }
        let id = SegmentId::try_from(self.out.segments.len()).unwrap_or(SegmentId::MAX - 1);
        self.out.segments.insert(name.into(), id);
        self.out.segment_names.push(name.into());
        id
    }

    fn alias(&mut self, name: &str) -> Result<AliasId, String> {
        if let Some(id) = self.out.alias(name) {
            return Ok(id);
        }
        let kind = name.split_once('@').map_or(name, |(kind, _)| kind);
        if !elements::is_resource(kind) {
            return Err(format!("unknown target: {kind} is no resource type a map may build"));
        }
        self.out.aliases.push(name.into());
        AliasId::try_from(self.out.aliases.len() - 1).map_err(|_| "too many roles".to_owned())
    }

    fn codes(&mut self) {
        for (path, rows) in &self.raw.tables {
            let Some(name) = path.strip_prefix("codes/") else { continue };
            let mut table = None;
            let mut concepts = Vec::new();
            for row in rows {
                let system = match row.cell(1) {
                    "" => SmolStr::default(),
                    named => match self.url(named) {
                        Some(url) => url,
                        None => {
                            self.errors.push(row.error(format!("unknown name {named} of a system")));
                            continue;
                        }
                    },
                };
                let equivalent = match row.cell(4) {
                    "" | "equivalent" => true,
                    "wider" | "narrower" | "inexact" | "unmatched" => false,
                    other => {
                        self.errors.push(row.error(format!("unknown equivalence {other}")));
                        continue;
                    }
                };
                if row.cell(0) == "@table" {
                    table = Some(system);
                    continue;
                }
                let concept = Concept {
                    code: row.cell(0).into(),
                    system,
                    target: row.cell(2).into(),
                    display: row.cell(3).into(),
                };
                concepts.push((concept, equivalent));
            }
            if name == "AssigningAuthority" {
                self.out.authorities = Some(self.out.maps.len());
            }
            self.maps.insert(name.into(), self.out.maps.len());
            self.out.maps.push(CodeMap::new(name, table, concepts));
        }
    }

    fn headers(&mut self) {
        for (path, rows) in &self.raw.tables {
            let flat = path.strip_prefix("rows/");
            let segment = path.strip_prefix("segments/").or(flat);
            let Some(name) = segment.or_else(|| path.strip_prefix("datatypes/")) else { continue };
            let problem = |message: String| LoadError {
                file: rows.first().map_or_else(|| path.clone(), |row| row.file.to_string()),
                line: 0,
                message,
            };
            let Some((source, root)) = name.split_once('-') else {
                self.errors.push(problem(format!("expected a name like PID-Patient, found {name}")));
                continue;
            };
            let (root, within) = match root.split_once('+') {
                Some((root, within)) if segment.is_some() => (root, Some(SmolStr::new(within))),
                _ => (root, None),
            };
            let kind = root.split_once('@').map_or(root, |(kind, _)| kind);
            let resource = elements::is_resource(kind);
            let known = resource || (segment.is_none() && elements::is_complex(kind.split('+').next().unwrap_or(kind)));
            if !known {
                self.errors.push(problem(format!("unknown target: {kind}")));
                continue;
            }
            let alias = match (segment, resource) {
                (Some(_), _) => match self.alias(root) {
                    Ok(alias) => alias,
                    Err(message) => {
                        self.errors.push(problem(message));
                        continue;
                    }
                },
                _ => SELF,
            };
            if flat.is_some() && self.out.flat.number(source).is_none() {
                self.errors
                    .push(problem(format!("unknown table {source}: expected [tables.{source}] in package.toml")));
                continue;
            }
            if segment.is_some() && flat.is_none() {
                self.segment(source);
            }
            self.tables.insert(name.into(), self.out.tables.len());
            self.out.tables.push(Table {
                source: source.into(),
                root: kind.split('+').next().unwrap_or(kind).into(),
                resource,
                alias,
                within,
                identity: None,
                rows: Vec::new(),
                needs: Vec::new(),
                choices: Vec::new(),
                defaults: Vec::new(),
            });
        }
    }

    fn rows(&mut self) {
        for (path, rows) in &self.raw.tables {
            let flat = path.strip_prefix("rows/");
            let segment = path.strip_prefix("segments/").or(flat);
            let Some(name) = segment.or_else(|| path.strip_prefix("datatypes/")) else { continue };
            let Some(index) = self.tables.get(name).copied() else { continue };
            let (source, root, alias, within) = match self.out.tables.get(index) {
                Some(table) => (table.source.clone(), table.root.clone(), table.alias, table.within.clone()),
                None => continue,
            };
            let level = match (flat, segment) {
                (Some(_), _) => Level::Flat(&source),
                (None, Some(_)) => Level::Segment(&source),
                (None, None) => Level::Datatype(&source),
            };
            if let (Some(name), Some(number)) = (flat, self.out.flat.number(&source)) {
                self.out.flat.add(number, name, index);
            }
            let mut compiled = (None, Vec::new(), Vec::new());
            for raw in &self.included(rows) {
                let rule = self.rule(raw);
                // A column may be called id: what it becomes is an element, what an id row makes is a resource.
                if raw.cell(0) == "id" && !(flat.is_some() && raw.cell(1).contains('.')) {
                    match self.identity(raw, level, rule) {
                        Ok(identity) => compiled.0 = Some(identity),
                        Err(message) => self.errors.push(raw.error(message)),
                    }
                    continue;
                }
                if let Some((head, inner)) = reference::through(raw.cell(1)) {
                    let into = &mut compiled.1;
                    if let Err(message) = self.through(raw, (head, inner), level, (&root, alias), rule, into) {
                        self.errors.push(raw.error(message));
                    }
                    continue;
                }
                let row = self.row(raw, raw.cell(1), level, &root, alias, rule);
                match row.and_then(|row| starting_within(row, within.as_ref())) {
                    Ok(row) if raw.cell(0) == "default" => compiled.2.push(row),
                    Ok(row) => compiled.1.push(row),
                    Err(message) => self.errors.push(raw.error(message)),
                }
            }
            let missing = segment.is_none() && elements::is_resource(&root) && compiled.0.is_none();
            if missing && let Some(first) = rows.first() {
                self.errors.push(first.error("a datatype table that builds a resource needs an id row"));
            }
            if let Some(table) = self.out.tables.get_mut(index) {
                let (identity, rows, defaults) = compiled;
                (table.identity, table.rows, table.defaults) = (identity, rows, defaults);
            }
        }
    }

    /// The rows of a table with those it takes over from another role's table of the same segment: `include`.
    fn included(&mut self, rows: &[RawRow]) -> Vec<RawRow> {
        let mut out = Vec::new();
        for raw in rows {
            if raw.cell(0) != "include" {
                out.push(raw.clone());
                continue;
            }
            let found =
                ["segments", "rows"].iter().find_map(|level| self.raw.tables.get(&format!("{level}/{}", raw.cell(2))));
            let (Some(other), Some((_, kind))) = (found, raw.cell(2).split_once('-')) else {
                self.errors.push(raw.error(format!("unknown table {}", raw.cell(2))));
                continue;
            };
            // `with` renames roles: the visit of a linked patient refers to that patient.
            let renames: Vec<(String, String)> = raw
                .cell(3)
                .split(';')
                .filter_map(|pair| pair.split_once('='))
                .map(|(from, to)| (format!("@{}", from.trim()), format!("@{}", to.trim())))
                .collect();
            for theirs in other {
                let mut row = theirs.clone();
                for (from, to) in &renames {
                    for text in row.cells.iter_mut().filter(|text| text.contains(from.as_str())) {
                        *text = renamed(text, from, to);
                    }
                }
                if let Some(target) = row.cells.get_mut(1)
                    && let Some(rest) = target.strip_prefix(kind).filter(|rest| rest.starts_with('.'))
                {
                    *target = format!("{}{rest}", raw.cell(1)).into();
                }
                out.push(row);
            }
        }
        out
    }

    fn identity(&mut self, raw: &RawRow, level: Level<'_>, rule: u32) -> Result<Identity, String> {
        let mut alternatives = Vec::new();
        for alternative in raw.cell(2).split('|') {
            let mut parts = Vec::new();
            for part in alternative.split('+').map(str::trim) {
                parts.push(match part.strip_prefix('@') {
                    Some(alias) => Part::Alias(self.alias(alias)?),
                    None if part == "#" => Part::Position,
                    None if part.starts_with('\'') && part.ends_with('\'') && part.len() > 2 => {
                        Part::Word(part.trim_matches('\'').into())
                    }
                    None => Part::Place(self.place(part, level)?),
                });
            }
            alternatives.push(parts);
        }
        let when = match level {
            Level::Flat(_) => self.when(raw.cell(4), level)?,
            _ if raw.cell(4).is_empty() => Vec::new(),
            _ => return Err("an id row has no with and no when".to_owned()),
        };
        if !raw.cell(3).is_empty() {
            return Err("an id row has no with and no when".to_owned());
        }
        let each = match raw.cell(5) {
            "" => false,
            "each" => true,
            other => return Err(format!("unknown way {other} of an id: expected nothing or each")),
        };
        Ok(Identity { alternatives, each, rule, when })
    }

    fn row(
        &mut self,
        raw: &RawRow,
        target: &str,
        level: Level<'_>,
        root: &str,
        own: AliasId,
        rule: u32,
    ) -> Result<Row, String> {
        let source = match raw.cell(0) {
            "const" | "default" | "new" => Source::Constant,
            text => match text.strip_prefix('@') {
                Some(alias) if alias.ends_with('*') => Source::Each(self.alias(alias.trim_end_matches('*'))?),
                Some(alias) => Source::Alias(self.alias(alias)?),
                None if text.contains(" of ") && !matches!(level, Level::Flat(_)) => {
                    Source::Place(beside::place(text, level)?)
                }
                None => Source::Place(self.place(text, level)?),
            },
        };
        if matches!(source, Source::Place(Place::Beside(_))) && raw.cell(5) != ">" {
            return Err("expected > in way: the segment beside says its value itself".to_owned());
        }
        let kind = target.split(['.', '@']).next().unwrap_or_default();
        let (alias, target) = self.target(target, raw.cell(2), level, root, own)?;
        let via = if raw.cell(0) == "new" {
            Self::new_resource(raw.cell(2), &target)?
        } else {
            self.via(raw.cell(2), &source, &target, level, kind)?
        };
        let with = self.with(raw.cell(3), &target)?;
        let when = self.when(raw.cell(4), level)?;
        let way = match raw.cell(5) {
            "" => Way::Both,
            ">" => Way::Forward,
            "<" => Way::Backward,
            "held" => Way::Held,
            "foreign" => Way::Foreign,
            other => return Err(format!("unknown way {other}: expected nothing, >, <, held or foreign")),
        };
        let append = |step: &Step| matches!(step.at, At::Append | At::AppendExtension(_));
        let each = target.steps.is_empty() || target.steps.iter().any(append);
        Ok(Row {
            source,
            alias,
            target,
            via,
            with,
            when,
            way,
            rule,
            each,
            rivals: 0,
            contenders: Vec::new(),
            through: None,
        })
    }

    fn target(
        &mut self,
        text: &str,
        via: &str,
        level: Level<'_>,
        root: &str,
        own: AliasId,
    ) -> Result<(AliasId, Target), String> {
        let nowhere = via == "ordinal" || via.starts_with("drop");
        if text.is_empty() && nowhere {
            let steps = Vec::new();
            return Ok((own, Target { steps, holds: Holds::Text, anchor: 0, anchor_kind: SmolStr::default() }));
        }
        let (head, rest) = text.split_once('.').unwrap_or((text, ""));
        let names = |name: &str| if name.contains(':') { Some(name.into()) } else { self.raw.names.get(name).cloned() };
        match level {
            Level::Datatype(_) => {
                // A backbone element's type is its path: Coverage.class.
                let rest = text.strip_prefix(root).and_then(|rest| rest.strip_prefix('.'));
                let rest = rest.ok_or_else(|| format!("expected a target of {root}, found {head}"))?;
                Ok((SELF, path::target(root, rest, &names)?))
            }
            // Below a reference the resource has no role of its own.
            _ if own == SELF => {
                if head != root {
                    return Err(format!("expected a target of {root}, found {head}"));
                }
                Ok((SELF, path::target(root, rest, &names)?))
            }
            _ => {
                let kind = head.split_once('@').map_or(head, |(kind, _)| kind);
                let target = path::target(kind, rest, &names)?;
                Ok((self.alias(head)?, target))
            }
        }
    }

    fn via(
        &mut self,
        text: &str,
        source: &Source,
        target: &Target,
        level: Level<'_>,
        root: &str,
    ) -> Result<Via, String> {
        match source {
            Source::Alias(_) | Source::Each(_) if text.is_empty() => {
                return if target.holds == Holds::Reference {
                    Ok(Via::Reference)
                } else {
                    Err("expected a target that is a Reference".to_owned())
                };
            }
            Source::Alias(_) | Source::Each(_) => return Err("expected no via for a reference".to_owned()),
            Source::Constant if text.starts_with('^') => return self.copy(text, target, root),
            Source::Constant if text == "absent" => return Ok(Via::Absent("unknown".into())),
            Source::Constant => return Ok(Via::Literal(self.literal(text, target)?)),
            Source::Place(_) => {}
        }
        if text == "ordinal" {
            return Ok(Via::Ordinal);
        }
        if matches!(text, "lines" | "attached") {
            let field = matches!(source, Source::Place(Place::Own { repetition: 0, component: 0, .. }));
            return if field && target.holds == Holds::Text {
                Ok(if text == "lines" { Via::Lines } else { Via::Attached })
            } else {
                Err(format!("{text} reads a whole field into a text"))
            };
        }
        if let Some(reason) = text.strip_prefix("drop:") {
            return Ok(Via::Drop(reason.trim().into()));
        }
        if let Some((function, arguments)) = text.split_once('(') {
            let arguments = arguments.strip_suffix(')').ok_or("expected ) at the end")?;
            let mut places = Vec::new();
            for argument in arguments.split(' ').filter(|argument| !argument.is_empty()) {
                places.push(self.place(argument, level)?);
            }
            return self.function(function, places, target);
        }
        if let Some((first, map)) = text.split_once(':') {
            let map = self.maps.get(map).copied().ok_or_else(|| format!("unknown vocabulary map {map}"))?;
            return match first {
                "code" if target.holds == Holds::Text => Ok(Via::Code { map }),
                // A cell is a code and nothing else, so that the map may give the whole concept.
                "code" if matches!(level, Level::Flat(_)) && is_coded(target) => Ok(Via::Code { map }),
                "system" if target.holds == Holds::Text => Ok(Via::System { map }),
                "code" | "system" => Err("expected a target that holds a code".to_owned()),
                table => self.table(table, Some(map), target),
            };
        }
        if self.tables.contains_key(text) {
            return self.table(text, None, target);
        }
        self.function(text, Vec::new(), target)
    }

    fn function(&self, name: &str, arguments: Vec<Place>, target: &Target) -> Result<Via, String> {
        let function = function::named(name).ok_or_else(|| format!("unknown function or table {name:?}"))?;
        if function.arguments != arguments.len() {
            return Err(format!("{name} takes {} arguments, found {}", function.arguments, arguments.len()));
        }
        if matches!(target.holds, Holds::Complex(_) | Holds::Reference) {
            return Err(format!("{name} gives a primitive, the target is none"));
        }
        Ok(Via::Function { function, arguments })
    }

    fn table(&self, name: &str, map: Option<usize>, target: &Target) -> Result<Via, String> {
        let table = self.tables.get(name).copied().ok_or_else(|| format!("unknown table {name}"))?;
        let Some(built) = self.out.tables.get(table) else { return Err(format!("unknown table {name}")) };
        let fits = match target.holds {
            Holds::Reference => built.resource,
            Holds::Complex(kind) => {
                let quantity =
                    matches!(kind, "Quantity" | "Duration" | "Age" | "Count" | "Distance" | "SimpleQuantity");
                kind == built.root || (quantity && built.root == "Quantity")
            }
            _ => false,
        };
        if fits {
            Ok(Via::Table { table, map })
        } else {
            Err(format!("{name} builds {}, the target is none", built.root))
        }
    }

    /// A constant: `text`, `$name` for a URL, `system|code|display` for a Coding.
    fn literal(&self, text: &str, target: &Target) -> Result<Json, String> {
        let coding = |text: &str| {
            let mut parts = text.split('|');
            let system = parts.next().unwrap_or_default();
            let system = self.url(system).ok_or_else(|| format!("unknown name {system} of a system"))?;
            let code = parts.next().ok_or("expected system|code or system|code|display")?;
            let mut members = vec![("system", Json::String(system)), ("code", Json::from(code))];
            members.extend(parts.next().map(|display| ("display", Json::from(display))));
            Ok::<Json, String>(Json::object(members))
        };
        match target.holds {
            Holds::Boolean => match text {
                "true" => Ok(Json::Bool(true)),
                "false" => Ok(Json::Bool(false)),
                _ => Err("expected true or false".to_owned()),
            },
            Holds::Integer | Holds::Decimal => {
                Number::parse(text).map(Json::Number).map_err(|_| "expected a number".to_owned())
            }
            Holds::Text if text.is_empty() => Err("expected a value".to_owned()),
            Holds::Text => match text.strip_prefix('$') {
                Some(name) => self.url(name).map(Json::String).ok_or_else(|| format!("unknown name {name}")),
                None => Ok(Json::from(text)),
            },
            Holds::Complex("Coding") => coding(text),
            Holds::Complex("CodeableConcept") => Ok(Json::object([("coding", Json::array([coding(text)?]))])),
            _ => Err("expected a target that holds a constant".to_owned()),
        }
    }

    fn with(&mut self, text: &str, target: &Target) -> Result<Vec<With>, String> {
        let mut out = Vec::new();
        for piece in text.split(';').map(str::trim).filter(|piece| !piece.is_empty()) {
            let (left, value) = piece.split_once('=').ok_or("expected path=value in with")?;
            let (left, soft) = match left.strip_suffix('?') {
                Some(left) => (left, true),
                None => (left, false),
            };
            let names = |name: &str| self.url(name);
            let beside = path::target(&target.anchor_kind, left.trim(), &names)?;
            let value = match value.trim().strip_prefix('^') {
                _ if value.trim() == "!absent" => {
                    out.push(With { target: beside, value: WithValue::Absent("unknown".into()), soft: true });
                    continue;
                }
                Some(source) => {
                    let root = target.anchor_kind.split('.').next().unwrap_or_default();
                    WithValue::Copy(path::target(root, source, &names)?.steps)
                }
                None => WithValue::Literal(self.literal(value.trim(), &beside)?),
            };
            out.push(With { target: beside, value, soft });
        }
        Ok(out)
    }

    fn when(&mut self, text: &str, level: Level<'_>) -> Result<Vec<Term>, String> {
        let mut out = Vec::new();
        for piece in text.split(" and ").map(str::trim).filter(|piece| !piece.is_empty()) {
            let (negated, piece) = match piece.strip_prefix('!') {
                Some(piece) => (true, piece),
                None => (false, piece),
            };
            let (negated, test) = if let Some(alias) = piece.strip_prefix('@') {
                (negated, Test::Alias(self.alias(alias)?))
            } else if let Some((left, right)) = piece.split_once("==") {
                (negated, Test::Same(self.place(left.trim(), level)?, self.place(right.trim(), level)?))
            } else if let Some((form, place)) = piece.split_once('(') {
                let place = self.place(place.strip_suffix(')').ok_or("expected )")?, level)?;
                let map =
                    |name: &str| self.maps.get(name).copied().ok_or_else(|| format!("unknown vocabulary map {name}"));
                let test = match form {
                    "number" => Test::Form(Form::Number, place),
                    "compared" => Test::Form(Form::Compared, place),
                    "range_low" => Test::Form(Form::RangeLow, place),
                    "range_high" => Test::Form(Form::RangeHigh, place),
                    "timestamp" => Test::Form(Form::Timestamp, place),
                    "time" => Test::Form(Form::Time, place),
                    "authority" => Test::Form(Form::Authority, place),
                    "repeats" => Test::Repeats(place),
                    "message" if matches!(place, Place::Other { .. }) => Test::Anywhere(place),
                    "message" => return Err("expected a place of another segment".to_owned()),
                    code if code.starts_with("code:") => {
                        Test::Form(Form::Coded(map(code.get(5..).unwrap_or_default())?), place)
                    }
                    other => return Err(format!("unknown condition {other}")),
                };
                (negated, test)
            } else if piece.contains(" of ") && !matches!(level, Level::Flat(_)) {
                (negated, Test::Exists(beside::place(piece, level)?))
            } else if let Some((place, values)) = piece.split_once(" in ") {
                let values = values.split_whitespace().map(SmolStr::new).collect();
                (negated, Test::In(self.place(place.trim(), level)?, values))
            } else if let Some((place, value)) = piece.split_once("!=") {
                (true, Test::In(self.place(place.trim(), level)?, vec![value.trim().into()]))
            } else if let Some((place, value)) = piece.split_once('=') {
                (negated, Test::In(self.place(place.trim(), level)?, vec![value.trim().into()]))
            } else if piece.contains('|') {
                let places = piece.split('|').map(|place| self.place(place.trim(), level));
                (negated, Test::Any(places.collect::<Result<_, _>>()?))
            } else {
                (negated, Test::Exists(self.place(piece, level)?))
            };
            out.push(Term { negated, test, answer: NO_ANSWER });
        }
        Ok(out)
    }

    fn place(&mut self, text: &str, level: Level<'_>) -> Result<Place, String> {
        if let Level::Flat(table) = level {
            return self.out.flat.place(table, text);
        }
        if text.contains('-') {
            let place =
                path::field_place(text).ok_or_else(|| format!("expected a place like PID-3.1, found {text}"))?;
            let own = matches!(level, Level::Segment(segment) if place.segment == segment);
            if own {
                let path::FieldPlace { field, repetition, component, subcomponent, .. } = place;
                return Ok(Place::Own { field, repetition, component, subcomponent });
            }
            let segment = self.segment(&place.segment);
            return Ok(Place::Other {
                segment,
                field: place.field,
                component: place.component,
                subcomponent: place.subcomponent,
            });
        }
        let place = path::part_place(text).ok_or_else(|| format!("expected a place, found {text:?}"))?;
        match level {
            Level::Datatype(datatype) if place.datatype == datatype => {
                Ok(Place::Part { component: place.component, subcomponent: place.subcomponent })
            }
            _ => Err(format!("expected a place of this table, found {text}")),
        }
    }
}

/// Whether a target holds what a code of a cell may become by a vocabulary map, besides a text.
fn is_coded(target: &Target) -> bool {
    matches!(target.holds, Holds::Boolean | Holds::Complex("CodeableConcept" | "Coding"))
}

/// A row of a table that starts in the item of an array: its target from there on.
fn starting_within(mut row: Row, array: Option<&SmolStr>) -> Result<Row, String> {
    let Some(array) = array.filter(|_| !row.target.steps.is_empty()) else { return Ok(row) };
    if row.target.steps.first().is_none_or(|step| step.name != *array || step.at != At::PerSegment) {
        return Err(format!("expected a target that starts with {array}[$]"));
    }
    row.target.steps.remove(0);
    row.target.anchor -= 1;
    Ok(row)
}

impl Compiled {
    /// The message table of a type and the structure it has: by MSH-9.1 and MSH-9.2, else by MSH-9.3, else by MSH-9.1.
    pub(crate) fn message_type(&self, code: &str, trigger: &str, structure: &str) -> Option<&(usize, SmolStr)> {
        if !trigger.is_empty()
            && let Some(found) = self.types.get(format!("{code}^{trigger}").as_str())
        {
            return Some(found);
        }
        let named = |name: &str| self.types.values().find(|(_, structure)| structure == name);
        if !structure.is_empty() && trigger.is_empty() {
            return named(structure);
        }
        if trigger.is_empty() {
            return self.types.get(code).or_else(|| named(code));
        }
        None
    }
}

/// A source or an identity with one role in place of another.
fn renamed(text: &str, from: &str, to: &str) -> SmolStr {
    let mut out: Vec<String> = Vec::new();
    for parts in text.split('|') {
        let named: Vec<&str> = parts.split('+').map(|part| if part == from { to } else { part }).collect();
        out.push(named.join("+"));
    }
    out.join("|").into()
}
