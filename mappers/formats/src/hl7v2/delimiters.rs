//! The delimiters a message names for itself in MSH-1 and MSH-2.

use super::issue::{FormatIssue, Severity};

/// The delimiters in use. One that the sender left out of MSH-2 is not in use: its usual character is plain text.
///
/// HL7 v2.8.2 chapter 2, MSH-1 "Field Separator" and MSH-2 "Encoding Characters"; all are single ASCII characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiters {
    /// MSH-1, usually `|`.
    pub field: u8,
    /// First of MSH-2, usually `^`.
    pub component: Option<u8>,
    /// Second of MSH-2, usually `~`.
    pub repetition: Option<u8>,
    /// Third of MSH-2, usually `\`.
    pub escape: Option<u8>,
    /// Fourth of MSH-2, usually `&`.
    pub subcomponent: Option<u8>,
    /// Fifth of MSH-2 since v2.7, usually `#`.
    pub truncation: Option<u8>,
}

impl Default for Delimiters {
    /// The recommended ones, `|^~\&`, without the truncation character.
    fn default() -> Self {
        Self {
            field: b'|',
            component: Some(b'^'),
            repetition: Some(b'~'),
            escape: Some(b'\\'),
            subcomponent: Some(b'&'),
            truncation: None,
        }
    }
}

/// For MSH-1 and MSH-2 themselves, which nothing divides.
pub(super) static LITERAL: Delimiters =
    Delimiters { field: 0, component: None, repetition: None, escape: None, subcomponent: None, truncation: None };

/// Why MSH-1 and MSH-2 cannot be used. Fault of the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DelimitersError {
    /// MSH ends before MSH-1.
    #[error("MSH-1: expected a field separator after MSH, found the end")]
    Missing,
    /// A letter, digit, space, quotation mark, control or non-ASCII character.
    #[error("{at}: expected a punctuation mark of ASCII as the {role}, found another character")]
    Unfit {
        /// `MSH-1` or `MSH-2`.
        at: &'static str,
        /// Which delimiter it was to be.
        role: &'static str,
    },
}

impl DelimitersError {
    /// The field that holds the fault.
    pub fn at(&self) -> &'static str {
        match self {
            Self::Missing => "MSH-1",
            Self::Unfit { at, .. } => at,
        }
    }
}

const ROLES: [&str; 5] = [
    "component separator",
    "repetition separator",
    "escape character",
    "subcomponent separator",
    "truncation character",
];

impl Delimiters {
    /// The separators of repetitions, components and subcomponents that stand in a field: those that do not need not be
    /// looked for in its pieces. The whole is read in one go, many bytes at a time.
    pub(super) fn within(&self, raw: &str) -> [Option<u8>; 3] {
        let wanted = [self.repetition, self.component, self.subcomponent];
        let [repetition, component, subcomponent] = wanted.map(Option::unwrap_or_default);
        let there = raw.bytes().fold([false; 3], |[r, c, s], byte| {
            [r | (byte == repetition), c | (byte == component), s | (byte == subcomponent)]
        });
        let [r, c, s] = there;
        [self.repetition.filter(|_| r), self.component.filter(|_| c), self.subcomponent.filter(|_| s)]
    }

    /// Reads delimiters as an operator writes them, `|^~\&`: field, component, repetition, escape, subcomponent, and
    /// truncation if wanted. `None` unless they are all there, different and punctuation marks of ASCII.
    pub fn parse(text: &str) -> Option<Self> {
        let mut issues = Vec::new();
        let read = Self::read(format!("MSH{text}").as_bytes(), &mut issues).ok()?;
        (issues.is_empty()
            && text.len() == read.encoding_characters().len().checked_add(1)?
            && read.truncation.is_none() == (text.len() == 5))
            .then_some(read)
    }

