//! Tables as text (RFC 4180), safe to open in a spreadsheet.

/// One line. Cells are quoted; one that a spreadsheet would take for a formula is made text.
pub(super) fn line(cells: &[&str]) -> String {
    let cell = |text: &&str| {
        let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let guard = if formula { "'" } else { "" };
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    };
    let mut line = cells.iter().map(cell).collect::<Vec<_>>().join(",");
    line.push_str("\r\n");
    line
}
