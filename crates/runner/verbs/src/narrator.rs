//! Turns the events of a command into what people read.

use rdev_cli::json::Object;
use rdev_cli::table::single_line;
use rdev_runner_client::CommandEvent;

/// The arguments of a tool call that say most about it, in this order.
const TELLING_ARGUMENTS: &[&str] = &[
    "command",
    "file_path",
    "filePath",
    "path",
    "notebook_path",
    "pattern",
    "url",
    "query",
    "description",
    "prompt",
];

/// A part of the output.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Text of the agent, which continues the line.
    Text(String),
    /// The end of the line, if it has begun.
    EndOfLine,
    /// A line about the run.
    Note(String),
}

/// Turns events into parts of the output.
#[derive(Debug)]
pub(crate) struct Narrator {
    width: usize,
    /// The part of the current message that has been shown.
    streamed: String,
}

impl Narrator {
    /// Creates a narrator whose notes have at most `width` characters.
    pub(crate) const fn new(width: usize) -> Self {
        Self { width, streamed: String::new() }
    }

    /// Returns what an event adds to the output.
    pub(crate) fn parts(&mut self, event: &CommandEvent) -> Vec<Part> {
        let text = event.text.as_deref().unwrap_or_default();
        let message = event.message.as_deref().unwrap_or_default();
        let is_inner = event.parent.is_some();
        let note = match event.kind.as_str() {
            "text_delta" if !is_inner => {
                self.streamed.push_str(text);
                return vec![Part::Text(text.to_owned())];
            }
            "message" if !is_inner => return self.message(text),
            "message" => first_line(text).to_owned(),
            "tool_call" => format!("● {} {}", event.name.as_deref().unwrap_or("tool"), summary(event)),
            "tool_result" if event.is_error == Some(true) => {
                format!("  failed: {}", first_line(event.content.as_deref().unwrap_or_default()))
            }
            "permission_denied" => {
                format!("✗ denied: {} {message}", event.tool.as_deref().unwrap_or("tool"))
            }
            "retry" => retry(event, message),
            "warning" => format!("warning: {message}"),
            _ => return Vec::new(),
        };
        let indent = if is_inner { "  " } else { "" };
        vec![Part::Note(cut(&format!("{indent}{}", note.trim_end()), self.width))]
    }

    /// Shows what has not been streamed of a message. Parts of a stream may have been dropped.
    fn message(&mut self, text: &str) -> Vec<Part> {
        let streamed = std::mem::take(&mut self.streamed);
        match text.strip_prefix(&streamed) {
            Some(rest) => vec![Part::Text(rest.to_owned()), Part::EndOfLine],
            None => vec![Part::EndOfLine, Part::Text(text.to_owned()), Part::EndOfLine],
        }
    }
}

/// Returns the argument of a tool call that says most about it.
fn summary(event: &CommandEvent) -> String {
    let Some(input) = &event.input else { return String::new() };
    let Ok(arguments) = Object::parse(input.get()) else { return input.get().to_owned() };
    let telling = TELLING_ARGUMENTS.iter().map(|name| arguments.text(name)).find(|text| !text.is_empty());
    telling.unwrap_or_else(|| if arguments.0.is_empty() { String::new() } else { input.get().to_owned() })
}

fn retry(event: &CommandEvent, message: &str) -> String {
    let status = event.status.map(|status| format!(" ({status})")).unwrap_or_default();
    let next = event
        .delay_ms
        .map(|delay| format!(" in {:.1} s", std::time::Duration::from_millis(delay).as_secs_f64()));
    let message = if message.is_empty() { String::new() } else { format!(": {}", first_line(message)) };
    let attempt = event.attempt.unwrap_or(1);
    format!("↻ attempt {attempt} failed{status}{message}; the next follows{}", next.unwrap_or_default())
}

fn first_line(text: &str) -> &str {
    text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default()
}

/// Cuts a line to a width in characters.
fn cut(text: &str, width: usize) -> String {
    let line = single_line(text);
    if line.chars().count() <= width {
        return line;
    }
    line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(narrator: &mut Narrator, members: &str) -> Vec<Part> {
        let event = format!(r#"{{"seq":1,"at":"2025-01-15T10:30:00Z",{members}}}"#);
        narrator.parts(&serde_json::from_str(&event).unwrap())
    }

    fn note(members: &str) -> String {
        match parts(&mut Narrator::new(40), members).as_slice() {
            [Part::Note(note)] => note.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_streamed_message_is_shown_once() {
        let narrator = &mut Narrator::new(80);
        let text = |text: &str| Part::Text(text.to_owned());
        assert_eq!(parts(narrator, r#""kind":"text_delta","text":"Hel""#), [text("Hel")]);
        assert_eq!(parts(narrator, r#""kind":"text_delta","text":"lo""#), [text("lo")]);
        assert_eq!(parts(narrator, r#""kind":"message","text":"Hello.""#), [text("."), Part::EndOfLine]);
        assert_eq!(parts(narrator, r#""kind":"message","text":"Bye""#), [text("Bye"), Part::EndOfLine]);
        // A delta was dropped.
        parts(narrator, r#""kind":"text_delta","text":"wor""#);
        let whole = parts(narrator, r#""kind":"message","text":"A word""#);
        assert_eq!(whole, [Part::EndOfLine, text("A word"), Part::EndOfLine]);
    }

    #[test]
    fn what_is_not_text_takes_one_line() {
        let call =
            r#""kind":"tool_call","id":"1","name":"Bash","input":{"description":"d","command":"ls\n-l"}"#;
        assert_eq!(note(call), "● Bash ls -l");
        assert_eq!(note(&call.replace(",\"input\"", ",\"parent\":\"0\",\"input\"")), "  ● Bash ls -l");
        assert_eq!(note(r#""kind":"tool_call","id":"1","name":"X","input":{"n":1}"#), r#"● X {"n":1}"#);
        assert_eq!(note(r#""kind":"tool_call","id":"1","name":"X","input":{}"#), "● X");
        let long = note(&format!(r#""kind":"warning","message":"{}""#, "é".repeat(99)));
        assert!(long.chars().count() == 40 && long.ends_with('…'), "{long}");
        assert_eq!(
            note(r#""kind":"tool_result","id":"1","content":"\nno\nx","is_error":true"#),
            "  failed: no"
        );
        assert_eq!(note(r#""kind":"permission_denied","tool":"Bash","message":"No.""#), "✗ denied: Bash No.");
        let retry = r#""kind":"retry","attempt":2,"delay_ms":1500,"status":529,"message":"""#;
        let next = "↻ attempt 2 failed (529); the next follows in 1.5 s";
        assert_eq!(parts(&mut Narrator::new(80), retry), [Part::Note(next.to_owned())]);
        for silent in [
            r#""kind":"tool_result","id":"1","content":"x","is_error":false"#,
            r#""kind":"usage""#,
            r#""kind":"raw","text":"x""#,
            r#""kind":"of_a_later_version""#,
        ] {
            assert_eq!(parts(&mut Narrator::new(80), silent), [], "{silent}");
        }
    }
}
