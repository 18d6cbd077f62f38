//! From text to the lists of a document.

use std::borrow::Cow;

use xml::{Attribute, Lexer, Rules, Tag, Text, Token};

use super::decode::decode;
use super::document::{AttributeNode, Document, IN_RESOLVED, NO_LEAF, Node, Span, TextNode};
use super::issue::{Note, Refusal, Refused};
use super::limits::Limits;
use super::names::{Interner, Names, Space};
use super::pack;
use super::without::{self, Gaps, NotAside};
use crate::aside::{File, MARK};
use crate::hl7v2::Severity;

/// What is wrong, and the offset in the text.
type Fault = (Refusal, usize);

pub(super) fn document(bytes: Cow<'_, [u8]>, limits: &Limits) -> Result<Document, Refused> {
    let mut notes = Vec::new();
    let text = text(bytes, limits, &mut notes)?;
    let mut document = empty(notes);
    match read(&text, &mut document, limits) {
        Ok(_) => Ok(finish(document, text)),
        Err(fault) => Err(refused(&text, fault, &Gaps::default())),
    }
}

/// The same where marks stand for files.
pub(super) fn without_files(kept: Vec<u8>, files: &[File], limits: &Limits) -> Result<Document, NotAside> {
    // The sender has written a mark: no document of XML.
    if !memchr::memchr_iter(MARK, &kept).eq(files.iter().map(|file| file.at)) {
        return Err(NotAside::Unsure);
    }
    let before = files.first().and_then(|file| kept.get(..file.at)).unwrap_or_default();
    let is_repaired_behind = std::str::from_utf8(before).is_ok() && std::str::from_utf8(&kept).is_err();
    let mut notes = Vec::new();
    let text = text(Cow::Owned(kept), limits, &mut notes)?;
    // A place that was counted without the files.
    if notes.iter().any(|note| note.line > 1 || is_repaired_behind && note.code == "encoding-mismatch") {
        return Err(NotAside::Unsure);
    }
    let (text, gaps) = Gaps::of(text, files)?;
    let mut document = empty(notes);
    document.gaps = gaps;
    match read(&text, &mut document, limits) {
        Ok(_) => {
            let mut document = finish(document, text);
            without::claim(&mut document, files)?;
            Ok(document)
        }
        // What was read up to there is the same with the files, and so is the fault.
        Err(fault) if document.gaps.all_met() => Err(refused(&text, fault, &document.gaps).into()),
        Err(_) => Err(NotAside::Unsure),
    }
}

fn text(bytes: Cow<'_, [u8]>, limits: &Limits, notes: &mut Vec<Note>) -> Result<String, Refused> {
    let limit = limits.bytes.min(Limits::MAX_BYTES);
    let too_long = Refused { kind: Refusal::TooLong { limit }, line: 1, column: 1 };
    if bytes.len() > limit {
        return Err(too_long);
    }
    let text = decode(bytes, notes).map_err(|kind| Refused { kind, line: 1, column: 1 })?;
    if text.len() > limit { Err(too_long) } else { Ok(text) }
}

fn empty(notes: Vec<Note>) -> Document {
    Document {
        text: String::new(),
        resolved: String::new(),
        names: Names::default(),
        nodes: Vec::new(),
        attributes: Vec::new(),
        texts: Vec::new(),
        leaves: 0,
        ids: Vec::new(),
        notes,
        gaps: Gaps::default(),
        aside: Vec::new(),
        is_asked: Default::default(),
        places: Default::default(),
        wide: Default::default(),
        lines: Default::default(),
    }
}

fn finish(mut document: Document, text: String) -> Document {
    document.text = text;
    sort_ids(&mut document);
    pack::files(&mut document);
    document
}

fn refused(text: &str, (kind, offset): Fault, gaps: &Gaps) -> Refused {
    let (line, column) = position(text, offset, gaps);
    Refused { kind, line, column }
}

