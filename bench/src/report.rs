//! The report of a run: a table for people and JSON for programs.

use std::fs;
use std::io::Write;
use std::path::Path;

use rdev_webhooks_domain::Timestamp;
use serde_json::{Map, Value, json};

use crate::Outcome;

/// The results of a run. [`Self::finish`] prints and writes them.
pub(crate) struct Report {
    lines: Vec<Line>,
    json: Map<String, Value>,
}

enum Line {
    Heading(String),
    Row(String, String, String),
}

impl Report {
    /// Creates the report of a run that began at `at`, on the given database.
    pub(crate) fn new(at: Timestamp, database: &str) -> Self {
        let mut report = Self { lines: Vec::new(), json: Map::new() };
        report.heading("run");
        report.row("when", &at.to_string(), "");
        report.row("database", database, "");
        report.json("at", at.to_string());
        report.json("database", database);
        report
    }

    /// Adds a description of the machine.
    pub(crate) fn machine(&mut self) -> Outcome<()> {
        let cpu = fs::read_to_string("/proc/cpuinfo")?;
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let model = model.map_or("an unknown processor", |(_, model)| model);
        let cores = std::thread::available_parallelism()?;
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
        let load = fs::read_to_string("/proc/loadavg")?;
        let load = load.split(' ').next().unwrap_or_default();
        self.row("machine", &format!("{cores} × {model}, Linux {}", kernel.trim()), "");
        self.row("load before", load, "processes that others ran on it, in the last minute");
        self.json("machine", json!({"cores": cores, "model": model, "kernel": kernel.trim(), "load": load}));
        Ok(())
    }

    /// Begins a part of the table.
    pub(crate) fn heading(&mut self, name: &str) {
        self.lines.push(Line::Heading(name.to_owned()));
    }

    /// Adds a row to the table: a name, a value and a note.
    pub(crate) fn row(&mut self, name: &str, value: &str, note: &str) {
        self.lines.push(Line::Row(name.to_owned(), value.to_owned(), note.to_owned()));
    }

    /// Adds a member to the JSON.
    pub(crate) fn json(&mut self, name: &str, value: impl Into<Value>) {
        self.json.insert(name.to_owned(), value.into());
    }

    /// Prints the table and writes the JSON.
    pub(crate) fn finish(self, path: &Path) -> Outcome<()> {
        let widths = self.lines.iter().filter_map(|line| match line {
            Line::Row(name, value, note) if !note.is_empty() => {
                Some((name.chars().count(), value.chars().count()))
            }
            _ => None,
        });
        let (name_width, value_width) = widths.fold((0, 0), |(a, b), (c, d)| (a.max(c), b.max(d)));
        let mut out = std::io::stdout().lock();
        for line in &self.lines {
            match line {
                Line::Heading(name) => writeln!(out, "\n{name}")?,
                Line::Row(name, value, note) => {
                    let row = format!("  {name:name_width$}  {value:value_width$}  {note}");
                    writeln!(out, "{}", row.trim_end())?;
                }
            }
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, serde_json::to_string_pretty(&Value::Object(self.json))? + "\n")?;
        writeln!(out, "\nwritten to {}", path.display())?;
        Ok(())
    }
}

/// Formats a number with commas between the thousands.
pub(crate) fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        let left = digits.len() - place;
        if place > 0 && left.is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats microseconds as milliseconds.
pub(crate) fn ms(us: u32) -> String {
    format!("{:.1} ms", f64::from(us) / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grouped_puts_commas_between_thousands() {
        assert_eq!(grouped(7.4), "7");
        assert_eq!(grouped(1_000.0), "1,000");
        assert_eq!(grouped(123_456.0), "123,456");
        assert_eq!(grouped(-1_234.0), "-1,234");
        assert_eq!(grouped(-123.0), "-123");
    }
}
