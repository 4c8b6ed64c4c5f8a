//! Credentials.

use serde::Deserialize;

/// A credential, without its value.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Credential {
    /// The name.
    pub name: String,
    /// `env`, `file` or `git`.
    pub kind: String,
    /// The projects that may use it; `None` for all.
    pub projects: Option<Vec<String>>,
    /// When the newest version ends.
    pub expires_at: Option<String>,
    /// The newest version.
    pub version: u64,
    /// The versions that are kept, the newest first.
    pub versions: Vec<CredentialVersion>,
    /// When a run last got it.
    pub last_used_at: Option<String>,
    /// When it was created.
    pub created_at: String,
    /// When it was changed last.
    pub updated_at: String,
}

/// A version of a credential, without its value.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct CredentialVersion {
    /// The number.
    pub version: u64,
    /// When it was created.
    pub created_at: String,
    /// When it ends.
    pub expires_at: Option<String>,
}

/// A use of a credential by the run of a command.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct CredentialUse {
    /// The command.
    pub command_id: Option<String>,
    /// The repository whose pipelines got the value, if no command did.
    pub repository: Option<String>,
    /// The project of the command.
    pub project: String,
    /// The version.
    pub version: u64,
    /// When.
    pub used_at: String,
}
