//! The names in a request.

use crate::macros::checked_text;

/// The longest name of a new project, in characters.
const MAX_PROJECT_SLUG: usize = 128;

/// The pattern of the names that a new project can have. Browsers demand the escape of the hyphen.
pub const PROJECT_SLUG_PATTERN: &str = r"^[a-z0-9]([a-z0-9._\-]{0,126}[a-z0-9])?$";

/// The error for a name that a new project cannot have. Projects that are older may have it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 1 to {MAX_PROJECT_SLUG} lower-case letters (a to z), digits, and `-`, `_` or `.` between them{}",
    suggestion.as_ref().map(|slug| format!(", such as `{slug}`")).unwrap_or_default()
)]
pub struct ProjectSlugError {
    suggestion: Option<String>,
}

/// Checks the name of a new project: a slug, which needs no escapes in a URL or in a shell, and names a folder.
///
/// # Errors
///
/// Fails with a similar slug if the name is none.
pub fn check_project_slug(name: &str) -> Result<(), ProjectSlugError> {
    let is_inner = |byte: u8| is_slug_end(byte) || b"-_.".contains(&byte);
    let ends = name.bytes().next().zip(name.bytes().next_back());
    let is_slug = name.len() <= MAX_PROJECT_SLUG
        && name.bytes().all(is_inner)
        && ends.is_some_and(|(first, last)| is_slug_end(first) && is_slug_end(last));
    if is_slug { Ok(()) } else { Err(ProjectSlugError { suggestion: project_slug(name) }) }
}

