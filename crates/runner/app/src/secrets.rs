//! The values of secrets.

use std::collections::BTreeSet;

use async_trait::async_trait;
use rdev_runner_domain::ports::{SecretError, SecretRequest, SecretSource};
use rdev_runner_domain::{Project, RunSecrets, SecretName};
use secrecy::SecretString;

/// The secrets in the environment of this process: the variables with the allowed names, for every project.
///
/// The variables of a process do not change. After a restart with another value of a secret, runs that
/// began with the old one continue, and their output is searched for the new value alone: let them end
/// before you change a secret.
#[derive(Debug, Clone, Default)]
pub struct EnvironmentSecrets {
    allowed: BTreeSet<SecretName>,
}

impl EnvironmentSecrets {
    /// Creates a source of the variables with these names.
    #[must_use]
    pub fn new(allowed: impl IntoIterator<Item = SecretName>) -> Self {
        Self { allowed: allowed.into_iter().collect() }
    }

    pub(crate) fn value(&self, name: &SecretName) -> Result<SecretString, SecretError> {
        if !self.allowed.contains(name) {
            let reason = format!(
                "there is no secret `{name}`: create a credential of that name that the project may use, or start \
                 the runner with `--secret-env {name}`"
            );
            return Err(SecretError::Missing(reason));
        }
        match std::env::var(name.as_str()) {
            Ok(value) if !value.is_empty() => Ok(value.into()),
            Ok(_) => Err(SecretError::Missing(format!("the runner's variable `{name}` is empty"))),
            Err(std::env::VarError::NotPresent) => {
                Err(SecretError::Missing(format!("the runner's environment has no variable `{name}`")))
            }
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(SecretError::Missing(format!("the runner's variable `{name}` is not UTF-8")))
            }
        }
    }
}

#[async_trait]
impl SecretSource for EnvironmentSecrets {
    async fn missing(&self, _: &Project, names: &BTreeSet<SecretName>) -> Result<Vec<String>, SecretError> {
        let missing = names.iter().filter_map(|name| self.value(name).err());
        Ok(missing.map(|error| error.to_string()).collect())
    }

    async fn resolve(&self, request: &SecretRequest<'_>) -> Result<RunSecrets, SecretError> {
        let mut secrets = RunSecrets::default();
        for name in request.names {
            secrets.add_variable(name.clone(), self.value(name)?);
        }
        Ok(secrets)
    }
}

#[cfg(test)]
mod tests {
    use rdev_runner_domain::Workspace;
    use secrecy::ExposeSecret;

    use super::*;

    async fn resolve(allowed: &[&str], names: &[&str]) -> Result<Vec<String>, String> {
        let parse = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect::<BTreeSet<_>>();
        let source = EnvironmentSecrets::new(parse(allowed));
        let workspace = Workspace::Local { path: "/srv".parse().unwrap() };
        let settings = rdev_runner_domain::ProjectSettings::new(workspace);
        let now = rdev_core::Timestamp::EPOCH;
        let project = Project::new("my-project".parse().unwrap(), settings, now).unwrap();
        let command = rdev_runner_domain::CommandId::from_parts(now, [1; 10]);
        let names = &parse(names);
        let request = SecretRequest { command, project: &project, names, is_takeover: false };
        let secrets = source.resolve(&request).await.map_err(|error| error.to_string());
        let missing = source.missing(&project, names).await.unwrap();
        assert_eq!(missing.first(), secrets.as_ref().err());
        let exposed = |value: &SecretString| value.expose_secret().to_owned();
        secrets.map(|secrets| secrets.variables.values().map(exposed).collect())
    }

    #[tokio::test]
    async fn only_allowed_variables_are_secrets() {
        // Cargo sets it for every test.
        let name = "CARGO_PKG_NAME";
        assert_eq!(resolve(&[name], &[name]).await, Ok(vec!["rdev-runner-app".to_owned()]));
        assert_eq!(resolve(&[], &[]).await, Ok(Vec::new()));
        let refused = resolve(&["OTHER"], &[name]).await.unwrap_err();
        assert!(refused.contains("--secret-env CARGO_PKG_NAME"), "{refused}");
        let missing = resolve(&["RDEV_NO_SUCH_VARIABLE"], &["RDEV_NO_SUCH_VARIABLE"]).await.unwrap_err();
        assert_eq!(missing, "the runner's environment has no variable `RDEV_NO_SUCH_VARIABLE`");
    }
}
