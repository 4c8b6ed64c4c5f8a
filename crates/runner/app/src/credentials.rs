//! Stores, shows and deletes credentials.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rdev_app::Ambient;
use rdev_core::ApiKeyId;
use rdev_runner_domain::ports::{CredentialPut, CredentialRepository, StoreError};
use rdev_runner_domain::{
    Access, CommandId, Credential, CredentialDraft, CredentialKind, CredentialUse, CredentialValue,
    CredentialValueError, Page, PageRequest, ProjectName, SecretName, Timestamp, is_reserved_variable,
};
use secrecy::SecretString;

use crate::Setting;

/// Manages credentials. Nothing of it returns a value. Cheap to clone.
#[derive(Clone)]
pub struct Credentials {
    repository: Arc<dyn CredentialRepository>,
    ambient: Ambient,
}

/// A credential as a client asks for it. What it leaves out stays as it is.
#[derive(Debug, Clone)]
pub struct NewCredential {
    /// The kind; without one that of the present value.
    pub kind: Option<CredentialKind>,
    /// The value.
    pub value: Option<SecretString>,
    /// The projects that may use it; [`Setting::Reset`] for all.
    pub projects: Setting<Vec<ProjectName>>,
    /// When the value ends; a new value does not, unless this says so.
    pub expires_at: Setting<Timestamp>,
    /// How long a replaced value is kept.
    pub overlap: Duration,
}

/// A fault of a credential in a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialFault {
    /// The value is invalid.
    #[error(transparent)]
    Value(CredentialValueError),
    /// There is no value.
    #[error("is required: there is no credential of that name")]
    ValueRequired,
    /// There is no kind.
    #[error("is required: there is no credential of that name")]
    KindRequired,
    /// The name is that of a variable which a run does not get from a credential.
    #[error(
        "must be `git` for this name: the runner or the system gives the variable of the name a meaning of its own"
    )]
    ReservedName,
    /// The kind is not that of the present value.
    #[error("is that of another value: a credential of another kind needs a new value")]
    OtherKind,
    /// The credential ends before it begins.
    #[error("must be in the future")]
    Past,
    /// No project may use the credential.
    #[error("must contain at least one project; without `projects`, every project may use the credential")]
    NoProject,
    /// A project-scoped caller names no projects.
    #[error("is required because the API key is restricted to projects")]
    ProjectsRequired,
    /// The caller is restricted to other projects than the one with this index.
    #[error("is not one of the projects that the API key is restricted to")]
    NotYours(usize),
}

impl CredentialFault {
    /// Returns the JSON pointer of the faulty member.
    #[must_use]
    pub fn pointer(&self) -> String {
        match self {
            Self::Value(_) | Self::ValueRequired => "/value".to_owned(),
            Self::KindRequired | Self::OtherKind | Self::ReservedName => "/kind".to_owned(),
            Self::Past => "/expires_at".to_owned(),
            Self::NoProject | Self::ProjectsRequired => "/projects".to_owned(),
            Self::NotYours(index) => format!("/projects/{index}"),
        }
    }
}

/// An error of an operation on a credential.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The credential does not exist, or the caller does not see it.
    #[error("the credential was not found")]
    NotFound,
    /// The request is invalid; all faults at once.
    #[error("the credential is invalid")]
    Invalid(Vec<CredentialFault>),
    /// The database failed.
    #[error("the credential could not be read or stored")]
    Store(#[from] StoreError),
}

impl Credentials {
    /// Creates the use cases over this port.
    #[must_use]
    pub fn new(repository: Arc<dyn CredentialRepository>, ambient: Ambient) -> Self {
        Self { repository, ambient }
    }

    /// Returns all faults of a credential. [`Self::put`] makes the same check; this is for a caller who has found other
    /// faults and wants to report all at once.
    ///
    /// # Errors
    ///
    /// Fails if the database fails.
    pub async fn check(
        &self,
        access: &Access,
        name: &SecretName,
        new: &NewCredential,
    ) -> Result<Vec<CredentialFault>, StoreError> {
        let present = self.repository.get(access, name).await?;
        Ok(self.checked(access, name, present.as_ref(), new).err().unwrap_or_default())
    }

    /// Returns the value, or all faults.
    fn checked(
        &self,
        access: &Access,
        name: &SecretName,
        present: Option<&Credential>,
        new: &NewCredential,
    ) -> Result<Option<CredentialValue>, Vec<CredentialFault>> {
        let mut faults = Vec::new();
        let kind = new.kind.or(present.map(|present| present.kind));
        let value = match (kind, &new.value) {
            (Some(kind), Some(value)) => CredentialValue::new(kind, value.clone()).map(Some),
            _ => Ok(None),
        };
        let value = value.map_err(|fault| faults.push(CredentialFault::Value(fault)));
        if kind.is_none() {
            faults.push(CredentialFault::KindRequired);
        }
        // An older one may stay.
        let is_new_kind = present.is_none_or(|present| Some(present.kind) != kind);
        if is_new_kind && is_variable(kind) && is_reserved(name) {
            faults.push(CredentialFault::ReservedName);
        }
        if new.value.is_none() {
            match present {
                None => faults.push(CredentialFault::ValueRequired),
                Some(present) if kind != Some(present.kind) => faults.push(CredentialFault::OtherKind),
                Some(_) => {}
            }
        }
        match (&access.projects, &new.projects) {
            (_, Setting::Value(projects)) if projects.is_empty() => faults.push(CredentialFault::NoProject),
            (Some(_), Setting::Reset) => faults.push(CredentialFault::ProjectsRequired),
            (Some(_), Setting::Kept) if present.is_none() => faults.push(CredentialFault::ProjectsRequired),
            (Some(own), Setting::Value(projects)) => {
                let named = projects.iter().enumerate();
                let others = named.filter(|(_, project)| !own.contains(*project));
                faults.extend(others.map(|(index, _)| CredentialFault::NotYours(index)));
            }
            _ => {}
        }
        if matches!(new.expires_at, Setting::Value(end) if end <= self.ambient.now()) {
            faults.push(CredentialFault::Past);
        }
        match value {
            Ok(value) if faults.is_empty() => Ok(value),
            _ => Err(faults),
        }
    }

