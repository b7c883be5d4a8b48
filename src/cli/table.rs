//! Answers as people read them in a terminal, and as programs do.

use std::io::{self, Write};

use serde::Serialize;

/// Writes `rows` in columns below `head`, two spaces apart.
pub(super) fn write<const COLUMNS: usize>(
    out: &mut impl Write,
    head: [&str; COLUMNS],
    rows: &[[String; COLUMNS]],
) -> io::Result<()> {
    let head = head.map(str::to_owned);
    let widths: [usize; COLUMNS] = std::array::from_fn(|column| {
        let cells = rows.iter().chain([&head]).map(|row| row[column].chars().count());
        cells.max().unwrap_or_default()
    });
    for row in [&head].into_iter().chain(rows) {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// Writes `value` as programs read it.
pub(super) fn json(out: &mut impl Write, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
    writeln!(out, "{}", serde_json::to_string_pretty(value)?)
}

/// `text` without what a terminal would obey: it may be somebody else's.
pub(super) fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_stands_in_them() {
        let rows = [["a".to_owned(), "größer".to_owned()], ["longer".to_owned(), String::new()]];
        let mut out = Vec::new();
        write(&mut out, ["ID", "NAME"], &rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "ID      NAME\na       größer\nlonger\n");
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_written() {
        assert_eq!(harmless("\u{1b}[2Jä\n\u{9b}1m"), "\u{fffd}[2Jä\u{fffd}\u{fffd}1m");
    }
}
