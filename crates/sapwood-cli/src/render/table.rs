//! Tables for people.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use super::is_watched;
use crate::language::text::printable;

/// A terminal that says it is narrower is not believed.
const WIDTH_MIN: u16 = 20;

/// An empty table under these heads.
pub(crate) fn table<const COLUMNS: usize>(heads: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(heads);
    // Cells are only broken to fit where somebody watches: programs get whole rows.
    let fits = table.width().is_some_and(|width| width >= WIDTH_MIN);
    table.set_content_arrangement(if is_watched() && fits {
        ContentArrangement::Dynamic
    } else {
        ContentArrangement::Disabled
    });
    table
}

/// A number.
pub(crate) fn number(number: &impl ToString) -> Cell {
    Cell::new(number.to_string()).set_alignment(CellAlignment::Right)
}

/// Bytes.
pub(crate) fn bytes(bytes: &[u8]) -> Cell {
    Cell::new(printable(bytes))
}

/// Bytes, or that there are none.
pub(crate) fn optional(value: Option<&[u8]>) -> Cell {
    value.map_or_else(|| Cell::new("-"), bytes)
}
