//! The text of an expression as tokens. FHIRPath 2.0.0, "Lexical Elements" and appendix "Formal Specifications".

use rust_decimal::Decimal;
use smol_str::SmolStr;

use super::SyntaxError;
use crate::decimal;
use crate::temporal::{Date, DateTime, Time};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// A bare word, keywords too.
    Word(SmolStr),
    /// A word in backticks: never a keyword.
    Quoted(SmolStr),
    String(SmolStr),
    Integer(i64),
    Decimal(Decimal),
    Date(Date),
    DateTime(DateTime),
    Time(Time),
    /// `%name`.
    External(SmolStr),
    /// `$this`.
    Special(&'static str),
    Symbol(&'static str),
    End,
}

pub(crate) struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

const SYMBOLS: &[&str] =
    &["!=", "!~", "<=", ">=", ".", ",", "(", ")", "[", "]", "{", "}", "+", "-", "*", "/", "|", "&", "=", "~", "<", ">"];

impl<'t> Lexer<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn error(&self, expected: &'static str) -> SyntaxError {
        SyntaxError { message: expected.into(), offset: self.at }
    }

    fn skip_space_and_comments(&mut self) -> Result<(), SyntaxError> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(|letter: char| letter.is_whitespace() || letter == '\u{feff}');
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with("//") {
                self.at += trimmed.find(['\n', '\r']).unwrap_or(trimmed.len());
            } else if let Some(comment) = trimmed.strip_prefix("/*") {
                let end = comment.find("*/").ok_or_else(|| self.error("expected the end of the comment"))?;
                self.at += end + 4;
            } else {
                return Ok(());
            }
        }
    }

    /// The next token and where it starts.
    pub(crate) fn next(&mut self) -> Result<(Token, usize), SyntaxError> {
        self.skip_space_and_comments()?;
        let start = self.at;
        let Some(first) = self.rest().chars().next() else { return Ok((Token::End, start)) };
        let token = match first {
            '\'' => Token::String(self.quoted('\'')?),
            '`' => Token::Quoted(self.quoted('`')?),
            '@' => self.temporal()?,
            '%' => self.external()?,
            '$' => self.special()?,
            '0'..='9' => self.number()?,
            'A'..='Z' | 'a'..='z' | '_' => Token::Word(SmolStr::new(self.word())),
            _ => {
                let rest = self.rest();
                let symbol = SYMBOLS
                    .iter()
                    .find(|symbol| rest.starts_with(**symbol))
                    .ok_or_else(|| self.error("expected an operator, a name or a literal"))?;
                self.at += symbol.len();
                Token::Symbol(symbol)
            }
        };
        Ok((token, start))
    }

    fn word(&mut self) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    /// A literal between delimiters with its escapes resolved.
    fn quoted(&mut self, delimiter: char) -> Result<SmolStr, SyntaxError> {
        let start = self.at;
        self.at += delimiter.len_utf8();
        let body = self.rest();
        // Most literals have no escape: one slice.
        match body.find([delimiter, '\\']) {
            Some(end) if body.get(end..).is_some_and(|rest| rest.starts_with(delimiter)) => {
                self.at += end + delimiter.len_utf8();
                return Ok(SmolStr::new(body.get(..end).unwrap_or_default()));
            }
            Some(_) => {}
            None => return Err(SyntaxError { message: "expected the end of the literal".into(), offset: start }),
        }
        let mut text = String::new();
        let mut letters = body.char_indices();
        while let Some((index, letter)) = letters.next() {
            if letter == delimiter {
                self.at += index + delimiter.len_utf8();
                return Ok(text.into());
            }
            if letter != '\\' {
                text.push(letter);
                continue;
            }
            let at = self.at + index;
            let escape = || SyntaxError { message: "expected an escape sequence of FHIRPath".into(), offset: at };
            let (_, escaped) = letters.next().ok_or_else(escape)?;
            text.push(match escaped {
                '`' | '\'' | '"' | '\\' | '/' => escaped,
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => self.unicode(&mut letters).ok_or_else(escape)?,
                _ => return Err(escape()),
            });
        }
        Err(SyntaxError { message: "expected the end of the literal".into(), offset: start })
    }

    /// Four hexadecimal digits; two such escapes make a character beyond the first plane.
    fn unicode(&self, letters: &mut std::str::CharIndices<'_>) -> Option<char> {
        let mut unit =
            || -> Option<u32> { (0..4).try_fold(0, |value, _| Some(value * 16 + letters.next()?.1.to_digit(16)?)) };
        let first = unit()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        let pair = (letters.next()?.1, letters.next()?.1);
        let mut unit =
            || -> Option<u32> { (0..4).try_fold(0, |value, _| Some(value * 16 + letters.next()?.1.to_digit(16)?)) };
        let second = unit()?;
        if pair != ('\\', 'u') || !(0xdc00..0xe000).contains(&second) {
            return None;
        }
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
    }

    fn number(&mut self) -> Result<Token, SyntaxError> {
        let rest = self.rest();
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let whole = digits(rest);
        let fraction = match rest.get(whole..).and_then(|rest| rest.strip_prefix('.')) {
            Some(rest) => digits(rest),
            None => 0,
        };
        if fraction == 0 {
            let text = rest.get(..whole).unwrap_or_default();
            self.at += whole;
            return match text.parse() {
                Ok(value) => Ok(Token::Integer(value)),
                Err(_) => {
                    decimal::parse(text).map(Token::Decimal).ok_or_else(|| self.error("expected a number that fits"))
                }
            };
        }
        let length = whole + 1 + fraction;
        let text = rest.get(..length).unwrap_or_default();
        let value = decimal::parse(text).ok_or_else(|| self.error("expected a number that fits"))?;
        self.at += length;
        Ok(Token::Decimal(value))
    }

    fn temporal(&mut self) -> Result<Token, SyntaxError> {
        let start = self.at;
        self.at += 1;
        let rest = self.rest();
        let error = || SyntaxError { message: "expected a date, a time or a dateTime".into(), offset: start };
        if let Some(rest) = rest.strip_prefix('T') {
            let length = time_length(rest);
            self.at += 1 + length;
            return rest.get(..length).and_then(Time::parse).map(Token::Time).ok_or_else(error);
        }
        let mut length = rest.bytes().take_while(u8::is_ascii_digit).count();
        // `@2014-01` goes on with `-` only before two digits: `@2014-1` is no date and no difference either.
        for _ in 0..2 {
            match rest.get(length..).and_then(|rest| rest.strip_prefix('-')) {
                Some(next) if next.starts_with(|first: char| first.is_ascii_digit()) => {
                    length += 1 + next.bytes().take_while(u8::is_ascii_digit).count();
                }
                _ => break,
            }
        }
        let date = rest.get(..length).unwrap_or_default();
        let Some(after) = rest.get(length..).and_then(|rest| rest.strip_prefix('T')) else {
            self.at += length;
            return Date::parse(date).map(Token::Date).ok_or_else(error);
        };
        length += 1;
        let time = time_length(after);
        if time > 0 {
            length += time + offset_length(after.get(time..).unwrap_or_default());
        }
        self.at += length;
        rest.get(..length).and_then(DateTime::parse).map(Token::DateTime).ok_or_else(error)
    }

    /// `%name`, `` %`any text` ``, `%"any text"`, `%'any text'`; `%vs-name` and `%ext-name` as FHIR R4 writes them.
    fn external(&mut self) -> Result<Token, SyntaxError> {
        self.at += 1;
        let rest = self.rest();
        let name = match rest.chars().next() {
            Some(delimiter @ ('`' | '\'' | '"')) => self.quoted(delimiter)?,
            Some('A'..='Z' | 'a'..='z' | '_') => {
                let hyphens = rest.starts_with("vs-") || rest.starts_with("ext-");
                let end = rest
                    .find(|letter: char| {
                        !letter.is_ascii_alphanumeric() && letter != '_' && !(hyphens && letter == '-')
                    })
                    .unwrap_or(rest.len());
                self.at += end;
                SmolStr::new(rest.get(..end).unwrap_or_default())
            }
            _ => return Err(self.error("expected the name of a variable")),
        };
        Ok(Token::External(name))
    }

    fn special(&mut self) -> Result<Token, SyntaxError> {
        self.at += 1;
        match self.word() {
            "this" => Ok(Token::Special("$this")),
            "index" => Ok(Token::Special("$index")),
            "total" => Ok(Token::Special("$total")),
            _ => Err(self.error("expected $this, $index or $total")),
        }
    }
}

/// How much of a text is `hh:mm:ss.f`.
fn time_length(text: &str) -> usize {
    let mut length = 0;
    for byte in text.bytes() {
        let goes_on = byte.is_ascii_digit()
            || matches!(byte, b':' | b'.')
                && text.as_bytes().get(length + 1).is_some_and(u8::is_ascii_digit)
                && length > 0;
        if !goes_on {
            break;
        }
        length += 1;
    }
    length
}

fn offset_length(text: &str) -> usize {
    match text.as_bytes() {
        [b'Z', ..] => 1,
        [b'+' | b'-', a, b, b':', c, d, ..] if [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()) => 6,
        _ => 0,
    }
}