/// Line and column from 1.
fn position(text: &str, offset: usize, gaps: &Gaps) -> (u32, u32) {
    let before = text.get(..offset).unwrap_or(text);
    let line = memchr::memchr_iter(b'\n', before.as_bytes()).count();
    let start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
    let letters = |from: usize, to: usize| {
        let text = before.get(from..to).unwrap_or_default();
        (if from == start { text.trim_start_matches('\u{FEFF}') } else { text }).chars().count()
    };
    let column = gaps.column(start, before.len(), letters);
    let from_one = |count: usize| u32::try_from(count.saturating_add(1)).unwrap_or(u32::MAX);
    (from_one(line).saturating_add(gaps.lines_before(offset)), from_one(column))
}

fn read(text: &str, document: &mut Document, limits: &Limits) -> Result<(), Fault> {
    let mark = if text.starts_with('\u{FEFF}') { '\u{FEFF}'.len_utf8() } else { 0 };
    let rest = text.get(mark..).unwrap_or_default();
    let blanks = rest.len().saturating_sub(rest.trim_ascii_start().len());
    let mut start = mark;
    if blanks > 0 && rest.trim_ascii_start().starts_with("<?xml") {
        start = mark.saturating_add(blanks);
        document.notes.push(Note {
            code: "declaration-misplaced",
            severity: Severity::Warning,
            line: position(text, start, &document.gaps).0,
            detail: "white space before the XML declaration".into(),
        });
    }
    let rules = Rules { attributes: limits.attributes, depth: limits.depth, prefixes_declared: false };
    let lexer = Lexer::document(text, start, rules).map_err(refusal)?;
    let names = Interner::new();
    let mut builder = Builder {
        lexer,
        document,
        limits,
        names,
        open: Vec::new(),
        pending: None,
        undeclared: None,
        without_namespace: false,
    };
    builder.run()?;
    let Builder { names, undeclared, without_namespace, .. } = builder;
    document.names = names.finish();
    if without_namespace {
        document.notes.push(Note {
            code: "namespace-missing",
            severity: Severity::Warning,
            line: position(text, document.nodes.first().map_or(0, |root| root.at as usize), &document.gaps).0,
            detail: "the root element has no namespace: read as of urn:hl7-org:v3".into(),
        });
    }
    if let Some(at) = undeclared {
        document.notes.push(Note {
            code: "prefix-undeclared",
            severity: Severity::Warning,
            line: position(text, at, &document.gaps).0,
            detail: "a namespace prefix that is not declared: read as what it usually stands for".into(),
        });
    }
    Ok(())
}

fn refusal((kind, at): xml::Fault) -> Fault {
    (Refusal::Xml(kind), at)
}

struct Builder<'t, 'd> {
    lexer: Lexer<'t>,
    document: &'d mut Document,
    limits: &'d Limits,
    names: Interner,
    open: Vec<u32>,
    /// Text that may go on: with a CDATA section it is one.
    pending: Option<Span>,
    /// Where a prefix stands that is not declared; the first.
    undeclared: Option<usize>,
    /// The root is of no namespace at all.
    without_namespace: bool,
}

