//! One row: its target, where its value comes from and on what condition, every name resolved.

use model::json::{Json, Number};
use smol_str::SmolStr;

use super::{Compiler, Level, beside};
use crate::function;
use crate::load::RawRow;
use crate::map::{AliasId, Form, NO_ANSWER, Place, Row, SELF, Source, Term, Test, Via, Way, With, WithValue};
use crate::path::{self, Holds, Target};

impl Compiler<'_> {
    pub(super) fn row(
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
        let each = target.steps.is_empty() || target.appends();
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

    pub(super) fn target(
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

    pub(super) fn via(
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

    pub(super) fn function(&self, name: &str, arguments: Vec<Place>, target: &Target) -> Result<Via, String> {
        let function = function::named(name).ok_or_else(|| format!("unknown function or table {name:?}"))?;
        if function.arguments != arguments.len() {
            return Err(format!("{name} takes {} arguments, found {}", function.arguments, arguments.len()));
        }
        if matches!(target.holds, Holds::Complex(_) | Holds::Reference) {
            return Err(format!("{name} gives a primitive, the target is none"));
        }
        Ok(Via::Function { function, arguments })
    }

    pub(super) fn table(&self, name: &str, map: Option<usize>, target: &Target) -> Result<Via, String> {
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
    pub(super) fn literal(&self, text: &str, target: &Target) -> Result<Json, String> {
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

    pub(super) fn with(&mut self, text: &str, target: &Target) -> Result<Vec<With>, String> {
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

    pub(super) fn when(&mut self, text: &str, level: Level<'_>) -> Result<Vec<Term>, String> {
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

    pub(super) fn place(&mut self, text: &str, level: Level<'_>) -> Result<Place, String> {
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
