//! A call of an operation: its path, its query and its body.

use std::fmt::Write;

use bytes::Bytes;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::Error;

/// The characters of a path segment or of a query's value that are escaped: all but the unreserved ones.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An operation of an API, as its description names it.
#[derive(Debug)]
pub struct Operation {
    /// The `operationId`.
    pub id: &'static str,
    /// The method.
    pub method: Method,
    /// The path, with its parameters in braces.
    pub path: &'static str,
}

/// The query of a call.
#[derive(Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Adds a parameter, if it has a value.
    pub fn add(&mut self, name: &str, value: Option<&impl ToString>) {
        if let Some(value) = value {
            self.0.push((name.to_owned(), value.to_string()));
        }
    }

    /// Returns the names of the parameters.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

/// One call.
#[derive(Debug, Clone)]
pub struct Call {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) body: Option<Bytes>,
    pub(crate) if_match: Option<String>,
}

impl Call {
    /// Creates a call. `arguments` replace the parameters of the path, in order.
    ///
    /// # Errors
    /// Fails if an argument is empty or would leave the path.
    pub fn new(operation: &Operation, arguments: &[&str]) -> Result<Self, Error> {
        let mut target = String::new();
        let mut arguments = arguments.iter();
        for segment in operation.path.split('/').skip(1) {
            target.push('/');
            if segment.starts_with('{') {
                let argument = arguments.next().copied().unwrap_or_default();
                if matches!(argument, "" | "." | "..") {
                    return Err(Error::Invalid(format!("{argument:?} is not an id or a name")));
                }
                target.extend(utf8_percent_encode(argument, ESCAPED));
            } else {
                target.push_str(segment);
            }
        }
        Ok(Self { method: operation.method.clone(), target, body: None, if_match: None })
    }

    /// Adds the query.
    #[must_use]
    pub fn query(mut self, query: &Query) -> Self {
        for (index, (name, value)) in query.0.iter().enumerate() {
            let separator = if index == 0 { '?' } else { '&' };
            let (name, value) = (utf8_percent_encode(name, ESCAPED), utf8_percent_encode(value, ESCAPED));
            // Writing to a String cannot fail.
            let _ = write!(self.target, "{separator}{name}={value}");
        }
        self
    }

    /// Adds a body.
    ///
    /// # Errors
    /// Fails if the value is no JSON.
    pub fn json(mut self, body: &(impl Serialize + ?Sized)) -> Result<Self, Error> {
        let body = serde_json::to_vec(body).map_err(|error| Error::Invalid(error.to_string()))?;
        self.body = Some(body.into());
        Ok(self)
    }

    /// Makes the call conditional on the resource's entity tag.
    #[must_use]
    pub fn if_match(mut self, tag: Option<&str>) -> Self {
        self.if_match = tag.map(str::to_owned);
        self
    }
}
