//! The output of a command that is followed.

use std::io::{self, IsTerminal, Write};

use anstyle::Style;
use rdev_cli::output::{is_heard, one_line, say};
use rdev_cli::table::{printable, single_line};
use rdev_cli::{Failure, Format, Outcome, Printer, Program};
use rdev_client::Reply;
use rdev_runner_client::{Command, CommandEvent};

use crate::narrator::{Narrator, Part};

const DIM: Style = Style::new().dimmed();
/// The width of notes that no terminal bounds.
const NOTE_WIDTH: usize = 120;
/// The exit codes of a cancelled command, and of one that exceeded a limit of time.
const CANCELLED: u8 = 130;
const TIMED_OUT: u8 = 124;

/// Shows events: the agent's text on standard output, and everything else on standard error; or the events as JSON.
pub(crate) struct Screen {
    printer: Printer,
    narrator: Narrator,
    is_terminal: bool,
    is_mid_line: bool,
    has_text: bool,
    outlives_output: bool,
    is_closed: bool,
}

impl Screen {
    pub(crate) fn new(printer: Printer) -> Self {
        let width = terminal_size::terminal_size().map_or(NOTE_WIDTH, |(width, _)| width.0.into());
        let is_terminal = io::stdout().is_terminal();
        Self {
            printer,
            narrator: Narrator::new(width),
            is_terminal,
            is_mid_line: false,
            has_text: false,
            outlives_output: false,
            is_closed: false,
        }
    }

    /// Returns the screen, which is silent once standard output is closed. For a verb whose exit code counts.
    pub(crate) fn outliving_output(self) -> Self {
        Self { outlives_output: true, ..self }
    }

    /// Shows an event.
    pub(crate) fn show(&mut self, event: &Reply<CommandEvent>) -> Outcome {
        match self.printer.format {
            Format::Id => Ok(()),
            Format::Json | Format::Ndjson => self.write(&format!("{}\n", one_line(event.json()))),
            Format::Table => self.narrator.parts(event).into_iter().try_for_each(|part| match part {
                Part::Text(text) => self.text(&text),
                Part::EndOfLine => self.end_line(),
                Part::Note(note) => self.note(&note),
            }),
        }
    }

    /// Says something about the run.
    pub(crate) fn note(&mut self, note: &str) -> Outcome {
        if self.is_terminal {
            self.end_line()?;
        }
        say(&format!("{DIM}{}{DIM:#}", single_line(note)));
        Ok(())
    }

    fn text(&mut self, text: &str) -> Outcome {
        let shown = match self.is_terminal {
            // What an agent reads must not control the terminal.
            true => printable(text),
            false => text.to_owned(),
        };
        if shown.is_empty() {
            return Ok(());
        }
        (self.is_mid_line, self.has_text) = (!shown.ends_with('\n'), true);
        self.write(&shown)
    }

    fn end_line(&mut self) -> Outcome {
        if std::mem::take(&mut self.is_mid_line) { self.write("\n") } else { Ok(()) }
    }

