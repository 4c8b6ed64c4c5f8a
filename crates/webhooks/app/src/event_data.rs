//! The data of an event.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use rdev_core::json::{Readable, depth};
use rdev_webhooks_domain::{ProjectName, ProjectNameError};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The maximum length of the text of an event's data.
pub const MAX_DATA_BYTES: usize = 256 * 1_024;
/// The maximum number of arrays and objects that enclose one another, with the data itself: within a body, one less
/// than a body may have.
const MAX_DATA_DEPTH: usize = 99;

/// The text of a JSON object that every JSON parser can read, which is delivered byte for byte: strings contain
/// no halves of surrogate pairs, numbers are within the range of a double (RFC 7493), and the object has no
/// member twice. `FromStr` removes the white space around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventData {
    text: String,
    project: Option<ProjectName>,
}

/// The reason why a text is not the data of an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventDataError {
    /// It is too long.
    #[error("must have at most {MAX_DATA_BYTES} bytes, not {0}")]
    TooLong(usize),
    /// It is nested too deep.
    #[error("must be nested at most {MAX_DATA_DEPTH} levels deep")]
    TooDeep,
    /// It is not a JSON object that every parser can read.
    #[error("must be a JSON object that every JSON parser can read: {0}")]
    Json(String),
    /// The member `project` is not a string.
    #[error("`project` must be a string")]
    ProjectType,
    /// The member `project` is not the name of a project.
    #[error("`project` {0}")]
    Project(#[from] ProjectNameError),
}

impl EventData {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the text.
    #[must_use]
    pub fn into_string(self) -> String {
        self.text
    }

    /// Returns the project that the member `project` names.
    #[must_use]
    pub const fn project(&self) -> Option<&ProjectName> {
        self.project.as_ref()
    }
}

impl FromStr for EventData {
    type Err = EventDataError;

    fn from_str(text: &str) -> Result<Self, EventDataError> {
        let text = text.trim_matches([' ', '\t', '\n', '\r']);
        if text.len() > MAX_DATA_BYTES {
            return Err(EventDataError::TooLong(text.len()));
        }
        if depth(text) > MAX_DATA_DEPTH {
            return Err(EventDataError::TooDeep);
        }
        let unreadable = |error: serde_json::Error| EventDataError::Json(error.to_string());
        let members: Members<'_> = serde_json::from_str(text).map_err(unreadable)?;
        let project = match members.project.map(RawValue::get) {
            None | Some("null") => None,
            Some(name) if name.starts_with('"') => {
                Some(serde_json::from_str::<String>(name).map_err(unreadable)?.parse()?)
            }
            Some(other) => {
                serde_json::from_str::<Readable>(other).map_err(unreadable)?;
                return Err(EventDataError::ProjectType);
            }
        };
        Ok(Self { text: text.to_owned(), project })
    }
}

/// The members of an object; only the project is kept.
#[derive(Default)]
struct Members<'a> {
    project: Option<&'a RawValue>,
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Members<'de>, A::Error> {
        let (mut read, mut names) = (Members::default(), HashSet::new());
        while let Some(name) = members.next_key::<String>()? {
            if name == "project" {
                read.project = Some(members.next_value()?);
            } else {
                members.next_value::<Readable>()?;
            }
            if let Some(name) = names.replace(name) {
                return Err(A::Error::custom(format_args!("the member {name:?} is given twice")));
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(text: &str) -> Result<Option<String>, String> {
        let data: EventData = text.parse().map_err(|error: EventDataError| error.to_string())?;
        Ok(data.project().map(ToString::to_string))
    }

    #[test]
    fn the_text_is_kept_byte_for_byte() {
        let data: EventData = " {\"a\" : 1.0,\"project\":\"p\"}\r\n".parse().unwrap();
        assert_eq!(data.as_str(), "{\"a\" : 1.0,\"project\":\"p\"}");
    }

    #[test]
    fn a_project_is_taken_from_the_data() {
        assert_eq!(project(r#"{"project":"my-project"}"#), Ok(Some("my-project".to_owned())));
        for absent in ["{}", r#"{"project":null}"#, r#"{"a":{"project":"b"}}"#] {
            assert_eq!(project(absent), Ok(None), "{absent}");
        }
        for (text, error) in [
            (r#"{"project":1}"#, "`project` must be a string"),
            (r#"{"project":["a"]}"#, "`project` must be a string"),
            (r#"{"project":{"a":"b"}}"#, "`project` must be a string"),
        ] {
            assert_eq!(project(text), Err(error.to_owned()), "{text}");
        }
        assert!(project(r#"{"project":" a"}"#).unwrap_err().starts_with("`project` must be 1 to 128"));
    }

    #[test]
    fn other_texts_are_refused() {
        let nested = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
        for text in [
            "",
            "[]",
            "null",
            "{",
            "{} {}",
            r#"{"a":1,"a":2}"#,
            r#"{"a":1e400}"#,
            r#"{"project":[1e400]}"#,
            r#"{"project":"\ud800"}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":[{"b":"\ud800"}]}"#,
        ] {
            assert!(matches!(text.parse::<EventData>(), Err(EventDataError::Json(_))), "{text}");
        }
        assert!(nested(99).parse::<EventData>().is_ok());
        assert_eq!(nested(100).parse::<EventData>(), Err(EventDataError::TooDeep));
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_DATA_BYTES));
        assert_eq!(long.parse::<EventData>(), Err(EventDataError::TooLong(long.len())));
    }
}
