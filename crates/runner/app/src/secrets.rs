//! The values of secrets.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use rdev_runner_domain::ports::{SecretError, SecretSource};
use rdev_runner_domain::{ProjectName, SecretName};
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

    fn value(&self, name: &SecretName) -> Result<SecretString, SecretError> {
        if !self.allowed.contains(name) {
            let reason = format!("the runner has no secret `{name}`: allow it with `--secret-env {name}`");
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
    async fn resolve(
        &self,
        _: &ProjectName,
        names: &BTreeSet<SecretName>,
    ) -> Result<BTreeMap<SecretName, SecretString>, SecretError> {
        names.iter().map(|name| Ok((name.clone(), self.value(name)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    async fn resolve(allowed: &[&str], names: &[&str]) -> Result<Vec<String>, String> {
        let parse = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect::<BTreeSet<_>>();
        let source = EnvironmentSecrets::new(parse(allowed));
        let values = source.resolve(&"my-project".parse().unwrap(), &parse(names)).await;
        let exposed = |values: BTreeMap<_, SecretString>| {
            values.values().map(|value| value.expose_secret().to_owned()).collect()
        };
        values.map(exposed).map_err(|error| error.to_string())
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
