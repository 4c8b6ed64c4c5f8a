//! The query of a list.

use std::convert::Infallible;
use std::fmt::Display;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use http::request::Parts;
use rdev_core::{Timestamp, TimestampError};
use url::form_urlencoded;

use crate::Faults;
use crate::Problem;

/// The parameters of a query, taken one by one; a parameter that is left over is a fault.
pub struct Query {
    path: String,
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
    faults: Faults,
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        let path = crate::requested_path(&parts.extensions);
        Ok(Self {
            path: path.unwrap_or_else(|| parts.uri.path().to_owned()),
            pairs: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            known: Vec::new(),
            faults: Faults::default(),
        })
    }
}

impl Query {
    /// Takes the text of a parameter. A parameter that is given twice is a fault.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        let mut given = self.pairs.iter().filter(|(given, _)| given == name);
        let (_, text) = given.next()?;
        if given.next().is_some() {
            self.faults.in_parameter(name, "is given twice");
            None
        } else if text.contains(char::REPLACEMENT_CHARACTER) {
            // The decoder inserts this character for invalid UTF-8.
            self.faults.in_parameter(name, "must be UTF-8");
            None
        } else {
            Some(text.clone())
        }
    }

    /// Takes a parameter and parses it.
    pub fn value<T>(&mut self, name: &'static str) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        self.read(name, |text| text.parse().map_err(|error: T::Err| error.to_string()))
    }

    /// Takes a timestamp. A `+` that the client did not escape arrives as a space; before an offset it is
    /// read as `+`.
    pub fn moment(&mut self, name: &'static str) -> Option<Timestamp> {
        self.read(name, |text| {
            match text.rsplit_once(' ') {
                Some((moment, offset)) if is_offset(offset) => format!("{moment}+{offset}").parse(),
                _ => text.parse(),
            }
            .map_err(|error: TimestampError| error.to_string())
        })
    }

    /// Takes a parameter and converts its text by `read`.
    pub fn read<T>(&mut self, name: &'static str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(name)?;
        match read(&text) {
            Ok(value) => Some(value),
            Err(detail) => {
                self.faults.in_parameter(name, detail);
                None
            }
        }
    }

    /// Finishes reading. Fails with all faults found, and with every parameter that was not taken.
    pub fn finish(mut self) -> Result<Given, Problem> {
        let mut unknown: Vec<&String> = self.pairs.iter().map(|(name, _)| name).collect();
        unknown.retain(|name| !self.known.contains(&name.as_str()));
        unknown.sort_unstable();
        unknown.dedup();
        for name in unknown {
            let known = self.known.join(", ");
            let detail = format!("is unknown; known parameters: {known}");
            self.faults.in_parameter(name, detail);
        }
        self.faults.check()?;
        Ok(Given { path: self.path, pairs: self.pairs })
    }
}

/// Returns whether a text is an offset from UTC without its sign.
fn is_offset(text: &str) -> bool {
    matches!(text.len(), 2 | 4 | 5) && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':')
}

/// A valid path and query.
pub struct Given {
    path: String,
    pairs: Vec<(String, String)>,
}

impl Given {
    /// Returns the path and query with another value of one parameter.
    pub fn with(&self, name: &str, value: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.pairs.iter().filter(|(given, _)| given != name));
        query.append_pair(name, value);
        format!("{}?{}", self.path, query.finish())
    }
}
