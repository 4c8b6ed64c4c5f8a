//! A credential and its uses as the API shows them. There is no view of a value.

use rdev_http::Text;
use rdev_runner_domain::{
    CommandId, Credential, CredentialUse, CredentialVersion, ProjectName, RepositoryName, SecretName,
    Timestamp,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::schema_types as types;

/// A credential, without its value.
#[derive(Serialize, ToSchema)]
#[schema(as = Credential)]
pub(crate) struct CredentialView<'a> {
    #[schema(value_type = types::SecretName)]
    name: Text<&'a SecretName>,
    #[schema(value_type = types::CredentialKind)]
    kind: &'static str,
    /// The projects that may use it; `null` for all.
    #[schema(value_type = Option<Vec<types::ProjectName>>, required)]
    projects: Option<Vec<Text<&'a ProjectName>>>,
    /// When the newest version ends; `null` if it does not.
    #[schema(value_type = Option<types::Timestamp>, required)]
    expires_at: Option<Text<Timestamp>>,
    /// The newest version.
    #[schema(minimum = 1)]
    version: u64,
    /// The versions that are kept, the newest first. New runs get the first.
    versions: Vec<CredentialVersionView>,
    /// When a run last got it; `null` for never.
    #[schema(value_type = Option<types::Timestamp>, required)]
    last_used_at: Option<Text<Timestamp>>,
    #[schema(value_type = types::Timestamp)]
    created_at: Text<Timestamp>,
    #[schema(value_type = types::Timestamp)]
    updated_at: Text<Timestamp>,
}

/// A version of a credential, without its value.
#[derive(Serialize, ToSchema)]
#[schema(as = CredentialVersion)]
struct CredentialVersionView {
    #[schema(minimum = 1)]
    version: u64,
    #[schema(value_type = types::Timestamp)]
    created_at: Text<Timestamp>,
    /// When it ends; `null` if it does not. A replaced version is deleted then.
    #[schema(value_type = Option<types::Timestamp>, required)]
    expires_at: Option<Text<Timestamp>>,
}

/// A use of a credential by the run of a command, or by pipelines.
#[derive(Serialize, ToSchema)]
#[schema(as = CredentialUse)]
pub(crate) struct CredentialUseView<'a> {
    /// The command; `null` if pipelines got the value.
    #[schema(value_type = Option<types::CommandId>, required)]
    command_id: Option<Text<CommandId>>,
    /// The repository whose pipelines got the value; `null` if a command did.
    #[schema(value_type = Option<types::RepositoryName>, required)]
    repository: Option<Text<&'a RepositoryName>>,
    #[schema(value_type = types::ProjectName)]
    project: Text<&'a ProjectName>,
    #[schema(minimum = 1)]
    version: u64,
    #[schema(value_type = types::Timestamp)]
    used_at: Text<Timestamp>,
}

impl<'a> From<&'a Credential> for CredentialView<'a> {
    fn from(credential: &'a Credential) -> Self {
        Self {
            name: Text(&credential.name),
            kind: credential.kind.as_str(),
            projects: credential.projects.as_ref().map(|projects| projects.iter().map(Text).collect()),
            expires_at: credential.expires_at().map(Text),
            version: credential.versions.first().map_or(1, |version| version.number),
            versions: credential.versions.iter().map(CredentialVersionView::from).collect(),
            last_used_at: credential.last_used_at.map(Text),
            created_at: Text(credential.created_at),
            updated_at: Text(credential.updated_at),
        }
    }
}

impl From<&CredentialVersion> for CredentialVersionView {
    fn from(version: &CredentialVersion) -> Self {
        let CredentialVersion { number, created_at, expires_at } = *version;
        Self { version: number, created_at: Text(created_at), expires_at: expires_at.map(Text) }
    }
}

impl<'a> From<&'a CredentialUse> for CredentialUseView<'a> {
    fn from(used: &'a CredentialUse) -> Self {
        Self {
            command_id: used.repository.is_none().then_some(Text(used.command)),
            repository: used.repository.as_ref().map(Text),
            project: Text(&used.project),
            version: used.version,
            used_at: Text(used.used_at),
        }
    }
}
