//! Functions on strings. FHIRPath 2.0.0, "String Manipulation" and "Additional String Functions".

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use regex::{Regex, RegexBuilder};
use smol_str::SmolStr;

use super::{Evaluator, Flow, Pushed, Scope, Sink, push_one, text_of};
use crate::ast::{Call, Expr};
use crate::error::EvalError;
use crate::function::Function;
use crate::item::Item;

impl<'a> Evaluator<'_, 'a> {
    /// The one text a function is applied to.
    fn input_text(&self, call: &Call, scope: &Scope<'_, 'a>) -> Result<Option<SmolStr>, EvalError> {
        let Some(item) = self.input_single(call, scope)? else { return Ok(None) };
        let text = text_of(&item, &call.name)?;
        self.charge(text.len() / 64)?;
        Ok(Some(text))
    }

    pub(crate) fn text_function(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        if call.function == Function::Join {
            return self.join(call, scope, sink);
        }
        let Some(text) = self.input_text(call, scope)? else { return Ok(Flow::On) };
        let argument = |index| self.argument_text(call, index, scope);
        let result = match call.function {
            Function::Length => Some(count(text.chars().count())),
            Function::Upper => Some(self.text(text.to_uppercase())?),
            Function::Lower => Some(self.text(text.to_lowercase())?),
            Function::Trim => Some(self.text(text.trim())?),
            Function::IndexOf => argument(0)?.map(|part| found_at(&text, text.find(part.as_str()))),
            Function::LastIndexOf => argument(0)?.map(|part| found_at(&text, text.rfind(part.as_str()))),
            Function::Substring => self.substring(&text, call, scope)?,
            Function::Replace => match (argument(0)?, argument(1)?) {
                (Some(pattern), Some(by)) => {
                    // A pattern that is empty stands between all letters.
                    let hits = if pattern.is_empty() {
                        text.chars().count() + 1
                    } else {
                        text.matches(pattern.as_str()).count()
                    };
                    self.check_text(text.len() + hits.saturating_mul(by.len()))?;
                    Some(self.text(text.replace(pattern.as_str(), &by))?)
                }
                _ => None,
            },
            Function::Matches | Function::MatchesFull => {
                let full = call.function == Function::MatchesFull;
                self.regex(call, scope, full, 1)?.map(|regex| Item::Boolean(regex.is_match(&text)))
            }
            Function::ReplaceMatches => self.replace_matches(&text, call, scope)?,
            Function::ToChars => {
                self.charge(text.len())?;
                for letter in text.chars() {
                    let mut bytes = [0; 4];
                    if sink(Item::String(SmolStr::new(letter.encode_utf8(&mut bytes))))? == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
                None
            }
            Function::Split => {
                let Some(separator) = argument(0)? else { return Ok(Flow::On) };
                self.charge(text.len())?;
                if separator.is_empty() {
                    return sink(Item::String(text));
                }
                for part in text.split(separator.as_str()) {
                    if sink(Item::String(SmolStr::new(part)))? == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
                None
            }
            Function::Encode => match argument(0)? {
                Some(format) => encode(&text, &format).map(|text| self.text(text)).transpose()?,
                None => None,
            },
            Function::Decode => match argument(0)? {
                Some(format) => decode(&text, &format).map(|text| self.text(text)).transpose()?,
                None => None,
            },
            Function::Escape => match argument(0)? {
                Some(target) => escape(&text, &target).map(|text| self.text(text)).transpose()?,
                None => None,
            },
            Function::Unescape => match argument(0)? {
                Some(target) => unescape(&text, &target).map(|text| self.text(text)).transpose()?,
                None => None,
            },
            _ => None,
        };
        push_one(result, sink)
    }

    fn substring(&self, text: &str, call: &Call, scope: &Scope<'_, 'a>) -> Result<Option<Item<'a>>, EvalError> {
        let Some(start) = self.argument_integer(call, 0, scope)? else { return Ok(None) };
        let length = match call.arguments.get(1) {
            Some(_) => self.argument_integer(call, 1, scope)?,
            None => None,
        };
        let Ok(start) = usize::try_from(start) else { return Ok(None) };
        let mut rest = text.chars();
        if start > 0 && rest.nth(start - 1).is_none() {
            return Ok(None);
        }
        if rest.as_str().is_empty() {
            // "If start lies outside the length of the string, the function returns empty."
            return Ok(None);
        }
        let taken = match length {
            None => SmolStr::new(rest.as_str()),
            Some(length) => rest.take(usize::try_from(length).unwrap_or_default()).collect(),
        };
        Ok(Some(Item::String(taken)))
    }

    fn join(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let separator = self.argument_text(call, 0, scope)?.unwrap_or_default();
        let mut joined: Option<String> = None;
        self.input(call, scope, &mut |item| {
            let text = text_of(&item, &call.name)?;
            match &mut joined {
                None => joined = Some(text.into()),
                Some(joined) => {
                    self.check_text(joined.len() + separator.len() + text.len())?;
                    joined.push_str(&separator);
                    joined.push_str(&text);
                }
            }
            Ok(Flow::On)
        })?;
        match joined {
            Some(joined) => sink(self.text(joined)?),
            None => Ok(Flow::On),
        }
    }

    fn replace_matches(&self, text: &str, call: &Call, scope: &Scope<'_, 'a>) -> Result<Option<Item<'a>>, EvalError> {
        let Some(pattern) = self.argument_text(call, 0, scope)? else { return Ok(None) };
        let Some(by) = self.argument_text(call, 1, scope)? else { return Ok(None) };
        if pattern.is_empty() {
            return self.text(text).map(Some);
        }
        let Some(regex) = self.regex(call, scope, false, 2)? else { return Ok(None) };
        let by = substitution(&by);
        let mut made = String::new();
        let mut end = 0;
        for captures in regex.captures_iter(text) {
            let Some(hit) = captures.get(0) else { continue };
            made.push_str(text.get(end..hit.start()).unwrap_or_default());
            // Each group is at most the hit.
            self.check_text(made.len() + by.len() + by.matches('$').count().saturating_mul(hit.len()))?;
            captures.expand(&by, &mut made);
            end = hit.end();
            self.check_text(made.len())?;
        }
        made.push_str(text.get(end..).unwrap_or_default());
        self.text(made).map(Some)
    }

    /// The first argument as a regular expression; `flags` is where the flags may stand.
    fn regex(&self, call: &Call, scope: &Scope<'_, 'a>, full: bool, flags: usize) -> Result<Option<Regex>, EvalError> {
        let fault = || EvalError::Type { at: call.name.clone(), expected: "a regular expression without look-around" };
        let flags = match call.arguments.get(flags) {
            Some(_) => self.argument_text(call, flags, scope)?.unwrap_or_default(),
            None => SmolStr::default(),
        };
        if let (Some(Expr::String(pattern)), true) = (call.arguments.first(), flags.is_empty()) {
            let compiled = call.regex.get_or_init(|| compile(pattern, full, ""));
            return compiled.clone().map(Some).ok_or_else(fault);
        }
        let Some(pattern) = self.argument_text(call, 0, scope)? else { return Ok(None) };
        self.charge(1000 + pattern.len() * 16)?;
        compile(&pattern, full, &flags).map(Some).ok_or_else(fault)
    }
}

