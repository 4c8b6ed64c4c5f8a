//! Users of git servers.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// A user of a git server, in the format of git's credential helpers: lines `key=value`. It needs `host`, `username`
/// and `password`. `protocol` is `https` by default. No line stands twice, and none has another meaning to git; lines
/// without a meaning to git are ignored.
#[derive(Clone)]
pub struct GitCredential {
    /// The server, `https://github.com`.
    origin: String,
    username: String,
    password: SecretString,
}

/// A fault of the description of a user of a git server. It shows no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GitCredentialError {
    /// A line is missing, or has no value.
    #[error(
        "must have the lines host=, username= and password=, as `git credential fill` prints them; {0}= is missing"
    )]
    Missing(&'static str),
    /// Two lines have one key.
    #[error("must have exactly one line {0}=")]
    Duplicate(&'static str),
    /// A line has another meaning to git.
    #[error("must not have the line {0}=: only protocol=, host=, username= and password= are used")]
    Unused(&'static str),
    /// The protocol is unknown.
    #[error("must have the protocol https or http")]
    Protocol,
    /// The host is no host.
    #[error("must have a host with letters, digits, dots and hyphens, and optionally a port")]
    Host,
}

/// The keys that are used.
const KEYS: [&str; 4] = ["protocol", "host", "username", "password"];

/// The other keys that have a meaning to git.
const UNUSED_KEYS: [&str; 12] = [
    "path",
    "url",
    "quit",
    "password_expiry_utc",
    "oauth_refresh_token",
    "authtype",
    "credential",
    "ephemeral",
    "continue",
    "wwwauth[]",
    "capability[]",
    "state[]",
];

impl GitCredential {
    /// Parses a text.
    ///
    /// # Errors
    ///
    /// Returns the fault of the text.
    pub fn parse(text: &str) -> Result<Self, GitCredentialError> {
        let values = |key: &'static str| {
            let pairs = text.lines().filter_map(|line| line.split_once('='));
            pairs.filter_map(move |(found, value)| (found == key).then_some(value))
        };
        if let Some(key) = UNUSED_KEYS.into_iter().find(|key| values(key).next().is_some()) {
            return Err(GitCredentialError::Unused(key));
        }
        if let Some(key) = KEYS.into_iter().find(|key| values(key).nth(1).is_some()) {
            return Err(GitCredentialError::Duplicate(key));
        }
        let find = |key: &'static str| values(key).find(|value| !value.is_empty());
        let required = |key| find(key).ok_or(GitCredentialError::Missing(key));
        let protocol = find("protocol").unwrap_or("https");
        if !matches!(protocol, "https" | "http") {
            return Err(GitCredentialError::Protocol);
        }
        let host = required("host")?;
        if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte)) {
            return Err(GitCredentialError::Host);
        }
        let (username, password) = (required("username")?, required("password")?);
        Ok(Self {
            origin: format!("{protocol}://{host}"),
            username: username.to_owned(),
            password: password.into(),
        })
    }

    /// Returns the server, as a URL without a user.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns what the credential helper prints.
    #[must_use]
    pub fn answer(&self) -> SecretString {
        format!("username={}\npassword={}\n", self.username, self.password.expose_secret()).into()
    }

    /// Returns the texts that must not be shown: the password, and the user with it, which HTTP encodes together.
    #[must_use]
    pub fn hidden(&self) -> [SecretString; 2] {
        let pair = format!("{}:{}", self.username, self.password.expose_secret());
        [self.password.clone(), pair.into()]
    }
}

impl fmt::Debug for GitCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitCredential").field("origin", &self.origin).finish_non_exhaustive()
    }
}
