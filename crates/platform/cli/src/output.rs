//! Output: data on standard output, and talk on standard error.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;

use crate::json::{self, Object};
use crate::table::{self, Column};
use crate::{Failure, Outcome};

/// The width of a terminal that does not say its own.
const DEFAULT_WIDTH: u16 = 80;

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people: columns on a terminal, else lines with tabs
    Table,
    /// One JSON document; a list is an array
    Json,
    /// One line of JSON for each item
    Ndjson,
    /// The ids alone, one on each line
    Id,
}

/// Where and how the output goes.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    /// The form.
    pub format: Format,
    is_terminal: bool,
    width: u16,
}

impl Printer {
    /// Creates the output of this process.
    #[must_use]
    pub fn new(format: Format) -> Self {
        let width = terminal_size::terminal_size().map_or(DEFAULT_WIDTH, |(width, _)| width.0);
        Self { format, is_terminal: io::stdout().is_terminal(), width }
    }

    /// Prints a list; each item is the JSON of an object.
    ///
    /// # Errors
    /// Fails if the output cannot be written, or if an item is not the JSON of an object.
    pub fn list(&self, columns: &[Column], items: &[&str]) -> Outcome {
        match self.format {
            Format::Json => self.print(&json::indented(&format!("[{}]", items.join(",")))),
            Format::Ndjson | Format::Id => items.iter().try_for_each(|item| self.item(item)),
            Format::Table if items.is_empty() => {
                say("There are none.");
                Ok(())
            }
            Format::Table => {
                let rows = items.iter().map(|item| cells(columns, item)).collect::<Result<Vec<_>, _>>()?;
                self.print(&if self.is_terminal {
                    table::aligned(columns, &rows, self.width)
                } else {
                    table::tabbed(&rows)
                })
            }
        }
    }

    /// Prints one object: in a table a line for each member, with those of inner objects.
    ///
    /// # Errors
    /// Fails if the output cannot be written, or if an item is not the JSON of an object.
    pub fn one(&self, item: &str) -> Outcome {
        self.one_with_text(item, "")
    }

    /// Prints one object as [`Self::one`] does, but in a table the text at this path below the others, with its line
    /// breaks.
    ///
    /// # Errors
    /// Fails if the output cannot be written, or if an item is not the JSON of an object.
    pub fn one_with_text(&self, item: &str, path: &str) -> Outcome {
        match self.format {
            Format::Json => self.print(&json::indented(item)),
            Format::Ndjson | Format::Id => self.item(item),
            Format::Table => {
                let mut rows = Vec::new();
                members("", &parsed(item)?, &mut rows);
                let text: Option<String> =
                    rows.extract_if(.., |(name, _)| name == path).map(|(_, text)| text).next();
                let text = text.filter(|text| !text.is_empty());
                let rows: Vec<_> = rows.into_iter().map(|(name, value)| vec![name, value]).collect();
                self.rows_of_one(&rows)?;
                match text {
                    None => Ok(()),
                    Some(text) if self.is_terminal => {
                        self.print(&format!("\n{}", table::printable(text.trim_end())))
                    }
                    Some(text) => self.print(&format!("\n{}", text.trim_end())),
                }
            }
        }
    }

    fn rows_of_one(&self, rows: &[Vec<String>]) -> Outcome {
        if !self.is_terminal {
            return self.print(&table::tabbed(rows));
        }
        let width = rows.iter().map(|row| row[0].len()).max().unwrap_or_default();
        let line = |row: &Vec<String>| format!("{:width$}  {}", row[0], table::single_line(&row[1]));
        self.print(&rows.iter().map(line).collect::<Vec<_>>().join("\n"))
    }

    /// Prints a line of a stream of items: as a row of a table, or as JSON.
    ///
    /// # Errors
    /// Fails if the output cannot be written, or if an item is not the JSON of an object.
    pub fn streamed(&self, columns: &[Column], item: &str) -> Outcome {
        match self.format {
            Format::Table if self.is_terminal => self.print(&cells(columns, item)?.join("  ")),
            Format::Table => self.print(&table::tabbed(&[cells(columns, item)?])),
            Format::Json | Format::Ndjson | Format::Id => self.item(item),
        }
    }

    /// Prints text as it is.
    ///
    /// # Errors
    /// Fails if the output cannot be written.
    pub fn print(&self, text: &str) -> Outcome {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{text}").and_then(|()| stdout.flush()).map_err(Failure::from)
    }

    /// Prints one line with an item's JSON or its id.
    fn item(&self, item: &str) -> Outcome {
        if self.format != Format::Id {
            return self.print(&one_line(item));
        }
        let item = parsed(item)?;
        let id = item.get("id").or_else(|| item.get("name")).or_else(|| item.get("webhook_id"));
        match id {
            Some(id) => self.print(&json::text(id.get())),
            None => Err(Failure::usage("this command's result has no id; use another --output")),
        }
    }
}

/// Says something to the user, on standard error, which may be closed.
pub fn say(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Returns whether the user reads what is said.
#[must_use]
pub fn is_heard() -> bool {
    io::stderr().is_terminal()
}

/// Returns JSON in one line. It has line breaks only between its tokens.
#[must_use]
pub fn one_line(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}

fn parsed(item: &str) -> Outcome<Object> {
    Object::parse(item).map_err(|error| Failure::failed(format!("the response {error}")))
}

fn cells(columns: &[Column], item: &str) -> Outcome<Vec<String>> {
    let item = parsed(item)?;
    Ok(columns.iter().map(|(_, member)| item.text(member)).collect())
}

/// Collects the members of an object with their names, those of inner objects with dots.
fn members(prefix: &str, object: &Object, rows: &mut Vec<(String, String)>) {
    for (name, value) in &object.0 {
        let name = format!("{prefix}{name}");
        match Object::parse(value.get()) {
            // These are the users' own objects.
            Ok(inner) if !inner.0.is_empty() && !matches!(name.as_str(), "data" | "schema") => {
                members(&format!("{name}."), &inner, rows);
            }
            _ => rows.push((name, json::text(value.get()))),
        }
    }
}
