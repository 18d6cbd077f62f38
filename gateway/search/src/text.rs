//! `_text` and `_content`: words with AND, OR and parentheses. FHIR R4 search.html, "Text".

use crate::fold::fold;
use crate::query::escape::unescaped;
use crate::query::{Clause, TextSearch};

/// Words of one search.
const WORDS_MOST: usize = 50;

/// Parentheses in parentheses.
const DEPTH_MOST: usize = 10;

/// Reads a search for words; words beside each other have to be found all. A text in quotes is its words in that order.
pub(crate) fn read(value: &str, whole: bool) -> Option<Clause> {
    let value = unescaped(value)?;
    let pieces = pieces(&value)?;
    let mut reader = Words { pieces: &pieces, at: 0, whole };
    let clause = reader.any(0)?;
    (reader.at == pieces.len()).then_some(clause)
}

/// The words of a text as they are compared.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| fold(word).into_owned())
}

#[derive(Debug, PartialEq)]
enum Piece {
    Open,
    Close,
    And,
    Or,
    Not,
    Words(Vec<String>),
}

fn pieces(text: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    for (index, part) in text.split('"').enumerate() {
        if index % 2 == 1 {
            pieces.push(Piece::Words(words(part).collect()));
            continue;
        }
        let spaced = part.replace('(', " ( ").replace(')', " ) ");
        for word in spaced.split_whitespace() {
            pieces.push(match word {
                "(" => Piece::Open,
                ")" => Piece::Close,
                "AND" | "and" | "&" => Piece::And,
                "OR" | "or" => Piece::Or,
                "NOT" | "not" => Piece::Not,
                word => Piece::Words(words(word).collect()),
            });
        }
    }
    pieces.retain(|piece| !matches!(piece, Piece::Words(words) if words.is_empty()));
    (!pieces.is_empty() && pieces.len() <= WORDS_MOST).then_some(pieces)
}

struct Words<'p> {
    pieces: &'p [Piece],
    at: usize,
    whole: bool,
}

impl Words<'_> {
    fn next_is(&mut self, piece: &Piece) -> bool {
        let is = self.pieces.get(self.at) == Some(piece);
        self.at = self.at.saturating_add(usize::from(is));
        is
    }

    fn any(&mut self, depth: usize) -> Option<Clause> {
        let mut any = vec![self.all(depth)?];
        while self.next_is(&Piece::Or) {
            any.push(self.all(depth)?);
        }
        Some(if any.len() == 1 { any.remove(0) } else { Clause::Any(any) })
    }

    fn all(&mut self, depth: usize) -> Option<Clause> {
        let mut all = vec![self.one(depth)?];
        loop {
            let joined = self.next_is(&Piece::And);
            match self.pieces.get(self.at) {
                Some(Piece::Open | Piece::Not | Piece::Words(_)) => all.push(self.one(depth)?),
                _ if joined => return None,
                _ => break,
            }
        }
        Some(if all.len() == 1 { all.remove(0) } else { Clause::All(all) })
    }

    fn one(&mut self, depth: usize) -> Option<Clause> {
        if depth > DEPTH_MOST {
            return None;
        }
        if self.next_is(&Piece::Not) {
            return self.one(depth.saturating_add(1)).map(|clause| Clause::Not(Box::new(clause)));
        }
        if self.next_is(&Piece::Open) {
            let clause = self.any(depth.saturating_add(1))?;
            return self.next_is(&Piece::Close).then_some(clause);
        }
        let Some(Piece::Words(words)) = self.pieces.get(self.at) else { return None };
        self.at = self.at.saturating_add(1);
        Some(Clause::Text(TextSearch { words: words.clone(), whole: self.whole }))
    }
}
