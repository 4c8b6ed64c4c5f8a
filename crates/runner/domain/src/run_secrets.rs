//! The secrets of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use secrecy::{ExposeSecret, SecretString};

use crate::{CredentialKind, CredentialValue, GitCredential, GrantedCredential, SecretName};

/// The environment variable with the folder of a run's private files.
pub const SECRETS_FOLDER: &str = "RDEV_SECRETS";

/// The secrets that a run gets.
#[derive(Debug, Clone, Default)]
pub struct RunSecrets {
    /// The environment variables.
    pub variables: BTreeMap<SecretName, SecretString>,
    /// The private files. The variable of a file's name has its path, and [`SECRETS_FOLDER`] that of their folder.
    pub files: BTreeMap<SecretName, SecretString>,
    /// The texts that nothing that is stored or sent may contain.
    pub hidden: Vec<SecretString>,
    /// The users of git servers, by the name of the file that the credential helper prints.
    git: BTreeMap<SecretName, GitCredential>,
}

impl RunSecrets {
    /// Adds an environment variable.
    pub fn add_variable(&mut self, name: SecretName, value: SecretString) {
        self.hidden.push(value.clone());
        self.variables.insert(name, value);
    }

    /// Adds a credential.
    pub fn add_credential(&mut self, name: SecretName, granted: GrantedCredential) {
        let GrantedCredential { value, others, .. } = granted;
        self.hidden.extend([&value].into_iter().chain(&others).flat_map(hidden));
        match value.kind() {
            CredentialKind::Env => drop(self.variables.insert(name, value.text().clone())),
            CredentialKind::File => drop(self.files.insert(name, value.text().clone())),
            CredentialKind::Git => {
                if let Ok(git) = GitCredential::parse(value.text().expose_secret()) {
                    self.files.insert(name.clone(), git.answer());
                    self.git.insert(name, git);
                }
            }
        }
    }

    /// Returns the environment variables, with those that tell git its credential helpers. A helper prints a private
    /// file, so that neither the configuration nor a command line has a value.
    #[must_use]
    pub fn environment(&self) -> BTreeMap<String, SecretString> {
        let own = self.variables.iter().map(|(name, value)| (name.to_string(), value.clone()));
        let mut environment: BTreeMap<String, SecretString> = own.collect();
        let origins: BTreeSet<_> = self.git.values().map(GitCredential::origin).collect();
        // An empty helper removes those of other configurations, which would store what this one answers.
        let resets = origins.into_iter().map(|origin| (origin, String::new()));
        let helpers = self.git.iter().map(|(name, git)| (git.origin(), helper(name)));
        let mut add = |name: String, value: &str| environment.insert(name, value.into());
        let mut count = 0;
        for (origin, value) in resets.chain(helpers) {
            add(format!("GIT_CONFIG_KEY_{count}"), &format!("credential.{origin}.helper"));
            add(format!("GIT_CONFIG_VALUE_{count}"), &value);
            count += 1;
        }
        if count > 0 {
            add("GIT_CONFIG_COUNT".to_owned(), &count.to_string());
        }
        environment
    }
}

/// Returns the command of a credential helper, which git gives to a shell.
fn helper(file: &impl Display) -> String {
    format!("!f() {{ test \"$1\" = get && cat \"${SECRETS_FOLDER}/{file}\"; }}; f")
}

/// Returns the texts of a value that must not be shown.
fn hidden(value: &CredentialValue) -> Vec<SecretString> {
    let text = value.text();
    match value.kind() {
        CredentialKind::Env | CredentialKind::File => vec![text.clone()],
        CredentialKind::Git => {
            GitCredential::parse(text.expose_secret()).map_or_else(|_| Vec::new(), |git| git.hidden().into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(kind: CredentialKind, text: &str) -> GrantedCredential {
        let value = CredentialValue::new(kind, text.into()).unwrap();
        GrantedCredential { version: 1, value, others: Vec::new() }
    }

    fn exposed<'a>(values: impl IntoIterator<Item = &'a SecretString>) -> Vec<&'a str> {
        values.into_iter().map(ExposeSecret::expose_secret).collect()
    }

    #[test]
    fn each_kind_reaches_a_run_in_its_way() {
        let mut secrets = RunSecrets::default();
        let name = |text: &str| text.parse::<SecretName>().unwrap();
        let mut token = granted(CredentialKind::Env, "sk-new");
        token.others = vec![granted(CredentialKind::Env, "sk-old").value];
        secrets.add_credential(name("TOKEN"), token);
        secrets.add_credential(name("KUBECONFIG"), granted(CredentialKind::File, "users:\n"));
        let git = "protocol=https\nhost=github.com\nusername=me\npassword=ghp_1\n";
        secrets.add_credential(name("GITHUB"), granted(CredentialKind::Git, git));
        assert_eq!(exposed(secrets.files.values()), ["username=me\npassword=ghp_1\n", "users:\n"]);
        let hidden = ["sk-new", "sk-old", "users:\n", "ghp_1", "me:ghp_1"];
        assert_eq!(exposed(&secrets.hidden), hidden);
        let environment = secrets.environment();
        let names = environment.keys().map(String::as_str).collect::<Vec<_>>();
        let keys = ["GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_0", "GIT_CONFIG_KEY_1"];
        assert_eq!(names, [&keys[..], &["GIT_CONFIG_VALUE_0", "GIT_CONFIG_VALUE_1", "TOKEN"]].concat());
        let helper = "!f() { test \"$1\" = get && cat \"$RDEV_SECRETS/GITHUB\"; }; f";
        let key = "credential.https://github.com.helper";
        assert_eq!(exposed(environment.values()), ["2", key, key, "", helper, "sk-new"]);
        assert!(!format!("{secrets:?}").contains("sk-") && !format!("{secrets:?}").contains("ghp_"));
    }
}
