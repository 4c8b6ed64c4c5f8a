//! The environment variables of a project, whose values are no secrets.

use std::collections::BTreeMap;

use crate::macros::checked_text;

/// The largest number of environment variables of a project.
pub const MAX_ENVIRONMENT_VARIABLES: usize = 100;

/// The most bytes of the names and the values of a project's environment variables together.
pub const MAX_ENVIRONMENT_BYTES: usize = 16 * 1024;

/// The names that the system or the runner gives a meaning of its own: where programs, homes and temporary files are,
/// what shells and Node run before anything else, and what the runner sets for an agent.
const RESERVED: [&str; 17] = [
    "BASH_ENV",
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    "CLAUDE_CODE_MAX_RETRIES",
    "DISABLE_AUTOUPDATER",
    "DISABLE_ERROR_REPORTING",
    "DISABLE_TELEMETRY",
    "ENV",
    "HOME",
    "IFS",
    "IS_SANDBOX",
    "LANG",
    "NODE_OPTIONS",
    "PATH",
    "PWD",
    "SHELL",
    "TMPDIR",
];

/// The beginnings of such names: those of the dynamic linker, of the configuration that git takes from its
/// environment, of OpenCode's settings, and of the runner.
const RESERVED_PREFIXES: [&str; 4] = ["GIT_CONFIG", "LD_", "OPENCODE_", "RDEV_"];

checked_text!(
    /// The name of an environment variable of a project: 1 to 128 ASCII letters, digits and underscores, the first of
    /// them no digit, and none that is reserved.
    EnvironmentName,
    EnvironmentNameError,
    "must be 1 to 128 ASCII letters, digits and underscores, the first of them no digit, and no reserved name such as \
     PATH, HOME, LD_PRELOAD or what begins with RDEV_",
    |text| {
        (1..=128).contains(&text.len())
            && !text.starts_with(|first: char| first.is_ascii_digit())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !is_reserved_variable(text)
    }
);

/// Returns whether the system or the runner gives the environment variable of this name a meaning of its own.
#[must_use]
pub fn is_reserved_variable(name: &str) -> bool {
    RESERVED.contains(&name) || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

checked_text!(
    /// The value of an environment variable of a project: at most 4,096 bytes without NUL.
    EnvironmentValue,
    EnvironmentValueError,
    "must be at most 4096 bytes without NUL",
    |text| text.len() <= 4_096 && !text.contains('\0')
);

/// Environment variables by their names.
pub type Environment = BTreeMap<EnvironmentName, EnvironmentValue>;

/// Returns the bytes of all names and values.
pub(crate) fn environment_bytes(environment: &Environment) -> usize {
    environment.iter().map(|(name, value)| name.as_str().len() + value.as_str().len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_replaces_nothing_of_the_runner() {
        for valid in ["RUST_LOG", "_", "a1", "ANTHROPIC_BASE_URL", "GIT_AUTHOR_NAME", "LDFLAGS", "PATHS"] {
            assert_eq!(valid.parse::<EnvironmentName>().unwrap().as_str(), valid);
        }
        let malformed = ["", "1A", "A-B", "A=B", "A B", "é", &"A".repeat(129)];
        let reserved = ["HOME", "PATH", "LD_PRELOAD", "RDEV_SECRETS", "GIT_CONFIG_COUNT", "OPENCODE_CONFIG"];
        for invalid in malformed.into_iter().chain(reserved) {
            assert_eq!(invalid.parse::<EnvironmentName>(), Err(EnvironmentNameError), "{invalid:?}");
        }
    }

    #[test]
    fn a_value_is_bounded() {
        assert!("".parse::<EnvironmentValue>().is_ok() && "a\nb é".parse::<EnvironmentValue>().is_ok());
        assert!("x".repeat(4_096).parse::<EnvironmentValue>().is_ok());
        for invalid in ["a\0b", &"x".repeat(4_097)] {
            assert_eq!(invalid.parse::<EnvironmentValue>(), Err(EnvironmentValueError));
        }
    }
}