    /// Creates a credential, or changes the one of that name. Returns it, and whether it is new. `key` is the API key
    /// that asks for it, `None` for the administrator's; the log names it.
    ///
    /// # Errors
    ///
    /// Fails if the request has faults, or if the caller does not see the present credential.
    pub async fn put(
        &self,
        access: &Access,
        name: SecretName,
        new: NewCredential,
        key: Option<ApiKeyId>,
    ) -> Result<(Credential, bool), CredentialsError> {
        let present = self.repository.get(access, &name).await?;
        let value = self.checked(access, &name, present.as_ref(), &new).map_err(CredentialsError::Invalid)?;
        let draft = CredentialDraft {
            name,
            value,
            projects: change(new.projects).map(|projects| projects.map(BTreeSet::from_iter)),
            expires_at: change(new.expires_at),
            overlap: new.overlap,
        };
        let (credential, is_new) = match self.repository.put(access, &draft).await? {
            CredentialPut::Created(credential) => (credential, true),
            CredentialPut::Changed(credential) => (credential, false),
            CredentialPut::ValueRequired => {
                return Err(CredentialsError::Invalid(vec![CredentialFault::ValueRequired]));
            }
            CredentialPut::NotFound => return Err(CredentialsError::NotFound),
        };
        let version = credential.versions.first().map(|version| version.number);
        tracing::info!(credential = %credential.name, version, api_key = shown(key), "credential stored");
        Ok((credential, is_new))
    }

    /// Returns a credential without its value.
    ///
    /// # Errors
    ///
    /// Fails if the caller does not see it.
    pub async fn get(&self, access: &Access, name: &SecretName) -> Result<Credential, CredentialsError> {
        self.repository.get(access, name).await?.ok_or(CredentialsError::NotFound)
    }

    /// Returns a page of the credentials after the given name, in the order of their names. With a project, only those
    /// that it may use.
    ///
    /// # Errors
    ///
    /// Fails if the database fails.
    pub async fn list(
        &self,
        access: &Access,
        project: Option<&ProjectName>,
        after: Option<&SecretName>,
        limit: u32,
    ) -> Result<Page<Credential>, StoreError> {
        self.repository.list(access, project, after, limit).await
    }

    /// Deletes a credential with its values. Runs that have it go on. `key` is the API key that asks for it, `None` for
    /// the administrator's; the log names it.
    ///
    /// # Errors
    ///
    /// Fails if the caller does not see it.
    pub async fn delete(
        &self,
        access: &Access,
        name: &SecretName,
        key: Option<ApiKeyId>,
    ) -> Result<(), CredentialsError> {
        if !self.repository.delete(access, name).await? {
            return Err(CredentialsError::NotFound);
        }
        tracing::info!(credential = %name, api_key = shown(key), "credential deleted");
        Ok(())
    }

    /// Returns a page of the uses of a credential, those of the newest commands first. Those of a deleted credential
    /// stay.
    ///
    /// # Errors
    ///
    /// Fails if the database fails.
    pub async fn uses(
        &self,
        access: &Access,
        name: &SecretName,
        page: PageRequest<CommandId>,
    ) -> Result<Page<CredentialUse>, StoreError> {
        self.repository.uses(access, name, page).await
    }
}

/// Returns the value of a setting that changes, `Some(None)` if it is reset.
fn change<T>(setting: Setting<T>) -> Option<Option<T>> {
    match setting {
        Setting::Kept => None,
        Setting::Reset => Some(None),
        Setting::Value(value) => Some(Some(value)),
    }
}

fn shown(key: Option<ApiKeyId>) -> String {
    key.map_or_else(|| "administrator".to_owned(), |key| key.to_string())
}

/// Returns whether a run gets a variable of the credential's name.
const fn is_variable(kind: Option<CredentialKind>) -> bool {
    matches!(kind, Some(CredentialKind::Env | CredentialKind::File))
}

/// Returns whether a run gets no variable of this name from a credential.
fn is_reserved(name: &SecretName) -> bool {
    match name.as_str() {
        // OpenCode reads a key of its own provider from it.
        "OPENCODE_API_KEY" => false,
        // A key of this service, for what calls it.
        name if name.starts_with("RDEV_") => name == "RDEV_SECRETS",
        name => is_reserved_variable(name),
    }
}
