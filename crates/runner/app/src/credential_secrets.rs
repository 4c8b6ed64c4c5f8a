//! The secrets of runs: credentials, and the variables of the runner.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use rdev_core::Clock;
use rdev_runner_domain::ports::{
    CredentialGrant, CredentialRepository, SecretError, SecretRequest, SecretSource, StoreError,
};
use rdev_runner_domain::{Access, Project, RunSecrets, SecretName};
use secrecy::SecretString;

use crate::EnvironmentSecrets;

/// The credentials of a store and, where this process has them, the variables of the runner.
///
/// A credential reaches a run only if its project lists it among its secrets, besides the command. For a project that
/// may not use it, it does not exist.
#[derive(Clone)]
pub struct CredentialSecrets {
    credentials: Arc<dyn CredentialRepository>,
    clock: Arc<dyn Clock>,
    environment: Option<EnvironmentSecrets>,
}

impl CredentialSecrets {
    /// Creates the source for a process that does not know the variables of the runners.
    #[must_use]
    pub fn new(credentials: Arc<dyn CredentialRepository>, clock: Arc<dyn Clock>) -> Self {
        Self { credentials, clock, environment: None }
    }

    /// Adds the variables of the runner in this process.
    #[must_use]
    pub fn with_environment(self, environment: EnvironmentSecrets) -> Self {
        Self { environment: Some(environment), ..self }
    }

    /// Returns the value of a variable of the runner, unless the secret has a fault.
    fn variable(&self, name: &SecretName, fault: Option<SecretError>) -> Result<SecretString, SecretError> {
        match (fault, &self.environment) {
            (Some(fault), _) => Err(fault),
            (None, Some(environment)) => environment.value(name),
            (None, None) => EnvironmentSecrets::default().value(name),
        }
    }

    /// Returns the reason why a run on the project would not get a secret.
    async fn fault(&self, project: &Project, name: &SecretName) -> Result<Option<SecretError>, StoreError> {
        let found = self.credentials.get(Access::everything(), name).await;
        let credential = match found {
            Ok(found) => found.filter(|found| found.is_for(&project.name)),
            Err(error @ StoreError::Corrupt { .. }) => return Ok(Some(unreadable(name, &error))),
            Err(error) => return Err(error),
        };
        Ok(match credential {
            None => self.environment.as_ref().and_then(|environment| environment.value(name).err()),
            Some(_) if !project.settings().secrets.contains(name) => Some(unlisted(project, name)),
            Some(found) if found.has_expired(self.clock.now()) => Some(expired(name)),
            Some(_) => None,
        })
    }
}

#[async_trait]
impl SecretSource for CredentialSecrets {
    async fn missing(
        &self,
        project: &Project,
        names: &BTreeSet<SecretName>,
    ) -> Result<Vec<String>, SecretError> {
        let mut missing = Vec::new();
        for name in names {
            let fault = self.fault(project, name).await;
            let fault = fault.map_err(|error| SecretError::Unavailable(error.into()))?;
            missing.extend(fault.map(|fault| fault.to_string()));
        }
        Ok(missing)
    }

    async fn resolve(&self, request: &SecretRequest<'_>) -> Result<RunSecrets, SecretError> {
        let SecretRequest { command, project, names, is_takeover } = *request;
        let mut secrets = RunSecrets::default();
        for name in names {
            if !is_takeover && !project.settings().secrets.contains(name) {
                let fault = self.fault(project, name).await.map_err(|error| failed(name, error))?;
                secrets.add_variable(name.clone(), self.variable(name, fault)?);
                continue;
            }
            let grant = self.credentials.grant(name, command, &project.name).await;
            match grant.map_err(|error| failed(name, error))? {
                CredentialGrant::Granted(granted) => {
                    let (project, version) = (&project.name, granted.version);
                    tracing::info!(credential = %name, version, %command, %project, "credential used");
                    secrets.add_credential(name.clone(), granted);
                }
                CredentialGrant::Expired => return Err(expired(name)),
                CredentialGrant::Gone => return Err(gone(name)),
                CredentialGrant::Unknown | CredentialGrant::OtherProject => {
                    secrets.add_variable(name.clone(), self.variable(name, None)?);
                }
            }
        }
        Ok(secrets)
    }
}

fn failed(name: &SecretName, error: StoreError) -> SecretError {
    match error {
        StoreError::Corrupt { .. } => unreadable(name, &error),
        other => SecretError::Unavailable(other.into()),
    }
}

fn unreadable(name: &SecretName, error: &StoreError) -> SecretError {
    tracing::error!(credential = %name, error = %rdev_core::with_causes(error), "credential cannot be decrypted");
    SecretError::Missing(format!("the credential `{name}` cannot be decrypted: store its value again"))
}

fn unlisted(project: &Project, name: &SecretName) -> SecretError {
    let project = &project.name;
    SecretError::Missing(format!(
        "the project `{project}` does not list the credential `{name}`: add it to the project's `secrets`"
    ))
}

fn expired(name: &SecretName) -> SecretError {
    SecretError::Missing(format!(
        "the credential `{name}` has expired: store a new value, or another `expires_at`"
    ))
}

fn gone(name: &SecretName) -> SecretError {
    SecretError::Missing(format!("the value of `{name}` with which the run began is gone"))
}
