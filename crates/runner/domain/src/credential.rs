//! Credentials: secrets whose values the store keeps, encrypted.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::git_credential::{GitCredential, GitCredentialError};
use crate::macros::named;
use crate::{Access, CommandId, ProjectName, RepositoryName, SecretName, Timestamp};

/// The longest value of a credential, in bytes.
pub const MAX_CREDENTIAL_BYTES: usize = 64 * 1024;

/// The shortest value of a credential, and the shortest password in one, in characters: shorter texts cannot be removed
/// from what agents report.
pub const MIN_CREDENTIAL_CHARS: usize = 4;

/// The most projects that a credential names.
pub const MAX_CREDENTIAL_PROJECTS: usize = 100;

/// The most versions of a credential that are kept.
pub const MAX_CREDENTIAL_VERSIONS: usize = 10;

/// The longest time for which a replaced version is kept: 30 days.
pub const MAX_CREDENTIAL_OVERLAP: Duration = Duration::from_secs(30 * 24 * 60 * 60);

named!(
    /// The way in which a run gets the value of a credential.
    CredentialKind {
        /// An environment variable of the credential's name.
        Env = "env",
        /// A private file, whose path is in the environment variable of the credential's name.
        File = "file",
        /// A credential helper of git.
        Git = "git",
    }
);

/// The value of a credential: text of [`MIN_CREDENTIAL_CHARS`] characters, without white space at the ends, to
/// [`MAX_CREDENTIAL_BYTES`] bytes, without NUL; of the kind `git`, a
/// [`GitCredential`].
#[derive(Clone)]
pub struct CredentialValue {
    kind: CredentialKind,
    text: SecretString,
}

/// A fault of the value of a credential. It shows no part of the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialValueError {
    /// The value is too short.
    #[error(
        "must be at least {MIN_CREDENTIAL_CHARS} characters long: shorter ones cannot be removed from output"
    )]
    TooShort,
    /// The value is too long.
    #[error("must be at most {MAX_CREDENTIAL_BYTES} bytes long")]
    TooLong,
    /// The value contains NUL.
    #[error("must not contain NUL")]
    Nul,
    /// The value does not describe a user of a git server.
    #[error(transparent)]
    Git(#[from] GitCredentialError),
}

impl CredentialValue {
    /// Checks a value.
    ///
    /// # Errors
    ///
    /// Returns the fault of the value.
    pub fn new(kind: CredentialKind, text: SecretString) -> Result<Self, CredentialValueError> {
        let exposed = text.expose_secret();
        let is_short = |text: &str| text.trim().chars().count() < MIN_CREDENTIAL_CHARS;
        if is_short(exposed) {
            return Err(CredentialValueError::TooShort);
        }
        if exposed.len() > MAX_CREDENTIAL_BYTES {
            return Err(CredentialValueError::TooLong);
        }
        if exposed.contains('\0') {
            return Err(CredentialValueError::Nul);
        }
        if kind == CredentialKind::Git {
            let [password, _] = GitCredential::parse(exposed)?.hidden();
            if is_short(password.expose_secret()) {
                return Err(CredentialValueError::TooShort);
            }
        }
        Ok(Self { kind, text })
    }

    /// Returns the kind.
    #[must_use]
    pub const fn kind(&self) -> CredentialKind {
        self.kind
    }

    /// Returns the text.
    #[must_use]
    pub const fn text(&self) -> &SecretString {
        &self.text
    }
}

impl fmt::Debug for CredentialValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialValue").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A credential, without its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The name.
    pub name: SecretName,
    /// The kind of the current version.
    pub kind: CredentialKind,
    /// The projects that may use it; `None` for all.
    pub projects: Option<BTreeSet<ProjectName>>,
    /// The kept versions, the newest first. The first is the current one, which new runs get.
    pub versions: Vec<CredentialVersion>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When a run last got it.
    pub last_used_at: Option<Timestamp>,
}

/// A version of a credential, without its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialVersion {
    /// The number. No other version of a credential of this name has it.
    pub number: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it ends: no run gets it then, and one that was replaced is deleted.
    pub expires_at: Option<Timestamp>,
}

impl Credential {
    /// Returns whether a run on the project may get the credential.
    #[must_use]
    pub fn is_for(&self, project: &ProjectName) -> bool {
        self.projects.as_ref().is_none_or(|projects| projects.contains(project))
    }

    /// Returns when the current version ends.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.versions.first().and_then(|version| version.expires_at)
    }

    /// Returns whether the current version has ended.
    #[must_use]
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at().is_some_and(|expires_at| expires_at <= now)
    }
}

/// Returns whether the caller sees a credential of these projects. To a project-scoped caller, one that other
/// projects may use too does not exist.
#[must_use]
pub fn sees_credential(access: &Access, projects: Option<&BTreeSet<ProjectName>>) -> bool {
    match (&access.projects, projects) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(own), Some(projects)) => projects.is_subset(own),
    }
}

/// A change of a credential. What it leaves out stays as it is.
#[derive(Debug, Clone)]
pub struct CredentialDraft {
    /// The name.
    pub name: SecretName,
    /// The value of a new version, unless it is the current one.
    pub value: Option<CredentialValue>,
    /// The projects that may use it, `Some(None)` for all; all may use a new one.
    pub projects: Option<Option<BTreeSet<ProjectName>>>,
    /// When the current version ends; a new version does not.
    pub expires_at: Option<Option<Timestamp>>,
    /// How long the version that a new one replaces is kept.
    pub overlap: Duration,
}

/// A use of a credential by a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialUse {
    /// The command; of another use an id of its own.
    pub command: CommandId,
    /// The repository whose pipelines got the value, if no command did.
    pub repository: Option<RepositoryName>,
    /// The project of the command.
    pub project: ProjectName,
    /// The version.
    pub version: u64,
    /// When.
    pub used_at: Timestamp,
}

/// What a run gets of a credential.
#[derive(Debug, Clone)]
pub struct GrantedCredential {
    /// The version.
    pub version: u64,
    /// Its value.
    pub value: CredentialValue,
    /// The values of the other versions that are kept: the run may come across them.
    pub others: Vec<CredentialValue>,
}

#[cfg(test)]
#[path = "credential_tests.rs"]
mod tests;
