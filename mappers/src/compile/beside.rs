//! A value in a segment that stands beside the table's own.

use super::Level;
use crate::map::{Beside, Place};
use crate::path::{FieldPlace, field_place};

/// Reads `OBX-5.1 of OBX-3.1=29769-7 by OBX-4`, of the segment of the table.
pub(super) fn place(text: &str, level: Level<'_>) -> Result<Place, String> {
    let own = |place: &FieldPlace| matches!(level, Level::Segment(segment) if place.segment == segment);
    let at = |text: &str| field_place(text.trim()).filter(own);
    let parts = text.split_once(" of ").and_then(|(place, rest)| {
        let (mark, key) = rest.split_once(" by ")?;
        let (mark, value) = mark.split_once('=')?;
        Some(Beside { place: at(place)?, mark: at(mark)?, value: value.trim().into(), key: at(key)? })
    });
    let parts = parts.filter(|beside| !beside.value.is_empty());
    let expected = || format!("expected PLACE of PLACE=VALUE by PLACE, of the table's segment, found {text}");
    Ok(Place::Beside(Box::new(parts.ok_or_else(expected)?)))
}
