//! The table form of a map: `system,match,code,label,source`, one rule a line.

use smol_str::SmolStr;

use super::map::{MapError, Review, read_label};

/// The first line of a table, comments apart.
const HEADER: [&str; 5] = ["system", "match", "code", "label", "source"];

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// A code, or all codes with this beginning, bring a label; without a label they are of no sensitive topic.
    Code { system: SmolStr, code: SmolStr, beginning: bool, label: Option<SmolStr>, source: SmolStr },
    /// What is known of a code system.
    System { system: SmolStr, review: Review },
    /// What is known of all code systems whose names have this beginning.
    Family { beginning: SmolStr, review: Review },
}

impl Row {
    /// The row in a form of its own: what the version is taken of. The source is no part of what a map does.
    pub(super) fn line(&self) -> String {
        match self {
            Self::Code { system, code, beginning, label, .. } => {
                let kind = if *beginning { "prefix" } else { "code" };
                format!("{kind}\t{system}\t{code}\t{}", label.as_deref().unwrap_or("none"))
            }
            Self::System { system, review } => format!("system\t{system}\t{review:?}"),
            Self::Family { beginning, review } => format!("systems\t{beginning}\t{review:?}"),
        }
    }
}

/// Reads a table. A line that begins with `#` is a comment; several systems of one line stand beside each other with a
/// space between.
pub(super) fn read(text: &str) -> Result<Vec<Row>, MapError> {
    let mut rows = Vec::new();
    let mut headed = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.strip_prefix('\u{feff}').unwrap_or(line);
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let fail = |expected: &str| MapError::at(format!("line {}", index.saturating_add(1)), expected);
        let fields = fields(line).ok_or_else(|| fail("quotes that are closed"))?;
        let fields: Vec<&str> = fields.iter().map(|field| field.trim()).collect();
        if !headed {
            headed = true;
            if fields == HEADER {
                continue;
            }
            return Err(fail("the header system,match,code,label,source"));
        }
        let [systems, kind, code, label, source] = fields.as_slice() else {
            return Err(fail("five fields: system,match,code,label,source"));
        };
        if systems.is_empty() {
            return Err(fail("a code system"));
        }
        for system in systems.split_whitespace() {
            rows.push(row(system, kind, code, label, source).map_err(&fail)?);
        }
    }
    if headed { Ok(rows) } else { Err(MapError::at("line 1", "the header system,match,code,label,source")) }
}

fn row(system: &str, kind: &str, code: &str, label: &str, source: &str) -> Result<Row, &'static str> {
    let system = SmolStr::new(system);
    match kind {
        "code" | "prefix" => {
            let beginning = kind == "prefix";
            if code.is_empty() && !beginning {
                return Err("a code");
            }
            let label = read_label(label).ok_or("none, or a sensitivity code of v3 ActCode, as the label")?;
            Ok(Row::Code { system, code: SmolStr::new(code), beginning, label, source: SmolStr::new(source) })
        }
        "system" | "systems" => {
            let review = match label {
                "reviewed" => Review::Reviewed,
                "listed" => Review::Listed,
                "administrative" => Review::Administrative,
                "unreviewed" => Review::Unreviewed,
                _ => return Err("reviewed, listed, administrative or unreviewed as the label"),
            };
            if !code.is_empty() {
                return Err("no code for a code system");
            }
            Ok(match kind {
                "system" => Row::System { system, review },
                _ => Row::Family { beginning: system, review },
            })
        }
        _ => Err("code, prefix, system or systems as the match"),
    }
}

/// The fields of a line; `None` if a quote is not closed. RFC 4180, without line breaks inside of quotes.
fn fields(line: &str) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                fields.last_mut()?.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => fields.last_mut()?.push(other),
        }
    }
    (!quoted).then_some(fields)
}
