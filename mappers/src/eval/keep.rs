//! What no row reads is kept: beside its element, on its segment's resource, or in a Basic resource.

use model::json::{Json, Object};
use model::outcome::{Issue, Severity};
use smol_str::SmolStr;

use crate::build;
use crate::input::{Cursor, Depth};
use crate::map::{Identity, Part, SELF, Table};
use crate::trace::{Fate, NO_RULE, Node};

use super::home::Home;
use super::put::{coding, reference};
use super::{Eval, Here, KEPT, KEPT_RAW, SEGMENT_SYSTEM};

impl Eval<'_, '_> {
    /// Keeps what a datatype's table has no row for, in an extension of the element.
    pub(super) fn keep_parts(&mut self, table: &Table, value: Cursor, built: &mut Object, at: Node) {
        for number in value.range() {
            if !self.is_unused(number) {
                continue;
            }
            let Some(piece) = self.input.pieces(number..number + 1).first().copied() else { continue };
            let (component, subcomponent) = match value.depth {
                Depth::Repetition => (piece.component, piece.place.subcomponent),
                _ => (piece.subcomponent, None),
            };
            let mut url = format!("{KEPT}{}.{component}", table.source);
            if let Some(subcomponent) = subcomponent {
                url.push_str(&format!(".{subcomponent}"));
            }
            let text = self.input.piece_text(&piece);
            self.keep(number, &url, &text, built, at);
        }
    }

    pub(super) fn keep(&mut self, number: u32, url: &str, text: &str, object: &mut Object, at: Node) {
        self.consume(number);
        if text.trim().is_empty() {
            self.trace.drop_piece(number, &"blanks".into());
            return;
        }
        let index = build::extend(object, url, "valueString", Json::from(text));
        let node = self.trace.child(at, &SmolStr::new_static("extension"), index);
        self.trace.record(number, node, NO_RULE, Fate::Kept);
    }

    /// Keeps what no row of a segment's tables reads, in extensions of its resource or in a Basic resource.
    pub(super) fn keep_rest(&mut self, segment: u32, home: Option<Home>) {
        let Some(seg) = self.input.segments.get(segment as usize) else { return };
        let (lo, hi) = (seg.lo, seg.hi);
        if !(lo..hi).any(|piece| self.is_unused(piece)) {
            return;
        }
        let home = home.or_else(|| self.basic(segment).map(|resource| Home { resource, item: None }));
        let Some(home) = home else { return };
        let Some((mut object, node)) = self.open(&home) else { return };
        let name = seg.view.name();
        let mut from = lo;
        while let Some(first) = self.input.pieces(from..hi).first().copied() {
            let range = self.input.field(segment, first.field);
            from = range.end.max(from + 1);
            let unused = range.clone().filter(|piece| self.is_unused(*piece)).count();
            if unused == 0 {
                continue;
            }
            let field = seg.view.field(first.field as usize);
            let whole = unused == range.len() && self.input.usual && !field.raw().contains("\"\"") && first.field > 0;
            if whole && range.len() > 1 {
                let url = format!("{KEPT_RAW}{name}-{}", first.field);
                let index = build::extend(&mut object, url, "valueString", Json::from(field.raw()));
                let at = self.trace.child(node, &SmolStr::new_static("extension"), index);
                for piece in range {
                    self.consume(piece);
                    self.trace.record(piece, at, NO_RULE, Fate::Kept);
                }
                continue;
            }
            for number in range {
                if !self.is_unused(number) {
                    continue;
                }
                let Some(piece) = self.input.pieces(number..number + 1).first().copied() else { continue };
                let place = piece.place;
                let mut url = format!("{KEPT}{name}-{}", piece.field);
                if let Some(repetition) = place.repetition.filter(|n| *n > 1) {
                    url.push_str(&format!("~{repetition}"));
                }
                if place.component.is_some() || place.subcomponent.is_some() {
                    url.push_str(&format!(".{}", piece.component));
                }
                if let Some(subcomponent) = place.subcomponent {
                    url.push_str(&format!(".{subcomponent}"));
                }
                let text = self.input.piece_text(&piece);
                self.keep(number, &url, &text, &mut object, node);
            }
        }
        self.close(&home, object);
    }

    /// A resource for a segment that no table reads. FHIR R4 basic.html.
    pub(super) fn basic(&mut self, segment: u32) -> Option<usize> {
        let name = self.segment_name(segment);
        let identity =
            Identity { alternatives: vec![vec![Part::Position]], each: true, rule: NO_RULE, when: Vec::new() };
        let here = Here { segment, value: None };
        let number = self.identified(&SmolStr::new_static("Basic"), SELF, &identity, here)?;
        let patient = self.compiled.alias("Patient").and_then(|alias| self.scopes.resource(alias));
        let patient = patient.or_else(|| self.resources.iter().position(|resource| resource.kind == "Patient"));
        let subject = patient.and_then(|patient| self.resources.get(patient)).map(|patient| reference(&patient.name));
        let resource = self.resources.get_mut(number)?;
        resource.object.insert(
            "code",
            Json::object([(
                "coding",
                Json::array([coding(&SmolStr::new_static(SEGMENT_SYSTEM), &name.into(), &SmolStr::default())]),
            )]),
        );
        if let Some(subject) = subject {
            resource.object.insert("subject", subject);
        }
        let text = format!("no table reads {name}: the segment is kept as it is in a Basic resource");
        let issue = Issue::new(Severity::Information, "not-supported", text).at(self.segment_place(segment));
        self.issues.push(issue);
        Some(number)
    }
}
