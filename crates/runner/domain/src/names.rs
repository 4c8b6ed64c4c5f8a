//! The names in a request.

use crate::macros::checked_text;

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
