//! Tables: aligned on a terminal, and with tabs elsewhere.

use comfy_table::{ColumnConstraint, ContentArrangement, Row, Table, Width, presets};
use rdev_core::is_invisible;

/// A column: its header, and the member that it shows.
pub type Column = (&'static str, &'static str);

/// The width from which on a column without ids may be cut.
const MIN_WIDTH: usize = 12;
const GAP: usize = 2;

/// Renders rows for a terminal. Ids, which people copy, are never cut. The others are, to fit the width, and the
/// last columns are left out if that is not enough.
#[must_use]
pub fn aligned(columns: &[Column], rows: &[Vec<String>], width: u16) -> String {
    let least = least_widths(columns, rows);
    let mut shown = columns.len();
    while shown > 1 && least[..shown].iter().sum::<usize>() > usize::from(width) {
        shown -= 1;
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    let mut header = Row::from(columns[..shown].iter().map(|(header, _)| *header).collect::<Vec<_>>());
    header.max_height(1);
    table.set_truncation_indicator("…").set_header(header);
    for row in rows {
        let mut cells = Row::from(row[..shown].iter().map(|cell| single_line(cell)).collect::<Vec<_>>());
        cells.max_height(1);
        table.add_row(cells);
    }
    for (index, (_, member)) in columns[..shown].iter().enumerate() {
        if let Some(column) = table.column_mut(index) {
            column.set_padding((0, 2));
            let least = u16::try_from(least[index]).unwrap_or(u16::MAX);
            column.set_constraint(match is_id(member) {
                true => ColumnConstraint::ContentWidth,
                false => ColumnConstraint::LowerBoundary(Width::Fixed(least)),
            });
        }
    }
    table.trim_fmt()
}

/// Returns the width that each column has at least, with its gap.
fn least_widths(columns: &[Column], rows: &[Vec<String>]) -> Vec<usize> {
    let width = |(index, (header, member)): (usize, &Column)| {
        let cells = rows.iter().map(|row| row[index].chars().count());
        let content = cells.chain([header.len()]).max().unwrap_or_default();
        GAP + if is_id(member) { content } else { content.min(MIN_WIDTH) }
    };
    columns.iter().enumerate().map(width).collect()
}

/// Renders rows for programs: a line each, with tabs between the cells, without a header.
#[must_use]
pub fn tabbed(rows: &[Vec<String>]) -> String {
    let line = |row: &Vec<String>| {
        let cells: Vec<_> = row.iter().map(|cell| single_line(cell)).collect();
        cells.join("\t")
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Returns whether a member must not be cut.
fn is_id(member: &str) -> bool {
    member == "id" || member == "name" || member.ends_with("_id")
}

/// Replaces what would break a line, change the terminal, or let the text look like another one.
#[must_use]
pub fn single_line(text: &str) -> String {
    let breaks = |char: char| is_invisible(char) || matches!(char, '\n' | '\t');
    text.chars().map(|char| if breaks(char) { ' ' } else { char }).collect()
}

/// Removes what would change the terminal, or let the text look like another one, and keeps line breaks and tabs.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().filter(|char| !is_invisible(*char)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[("ID", "id"), ("URL", "url"), ("WEBHOOK", "webhook_id")];

    #[test]
    fn ids_are_never_cut() {
        let id = "dlv_0123456789abcdefghijklmnop";
        let url = "https://example.com/a/very/long/path/that/does/not/fit";
        let rows = [vec![id.to_owned(), url.to_owned(), id.to_owned()]];
        for (width, ids) in [(20, 1), (60, 1), (80, 2), (200, 2)] {
            let text = aligned(COLUMNS, &rows, width);
            assert_eq!(text.matches(id).count(), ids, "{width}:\n{text}");
            assert_eq!(text.lines().count(), 2, "{width}:\n{text}");
        }
        assert!(aligned(COLUMNS, &rows, 80).contains('…'));
        assert!(aligned(COLUMNS, &rows, 200).contains(url));
    }

    #[test]
    fn programs_get_tabs() {
        let rows =
            [vec!["a".to_owned(), "b\tc\n\u{1b}[31m".to_owned()], vec!["d".to_owned(), "-".to_owned()]];
        assert_eq!(tabbed(&rows), "a\tb c  [31m\nd\t-");
        assert_eq!(printable("a\tb\n\u{1b}[31m\r\u{9b}c"), "a\tb\n[31mc");
        // What shows other text than there is.
        let disguised = "user\u{202e}gnp.exe\u{2066}\u{200b} 👩‍💻";
        assert_eq!(printable(disguised), "usergnp.exe 👩‍💻");
        assert_eq!(single_line(disguised), "user gnp.exe   👩‍💻");
    }
}
