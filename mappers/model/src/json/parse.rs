//! The reader: one pass, bounded depth and size, no second meaning for any text.

use std::collections::HashSet;

use smol_str::SmolStr;

use super::{Json, Number, Object};

/// What a text may at most be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest text, in bytes.
    pub bytes: usize,
    /// The deepest nesting of arrays and objects; more than [`Limits::MAX_DEPTH`] counts as that.
    pub depth: usize,
}

impl Limits {
    /// The default of `bytes`: 16 MiB.
    pub const BYTES: usize = 16 * 1024 * 1024;
    /// The default of `depth`. The deepest ordinary FHIR (a Questionnaire in a Bundle) stays well below.
    pub const DEPTH: usize = 64;
    /// No configuration gets deeper than this: reading and dropping a tree recurse.
    pub const MAX_DEPTH: usize = 256;
    /// Members of one object. FHIR has types of some dozens; who looks members up by name goes through all of them, so
    /// a wide object would cost the square of its size.
    pub const MAX_MEMBERS: usize = 5_000;
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: Self::BYTES, depth: Self::DEPTH }
    }
}

/// Why a text is no JSON that we take, and where. Never quotes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {kind}")]
pub struct JsonError {
    /// What was found or missed.
    pub kind: ErrorKind,
    /// Bytes before the place.
    pub offset: usize,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// What is wrong with a JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Nothing but white space.
    #[error("expected a JSON value, found nothing")]
    Empty,
    /// RFC 8259, section 8.1: a sender must not add a byte order mark.
    #[error("expected a JSON value, found a byte order mark")]
    ByteOrderMark,
    /// RFC 8259, section 8.1: UTF-8 only.
    #[error("expected UTF-8")]
    Encoding,
    /// More than `Limits::bytes`.
    #[error("longer than the limit of {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// More than `Limits::depth`.
    #[error("nested deeper than the limit of {limit}")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// The text ends inside a value.
    #[error("the text ends inside a value")]
    UnexpectedEnd,
    /// A value should start here.
    #[error("expected a value")]
    Value,
    /// Not a number that JSON has.
    #[error("expected a JSON number")]
    Number,
    /// A member name should start here.
    #[error("expected a member name in quotation marks")]
    MemberName,
    /// Between name and value.
    #[error("expected a colon")]
    Colon,
    /// After an item of an array.
    #[error("expected a comma or a closing bracket")]
    ArrayEnd,
    /// After a member of an object.
    #[error("expected a comma or a closing brace")]
    ObjectEnd,
    /// Below U+0020 inside a string.
    #[error("control character in a string; expected an escape")]
    ControlCharacter,
    /// Backslash and something that JSON has no meaning for.
    #[error("unknown escape in a string")]
    Escape,
    /// Half of a surrogate pair: no Unicode character.
    #[error("lone surrogate in a string")]
    LoneSurrogate,
    /// The same name twice: two readers would take different values.
    #[error("the same member name twice in one object")]
    DuplicateKey,
    /// More members in one object than [`Limits::MAX_MEMBERS`].
    #[error("more than {limit} members in one object")]
    TooManyMembers {
        /// The limit.
        limit: usize,
    },
    /// Something stands after the value.
    #[error("text after the end of the value")]
    Trailing,
}

/// Reads one JSON value that fills the whole text.
///
/// # Errors
/// [`JsonError`] with kind and place; the sender's fault, not retryable. Nothing is repaired: `NaN`, comments, trailing
/// commas, a byte order mark and lone surrogates are refused.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Json, JsonError> {
    read(bytes, limits).map_err(|(kind, offset)| {
        let place = super::position_of(bytes, offset);
        JsonError { kind, offset: place.offset, line: place.line, column: place.column }
    })
}

type Fault = (ErrorKind, usize);

fn read(bytes: &[u8], limits: &Limits) -> Result<Json, Fault> {
    if bytes.len() > limits.bytes {
        return Err((ErrorKind::TooLong { limit: limits.bytes }, limits.bytes));
    }
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        return Err((ErrorKind::ByteOrderMark, 0));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| (ErrorKind::Encoding, error.valid_up_to()))?;
    let depth = limits.depth.min(Limits::MAX_DEPTH);
    let mut reader = Reader { text, bytes, at: 0, depth, limit: depth };
    reader.white_space();
    if reader.at == bytes.len() {
        return Err((ErrorKind::Empty, reader.at));
    }
    let value = reader.value()?;
    reader.white_space();
    if reader.at < bytes.len() {
        return Err((ErrorKind::Trailing, reader.at));
    }
    Ok(value)
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// How many more levels may open.
    depth: usize,
    limit: usize,
}

