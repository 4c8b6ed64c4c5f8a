//! The rows of credentials.

use std::collections::BTreeSet;

use rdev_runner_domain::ports::StoreError;
use rdev_runner_domain::{CommandId, Credential, ProjectName};
use rdev_runner_store::credentials::{self, StoredCredential, StoredVersion};
use sqlx::types::Uuid;

use crate::rows::{Time, timestamp};

/// A credential.
pub(crate) struct CredentialRow {
    pub(crate) name: String,
    pub(crate) projects: Option<Vec<String>>,
    pub(crate) created_at: Time,
    pub(crate) updated_at: Time,
    pub(crate) last_used_at: Option<Time>,
    pub(crate) now: Time,
    /// The versions without their values, as JSON.
    pub(crate) versions: Option<String>,
}

/// A version of a credential.
pub(crate) struct VersionRow {
    pub(crate) number: i64,
    pub(crate) kind: String,
    pub(crate) created_at: Time,
    pub(crate) expires_at: Option<Time>,
    pub(crate) value: Vec<u8>,
}

/// A use of a credential.
pub(crate) struct UseRow {
    pub(crate) command_id: Uuid,
    pub(crate) project: String,
    pub(crate) version: i64,
    pub(crate) used_at: Time,
    pub(crate) repository: Option<String>,
}

impl CredentialRow {
    pub(crate) fn read(self) -> Result<StoredCredential, StoreError> {
        let name = credentials::name(&self.name)?;
        Ok(StoredCredential {
            projects: credentials::projects(&name, self.projects)?,
            created_at: timestamp(self.created_at),
            updated_at: timestamp(self.updated_at),
            last_used_at: self.last_used_at.map(timestamp),
            versions: credentials::versions(&name, self.versions.as_deref().unwrap_or("[]"))?,
            name,
        })
    }

    /// Returns the credential without its values.
    pub(crate) fn shown(self) -> Result<Credential, StoreError> {
        let now = timestamp(self.now);
        self.read()?.read(now)
    }
}

impl VersionRow {
    pub(crate) fn read(self) -> StoredVersion {
        StoredVersion {
            number: self.number,
            kind: self.kind,
            created_at: timestamp(self.created_at),
            expires_at: self.expires_at.map(timestamp),
            value: self.value,
        }
    }
}

impl UseRow {
    pub(crate) fn id_text(&self) -> String {
        CommandId::from_uuid(self.command_id).to_string()
    }
}

/// Returns the projects of a credential as they are stored.
pub(crate) fn project_list(projects: Option<&BTreeSet<ProjectName>>) -> Option<Vec<String>> {
    projects.map(|all| all.iter().map(ToString::to_string).collect())
}
