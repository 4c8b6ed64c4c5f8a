//! The secrets of runs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rdev_runner_app::{CredentialSecrets, EnvironmentSecrets};
use rdev_runner_domain::ports::{Clock, CredentialRepository, SecretError, SecretRequest, SecretSource};
use rdev_runner_domain::{
    Access, CredentialDraft, CredentialKind, CredentialValue, Project, RunSecrets, SecretName,
};
use rdev_runner_testkit::{ManualClock, MemoryStore, command_id, project};
use secrecy::ExposeSecret;

/// A variable that cargo sets for every test.
const VARIABLE: &str = "CARGO_PKG_NAME";

struct Scene {
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    secrets: CredentialSecrets,
    project: Project,
}

impl Scene {
    /// Creates a project that lists these secrets.
    fn new(listed: &[&str]) -> Self {
        let clock = Arc::new(ManualClock::default());
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let environment = EnvironmentSecrets::new([VARIABLE.parse().unwrap()]);
        let secrets = CredentialSecrets::new(store.clone(), clock.clone()).with_environment(environment);
        let plain = project("my-project");
        let mut settings = plain.settings().clone();
        settings.secrets = names(listed);
        let project = Project::new(plain.name, settings, plain.created_at).unwrap();
        Self { store, clock, secrets, project }
    }

    async fn put(&self, name: &str, value: &str, change: impl FnOnce(&mut CredentialDraft)) {
        let mut draft = CredentialDraft {
            name: name.parse().unwrap(),
            value: Some(CredentialValue::new(CredentialKind::Env, value.into()).unwrap()),
            projects: None,
            expires_at: None,
            overlap: Duration::from_secs(60),
        };
        change(&mut draft);
        self.store.put(Access::everything(), &draft).await.unwrap();
    }

    async fn resolve(&self, name: &str, is_takeover: bool) -> Result<RunSecrets, SecretError> {
        let names = names(&[name]);
        let request =
            SecretRequest { command: command_id(1), project: &self.project, names: &names, is_takeover };
        self.secrets.resolve(&request).await
    }

    /// Returns the value of a variable, or what is wrong, which a check says too.
    async fn value(&self, name: &str) -> Result<String, String> {
        let missing = self.secrets.missing(&self.project, &names(&[name])).await.unwrap();
        let secrets = self.resolve(name, false).await.map_err(|error| error.to_string());
        assert_eq!(missing.first(), secrets.as_ref().err());
        secrets.map(|secrets| secrets.variables[&name.parse().unwrap()].expose_secret().to_owned())
    }
}

fn names(names: &[&str]) -> BTreeSet<SecretName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

#[tokio::test]
async fn a_credential_needs_the_project_on_both_sides() {
    let scene = Scene::new(&["LISTED", "OTHER", "ENDED"]);
    let other = Some(Some([("other".parse().unwrap())].into()));
    scene.put("LISTED", "the value", |_| ()).await;
    scene.put("UNLISTED", "the value", |_| ()).await;
    scene.put("OTHER", "the value", |draft| draft.projects = other.clone()).await;
    let end = scene.clock.now() + Duration::from_secs(60);
    scene.put("ENDED", "the value", |draft| draft.expires_at = Some(Some(end))).await;
    assert_eq!(scene.value("ENDED").await.unwrap(), "the value");
    scene.clock.advance(Duration::from_secs(60));
    assert_eq!(scene.value("LISTED").await.unwrap(), "the value");
    for (name, said) in [
        ("UNLISTED", "does not list the credential `UNLISTED`"),
        ("OTHER", "there is no secret `OTHER`"),
        ("UNKNOWN", "there is no secret `UNKNOWN`"),
    ] {
        let fault = scene.value(name).await.unwrap_err();
        assert!(fault.contains(said), "{fault}");
    }
    // Another command than the one that has it.
    let missing = scene.secrets.missing(&scene.project, &names(&["ENDED"])).await.unwrap();
    assert!(missing[0].contains("has expired"), "{missing:?}");
}

#[tokio::test]
async fn a_credential_hides_a_variable_of_its_name_from_its_projects() {
    let scene = Scene::new(&[VARIABLE]);
    assert_eq!(scene.value(VARIABLE).await.unwrap(), "rdev-runner-app");
    scene.put(VARIABLE, "the value", |_| ()).await;
    assert_eq!(scene.value(VARIABLE).await.unwrap(), "the value");
    let other = Some(Some([("other".parse().unwrap())].into()));
    let scene = Scene::new(&[]);
    scene.put(VARIABLE, "the value", |draft| draft.projects = other).await;
    assert_eq!(scene.value(VARIABLE).await.unwrap(), "rdev-runner-app");
}

#[tokio::test]
async fn a_run_that_is_taken_over_has_the_value_that_it_began_with_or_none() {
    let mut scene = Scene::new(&["TOKEN"]);
    scene.put("TOKEN", "the first value", |_| ()).await;
    assert_eq!(scene.value("TOKEN").await.unwrap(), "the first value");
    let plain = project("my-project");
    let settings = plain.settings().clone();
    scene.project = Project::new(plain.name, settings, plain.created_at).unwrap();
    scene.put("TOKEN", "the second value", |draft| draft.projects = Some(Some([].into()))).await;
    let secrets = scene.resolve("TOKEN", true).await.unwrap();
    let hidden: Vec<_> = secrets.hidden.iter().map(ExposeSecret::expose_secret).collect();
    assert_eq!(hidden, ["the first value", "the second value"]);
    scene.clock.advance(Duration::from_secs(60));
    let gone = scene.resolve("TOKEN", true).await.unwrap_err().to_string();
    assert!(gone.contains("is gone"), "{gone}");
}

#[tokio::test]
async fn an_unreadable_credential_is_a_fault_and_no_variable() {
    let scene = Scene::new(&[VARIABLE, "B"]);
    scene.put(VARIABLE, "the value", |_| ()).await;
    scene.put("B", "another value", |_| ()).await;
    scene.store.swap_values((&VARIABLE.parse().unwrap(), 1), (&"B".parse().unwrap(), 1));
    for name in [VARIABLE, "B"] {
        let fault = scene.resolve(name, false).await.unwrap_err().to_string();
        assert!(fault.contains("cannot be decrypted") && !fault.contains("value\""), "{fault}");
    }
}
