//! Label selectors of Kubernetes.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest selector in bytes.
const MAX_BYTES: usize = 1_024;

/// The longest name of a label and the longest value, and the longest prefix of a name.
const MAX_NAME: usize = 63;
const MAX_PREFIX: usize = 253;

/// A label selector by the grammar of Kubernetes, such as `app=my-project,tier in (dev, test)`: 1 to 1,024 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelSelector(Arc<str>);

/// The error for a text that is not a [`LabelSelector`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a label selector such as app=my-project,tier in (dev, test): {0}")]
pub struct LabelSelectorError(String);

impl LabelSelector {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns a selector that was stored, perhaps by a version that did not check its grammar. The cluster refuses it then.
    ///
    /// # Errors
    ///
    /// Fails for a text that no version has stored.
    pub fn from_stored(text: &str) -> Result<Self, LabelSelectorError> {
        check_characters(text)?;
        Ok(Self(text.into()))
    }
}

impl FromStr for LabelSelector {
    type Err = LabelSelectorError;

    fn from_str(text: &str) -> Result<Self, LabelSelectorError> {
        check_characters(text)?;
        let mut parser = Parser { tokens: tokens(text), next: 0 };
        parser.selector()?;
        Ok(Self(text.into()))
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

fn fault<T>(text: impl Into<String>) -> Result<T, LabelSelectorError> {
    Err(LabelSelectorError(text.into()))
}

fn check_characters(text: &str) -> Result<(), LabelSelectorError> {
    if text.len() > MAX_BYTES {
        return fault(format!("it has more than {MAX_BYTES} bytes"));
    }
    let is_known = |one: char| one.is_ascii_alphanumeric() || "-_./,=!() ".contains(one);
    if let Some(other) = text.chars().find(|one| !is_known(*one)) {
        return fault(format!("it contains {other:?}"));
    }
    if !text.contains(|one: char| one.is_ascii_alphanumeric()) {
        return fault("it names no label");
    }
    Ok(())
}

/// A part of a selector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    /// `=`, `==`, `!=`, `!`, `(`, `)` or `,`.
    Sign(&'a str),
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    const SIGNS: [&str; 7] = ["==", "!=", "=", "!", "(", ")", ","];
    let (mut found, mut rest) = (Vec::new(), text.trim_start());
    while !rest.is_empty() {
        let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
        let length = sign.map_or_else(|| rest.find(|one| "=!(), ".contains(one)), |sign| Some(sign.len()));
        let (token, after) = rest.split_at(length.unwrap_or(rest.len()));
        found.push(if sign.is_some() { Token::Sign(token) } else { Token::Word(token) });
        rest = after.trim_start();
    }
    found
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    next: usize,
}

impl<'a> Parser<'a> {
    fn selector(&mut self) -> Result<(), LabelSelectorError> {
        loop {
            self.requirement()?;
            match self.take() {
                None => return Ok(()),
                Some(Token::Sign(",")) => {}
                Some(other) => return fault(format!("{} stands where a comma is expected", shown(other))),
            }
        }
    }

    fn requirement(&mut self) -> Result<(), LabelSelectorError> {
        let is_absence = self.take_sign("!");
        let key = match self.take() {
            Some(Token::Word(key)) => key,
            Some(other) => return fault(format!("{} stands where a key is expected", shown(other))),
            None => return fault("a key is missing at its end"),
        };
        check_key(key)?;
        if is_absence {
            return Ok(());
        }
        match self.peek() {
            Some(Token::Sign("=" | "==" | "!=")) => {
                self.next += 1;
                check_value(key, self.take_value())
            }
            Some(Token::Word("in" | "notin")) => {
                self.next += 1;
                self.values(key)
            }
            // The label exists.
            _ => Ok(()),
        }
    }

    fn values(&mut self, key: &str) -> Result<(), LabelSelectorError> {
        if !self.take_sign("(") {
            return fault(format!("the values of {key} need parentheses"));
        }
        if self.take_sign(")") {
            return fault(format!("{key} has no values"));
        }
        loop {
            check_value(key, self.take_value())?;
            match self.take() {
                Some(Token::Sign(")")) => return Ok(()),
                Some(Token::Sign(",")) => {}
                Some(other) => {
                    return fault(format!("{} stands between the values of {key}", shown(other)));
                }
                None => return fault(format!("the values of {key} need a closing parenthesis")),
            }
        }
    }

    /// Takes a value, which may be empty.
    fn take_value(&mut self) -> &'a str {
        let Some(Token::Word(value)) = self.peek() else { return "" };
        self.next += 1;
        value
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let is_next = matches!(self.peek(), Some(Token::Sign(found)) if found == sign);
        self.next += usize::from(is_next);
        is_next
    }

    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.next).copied()
    }

    fn take(&mut self) -> Option<Token<'a>> {
        let token = self.peek()?;
        self.next += 1;
        Some(token)
    }
}

