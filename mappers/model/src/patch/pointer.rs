//! JSON Pointer (RFC 6901).

use crate::json::Json;

/// A pointer, its tokens unescaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pointer(pub(super) Vec<String>);

impl Pointer {
    /// Section 3: empty, or every token behind a slash; `~` only as `~0` and `~1`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self(Vec::new()));
        }
        text.strip_prefix('/')?.split('/').map(unescaped).collect::<Option<_>>().map(Self)
    }

    /// What it leads to.
    pub(super) fn follow<'j>(&self, root: &'j Json) -> Option<&'j Json> {
        self.0.iter().try_fold(root, |value, token| match value {
            Json::Object(object) => object.get(token),
            Json::Array(items) => items.get(index(token)?),
            _ => None,
        })
    }

    /// The same, to change, without its last token: what holds the value.
    pub(super) fn holder<'j, 't>(&'t self, root: &'j mut Json) -> Option<(&'j mut Json, &'t str)> {
        let (last, way) = self.0.split_last()?;
        let holder = way.iter().try_fold(root, |value, token| match value {
            Json::Object(object) => object.get_mut(token),
            Json::Array(items) => items.get_mut(index(token)?),
            _ => None,
        })?;
        Some((holder, last))
    }

    /// Whether this leads to something that holds what `other` leads to.
    pub(super) fn is_above(&self, other: &Self) -> bool {
        self.0.len() < other.0.len() && other.0.starts_with(&self.0)
    }
}

fn unescaped(token: &str) -> Option<String> {
    let mut out = String::with_capacity(token.len());
    let mut letters = token.chars();
    while let Some(letter) = letters.next() {
        out.push(match letter {
            '~' => match letters.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            other => other,
        });
    }
    Some(out)
}

/// Section 4: digits without a leading zero.
pub(super) fn index(token: &str) -> Option<usize> {
    let canonical = token == "0" || (!token.starts_with('0') && token.bytes().all(|byte| byte.is_ascii_digit()));
    if canonical { token.parse().ok() } else { None }
}
