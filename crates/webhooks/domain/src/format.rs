//! The formats of a delivery's body.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use crate::{EventId, EventType, ProjectName};

/// The format of the bodies that a webhook's endpoint receives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BodyFormat {
    /// `{"event":…,"timestamp":…,"data":…}`, the format in which events are stored.
    #[default]
    Rdev,
    /// `{"type":…,"timestamp":…,"data":…}`, as Standard Webhooks recommends.
    Standard,
    /// An event of `CloudEvents` 1.0 in the structured JSON format.
    CloudEvents,
    /// `{"text":…}` with one line: the event type and the project. Slack's incoming webhooks take it, and the
    /// compatible ones of other chat services.
    Slack,
}

/// The reason why a text is not the name of a [`BodyFormat`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be `rdev`, `standard`, `cloudevents` or `slack`")]
pub struct BodyFormatError;

/// The event of a delivery, to be rendered as its body.
#[derive(Debug, Clone, Copy)]
pub struct EventContent<'a> {
    /// The event's id.
    pub id: EventId,
    /// The event's type.
    pub event_type: &'a EventType,
    /// The project that the event belongs to.
    pub project: Option<&'a ProjectName>,
    /// The stored body, which [`render_body`](crate::render_body) has made.
    pub body: &'a Bytes,
}

impl BodyFormat {
    /// All formats, the default first.
    pub const ALL: [Self; 4] = [Self::Rdev, Self::Standard, Self::CloudEvents, Self::Slack];