fn shown(token: Token<'_>) -> String {
    let (Token::Word(text) | Token::Sign(text)) = token;
    format!("`{text}`")
}

/// Checks a key: a name, and before it optionally a DNS subdomain and a slash.
fn check_key(key: &str) -> Result<(), LabelSelectorError> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let is_edge = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit();
    let is_label = |label: &str| {
        label.starts_with(is_edge)
            && label.ends_with(is_edge)
            && label.chars().all(|one| is_edge(one) || one == '-')
    };
    if prefix.is_some_and(|prefix| prefix.len() > MAX_PREFIX || !prefix.split('.').all(is_label)) {
        return fault(format!("the prefix of the key {key} is no DNS subdomain in lower case"));
    }
    if name.is_empty() || !is_name(name) {
        return fault(format!("the key {key} {NAME_RULE}"));
    }
    Ok(())
}

const NAME_RULE: &str = "must have a name of at most 63 letters, digits, `-`, `_` and `.`, the first and the last a letter \
                         or digit";

fn check_value(key: &str, value: &str) -> Result<(), LabelSelectorError> {
    if value.is_empty() || is_name(value) {
        return Ok(());
    }
    fault(format!(
        "the value {value} of {key} must have at most {MAX_NAME} letters, digits, `-`, `_` and `.`, the first and the last \
         a letter or digit"
    ))
}

fn is_name(text: &str) -> bool {
    let is_edge = |one: char| one.is_ascii_alphanumeric();
    text.len() <= MAX_NAME
        && text.starts_with(is_edge)
        && text.ends_with(is_edge)
        && text.chars().all(|one| is_edge(one) || "-_.".contains(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_follows_the_grammar_of_kubernetes() {
        let long = format!("a={},{}/{}", "v".repeat(63), "p.".repeat(126) + "p", "n".repeat(63));
        for valid in [
            "app=x",
            " app == x ",
            "app!=x",
            "app",
            "!app",
            "a,!b,c=",
            "app.kubernetes.io/name==x,!old",
            "tier in (dev, test),a notin (b)",
            "tier in (,dev)",
            "in in (notin)",
            "a_b.c-d=E_f.9",
            &long,
        ] {
            assert_eq!(valid.parse::<LabelSelector>().unwrap().as_str(), valid);
        }
    }

    #[test]
    fn a_wrong_selector_is_refused_with_what_is_wrong() {
        for (invalid, what) in [
            ("", "names no label"),
            (" ,", "names no label"),
            ("app=x&limit=1", "contains '&'"),
            ("app=\n", "contains '\\n'"),
            ("app=x\u{7}", "contains '\\u{7}'"),
            ("é=x", "contains 'é'"),
            (&"a".repeat(1_025), "more than 1024 bytes"),
            ("app in (a", "closing parenthesis"),
            ("app in a", "parentheses"),
            ("app in ()", "no values"),
            ("app in (a b)", "`b` stands between the values"),
            ("app in (a))", "`)` stands where a comma"),
            ("==x", "`==` stands where a key"),
            ("=x", "`=` stands where a key"),
            ("a=b=c", "`=` stands where a comma"),
            ("a b", "`b` stands where a comma"),
            ("a=b,", "a key is missing"),
            (",a=b", "`,` stands where a key"),
            ("!a=b", "`=` stands where a comma"),
            ("!!a", "`!` stands where a key"),
            ("-a=b", "the key -a"),
            ("a/b/c=d", "the key a/b/c"),
            ("/a=b", "the prefix of the key /a"),
            ("A.b/c=d", "the prefix of the key A.b/c"),
            ("a=-b", "the value -b of a"),
            ("a=b/c", "the value b/c of a"),
            (&format!("a={}", "v".repeat(64)), "at most 63"),
            (&format!("{}=a", "n".repeat(64)), "at most 63"),
            (&format!("{}/a", "p".repeat(254)), "the prefix"),
        ] {
            let error = invalid.parse::<LabelSelector>().unwrap_err().to_string();
            assert!(error.contains(what), "{invalid:?}: {error}");
        }
    }

    #[test]
    fn a_stored_selector_is_read_whatever_its_grammar() {
        assert_eq!(LabelSelector::from_stored("app in (a").unwrap().as_str(), "app in (a");
        assert!(LabelSelector::from_stored("a&b").is_err());
    }
}
