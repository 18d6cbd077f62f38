//! Reports of a run: text for a terminal, JSON, JUnit XML for build servers, a page of HTML for everyone else.
//!
//! Every report passes the run's [`crate::client::Mask`]: tokens and secret headers appear in none of them.

mod html;
mod json;
mod junit;
mod text;

use crate::client::Exchange;
use crate::client::Mask;
use crate::result::{Outcome, Report, Step};

#[cfg(test)]
mod tests;

/// Longest piece of what was found that a report shows.
const SHOWN_CHARACTERS: usize = 400;
/// Bodies longer than this stand in files of their own beside the report.
const INLINE_BODY_BYTES: usize = crate::client::INLINE_BODY_BYTES;

/// A body too long for a command line, with the name of the file that the command line reads it from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyFile {
    /// The name, below the folder of the report.
    pub name: String,
    /// The content.
    pub content: bytes::Bytes,
}

impl Report {
    /// The report as plain text; one line a test, more for what failed.
    pub fn to_text(&self) -> String {
        text::write(self)
    }

    /// The report as JSON.
    pub fn to_json(&self) -> model::json::Json {
        json::write(self)
    }

    /// The report as JUnit XML: what build servers read.
    pub fn to_junit(&self) -> String {
        junit::write(self)
    }

    /// The report as one page of HTML that needs nothing else.
    pub fn to_html(&self) -> String {
        html::write(self)
    }

    /// The bodies that the command lines of the report name as files.
    pub fn bodies(&self) -> Vec<BodyFile> {
        let mut files: Vec<BodyFile> = Vec::new();
        for step in self.tests().flat_map(|test| &test.steps).filter(|step| step.outcome > Outcome::Passed) {
            let Some(exchange) = &step.exchange else { continue };
            let Some(name) = body_file(exchange) else { continue };
            if files.iter().all(|file| file.name != name) {
                files.push(BodyFile { name, content: exchange.request.body.clone() });
            }
        }
        files
    }
}

/// The name of the file that holds the body of a request, if it is too long to stand in a command line.
fn body_file(exchange: &Exchange) -> Option<String> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    if exchange.request.body.len() <= INLINE_BODY_BYTES {
        return None;
    }
    // Only a name: equal bodies share a file, and one run does not write two that collide in practice.
    let mut hasher = DefaultHasher::new();
    exchange.request.body.hash(&mut hasher);
    Some(format!("bodies/{:016x}.txt", hasher.finish()))
}

/// The command line that shows a step again.
fn command(step: &Step, mask: &Mask) -> Option<String> {
    match &step.exchange {
        Some(exchange) => Some(mask.curl(&exchange.request, body_file(exchange).as_deref())),
        None => step.command.as_ref().map(|command| mask.hide(command)),
    }
}

/// A text short enough to be shown, without secrets.
fn shown(text: &str, mask: &Mask) -> String {
    let text = mask.hide(text);
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{} …", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// Text as XML or HTML content or attribute value; characters that XML 1.0 does not know become U+FFFD.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(letter),
            '\u{FFFE}' | '\u{FFFF}' => out.push('\u{FFFD}'),
            _ if letter.is_control() => out.push('\u{FFFD}'),
            _ => out.push(letter),
        }
    }
    out
}

fn seconds(time: std::time::Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}