    /// Returns the format's name in the API and in stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rdev => "rdev",
            Self::Standard => "standard",
            Self::CloudEvents => "cloudevents",
            Self::Slack => "slack",
        }
    }

    /// Returns the media type of the body.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::CloudEvents => "application/cloudevents+json",
            Self::Rdev | Self::Standard | Self::Slack => "application/json",
        }
    }

    /// Returns the body of a delivery of this event. The event's data are in it byte for byte, except in a chat
    /// message.
    #[must_use]
    pub fn render(self, event: EventContent<'_>) -> Bytes {
        let EventContent { id, event_type, project, body } = event;
        // Neither an id, an event type nor a timestamp has a character that JSON escapes.
        match self {
            Self::Rdev => body.clone(),
            Self::Standard => {
                let (timestamp, data) = parts(event_type, body);
                join(&format!(r#"{{"type":"{event_type}","timestamp":"{timestamp}","data":"#), data)
            }
            Self::CloudEvents => {
                let (timestamp, data) = parts(event_type, body);
                let project = project.map_or_else(String::new, |project| {
                    format!(r#","project":"{}""#, escape(project.as_str()))
                });
                let attributes = format!(
                    r#"{{"specversion":"1.0","id":"{id}","source":"urn:rdev:webhooks","type":"{event_type}","time":"{timestamp}"{project},"datacontenttype":"application/json","data":"#
                );
                join(&attributes, data)
            }
            Self::Slack => match project {
                None => format!(r#"{{"text":"{event_type}"}}"#).into(),
                Some(project) => {
                    format!(r#"{{"text":"{event_type} in `{}`"}}"#, escape(&chat_code(project))).into()
                }
            },
        }
    }
}

/// Returns the timestamp and the data of a stored body; nothing of one that [`render_body`](crate::render_body)
/// has not made.
fn parts<'a>(event_type: &EventType, body: &'a Bytes) -> (&'a str, &'a [u8]) {
    let before = r#"{"event":""#.len() + event_type.as_str().len() + r#"","timestamp":""#.len();
    let rest = body.get(before..).unwrap_or_default();
    let end = rest.iter().position(|byte| *byte == b'"').unwrap_or_default();
    let timestamp = std::str::from_utf8(&rest[..end]).unwrap_or_default();
    let data = rest.get(end + r#"","data":"#.len()..).and_then(|data| data.strip_suffix(b"}"));
    (timestamp, data.unwrap_or(b"null"))
}

/// Returns an object that begins so and ends with these data.
fn join(beginning: &str, data: &[u8]) -> Bytes {
    let mut body = Vec::with_capacity(beginning.len() + data.len() + 1);
    body.extend_from_slice(beginning.as_bytes());
    body.extend_from_slice(data);
    body.push(b'}');
    body.into()
}

/// Escapes a text for a JSON string. It must have no control characters, as a project has none.
pub(crate) fn escape(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', r#"\""#)
}

/// Returns a project as the inside of inline code, where chat services expand neither mentions nor markup. Slack
/// asks for the escapes of `&`, `<` and `>`.
fn chat_code(project: &ProjectName) -> String {
    let text = project.as_str().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('`', "'")
}

impl fmt::Display for BodyFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for BodyFormat {
    type Err = BodyFormatError;

    fn from_str(name: &str) -> Result<Self, BodyFormatError> {
        Self::ALL.into_iter().find(|format| format.as_str() == name).ok_or(BodyFormatError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Timestamp, render_body};

    fn rendered(format: BodyFormat, project: Option<&str>) -> String {
        let event_type: EventType = "command.completed".parse().unwrap();
        let at: Timestamp = "2025-01-15T10:30:00.123Z".parse().unwrap();
        let data = r#"{ "command_id":"cmd-123", "data":"}\"", "n":1.0e2 }"#;
        let project: Option<ProjectName> = project.map(|project| project.parse().unwrap());
        let body = render_body(&event_type, at, data);
        let id = EventId::from_parts(at, [7; 10]);
        let content = EventContent { id, event_type: &event_type, project: project.as_ref(), body: &body };
        String::from_utf8(format.render(content).to_vec()).unwrap()
    }

    #[test]
    fn each_format_has_its_golden_body() {
        let data = r#"{ "command_id":"cmd-123", "data":"}\"", "n":1.0e2 }"#;
        let project = Some(r#"a "b" \ <!here> & `c`"#);
        for (format, project, expected) in [
            (
                BodyFormat::Rdev,
                project,
                format!(
                    r#"{{"event":"command.completed","timestamp":"2025-01-15T10:30:00.123Z","data":{data}}}"#
                ),
            ),
            (
                BodyFormat::Standard,
                project,
                format!(
                    r#"{{"type":"command.completed","timestamp":"2025-01-15T10:30:00.123Z","data":{data}}}"#
                ),
            ),
            (
                BodyFormat::CloudEvents,
                project,
                format!(
                    r#"{{"specversion":"1.0","id":"evt_01jhmr6k5vew3re1r70w3ge1r7","source":"urn:rdev:webhooks","type":"command.completed","time":"2025-01-15T10:30:00.123Z","project":"a \"b\" \\ <!here> & `c`","datacontenttype":"application/json","data":{data}}}"#
                ),
            ),
            (
                BodyFormat::CloudEvents,
                None,
                format!(
                    r#"{{"specversion":"1.0","id":"evt_01jhmr6k5vew3re1r70w3ge1r7","source":"urn:rdev:webhooks","type":"command.completed","time":"2025-01-15T10:30:00.123Z","datacontenttype":"application/json","data":{data}}}"#
                ),
            ),
            (
                BodyFormat::Slack,
                project,
                r#"{"text":"command.completed in `a \"b\" \\ &lt;!here&gt; &amp; 'c'`"}"#.to_owned(),
            ),
            (
                BodyFormat::Slack,
                Some("my-project"),
                r#"{"text":"command.completed in `my-project`"}"#.to_owned(),
            ),
            (BodyFormat::Slack, None, r#"{"text":"command.completed"}"#.to_owned()),
        ] {
            assert_eq!(rendered(format, project), expected, "{format}");
        }
    }

    #[test]
    fn a_body_of_another_shape_is_not_cut() {
        let event_type: EventType = "command.completed".parse().unwrap();
        for body in ["", "{}", r#"{"event":"command.completed","timestamp":"#] {
            assert_eq!(parts(&event_type, &Bytes::from_static(body.as_bytes())), ("", b"null".as_slice()));
        }
    }

    #[test]
    fn names_round_trip() {
        for format in BodyFormat::ALL {
            assert_eq!(format.as_str().parse(), Ok(format));
        }
        assert_eq!("Slack".parse::<BodyFormat>(), Err(BodyFormatError));
    }
}