impl<'t> Builder<'t, '_> {
    fn run(&mut self) -> Result<(), Fault> {
        loop {
            match self.lexer.next().map_err(refusal)? {
                Token::Start(tag) => {
                    self.end_text()?;
                    self.start(tag)?;
                }
                Token::End => {
                    self.end_text()?;
                    self.end();
                }
                Token::Text(text) => self.text(&text),
                // A comment parts texts: so XPath counts them (XPath 1.0, 5.7 "Text Nodes").
                Token::Nothing => self.end_text()?,
                Token::Over => return Ok(()),
            }
        }
    }

    fn start(&mut self, tag: Tag<'t>) -> Result<(), Fault> {
        let at = self.lexer.start();
        let id = self.document.nodes.len();
        if id >= self.limits.elements {
            return Err((Refusal::TooManyElements { limit: self.limits.elements }, at));
        }
        let id = number(id);
        let name = self.name(tag.prefix, tag.name, at)?;
        if self.open.is_empty() {
            self.without_namespace = self.lexer.namespace(tag.prefix) == Some("");
        }
        let texts = number(self.document.texts.len());
        let leaves = self.document.leaves;
        self.document.nodes.push(Node {
            name,
            parent: self.open.last().copied().unwrap_or(id),
            end: id.saturating_add(1),
            attributes: number(self.document.attributes.len()),
            texts: texts..texts,
            leaves: leaves..leaves,
            at: number(at),
        });
        self.open.push(id);
        let attributes = self.lexer.take_attributes();
        for attribute in &attributes {
            self.attribute(attribute)?;
        }
        self.lexer.reuse(attributes);
        Ok(())
    }

    fn end(&mut self) {
        let Some(id) = self.open.pop() else { return };
        let (end, texts) = (number(self.document.nodes.len()), number(self.document.texts.len()));
        let leaves = self.document.leaves;
        if let Some(node) = self.document.nodes.get_mut(id as usize) {
            node.end = end;
            node.texts.end = texts;
            node.leaves.end = leaves;
        }
    }

    fn attribute(&mut self, attribute: &Attribute<'t>) -> Result<(), Fault> {
        let (prefix, local) = attribute.name.split_once(':').unwrap_or(("", attribute.name));
        if prefix == "xmlns" || prefix.is_empty() && local == "xmlns" {
            return Ok(());
        }
        let name = self.name_of_attribute(prefix, local, attribute.offset)?;
        if attribute.raw.len() > self.limits.text {
            return Err((Refusal::TextTooLong { limit: self.limits.text }, attribute.start));
        }
        let mut value = if attribute.is_plain {
            Span { start: number(attribute.start), length: number(attribute.raw.len()) }
        } else {
            let start = self.document.resolved.len();
            attribute.write_value(&mut self.document.resolved);
            resolved(start, self.document.resolved.len())
        };
        let is_instance = !prefix.is_empty() && self.space(prefix, attribute.offset) == Space::Instance;
        if is_instance && local == "type" {
            value = self.without_prefix(value);
        }
        let says = !is_blank(self.value(value));
        let is_location = is_instance && local == "schemaLocation";
        let leaf = if says && !is_location { self.leaf() } else { NO_LEAF };
        if prefix.is_empty() && local == "ID" && says {
            self.document.ids.push(number(self.document.attributes.len()));
        }
        self.document.attributes.push(AttributeNode { name, value, leaf });
        Ok(())
    }

    /// A type without the prefix of its namespace, and without the white space around it.
    fn without_prefix(&self, span: Span) -> Span {
        let value = self.value(span);
        let start = value.find(':').map_or(0, |at| at.saturating_add(1));
        let name = value.get(start..).unwrap_or_default();
        let start = start.saturating_add(name.len().saturating_sub(name.trim_ascii_start().len()));
        Span { start: span.start.saturating_add(number(start)), length: number(name.trim_ascii().len()) }
    }

    /// The value of a span while the document is not whole yet.
    fn value(&self, span: Span) -> &str {
        let length = span.length as usize;
        if span.start & IN_RESOLVED != 0 {
            let start = (span.start & !IN_RESOLVED) as usize;
            return self.document.resolved.get(start..start.saturating_add(length)).unwrap_or_default();
        }
        self.lexer.slice(span.start as usize, (span.start as usize).saturating_add(length))
    }

    fn leaf(&mut self) -> u32 {
        let leaf = self.document.leaves;
        self.document.leaves = leaf.saturating_add(1);
        leaf
    }

    fn text(&mut self, text: &Text<'t>) {
        self.document.gaps.meet(text.start, text.raw.len());
        let resolved_so_far = &mut self.document.resolved;
        self.pending = Some(match self.pending.take() {
            None if text.is_plain => Span { start: number(text.start), length: number(text.raw.len()) },
            None => {
                let start = resolved_so_far.len();
                reserve(resolved_so_far, text.raw.len());
                text.write(resolved_so_far);
                resolved(start, resolved_so_far.len())
            }
            Some(before) => {
                // What has been resolved last is the end of that text already.
                let start = if before.start & IN_RESOLVED != 0 {
                    (before.start & !IN_RESOLVED) as usize
                } else {
                    let start = resolved_so_far.len();
                    let (from, length) = (before.start as usize, before.length as usize);
                    reserve(resolved_so_far, length.saturating_add(text.raw.len()));
                    resolved_so_far.push_str(self.lexer.slice(from, from.saturating_add(length)));
                    start
                };
                text.write(resolved_so_far);
                resolved(start, resolved_so_far.len())
            }
        });
    }

    fn end_text(&mut self) -> Result<(), Fault> {
        let Some(value) = self.pending.take() else { return Ok(()) };
        if value.length as usize > self.limits.text {
            return Err((Refusal::TextTooLong { limit: self.limits.text }, self.lexer.start()));
        }
        if value.length == 0 {
            return Ok(());
        }
        let leaf = if is_blank(self.value(value)) { NO_LEAF } else { self.leaf() };
        self.document.texts.push(TextNode { value, leaf });
        Ok(())
    }

    fn name(&mut self, prefix: &str, local: &str, at: usize) -> Result<u32, Fault> {
        let space = match self.lexer.namespace(prefix) {
            Some("urn:hl7-org:v3") => Space::Cda,
            _ => self.space(prefix, at),
        };
        self.intern(space, local, at)
    }

    /// An attribute without prefix is of no namespace, whatever the default one.
    fn name_of_attribute(&mut self, prefix: &str, local: &str, at: usize) -> Result<u32, Fault> {
        let space = if prefix.is_empty() { Space::Cda } else { self.space(prefix, at) };
        self.intern(space, local, at)
    }

    fn space(&mut self, prefix: &str, at: usize) -> Space {
        match self.lexer.namespace(prefix) {
            Some(uri) => Space::of_uri(uri),
            None => {
                self.undeclared.get_or_insert(at);
                Space::of_prefix(prefix)
            }
        }
    }

    fn intern(&mut self, space: Space, local: &str, at: usize) -> Result<u32, Fault> {
        if local.len() > self.limits.name {
            return Err((Refusal::NameTooLong { limit: self.limits.name }, at));
        }
        let name = self.names.intern(space, local);
        if self.names.len() > self.limits.names {
            return Err((Refusal::TooManyNames { limit: self.limits.names }, at));
        }
        Ok(name)
    }
}