    /// Reads the delimiters from a segment MSH, FHS or BHS, given from its first byte on.
    ///
    /// Left-out characters are not in use. Two slips are common enough to be read as meant, each with an issue:
    /// `^~&` (no escape character) and `^~\\&` (the escape character doubled by a program's source text).
    pub(super) fn read(header: &[u8], issues: &mut Vec<FormatIssue>) -> Result<Self, DelimitersError> {
        let mut rest = header.iter().copied().skip(3);
        let field = rest.next().filter(|b| !matches!(b, b'\r' | b'\n')).ok_or(DelimitersError::Missing)?;
        if !fit(field) {
            return Err(DelimitersError::Unfit { at: "MSH-1", role: "field separator" });
        }
        let given: Vec<u8> = rest.take_while(|b| *b != field && !matches!(b, b'\r' | b'\n' | 0x1C)).take(6).collect();
        let mut warn = |code, severity, detail: &str| issues.push(FormatIssue::new(code, severity, detail).at("MSH-2"));
        let given: [Option<u8>; 5] = match given.as_slice() {
            [] => {
                warn("delimiters-missing", Severity::Warning, "no encoding characters: the usual ones are taken");
                return Ok(Self { field, ..Self::default() }.distinct(issues));
            }
            [c, r, b'&'] => {
                warn(
                    "delimiters-incomplete",
                    Severity::Warning,
                    "no escape character: & is taken as the subcomponent separator",
                );
                [Some(*c), Some(*r), None, Some(b'&'), None]
            }
            [c, r, b'\\', b'\\', s] => {
                warn(
                    "delimiters-doubled",
                    Severity::Warning,
                    "the escape character stands twice: the second is ignored",
                );
                [Some(*c), Some(*r), Some(b'\\'), Some(*s), None]
            }
            [c, r, e, s, t] if fit(*t) && ![*c, *r, *e, *s, field].contains(t) => {
                [Some(*c), Some(*r), Some(*e), Some(*s), Some(*t)]
            }
            [c, r, e, s, _, ..] => {
                warn(
                    "delimiters-too-many",
                    Severity::Warning,
                    "more encoding characters than can be used: the first four are",
                );
                [Some(*c), Some(*r), Some(*e), Some(*s), None]
            }
            few => {
                if few.len() < 4 {
                    warn("delimiters-incomplete", Severity::Information, "encoding characters left out are not in use");
                }
                let at = |n: usize| few.get(n).copied();
                [at(0), at(1), at(2), at(3), None]
            }
        };
        for (byte, role) in given.iter().zip(ROLES) {
            if byte.is_some_and(|b| !fit(b)) {
                return Err(DelimitersError::Unfit { at: "MSH-2", role });
            }
        }
        let [component, repetition, escape, subcomponent, truncation] = given;
        Ok(Self { field, component, repetition, escape, subcomponent, truncation }.distinct(issues))
    }

    /// Each character in its first role only; the later ones are not in use.
    fn distinct(mut self, issues: &mut Vec<FormatIssue>) -> Self {
        let mut seen = vec![self.field];
        let roles =
            [&mut self.component, &mut self.repetition, &mut self.escape, &mut self.subcomponent, &mut self.truncation];
        let mut unused = Vec::new();
        for (role, name) in roles.into_iter().zip(ROLES) {
            let Some(byte) = *role else { continue };
            if seen.contains(&byte) {
                *role = None;
                unused.push(name);
            }
            seen.push(byte);
        }
        if !unused.is_empty() {
            let detail = format!("expected different delimiters, found one repeated: no {} in use", unused.join(", "));
            issues.push(FormatIssue::new("delimiters-repeated", Severity::Error, detail).at("MSH-2"));
        }
        self
    }

    /// True if values can be written with them at any depth: all but the truncation character are in use.
    pub fn are_complete(&self) -> bool {
        [self.component, self.repetition, self.escape, self.subcomponent].iter().all(Option::is_some)
    }

    /// MSH-2 as it is written for these delimiters.
    pub fn encoding_characters(&self) -> String {
        [self.component, self.repetition, self.escape, self.subcomponent, self.truncation]
            .into_iter()
            .flatten()
            .map(char::from)
            .collect()
    }
}

/// Letters, digits, blanks and quotation marks would tear text (and the null value `""`) apart.
fn fit(byte: u8) -> bool {
    byte.is_ascii_punctuation() && byte != b'"'
}