/// Returns a slug that is similar to a text, unless the text has no letters and digits of ASCII.
#[must_use]
pub fn project_slug(text: &str) -> Option<String> {
    let mut slug = String::new();
    for character in text.chars().map(|character| character.to_ascii_lowercase()) {
        match character {
            'a'..='z' | '0'..='9' | '_' | '.' => slug.push(character),
            _ if !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    let is_border = |character: char| !character.is_ascii_alphanumeric();
    let slug = slug.trim_matches(is_border);
    let slug = slug.get(..MAX_PROJECT_SLUG).unwrap_or(slug).trim_end_matches(is_border);
    (!slug.is_empty()).then(|| slug.to_owned())
}

const fn is_slug_end(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

checked_text!(
    /// The name of a coding agent, which is the `type` of its commands: `claude`, `opencode`, or any other
    /// registered name. 1 to 64 lower-case letters, digits and hyphens, the first of them a letter.
    AgentProvider,
    AgentProviderError,
    "must be 1 to 64 lower-case letters, digits and hyphens, the first of them a letter",
    |text| {
        (1..=64).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    }
);

impl AgentProvider {
    /// Returns the provider of Claude Code.
    #[must_use]
    pub fn claude() -> Self {
        Self("claude".into())
    }

    /// Returns the provider of OpenCode.
    #[must_use]
    pub fn opencode() -> Self {
        Self("opencode".into())
    }
}

checked_text!(
    /// An agent's own name of a session, as the agent reports it: 1 to 256 visible ASCII characters, the
    /// first of them no hyphen, so that no agent reads it as an option.
    SessionRef,
    SessionRefError,
    "must be 1 to 256 ASCII characters without spaces, the first of them no hyphen",
    |text| is_argument(text, 256)
);

checked_text!(
    /// An agent's own name of a model: 1 to 256 visible ASCII characters, the first of them no hyphen.
    ModelName,
    ModelNameError,
    "must be 1 to 256 ASCII characters without spaces, the first of them no hyphen",
    |text| is_argument(text, 256)
);

checked_text!(
    /// A tool of an agent, or some uses of it: `Edit`, `Bash(cargo *)`. A name of ASCII letters, digits and
    /// `_-.:*`, the first a letter, and optionally a pattern in parentheses, without parentheses in it; 1 to
    /// 256 characters in all, no control characters.
    ToolRule,
    ToolRuleError,
    "must be the name of a tool, like Edit, or a name and a pattern in parentheses, like Bash(cargo *)",
    |text| {
        let (name, pattern) = match text.find('(') {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        (1..=256).contains(&text.chars().count())
            && !text.chars().any(char::is_control)
            && name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:*".contains(&byte))
            && (pattern.is_empty() || is_one_group(pattern))
    }
);

impl ToolRule {
    /// Returns the name of the tool.
    #[must_use]
    pub fn tool(&self) -> &str {
        self.0.split('(').next().unwrap_or_default()
    }

    /// Returns the pattern in parentheses.
    #[must_use]
    pub fn pattern(&self) -> Option<&str> {
        self.0.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'))
    }
}

checked_text!(
    /// The name of a secret and of the environment variable in which an agent finds its value: 1 to 128
    /// ASCII letters, digits and underscores, the first of them no digit.
    SecretName,
    SecretNameError,
    "must be 1 to 128 ASCII letters, digits and underscores, the first of them no digit",
    |text| {
        (1..=128).contains(&text.len())
            && !text.starts_with(|first: char| first.is_ascii_digit())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    }
);

/// Returns whether a program takes the text as one argument that is no option.
fn is_argument(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len())
        && !text.starts_with('-')
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Returns whether the text is `(…)` without further parentheses: agents disagree on how they nest, so that
/// one rule could be read as several.
fn is_one_group(text: &str) -> bool {
    let inner = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    inner.is_some_and(|inner| !inner.trim().is_empty() && !inner.contains(['(', ')']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_new_project_is_a_slug() {
        for valid in ["a", "7", "my-project", "my_project", "v1.2", "a--b", &"a".repeat(128)] {
            assert_eq!(check_project_slug(valid), Ok(()), "{valid:?}");
        }
        for (invalid, similar) in [
            ("My Project", Some("my-project")),
            ("mein Projekt é", Some("mein-projekt")),
            ("a/b", Some("a-b")),
            ("../etc", Some("etc")),
            (".hidden", Some("hidden")),
            ("-x_", Some("x")),
            ("..", None),
            (".", None),
            ("", None),
            ("é", None),
            (&"a".repeat(129), Some(&*"a".repeat(128))),
        ] {
            let error = check_project_slug(invalid).unwrap_err();
            assert_eq!(error.suggestion.as_deref(), similar, "{invalid:?}");
            assert!(similar.is_none_or(|slug| check_project_slug(slug).is_ok()), "{invalid:?}");
        }
        let error = check_project_slug("My Project").unwrap_err().to_string();
        assert!(error.ends_with("between them, such as `my-project`"), "{error}");
    }

    #[test]
    fn a_provider_is_a_lower_case_name() {
        for valid in ["claude", "opencode", "demo", "a", "my-agent-2"] {
            assert_eq!(valid.parse::<AgentProvider>().unwrap().as_str(), valid);
        }
        for invalid in ["", "Claude", "1a", "-a", "a b", "a_b", "é", &"a".repeat(65)] {
            assert_eq!(invalid.parse::<AgentProvider>(), Err(AgentProviderError), "{invalid:?}");
        }
    }

    #[test]
    fn a_session_is_never_read_as_an_option() {
        for valid in ["9f086e73-0144-4a78-9efe-c01996fe4a17", "ses_1a2b"] {
            assert_eq!(valid.parse::<SessionRef>().unwrap().as_str(), valid);
        }
        for invalid in ["", "--help", "-", "a b", "a\n", "é", &"a".repeat(257)] {
            assert_eq!(invalid.parse::<SessionRef>(), Err(SessionRefError), "{invalid:?}");
        }
    }

    #[test]
    fn a_tool_rule_is_one_rule() {
        for (rule, tool, pattern) in [
            ("Edit", "Edit", None),
            ("mcp__github__*", "mcp__github__*", None),
            ("Bash(cargo *)", "Bash", Some("cargo *")),
            ("Bash(echo a, b)", "Bash", Some("echo a, b")),
        ] {
            let parsed: ToolRule = rule.parse().unwrap();
            assert_eq!((parsed.tool(), parsed.pattern()), (tool, pattern));
        }
        let invalid = [
            "",
            " ",
            "-x",
            "Edit,Bash",
            "Bash(",
            "Bash()",
            "Bash( )",
            "Bash(a)b",
            "Bash(a),Bash(b)",
            "(a)",
            "Bash(f())",
        ];
        for invalid in invalid.into_iter().chain(["Bash(a\n)", "Bash)", &"a".repeat(257)]) {
            assert_eq!(invalid.parse::<ToolRule>(), Err(ToolRuleError), "{invalid:?}");
        }
    }

    #[test]
    fn a_secret_has_the_name_of_a_variable() {
        assert!("ANTHROPIC_API_KEY".parse::<SecretName>().is_ok());
        for invalid in ["", "1A", "A-B", "A=B", "A B", &"A".repeat(129)] {
            assert_eq!(invalid.parse::<SecretName>(), Err(SecretNameError), "{invalid:?}");
        }
    }
}