/// FHIRPath 2.0.0, "matches": case counts, the point also stands for a line end.
fn compile(pattern: &str, full: bool, flags: &str) -> Option<Regex> {
    let full_pattern;
    let pattern = if full {
        full_pattern = format!("^(?:{pattern})$");
        &full_pattern
    } else {
        pattern
    };
    RegexBuilder::new(pattern)
        .dot_matches_new_line(true)
        .case_insensitive(flags.contains('i'))
        .multi_line(flags.contains('m'))
        .size_limit(1 << 20)
        .dfa_size_limit(1 << 20)
        .nest_limit(100)
        .build()
        .ok()
}

/// `$1` goes on as long as digits do, as in PCRE; the library would take letters, too.
fn substitution(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        made.push(letter);
        if letter != '$' {
            continue;
        }
        match letters.peek() {
            Some(digit) if digit.is_ascii_digit() => {
                made.push('{');
                while let Some(digit) = letters.next_if(char::is_ascii_digit) {
                    made.push(digit);
                }
                made.push('}');
            }
            Some('{') => {}
            _ => made.push('$'),
        }
    }
    made
}

fn count(letters: usize) -> Item<'static> {
    Item::Integer(i64::try_from(letters).unwrap_or(i64::MAX))
}

/// Position in letters, or -1.
fn found_at(text: &str, byte: Option<usize>) -> Item<'static> {
    match byte.and_then(|byte| text.get(..byte)) {
        Some(before) => count(before.chars().count()),
        None => Item::Integer(-1),
    }
}

fn encode(text: &str, format: &str) -> Option<String> {
    match format {
        "hex" => Some(text.bytes().map(|byte| format!("{byte:02x}")).collect()),
        "base64" => Some(STANDARD.encode(text)),
        "urlbase64" => Some(URL_SAFE.encode(text)),
        _ => None,
    }
}

fn decode(text: &str, format: &str) -> Option<String> {
    let bytes = match format {
        "hex" => {
            let digits: Option<Vec<u8>> = text.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect();
            let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
            digits.chunks(2).map(|pair| pair.iter().fold(0, |value, digit| value * 16 + digit)).collect()
        }
        "base64" => STANDARD.decode(text).ok()?,
        "urlbase64" => URL_SAFE.decode(text).ok()?,
        _ => return None,
    };
    String::from_utf8(bytes).ok()
}

fn escape(text: &str, target: &str) -> Option<String> {
    let mut made = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match (target, letter) {
            ("html", '<') => made.push_str("&lt;"),
            ("html", '>') => made.push_str("&gt;"),
            ("html", '&') => made.push_str("&amp;"),
            ("html", '"') => made.push_str("&quot;"),
            ("html", '\'') => made.push_str("&#39;"),
            ("json", '"') => made.push_str("\\\""),
            ("json", '\\') => made.push_str("\\\\"),
            ("json", '\n') => made.push_str("\\n"),
            ("json", '\r') => made.push_str("\\r"),
            ("json", '\t') => made.push_str("\\t"),
            ("json", control) if u32::from(control) < 0x20 => made.push_str(&format!("\\u{:04x}", u32::from(control))),
            ("html" | "json", letter) => made.push(letter),
            _ => return None,
        }
    }
    Some(made)
}

fn unescape(text: &str, target: &str) -> Option<String> {
    match target {
        "html" => Some(unescape_html(text)),
        // The reader of JSON strings is the lossless one of the model.
        "json" => {
            let quoted = format!("\"{text}\"");
            match model::json::parse(quoted.as_bytes(), &model::json::Limits::default()).ok()? {
                model::json::Json::String(text) => Some(text.into()),
                _ => None,
            }
        }
        _ => None,
    }
}

fn unescape_html(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        made.push_str(before);
        match after.split_once(';').and_then(|(name, after)| Some((entity(name)?, after))) {
            Some((letter, after)) => {
                made.push(letter);
                rest = after;
            }
            None => {
                made.push('&');
                rest = after;
            }
        }
    }
    made.push_str(rest);
    made
}

fn entity(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some('\u{a0}'),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}
