//! Users of git servers.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// A user of a git server, in the format of git's credential helpers: lines `key=value`. It needs `host`, `username`
/// and `password`. `protocol` is `https` by default; other lines are ignored.
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
    /// The protocol is unknown.
    #[error("must have the protocol https or http")]
    Protocol,
    /// The host is no host.
    #[error("must have a host with letters, digits, dots and hyphens, and optionally a port")]
    Host,
}

impl GitCredential {
    /// Parses a text.
    ///
    /// # Errors
    ///
    /// Returns the fault of the text.
    pub fn parse(text: &str) -> Result<Self, GitCredentialError> {
        let find = |key: &str| {
            let mut pairs = text.lines().filter_map(|line| line.split_once('='));
            pairs.find_map(|(found, value)| (found == key && !value.is_empty()).then_some(value))
        };
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
