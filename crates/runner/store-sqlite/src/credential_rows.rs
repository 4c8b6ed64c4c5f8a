//! The rows of credentials.

use std::collections::BTreeSet;

use rdev_runner_domain::ports::StoreError;
use rdev_runner_domain::{ProjectName, Timestamp};
use rdev_runner_store::credentials::{self, StoredCredential, StoredVersion};
use rdev_runner_store::internal;

/// A credential.
pub(crate) struct CredentialRow {
    pub(crate) name: String,
    pub(crate) projects: Option<String>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) last_used_at: Option<i64>,
    /// The versions without their values, as JSON.
    pub(crate) versions: String,
}

/// A version of a credential.
pub(crate) struct VersionRow {
    pub(crate) number: i64,
    pub(crate) kind: String,
    pub(crate) created_at: i64,
    pub(crate) expires_at: Option<i64>,
    pub(crate) value: Vec<u8>,
}

/// A use of a credential.
pub(crate) struct UseRow {
    pub(crate) command_id: Vec<u8>,
    pub(crate) project: String,
    pub(crate) version: i64,
    pub(crate) used_at: i64,
    pub(crate) repository: Option<String>,
}

impl CredentialRow {
    pub(crate) fn read(self) -> Result<StoredCredential, StoreError> {
        let name = credentials::name(&self.name)?;
        let projects = self.projects.map(|json| serde_json::from_str(&json)).transpose();
        let projects = projects.map_err(|error| credentials::corrupt_column("projects", &name, error))?;
        Ok(StoredCredential {
            projects: credentials::projects(&name, projects)?,
            created_at: Timestamp::from_micros(self.created_at),
            updated_at: Timestamp::from_micros(self.updated_at),
            last_used_at: self.last_used_at.map(Timestamp::from_micros),
            versions: credentials::versions(&name, &self.versions)?,
            name,
        })
    }
}

impl VersionRow {
    pub(crate) fn read(self) -> StoredVersion {
        StoredVersion {
            number: self.number,
            kind: self.kind,
            created_at: Timestamp::from_micros(self.created_at),
            expires_at: self.expires_at.map(Timestamp::from_micros),
            value: self.value,
        }
    }
}

impl UseRow {
    pub(crate) fn id_text(&self) -> String {
        format!("{:02x?}", self.command_id)
    }
}

/// Returns the projects of a credential as they are stored.
pub(crate) fn project_list(projects: Option<&BTreeSet<ProjectName>>) -> Result<Option<String>, StoreError> {
    let names = projects.map(|all| all.iter().map(ProjectName::as_str).collect::<Vec<_>>());
    names.map(|names| serde_json::to_string(&names)).transpose().map_err(internal)
}