fn is_blank(text: &str) -> bool {
    // Most values show it by their first letter.
    !text.as_bytes().first().is_some_and(u8::is_ascii_graphic) && text.trim().is_empty()
}

/// Makes room for long texts at once, so that growing does not take twice their length.
fn reserve(text: &mut String, more: usize) {
    const LONG: usize = 1 << 20;
    if more > LONG {
        text.reserve_exact(more);
    }
}

/// Counts and places are below `Limits::MAX_BYTES`.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn resolved(start: usize, end: usize) -> Span {
    Span { start: number(start) | IN_RESOLVED, length: number(end.saturating_sub(start)) }
}

/// Sorts the attributes `ID` by value, and notes values that stand twice.
fn sort_ids(document: &mut Document) {
    let mut ids = std::mem::take(&mut document.ids);
    ids.sort_by(|a, b| document.id_value(*a).cmp(document.id_value(*b)));
    let twice = |pair: &&[u32]| matches!(pair, [a, b] if document.id_value(*a) == document.id_value(*b));
    let count = ids.windows(2).filter(twice).count();
    document.ids = ids;
    if count > 0 {
        document.notes.push(Note {
            code: "id-duplicate",
            severity: Severity::Warning,
            line: 1,
            detail: format!("{count} values of ID stand at more than one element: references mean the first"),
        });
    }
}

const _: () = assert!(Limits::MAX_BYTES < IN_RESOLVED as usize, "places in the text leave the highest bit free");
