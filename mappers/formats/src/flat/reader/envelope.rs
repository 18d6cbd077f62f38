//! Lines before and after the rows: file headers, and trailers that count records.

use super::super::{Found, Rows};
use super::{Reader, Step};

impl Reader {
    /// Passes over a line of the envelope; `None` where the line is none.
    pub(super) fn envelope(&mut self, rows: &mut Rows) -> Option<Step> {
        let envelope = self.dialect.envelope.clone()?;
        let mut marks = envelope.head.iter().map(|mark| self.begins(Some(mark)));
        if marks.any(|begins| begins.is_none()) {
            return Some(Step::Wait);
        }
        let head = envelope.head.iter().any(|mark| self.begins(Some(mark)) == Some(true));
        let Some(foot) = self.begins(envelope.foot.as_deref()) else { return Some(Step::Wait) };
        if !head && !foot {
            return None;
        }
        let Some(line) = self.line() else { return Some(Step::Wait) };
        if foot && !head {
            let mark = envelope.foot.as_deref().map_or(0, str::len);
            let said = self.rest().get(mark..line.length).map(|rest| number(rest, envelope.count));
            let uncounted = if self.closings == 0 { envelope.header_rows } else { 0 };
            let there = self.counted.saturating_sub(uncounted).saturating_add(envelope.besides);
            let detail = match said.flatten() {
                _ if envelope.count == 0 => None,
                Some(said) if said == there => None,
                Some(said) => Some(format!("the trailer counts {said} records, found {there}: is the file whole?")),
                None => Some("expected the number of records in the trailer, found none".to_owned()),
            };
            if let Some(detail) = detail {
                rows.found.push(Found { row: self.row.saturating_add(1), code: "record-count", lost: true, detail });
            }
            self.closings = self.closings.saturating_add(1);
            self.counted = 0;
            self.closed = true;
        }
        Some(self.pass_line(line))
    }

    /// The end of the file, which a trailer should have said before.
    pub(super) fn end(&mut self, rows: &mut Rows) -> Step {
        let expected = self.dialect.envelope.as_ref().is_some_and(|envelope| envelope.foot.is_some());
        if expected && !self.closed {
            self.closed = true;
            let detail = "expected the trailer at the end of the file: is the file whole?".to_owned();
            rows.found.push(Found { row: self.row, code: "trailer-missing", lost: true, detail });
        }
        Step::End
    }
}

/// The n-th run of digits, from 1, as a number.
fn number(line: &[u8], which: usize) -> Option<u64> {
    let mut runs = line.split(|byte| !byte.is_ascii_digit()).filter(|run| !run.is_empty());
    let run = runs.nth(which.checked_sub(1)?)?;
    std::str::from_utf8(run).ok()?.parse().ok()
}
