//! The project of an event.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of a project: 1 to 128 characters, no control characters, no white space at either end.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectName(Arc<str>);

/// The reason why a text is not a project name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 128 characters without control characters, and without white space at either end")]
pub struct ProjectNameError;

impl ProjectName {
    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProjectName {
    type Err = ProjectNameError;

    fn from_str(text: &str) -> Result<Self, ProjectNameError> {
        let fits = (1..=128).contains(&text.chars().count());
        if fits && text.trim() == text && !text.chars().any(char::is_control) {
            Ok(Self(text.into()))
        } else {
            Err(ProjectNameError)
        }
    }
}

impl fmt::Display for ProjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ProjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_names_are_refused() {
        for text in ["", " a", "a ", "a\0b", "a\nb", &"é".repeat(129)] {
            assert_eq!(text.parse::<ProjectName>(), Err(ProjectNameError), "{text:?}");
        }
        assert_eq!("mein Projekt é".parse::<ProjectName>().unwrap().as_str(), "mein Projekt é");
    }
}
