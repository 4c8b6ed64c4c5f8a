//! The ids of commands, in the data of the built-in events.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::EventType;

/// The id of a command, `data.command_id` of a built-in event: 1 to 255 characters without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(Arc<str>);

/// The reason why a text is not the id of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {} characters without control characters", CommandId::MAX_LEN)]
pub struct CommandIdError;

impl CommandId {
    /// The maximum number of characters.
    pub const MAX_LEN: usize = 255;

    /// Returns the id of the command in the body of an event; `None` if the event is not a built-in one, or if
    /// `data.command_id` is absent or no such id.
    #[must_use]
    pub fn in_body(event_type: &EventType, body: &[u8]) -> Option<Self> {
        if !event_type.is_built_in() {
            return None;
        }
        // Neither the event type nor the timestamp before it contains a quotation mark.
        let (_, data) = str::from_utf8(body).ok()?.split_once("\"data\":")?;
        string_member(data, "command_id")?.parse().ok()
    }

    /// Returns the id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CommandId {
    type Err = CommandIdError;

    fn from_str(text: &str) -> Result<Self, CommandIdError> {
        let fits = (1..=Self::MAX_LEN).contains(&text.chars().count());
        if fits && !text.chars().any(char::is_control) { Ok(Self(text.into())) } else { Err(CommandIdError) }
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Returns a member of a JSON object, if it is a string.
fn string_member(object: &str, name: &str) -> Option<String> {
    let (mut depth, mut is_name_next, mut rest) = (0_usize, false, object);
    loop {
        let (at, found) = rest.char_indices().find(|(_, one)| "{[]},\"".contains(*one))?;
        rest = &rest[at + 1..];
        match found {
            '"' => {
                let (text, behind) = string(rest)?;
                rest = behind;
                if std::mem::take(&mut is_name_next) && text == name {
                    let value = rest.trim_start().strip_prefix(':')?.trim_start();
                    return string(value.strip_prefix('"')?).map(|(text, _)| text);
                }
            }
            ',' => is_name_next = depth == 1,
            '{' | '[' => {
                depth += 1;
                is_name_next = depth == 1;
            }
            _ => depth = depth.checked_sub(1).filter(|depth| *depth > 0)?,
        }
    }
}

/// Reads a JSON string after its opening quotation mark. Returns its text and what follows it.
fn string(json: &str) -> Option<(String, &str)> {
    let (mut units, mut rest) = (Vec::new(), json);
    loop {
        let (at, found) = rest.char_indices().find(|(_, one)| matches!(one, '"' | '\\'))?;
        units.extend(rest[..at].encode_utf16());
        rest = &rest[at + 1..];
        if found == '"' {
            return Some((String::from_utf16(&units).ok()?, rest));
        }
        let escape = rest.chars().next()?;
        rest = &rest[escape.len_utf8()..];
        units.push(match escape {
            'b' => 0x08,
            'f' => 0x0c,
            'n' => 0x0a,
            'r' => 0x0d,
            't' => 0x09,
            'u' => {
                let unit = u16::from_str_radix(rest.get(..4)?, 16).ok()?;
                rest = &rest[4..];
                unit
            }
            other => u16::try_from(u32::from(other)).ok()?,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Timestamp, render_body};

    #[test]
    fn the_id_of_a_command_is_the_string_in_its_data() {
        let long = format!(r#"{{"command_id":"{}"}}"#, "é".repeat(256));
        for (event_type, data, expected) in [
            ("command.started", r#"{"command_id":"cmd-123"}"#, Some("cmd-123")),
            ("command.failed", r#"{"other":{"command_id":"x"},"command\u005fid":"a\u0062c"}"#, Some("abc")),
            (
                "command.failed",
                r#"{ "a":["command_id",{"command_id":"x"}],"s":"{\"" , "command_id" : "\ud83e\udd80\\/\"é" }"#,
                Some("🦀\\/\"é"),
            ),
            ("command.failed", r#"{"a":"command_id","b":["command_id"],"c":{"command_id":"x"}}"#, None),
            ("command.failed", "{}", None),
            ("order.created", r#"{"command_id":"cmd-123"}"#, None),
            ("command.started", r#"{"other":{"command_id":"x"}}"#, None),
            ("command.started", r#"{"command_id":null}"#, None),
            ("command.started", r#"{"command_id":5}"#, None),
            ("command.started", r#"{"command_id":""}"#, None),
            ("command.started", r#"{"command_id":"a\u0000"}"#, None),
            ("command.started", long.as_str(), None),
        ] {
            let event_type: EventType = event_type.parse().unwrap();
            let body = render_body(&event_type, Timestamp::EPOCH, data);
            let id = CommandId::in_body(&event_type, &body);
            assert_eq!(id.as_ref().map(CommandId::as_str), expected, "{data}");
        }
    }
}
