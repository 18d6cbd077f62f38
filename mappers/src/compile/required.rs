//! Turns `required.csv` into what the way back writes besides.

use smol_str::SmolStr;

use super::Compiler;
use crate::load::RawRow;
use crate::tree::path::{parse, split};
use crate::tree::write::{Requirement, Write};

impl Compiler<'_> {
    pub(super) fn required(&mut self) {
        for raw in self.raw.tables.get("required").into_iter().flatten() {
            match requirement(raw) {
                Ok((name, row)) => self.out.tree.required.entry(name).or_default().push(row),
                Err(message) => self.errors.push(raw.error(message)),
            }
        }
    }
}

/// A row, and the name of the elements its path begins with.
fn requirement(raw: &RawRow) -> Result<(SmolStr, Requirement), String> {
    let element = parse(raw.cell(0))?;
    let first = element.steps.first().filter(|_| element.is_below()).ok_or("expected elements from one downwards")?;
    let name = first.name.clone().unwrap_or_else(|| SmolStr::new_static("*"));
    let path = parse(raw.cell(1))?;
    if !path.is_below() {
        return Err("expected a path from the element downwards".to_owned());
    }
    let unless = split(raw.cell(2), '|').into_iter().map(str::trim).filter(|path| !path.is_empty());
    let unless = unless.map(parse).collect::<Result<_, _>>()?;
    Ok((name, Requirement { element, path, unless, write: Write::parse(raw.cell(3))? }))
}
