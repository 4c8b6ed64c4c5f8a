//! Changes that come too late.

use askama::Template;
use rdev_http::{ProblemCode, StatusCode};

/// The state of what was to be changed does not allow it.
pub const CONFLICT: ProblemCode = ProblemCode::new(
    "conflict",
    StatusCode::CONFLICT,
    "Not possible now",
    "The state of what was to be changed does not allow it.",
);

/// A field of a form in which what was typed and what is stored differ.
#[derive(Debug, Clone)]
pub struct Difference {
    label: &'static str,
    typed: String,
    stored: String,
}

impl Difference {
    /// Returns the fields, by their names with their labels, that differ.
    pub fn between<'a>(
        fields: &[(&'static str, &'static str)],
        typed: impl Fn(&str) -> &'a str,
        stored: impl Fn(&str) -> &'a str,
    ) -> Vec<Self> {
        let shown = |text: &str| if text.is_empty() { "(empty)".to_owned() } else { text.to_owned() };
        let differing = fields.iter().filter(|(name, _)| typed(name) != stored(name));
        differing
            .map(|(name, label)| Self { label, typed: shown(typed(name)), stored: shown(stored(name)) })
            .collect()
    }
}

/// What another has changed while a form was filled; nothing without a difference.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "conflict.html")]
pub struct Conflict {
    noun: &'static str,
    fields: Vec<Difference>,
}

impl Conflict {
    /// Creates the part of the page of a form that changes what the noun names.
    #[must_use]
    pub fn new(noun: &'static str, fields: Vec<Difference>) -> Self {
        Self { noun, fields }
    }
}
