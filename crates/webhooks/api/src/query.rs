//! The query of a list.

use std::convert::Infallible;
use std::fmt::Display;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use http::request::Parts;
use rdev_webhooks_domain::{Timestamp, TimestampError};
use url::form_urlencoded;

use crate::fault::Faults;
use crate::observe;
use crate::problem::Problem;

/// A query's parameters, taken one by one; what is left at the end is a fault.
pub(crate) struct Query {
    path: String,
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
    faults: Faults,
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        let path = observe::path(&parts.extensions);
        Ok(Self {
            path: path.unwrap_or_else(|| parts.uri.path().to_owned()),
            pairs: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            known: Vec::new(),
            faults: Faults::default(),
        })
    }
}

impl Query {
    /// The text of a parameter that is given once.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        let mut given = self.pairs.iter().filter(|(given, _)| given == name);
        let (_, text) = given.next()?;
        if given.next().is_some() {
            self.faults.in_parameter(name, "is given twice");
            None
        } else if text.contains(char::REPLACEMENT_CHARACTER) {
            // What decoding puts in the place of what it cannot read.
            self.faults.in_parameter(name, "must be UTF-8");
            None
        } else {
            Some(text.clone())
        }
    }

    /// A parameter's value.
    pub(crate) fn value<T>(&mut self, name: &'static str) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        self.read(name, |text| text.parse().map_err(|error: T::Err| error.to_string()))
    }

    /// A parameter that is a moment. A `+` that the client did not escape stands for a space in a query; before an
    /// offset it is meant as it stands.
    pub(crate) fn moment(&mut self, name: &'static str) -> Option<Timestamp> {
        self.read(name, |text| {
            match text.rsplit_once(' ') {
                Some((moment, offset)) if is_offset(offset) => format!("{moment}+{offset}").parse(),
                _ => text.parse(),
            }
            .map_err(|error: TimestampError| error.to_string())
        })
    }

    /// A parameter's value, as `read` makes it of the text.
    pub(crate) fn read<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(name)?;
        match read(&text) {
            Ok(value) => Some(value),
            Err(detail) => {
                self.faults.in_parameter(name, detail);
                None
            }
        }
    }

    /// Ends the reading: every fault that was found, and every parameter that nobody took.
    pub(crate) fn finish(mut self) -> Result<Given, Problem> {
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

/// Whether a text is an offset from UTC without its sign.
fn is_offset(text: &str) -> bool {
    matches!(text.len(), 2 | 4 | 5) && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':')
}

/// A path and a query that were found good.
pub(crate) struct Given {
    path: String,
    pairs: Vec<(String, String)>,
}

impl Given {
    /// The same with another value of one parameter.
    pub(crate) fn with(&self, name: &str, value: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.pairs.iter().filter(|(given, _)| given != name));
        query.append_pair(name, value);
        format!("{}?{}", self.path, query.finish())
    }
}
