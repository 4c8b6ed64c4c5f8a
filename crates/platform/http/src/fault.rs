//! The faults of a request, each with its place.

use std::fmt::Display;

use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// Maximum number of faults in a response.
pub(crate) const MAX_LISTED: usize = 100;
/// Maximum bytes of a place or a detail, which may quote the request.
const MAX_TEXT: usize = 2_048;

/// One fault and its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
    /// What is wrong.
    pub detail: String,
}

impl PartialSchema for Fault {
    /// Describes one object with optional members: client generators mishandle a choice of objects.
    fn schema() -> RefOr<Schema> {
        let text = |meaning: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(meaning));
        let meaning =
            "One fault in the request. Exactly one of `pointer`, `parameter` and `header` is present.";
        ObjectBuilder::new()
            .description(Some(meaning))
            .property("pointer", text("A JSON pointer into the body; empty for the whole body."))
            .property("parameter", text("The name of a query or path parameter."))
            .property("header", text("The name of a request header."))
            .property("detail", text("What is wrong."))
            .required("detail")
            .into()
    }
}

impl ToSchema for Fault {}

/// The place of a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A JSON pointer into the body.
    Pointer(String),
    /// The name of a query or path parameter.
    Parameter(String),
    /// The name of a request header.
    Header(&'static str),
}

impl Place {
    fn shortened(self) -> Self {
        match self {
            Self::Pointer(text) => Self::Pointer(shortened(text)),
            Self::Parameter(text) => Self::Parameter(shortened(text)),
            Self::Header(name) => Self::Header(name),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Pointer(pointer) if pointer.is_empty() => "the body",
            Self::Pointer(text) | Self::Parameter(text) => text,
            Self::Header(name) => name,
        }
    }
}

/// Truncates a text that is too long to be shown.
fn shortened(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text.push('…');
    }
    text
}

/// The faults found so far.
#[derive(Debug, Default)]
pub struct Faults {
    pub(crate) listed: Vec<Fault>,
    pub(crate) unlisted: usize,
}

impl Faults {
    /// Records a fault of the body at a JSON pointer.
    pub fn at(&mut self, pointer: impl Into<String>, detail: impl Display) {
        self.push(Place::Pointer(pointer.into()), detail);
    }

    /// Records a fault of a query or path parameter.
    pub fn in_parameter(&mut self, name: impl Into<String>, detail: impl Display) {
        self.push(Place::Parameter(name.into()), detail);
    }

    /// Records a fault of a request header.
    pub fn in_header(&mut self, name: &'static str, detail: impl Display) {
        self.push(Place::Header(name), detail);
    }

    /// Returns whether no fault was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// Returns the value if there is one and no fault was found.
    pub fn or<T>(self, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if self.is_empty() => Ok(value),
            _ => Err(self),
        }
    }

    fn push(&mut self, place: Place, detail: impl Display) {
        if self.listed.len() < MAX_LISTED {
            self.listed.push(Fault { place: place.shortened(), detail: shortened(detail.to_string()) });
        } else {
            self.unlisted += 1;
        }
    }
}
