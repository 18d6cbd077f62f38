//! How a sample is written: its delimiter, its character set, and the lines around its rows.

use std::collections::BTreeMap;

use formats::flat::{Charset, Dialect, Envelope, Layout, Reader, Rows, Span};

use super::ROWS;

/// How a file is written.
pub(super) struct Look {
    pub(super) dialect: Dialect,
    /// Whether every row has the same number of cells.
    pub(super) sure: bool,
}

pub(super) fn read(dialect: &Dialect, sample: &[u8]) -> Rows {
    let mut reader = Reader::new(dialect.clone());
    reader.push(sample);
    reader.finish();
    let mut rows = Rows::default();
    reader.read(&mut rows, ROWS);
    rows
}

/// Delimiters in the order in which they win where several fit alike.
const DELIMITERS: [&str; 9] = ["\t", ";", "|", ",", "^", "~", "\u{1f}", "||", ":"];

/// Lines before the names of the columns at most, and after the rows.
const BEFORE: usize = 12;
const AFTER: usize = 2;

/// How a sample is written, by the delimiter with which most rows agree.
pub(super) fn look(sample: &[u8]) -> Look {
    let charset = Some(Charset::guess(sample)).filter(|charset| *charset != Charset::UTF_8);
    let mut best: Option<(usize, usize, Dialect)> = None;
    for delimiter in DELIMITERS {
        let quote = (delimiter.len() == 1).then_some(b'"');
        let layout = Layout::Delimited { delimiter: delimiter.to_owned(), quote, escape: None };
        let mut dialect = Dialect { layout, charset, ..Dialect::default() };
        let Some((width, agree, inner)) = frame(&mut dialect, sample) else { continue };
        if agree * 10 < inner * 9 {
            continue;
        }
        let share = agree * 1000 / inner.max(1);
        if best.as_ref().is_none_or(|(most, columns, _)| (share, width) > (*most, *columns)) {
            best = Some((share, width, dialect));
        }
    }
    if let Some((share, _, mut dialect)) = best {
        let rows = read(&dialect, sample);
        // Every row ends with a delimiter that begins no cell: the header's as well, which has a name for each.
        let bare = |row: formats::flat::Row<'_>| row.len() > 2 && row.cells().last().is_some_and(str::is_empty);
        dialect.trailing = rows.len() > 1 && rows.iter().all(bare);
        return Look { dialect, sure: share == 1000 };
    }
    let layout = Layout::Delimited { delimiter: "\u{1f}".to_owned(), quote: None, escape: None };
    let plain = Dialect { layout, charset, ..Dialect::default() };
    let lines = read(&plain, sample);
    let envelope = lines.len().checked_sub(1).and_then(|last| trailer(lines.row(last)?.cell(0), last as u64));
    let plain = Dialect { envelope, ..plain };
    let spans = spans(&read(&plain, sample));
    let layout = if spans.len() > 1 { Layout::Fixed(spans) } else { Dialect::default().layout };
    Look { dialect: Dialect { layout, ..plain }, sure: false }
}

/// Finds the lines around the rows: the number of cells that most rows have is that of the table. Gives it
/// back, with how many rows have it and how many there are.
fn frame(dialect: &mut Dialect, sample: &[u8]) -> Option<(usize, usize, usize)> {
    let rows = read(dialect, sample);
    let mut widths: BTreeMap<usize, usize> = BTreeMap::new();
    rows.iter().for_each(|row| *widths.entry(row.len()).or_default() += 1);
    let (width, agree) =
        widths.into_iter().filter(|(width, _)| *width > 1).max_by_key(|(width, count)| (*count, *width))?;
    let first = rows.iter().position(|row| row.len() == width).filter(|first| *first <= BEFORE)?;
    let last = rows.iter().enumerate().filter(|(_, row)| row.len() == width).map(|(at, _)| at + 1).last()?;
    let after = rows.len() - last;
    if after <= AFTER && rows.len() < ROWS {
        let inner = (last - first) as u64;
        let end = (last..rows.len()).filter_map(|at| rows.row(at));
        let text = |row: formats::flat::Row<'_>| match &dialect.layout {
            Layout::Delimited { delimiter, .. } => row.cells().collect::<Vec<_>>().join(delimiter),
            Layout::Fixed(_) => String::new(),
        };
        dialect.envelope = end.map(text).find_map(|text| trailer(&text, inner));
    }
    if let Some(row) = rows.row(first).filter(|_| first > 0) {
        dialect.skip = row.number().saturating_sub(1);
    }
    Some((width, agree, rows.len() - first - if after <= AFTER { after } else { 0 }))
}

/// Words that trailers begin with. No other text of a line goes into a package.
const TRAILERS: [&str; 17] = [
    "trailer",
    "trl",
    "trlr",
    "tra",
    "ftr",
    "footer",
    "eof",
    "end",
    "total records",
    "record count",
    "records",
    "total",
    "rows",
    "fts",
    "bts",
    "anzahl",
    "summe",
];

/// What a line says if it is a trailer: its mark, and which number in it counts the rows.
fn trailer(line: &str, rows: u64) -> Option<Envelope> {
    let lower = line.to_ascii_lowercase();
    let word = TRAILERS.iter().filter(|word| lower.starts_with(**word)).max_by_key(|word| word.len())?;
    let (mark, rest) = line.split_at_checked(word.len())?;
    // A word that goes on is another: `Totally`.
    if rest.starts_with(|c: char| c.is_alphabetic()) {
        return None;
    }
    let numbers = rest.split(|c: char| !c.is_ascii_digit()).filter(|run| !run.is_empty());
    let numbers: Vec<Option<u64>> = numbers.map(|run| run.parse().ok()).collect();
    // With the header counted among the rows or not, and the lines around them.
    let found = |besides: u64| numbers.iter().rposition(|number| *number == Some(rows.saturating_sub(1) + besides));
    let (count, besides) = (0..=3).find_map(|besides| Some((found(besides)? + 1, besides))).unwrap_or((0, 0));
    Some(Envelope { foot: Some(mark.to_owned()), count, besides, ..Envelope::default() })
}

/// Columns of fixed width: runs of places that are not blank in every line.
fn spans(lines: &Rows) -> Vec<Span> {
    let width = lines.iter().map(|row| row.cell(0).chars().count()).max().unwrap_or(0).min(4096);
    let mut filled = vec![false; width];
    for row in lines.iter() {
        for (slot, c) in filled.iter_mut().zip(row.cell(0).chars()) {
            *slot |= !c.is_whitespace();
        }
    }
    let mut out: Vec<Span> = Vec::new();
    let mut start = None;
    for (at, here) in filled.iter().copied().chain([false]).enumerate() {
        match (here, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                out.push(Span { start: from, length: at - from });
                start = None;
            }
            _ => {}
        }
    }
    // What lies between two columns belongs to the first: texts may be longer in other files.
    let starts: Vec<usize> = out.iter().map(|span| span.start).collect();
    for (span, next) in out.iter_mut().zip(starts.iter().skip(1)) {
        span.length = next - span.start;
    }
    out
}
