//! The ids of commands, in the data of the built-in events.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rdev_core::json::string_member;

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
