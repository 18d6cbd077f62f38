//! A document whose files are set aside: what its places are with them, and which elements have them.

use super::document::{Document, IN_RESOLVED, Span};
use super::element::Element;
use super::issue::Refused;
use super::pack::says_base64;
use crate::aside::{File, MARK};

/// Why a document is not read without its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAside {
    /// It is refused with them as well, and for this.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// What was set aside may be none of its files: the whole document tells.
    #[error("only the whole document tells what it says")]
    Unsure,
}

/// The text of a file that is set aside.
pub(super) struct Aside {
    /// Its place in the document's list of texts.
    pub(super) text: u32,
    pub(super) file: File,
}

/// Where files are missing in a text.
#[derive(Default)]
pub(super) struct Gaps {
    gaps: Vec<Gap>,
    met: usize,
}

struct Gap {
    /// Where a letter stands for the file.
    at: usize,
    lines: u32,
    tail: u32,
    /// Lines in it and in those before.
    lines_so_far: u32,
}

/// Stands for a file in a text while it is read: base64 as well.
const LETTER: u8 = b'A';

impl Gaps {
    /// Puts a letter for each mark, so that the text is one of XML.
    pub(super) fn of(text: String, files: &[File]) -> Result<(String, Self), NotAside> {
        let mut bytes = text.into_bytes();
        let marks: Vec<usize> = memchr::memchr_iter(MARK, &bytes).collect();
        // One is lost, or made, where the bytes became characters.
        if marks.len() != files.len() {
            return Err(NotAside::Unsure);
        }
        for at in &marks {
            if let Some(byte) = bytes.get_mut(*at) {
                *byte = LETTER;
            }
        }
        let mut lines_so_far = 0_u32;
        let gap = |(at, file): (usize, &File)| {
            lines_so_far = lines_so_far.saturating_add(file.lines);
            Gap { at, lines: file.lines, tail: file.tail, lines_so_far }
        };
        let gaps = marks.into_iter().zip(files).map(gap).collect();
        // Only ASCII was replaced by ASCII.
        let text = String::from_utf8(bytes).map_err(|_| NotAside::Unsure)?;
        Ok((text, Self { gaps, met: 0 }))
    }

    /// A text was read: the next of the files, if nothing else is in it.
    #[inline]
    pub(super) fn meet(&mut self, start: usize, length: usize) {
        if length == 1 && self.gaps.get(self.met).is_some_and(|gap| gap.at == start) {
            self.met = self.met.saturating_add(1);
        }
    }

    /// Whether each was read as a text.
    pub(super) fn all_met(&self) -> bool {
        self.met == self.gaps.len()
    }

    /// Lines that are missing before a place.
    pub(super) fn lines_before(&self, offset: usize) -> u32 {
        let before = self.gaps.partition_point(|gap| gap.at < offset);
        before.checked_sub(1).and_then(|last| self.gaps.get(last)).map_or(0, |gap| gap.lines_so_far)
    }

    /// The column, from 0, of the end of a piece of one line, whose letters can be counted.
    pub(super) fn column(&self, start: usize, end: usize, letters: impl Fn(usize, usize) -> usize) -> usize {
        let (mut column, mut from) = (0_usize, start);
        let first = self.gaps.partition_point(|gap| gap.at < start);
        for gap in self.gaps.iter().skip(first).take_while(|gap| gap.at < end) {
            let before = if gap.lines > 0 { 0 } else { column.saturating_add(letters(from, gap.at)) };
            column = before.saturating_add(gap.tail as usize);
            from = gap.at.saturating_add(1);
        }
        column.saturating_add(letters(from, end))
    }
}

/// Gives each file to its element: one that says it holds base64, and nothing else in it.
pub(super) fn claim(document: &mut Document, files: &[File]) -> Result<(), NotAside> {
    let mut found = Vec::new();
    for id in 0..document.nodes.len() {
        let Some(node) = document.nodes.get(id) else { continue };
        let text = node.texts.start;
        let Some(value) = document.texts.get(text as usize).map(|text| text.value) else { continue };
        let next = document.gaps.gaps.get(found.len());
        let is_it = value.length == 1 && next.is_some_and(|gap| gap.at == value.start as usize);
        let alone = node.texts.len() == 1 && node.end as usize == id.saturating_add(1);
        if is_it && alone && says_base64(Element::new(document, u32::try_from(id).unwrap_or(u32::MAX))) {
            found.push(text);
        }
    }
    if found.len() != files.len() {
        return Err(NotAside::Unsure);
    }
    for (text, file) in found.into_iter().zip(files) {
        let token = file.text_token();
        let start = u32::try_from(document.resolved.len()).unwrap_or(u32::MAX) | IN_RESOLVED;
        document.resolved.push_str(&token);
        if let Some(node) = document.texts.get_mut(text as usize) {
            node.value = Span { start, length: u32::try_from(token.len()).unwrap_or_default() };
        }
        document.aside.push(Aside { text, file: file.clone() });
    }
    Ok(())
}
