//! The kinds of variables of templates.

use crate::VariableValue;

/// The number of values that a choice may have, and of items that a list may have.
const MAX_ITEMS: usize = 64;

/// The numbers of characters of the values of a choice and of the items of a list.
const ITEM_CHARS: std::ops::RangeInclusive<usize> = 1..=256;

const MAX_TEXT_CHARS: usize = 1_024;
const MAX_URL_BYTES: usize = 2_048;

/// The values that a variable of a template may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VariableKind {
    /// A name that is valid in paths, host names and packages: lower-case letters, digits and hyphens.
    Slug,
    /// One line of text.
    Text,
    /// A URL of HTTP or HTTPS, without characters that shells and YAML interpret.
    Url,
    /// A whole number in a range.
    Integer {
        /// The lowest value.
        min: i64,
        /// The highest value.
        max: i64,
    },
    /// True or false.
    Boolean,
    /// One of some texts.
    Choice {
        /// The texts.
        values: Vec<String>,
    },
    /// A list of lines of text.
    List,
}

impl VariableKind {
    /// Returns the name in manifests and in the API.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Slug => "slug",
            Self::Text => "text",
            Self::Url => "url",
            Self::Integer { .. } => "integer",
            Self::Boolean => "boolean",
            Self::Choice { .. } => "choice",
            Self::List => "list",
        }
    }

    /// Checks a value.
    ///
    /// # Errors
    ///
    /// Fails with a sentence, without its subject, that says what the value must be.
    pub fn check(&self, value: &VariableValue) -> Result<(), String> {
        let is_valid = match (self, value) {
            (Self::Slug, VariableValue::Text(text)) => is_slug(text),
            (Self::Text, VariableValue::Text(text)) => {
                text.chars().count() <= MAX_TEXT_CHARS && !text.chars().any(char::is_control)
            }
            (Self::Url, VariableValue::Text(text)) => is_url(text),
            (Self::Integer { min, max }, VariableValue::Integer(number)) => (min..=max).contains(&number),
            (Self::Boolean, VariableValue::Boolean(_)) => true,
            (Self::Choice { values }, VariableValue::Text(text)) => values.contains(text),
            (Self::List, VariableValue::List(items)) => {
                items.len() <= MAX_ITEMS && items.iter().all(|item| is_item(item))
            }
            _ => false,
        };
        if is_valid { Ok(()) } else { Err(self.requirement()) }
    }

    /// Checks the kind itself.
    pub(crate) fn check_definition(&self) -> Result<(), &'static str> {
        match self {
            Self::Integer { min, max } if min > max => Err("must have a min that is at most its max"),
            Self::Choice { values }
                if !(1..=MAX_ITEMS).contains(&values.len()) || !values.iter().all(|value| is_item(value)) =>
            {
                Err(
                    "must have 1 to 64 values of 1 to 256 characters each, without line breaks and control characters",
                )
            }
            _ => Ok(()),
        }
    }

    fn requirement(&self) -> String {
        match self {
            Self::Slug => "must be 1 to 64 lower-case letters, digits and hyphens, the first of them a letter, the last no \
                           hyphen"
                .to_owned(),
            Self::Text => format!(
                "must be a text of at most {MAX_TEXT_CHARS} characters without line breaks and control characters"
            ),
            Self::Url => format!(
                "must be a URL with http:// or https://, of at most {MAX_URL_BYTES} ASCII letters, digits and \
                 -._~:/?#[]@!&()*+,;=%"
            ),
            Self::Integer { min, max } => format!("must be a whole number from {min} to {max}"),
            Self::Boolean => "must be true or false".to_owned(),
            Self::Choice { values } => format!("must be one of {}", values.join(", ")),
            Self::List => format!(
                "must be a list of at most {MAX_ITEMS} texts of {} to {} characters without line breaks and control \
                 characters",
                ITEM_CHARS.start(),
                ITEM_CHARS.end()
            ),
        }
    }
}

fn is_slug(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

fn is_item(text: &str) -> bool {
    ITEM_CHARS.contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// Returns whether a text is a URL of HTTP that can stand in quotes of any language. A `$`, a quote and a backslash
/// can be written as percent escapes.
fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    text.len() <= MAX_URL_BYTES
        && rest
            .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '['))
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!&()*+,;=%".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(kind: &VariableKind, text: &str) -> bool {
        kind.check(&VariableValue::Text(text.to_owned())).is_ok()
    }

    #[test]
    fn a_slug_is_safe_everywhere() {
        for valid in ["a", "billing", "billing-2", &"a".repeat(64)] {
            assert!(accepts(&VariableKind::Slug, valid), "{valid}");
        }
        for invalid in ["", "A", "2b", "-a", "a-", "a_b", "a/b", "..", "a b", "é", "a\n", &"a".repeat(65)] {
            assert!(!accepts(&VariableKind::Slug, invalid), "{invalid:?}");
        }
    }

    #[test]
    fn a_text_is_one_line() {
        assert!(accepts(&VariableKind::Text, "") && accepts(&VariableKind::Text, "It's {{ a }} \"text\": é"));
        for invalid in ["a\nb", "a\tb", "\u{1b}[0m", "\u{85}", &"a".repeat(1_025)] {
            assert!(!accepts(&VariableKind::Text, invalid), "{invalid:?}");
        }
    }

    #[test]
    fn a_url_needs_no_escaping_in_a_shell() {
        for valid in ["http://127.0.0.1:8080", "https://rdev.example/a?b=c&d=%24", "https://[::1]:8080/"] {
            assert!(accepts(&VariableKind::Url, valid), "{valid}");
        }
        for invalid in [
            "",
            "rdev.example",
            "ftp://a",
            "https://",
            "https:///a",
            "https://a\"b",
            "https://$(id)",
            "https://a b",
        ] {
            assert!(!accepts(&VariableKind::Url, invalid), "{invalid:?}");
        }
    }

    #[test]
    fn a_value_of_another_kind_is_refused() {
        let kinds = [
            VariableKind::Slug,
            VariableKind::Integer { min: 0, max: 9 },
            VariableKind::Boolean,
            VariableKind::Choice { values: vec!["a".to_owned()] },
            VariableKind::List,
        ];
        let values = [
            VariableValue::Text("b".to_owned()),
            VariableValue::Integer(9),
            VariableValue::Boolean(true),
            VariableValue::Text("a".to_owned()),
            VariableValue::List(vec!["x y".to_owned()]),
        ];
        for (at, kind) in kinds.iter().enumerate() {
            assert_eq!(kind.check(&values[at]), Ok(()), "{kind:?}");
            for (other, value) in values.iter().enumerate() {
                let is_text = matches!((kind, value), (VariableKind::Slug, VariableValue::Text(_)));
                assert_eq!(kind.check(value).is_ok(), other == at || is_text, "{kind:?} {value:?}");
            }
        }
        assert!(VariableKind::List.check(&VariableValue::List(vec!["a".to_owned(); 65])).is_err());
        assert!(VariableKind::List.check(&VariableValue::List(vec![String::new()])).is_err());
    }
}