/// Objects up to this size are searched name by name for a duplicate; a set is slower for them.
const SMALL_OBJECT: usize = 24;

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn white_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Result<Json, Fault> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.string().map(Json::String)
            }
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word(b"true", Json::Bool(true)),
            Some(b'f') => self.word(b"false", Json::Bool(false)),
            Some(b'n') => self.word(b"null", Json::Null),
            Some(_) => Err((ErrorKind::Value, self.at)),
            None => Err((ErrorKind::UnexpectedEnd, self.at)),
        }
    }

    fn nested(&mut self, inner: fn(&mut Self) -> Result<Json, Fault>) -> Result<Json, Fault> {
        if self.depth == 0 {
            return Err((ErrorKind::TooDeep { limit: self.limit }, self.at));
        }
        self.depth -= 1;
        self.at += 1;
        let value = inner(self)?;
        self.depth += 1;
        Ok(value)
    }

    fn word(&mut self, word: &[u8], value: Json) -> Result<Json, Fault> {
        if self.bytes.get(self.at..self.at + word.len()) == Some(word) {
            self.at += word.len();
            Ok(value)
        } else {
            Err((ErrorKind::Value, self.at))
        }
    }

    fn number(&mut self) -> Result<Json, Fault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = number_length(rest).ok_or((ErrorKind::Number, self.at))?;
        let lexeme = self.text.get(self.at..self.at + length).ok_or((ErrorKind::Number, self.at))?;
        self.at += length;
        // `1.2.3` and `0x1` must not read as a number with something odd after it.
        if let Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'+' | b'-') = self.peek() {
            return Err((ErrorKind::Number, self.at));
        }
        Ok(Json::Number(Number::from_checked(lexeme)))
    }

    fn array(&mut self) -> Result<Json, Fault> {
        let mut items = Vec::new();
        self.white_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::Array(items));
        }
        loop {
            self.white_space();
            items.push(self.value()?);
            self.white_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Json::Array(items));
                }
                Some(_) => return Err((ErrorKind::ArrayEnd, self.at)),
                None => return Err((ErrorKind::UnexpectedEnd, self.at)),
            }
        }
    }

    fn object(&mut self) -> Result<Json, Fault> {
        let mut object = Object::new();
        let mut seen: Option<HashSet<SmolStr>> = None;
        self.white_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(object));
        }
        loop {
            self.white_space();
            let start = self.at;
            match self.peek() {
                Some(b'"') => self.at += 1,
                Some(_) => return Err((ErrorKind::MemberName, self.at)),
                None => return Err((ErrorKind::UnexpectedEnd, self.at)),
            }
            let name = self.string()?;
            if known(&object, &mut seen, &name) {
                return Err((ErrorKind::DuplicateKey, start));
            }
            if object.len() >= Limits::MAX_MEMBERS {
                return Err((ErrorKind::TooManyMembers { limit: Limits::MAX_MEMBERS }, start));
            }
            self.white_space();
            match self.peek() {
                Some(b':') => self.at += 1,
                Some(_) => return Err((ErrorKind::Colon, self.at)),
                None => return Err((ErrorKind::UnexpectedEnd, self.at)),
            }
            self.white_space();
            let value = self.value()?;
            object.push_new(name, value);
            self.white_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Json::Object(object));
                }
                Some(_) => return Err((ErrorKind::ObjectEnd, self.at)),
                None => return Err((ErrorKind::UnexpectedEnd, self.at)),
            }
        }
    }

    /// Reads a string whose opening quotation mark has been taken.
    fn string(&mut self) -> Result<SmolStr, Fault> {
        let start = self.at;
        self.plain_run();
        if self.peek() == Some(b'"') {
            let text = self.text.get(start..self.at).unwrap_or_default();
            self.at += 1;
            return Ok(SmolStr::new(text));
        }
        let mut text = String::from(self.text.get(start..self.at).unwrap_or_default());
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(SmolStr::from(text));
                }
                Some(b'\\') => {
                    self.at += 1;
                    text.push(self.escape()?);
                }
                Some(_) => return Err((ErrorKind::ControlCharacter, self.at)),
                None => return Err((ErrorKind::UnexpectedEnd, self.at)),
            }
            let run = self.at;
            self.plain_run();
            // Both ends are ASCII delimiters, so they are character boundaries.
            text.push_str(self.text.get(run..self.at).unwrap_or_default());
        }
    }

    /// Skips to the next quotation mark, backslash or control character.
    fn plain_run(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at += rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F)).unwrap_or(rest.len());
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let at = self.at.saturating_sub(1);
        let letter = self.peek().ok_or((ErrorKind::UnexpectedEnd, self.at))?;
        self.at += 1;
        Ok(match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{C}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(at),
            _ => return Err((ErrorKind::Escape, at)),
        })
    }

    fn unicode(&mut self, at: usize) -> Result<char, Fault> {
        let unit = self.hex4(at)?;
        let code = match unit {
            0xD800..=0xDBFF => {
                if self.bytes.get(self.at..self.at + 2) != Some(b"\\u") {
                    return Err((ErrorKind::LoneSurrogate, at));
                }
                self.at += 2;
                match self.hex4(at)? {
                    low @ 0xDC00..=0xDFFF => 0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00),
                    _ => return Err((ErrorKind::LoneSurrogate, at)),
                }
            }
            other => other,
        };
        char::from_u32(code).ok_or((ErrorKind::LoneSurrogate, at))
    }

    fn hex4(&mut self, at: usize) -> Result<u32, Fault> {
        let digits = self.bytes.get(self.at..self.at + 4).ok_or((ErrorKind::UnexpectedEnd, at))?;
        let mut unit = 0;
        for byte in digits {
            let digit = char::from(*byte).to_digit(16).ok_or((ErrorKind::Escape, at))?;
            unit = unit * 16 + digit;
        }
        self.at += 4;
        Ok(unit)
    }
}

/// Whether the name is in the object already; keeps a set once the object is large.
fn known(object: &Object, seen: &mut Option<HashSet<SmolStr>>, name: &SmolStr) -> bool {
    if object.len() < SMALL_OBJECT {
        return object.contains_key(name);
    }
    let set = seen.get_or_insert_with(|| object.iter().map(|(key, _)| SmolStr::new(key)).collect());
    !set.insert(name.clone())
}

/// The length of the JSON number the bytes start with.
pub(super) fn number_length(bytes: &[u8]) -> Option<usize> {
    let digits = |from: usize| bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    match bytes.get(at)? {
        b'0' => at += 1,
        b'1'..=b'9' => at += digits(at),
        _ => return None,
    }
    if bytes.get(at) == Some(&b'.') {
        match digits(at + 1) {
            0 => return None,
            count => at += 1 + count,
        }
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        match digits(at + 1 + sign) {
            0 => return None,
            count => at += 1 + sign + count,
        }
    }
    Some(at)
}
