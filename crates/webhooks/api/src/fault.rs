//! What is wrong with a request, place by place.

use std::fmt::Display;

use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::problem::{Problem, ProblemCode};

/// How many faults an answer lists.
const MAX_LISTED: usize = 100;
/// How many bytes of a place or a detail, which may quote the request, are shown.
const MAX_TEXT: usize = 2_048;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Fault {
    #[serde(flatten)]
    pub(crate) place: Place,
    /// What is wrong there.
    pub(crate) detail: String,
}

impl PartialSchema for Fault {
    /// One object with optional members: client generators get a choice of objects wrong.
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

/// Where a fault is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    /// A JSON pointer into the body.
    Pointer(String),
    /// The name of a parameter of the query or of the path.
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

    fn as_str(&self) -> &str {
        match self {
            Self::Pointer(pointer) if pointer.is_empty() => "the body",
            Self::Pointer(text) | Self::Parameter(text) => text,
            Self::Header(name) => name,
        }
    }
}

/// A text without what makes it too long to be shown.
fn shortened(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text.push('…');
    }
    text
}

/// The faults found so far.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    listed: Vec<Fault>,
    unlisted: usize,
}

impl Faults {
    /// Notes a fault of the body at a JSON pointer.
    pub(crate) fn at(&mut self, pointer: impl Into<String>, detail: impl Display) {
        self.push(Place::Pointer(pointer.into()), detail);
    }

    /// Notes a fault of a parameter of the query or of the path.
    pub(crate) fn in_parameter(&mut self, name: impl Into<String>, detail: impl Display) {
        self.push(Place::Parameter(name.into()), detail);
    }

    /// Notes a fault of a request header.
    pub(crate) fn in_header(&mut self, name: &'static str, detail: impl Display) {
        self.push(Place::Header(name), detail);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    fn push(&mut self, place: Place, detail: impl Display) {
        if self.listed.len() < MAX_LISTED {
            self.listed.push(Fault { place: place.shortened(), detail: shortened(detail.to_string()) });
        } else {
            self.unlisted += 1;
        }
    }

    /// Goes on only if there are none.
    pub(crate) fn check(self) -> Result<(), Problem> {
        if self.is_empty() { Ok(()) } else { Err(self.into()) }
    }
}

impl From<Faults> for Problem {
    fn from(faults: Faults) -> Self {
        let found = faults.listed.len() + faults.unlisted;
        let detail = match faults.listed.as_slice() {
            [one] => format!("{}: {}", one.place.as_str(), one.detail),
            _ if faults.unlisted == 0 => format!("The request has {found} faults; `errors` lists them."),
            _ => format!("The request has {found} faults; `errors` lists the first {MAX_LISTED}."),
        };
        Self::new(ProblemCode::ValidationFailed, detail).with_faults(faults.listed)
    }
}
