//! How a flat file writes numbers, said by an example: `1.234,5`, `1 234,5`, `1'234.5`, `1234,5`.
//!
//! The functions on numbers read a point and no groups. A number written otherwise than the file declares is none: `1.234`
//! in a file of decimal commas is a thousand and more, and `1.23` there is nobody's to guess.

use std::borrow::Cow;

use crate::function::Function;

/// One way to write numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numeral {
    group: Option<char>,
    point: char,
}

impl Numeral {
    /// Reads an example.
    pub(crate) fn parse(example: &str) -> Result<Self, String> {
        let fault = || format!("number: expected an example such as 1.234,5 or 1234,5, found {example:?}");
        let rest = example.strip_prefix('1').ok_or_else(fault)?;
        let (group, point) = rest.split_once("234").ok_or_else(fault)?;
        let point = point.strip_suffix('5').ok_or_else(fault)?;
        let one = |text: &str| {
            let mut chars = text.chars();
            chars
                .next()
                .filter(|c| chars.next().is_none() && !c.is_alphanumeric() && !matches!(c, '<' | '>' | '=' | '-' | '+'))
        };
        let group = if group.is_empty() { None } else { Some(one(group).ok_or_else(fault)?) };
        let point = one(point).filter(|point| Some(*point) != group).ok_or_else(fault)?;
        Ok(Self { group, point })
    }

    /// The text with each number as the functions read it; `None` where one is not written so.
    pub(crate) fn plain<'t>(self, text: &'t str) -> Option<Cow<'t, str>> {
        if !text.contains(|c: char| self.own(c) || c == '.' || c == ',') {
            return Some(Cow::Borrowed(text));
        }
        let mut out = String::with_capacity(text.len());
        let mut run = String::new();
        for c in text.chars() {
            if c.is_ascii_digit() || self.own(c) || c == '.' || c == ',' {
                run.push(c);
                continue;
            }
            self.flush(&mut run, &mut out)?;
            out.push(c);
        }
        self.flush(&mut run, &mut out)?;
        Some(Cow::Owned(out))
    }

    /// A number of the functions as the file writes it, without groups.
    pub(crate) fn written(self, number: &str) -> String {
        number.replace('.', self.point.encode_utf8(&mut [0; 4]))
    }

    fn own(self, c: char) -> bool {
        c == self.point || self.group.is_some_and(|group| alike(group, c))
    }

    /// Ends a run of digits and marks.
    fn flush(self, run: &mut String, out: &mut String) -> Option<()> {
        // A blank at the end of a run divides it from what follows.
        let body = run.trim();
        if body.contains(|c: char| c.is_ascii_digit()) {
            let (whole, fraction) = match body.split_once(self.point) {
                Some((whole, fraction)) => (whole, Some(fraction)),
                None => (body, None),
            };
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            let mut groups = whole.split(|c| self.group.is_some_and(|group| alike(group, c)));
            let first = groups.next().unwrap_or_default();
            let rest: Vec<&str> = groups.collect();
            let grouped = rest.is_empty() || (1..=3).contains(&first.len());
            let right = grouped && digits(first) && rest.iter().all(|group| group.len() == 3 && digits(group));
            if !right || !fraction.is_none_or(digits) {
                return None;
            }
            let lead = run.len() - run.trim_start().len();
            out.extend(run.chars().take(lead));
            out.push_str(first);
            rest.iter().for_each(|group| out.push_str(group));
            if let Some(fraction) = fraction {
                out.push('.');
                out.push_str(fraction);
            }
        } else {
            out.push_str(run);
        }
        run.clear();
        Some(())
    }
}

/// Blanks and apostrophes have several forms in print.
fn alike(declared: char, found: char) -> bool {
    match declared {
        ' ' => matches!(found, ' ' | '\u{a0}' | '\u{2009}' | '\u{202f}'),
        '\'' => matches!(found, '\'' | '\u{2019}'),
        _ => declared == found,
    }
}

/// Whether a function reads numbers.
pub(crate) fn reads_numbers(function: &Function) -> bool {
    matches!(
        function.name,
        "decimal" | "integer" | "positiveInt" | "comparator_of" | "range_low" | "range_high" | "number_of"
    )
}