    fn write(&mut self, text: &str) -> Outcome {
        if self.is_closed {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        match written.map_err(Failure::from) {
            Err(Failure::ClosedOutput) if self.outlives_output => {
                self.is_closed = true;
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Says how the command ended, and returns the outcome of the verb.
    pub(crate) fn end(mut self, program: &Program, command: &Command) -> Outcome {
        let result = command.result.as_ref();
        if let Some(result) = result.filter(|result| !self.has_text && !result.text.is_empty())
            && self.printer.format == Format::Table
        {
            self.text(&result.text)?;
        }
        self.end_line()?;
        say(&single_line(&summary(command)));
        if let Some(session) = result.and_then(|result| result.session.as_ref()).filter(|_| is_heard()) {
            let again =
                program.command(&format!("run --project '{}' --session {session} PROMPT", command.project));
            say(&format!("{DIM}To continue: {}{DIM:#}", single_line(&again)));
        }
        match command.status.as_str() {
            "completed" => Ok(()),
            _ => Err(Failure::Ended(exit_code(command))),
        }
    }
}

/// Returns the exit code of a command that has not completed.
fn exit_code(command: &Command) -> u8 {
    match command.status.as_str() {
        "cancelled" => CANCELLED,
        "timed_out" => TIMED_OUT,
        "failed" => {
            let code = command.result.as_ref().and_then(|result| u8::try_from(result.exit_code).ok());
            code.unwrap_or(1).max(1)
        }
        _ => 1,
    }
}

fn summary(command: &Command) -> String {
    let mut text = format!("{} {}", command.id, command.status.replace('_', " "));
    let Some(result) = &command.result else { return text };
    if let Some(reason) = result.reason.as_ref().filter(|reason| **reason != command.status) {
        text += &format!(" ({reason})");
    }
    text += &format!(" after {:.1} s", std::time::Duration::from_millis(result.duration_ms).as_secs_f64());
    if let Some(cost) = result.cost_usd {
        text += &format!(", {cost:.4} USD");
    }
    match result.denials.len() {
        0 => {}
        1 => text += ", 1 use of a tool denied",
        denials => text += &format!(", {denials} uses of tools denied"),
    }
    if let Some(changes) = result.changes.as_ref().filter(|changes| changes.files > 0) {
        let noun = if changes.files == 1 { "file" } else { "files" };
        text +=
            &format!(", {} {noun} changed (+{} -{})", changes.files, changes.insertions, changes.deletions);
        if let Some(branch) = &changes.branch {
            text += &format!(" on {branch}");
        }
    }
    let detail = result.detail.as_ref().filter(|detail| !detail.is_empty());
    if let Some(detail) = detail.filter(|_| command.status != "completed") {
        text += &format!(": {detail}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(status: &str, result: Option<&str>) -> Command {
        let result = result.unwrap_or("null");
        let json = format!(
            r#"{{"id":"cmd_1","project":"p","type":"demo","status":"{status}","waiting_for":null,"position":null,
            "session":null,"result":{result},"last_seq":0,"created_at":"T","started_at":null,"ended_at":"T"}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    fn result(reason: &str, exit_code: i32) -> String {
        format!(
            r#"{{"text":"t","reason":{reason},"detail":"Why.","exit_code":{exit_code},"duration_ms":1250,"session":null,
            "usage":{{"input_tokens":1,"output_tokens":1,"cache_read_tokens":0,"cache_write_tokens":0}},"cost_usd":0.5,
            "denials":[{{"tool":"Bash","id":null,"input":null}}],
            "changes":{{"commit":"c","files":2,"insertions":30,"deletions":4,"diff":"d","is_truncated":false,"branch":"rdev/cmd_1"}}}}"#
        )
    }

    #[test]
    fn the_end_is_one_line_and_an_exit_code() {
        let completed = summary(&command("completed", Some(&result("null", 0))));
        let changes = "2 files changed (+30 -4) on rdev/cmd_1";
        assert_eq!(
            completed,
            format!("cmd_1 completed after 1.2 s, 0.5000 USD, 1 use of a tool denied, {changes}")
        );
        let failed = command("failed", Some(&result("\"max_turns\"", 0)));
        assert!(summary(&failed).starts_with("cmd_1 failed (max_turns) after 1.2 s"), "{}", summary(&failed));
        assert!(summary(&failed).ends_with(": Why."), "{}", summary(&failed));
        let unexplained = result("\"agent_error\"", 1).replace("Why.", "");
        let unexplained = summary(&command("failed", Some(&unexplained)));
        assert!(unexplained.ends_with(" on rdev/cmd_1"), "{unexplained}");
        for (status, result, code) in [
            ("failed", Some(result("\"max_turns\"", 0)), 1),
            ("failed", Some(result("\"agent_error\"", 7)), 7),
            ("timed_out", Some(result("\"wall\"", 143)), 124),
            ("failed", Some(result("\"agent_error\"", -9)), 1),
            ("cancelled", Some(result("null", 1)), 130),
            ("cancelled", None, 130),
            ("lost", Some(result("\"lost\"", 7)), 1),
        ] {
            assert_eq!(exit_code(&command(status, result.as_deref())), code, "{status}");
        }
    }
}
