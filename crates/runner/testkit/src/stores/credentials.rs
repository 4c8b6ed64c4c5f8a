//! Credentials.

use std::collections::BTreeSet;
use std::time::Duration;

use rdev_runner_domain::ports::{CredentialGrant, CredentialPut, StoreError};
use rdev_runner_domain::{
    Access, Credential, CredentialDraft, CredentialKind, CredentialUse, CredentialValue, GrantedCredential,
    MAX_CREDENTIAL_VERSIONS, PageRequest, ProjectName, SecretName, Timestamp,
};
use secrecy::ExposeSecret;

use super::StoreHarness;
use super::scene::{add, add_project, claim, complete};
use crate::command_id;

const HOUR: Duration = Duration::from_secs(60 * 60);

pub(super) fn name(text: &str) -> SecretName {
    text.parse().expect("a name")
}

fn my_project() -> ProjectName {
    "my-project".parse().expect("a name")
}

fn projects(names: &[&str]) -> BTreeSet<ProjectName> {
    names.iter().map(|name| name.parse().expect("a name")).collect()
}

/// Returns a draft of a variable for every project, whose replaced versions are kept for an hour.
pub(super) fn draft(credential: &str, value: &str) -> CredentialDraft {
    let value = CredentialValue::new(CredentialKind::Env, value.into()).expect("a value");
    CredentialDraft {
        name: name(credential),
        value: Some(value),
        projects: None,
        expires_at: None,
        overlap: HOUR,
    }
}

pub(super) async fn put(harness: &dyn StoreHarness, draft: &CredentialDraft) -> Credential {
    match harness.credentials().put(Access::everything(), draft).await.expect("stored") {
        CredentialPut::Created(credential) | CredentialPut::Changed(credential) => credential,
        other => panic!("{other:?}"),
    }
}

async fn get(harness: &dyn StoreHarness, credential: &str) -> Option<Credential> {
    harness.credentials().get(Access::everything(), &name(credential)).await.expect("read")
}

async fn grant(harness: &dyn StoreHarness, credential: &str, command: u8) -> CredentialGrant {
    let granted = harness.credentials().grant(&name(credential), command_id(command), &my_project()).await;
    granted.expect("answered")
}

pub(super) async fn granted(harness: &dyn StoreHarness, credential: &str, command: u8) -> GrantedCredential {
    match grant(harness, credential, command).await {
        CredentialGrant::Granted(granted) => granted,
        other => panic!("{other:?}"),
    }
}

/// Returns the number, the value and the other values.
fn exposed(granted: &GrantedCredential) -> (u64, &str, Vec<&str>) {
    let others = granted.others.iter().map(|value| value.text().expose_secret());
    (granted.version, granted.value.text().expose_secret(), others.collect())
}

async fn uses(harness: &dyn StoreHarness, access: &Access, credential: &str) -> Vec<CredentialUse> {
    let page = PageRequest { limit: 100, before: None };
    harness.credentials().uses(access, &name(credential), page).await.expect("read").items
}

/// Every field of a credential and its value survive.
pub async fn a_credential_is_kept_exactly(harness: &dyn StoreHarness) {
    let text = "protocol=https\nhost=git.example.com:8443\nusername=é\npassword= \"p=w\" \n";
    let value = CredentialValue::new(CredentialKind::Git, text.into()).expect("a value");
    let end = Timestamp::from_micros(4_000_000_000_123_456);
    let full = CredentialDraft {
        name: name("GIT_1"),
        value: Some(value),
        projects: Some(Some(projects(&["my-project", "mein Projekt é"]))),
        expires_at: Some(Some(end)),
        overlap: HOUR,
    };
    let created = harness.credentials().put(Access::everything(), &full).await.expect("stored");
    let CredentialPut::Created(created) = created else { panic!("{created:?}") };
    assert_eq!((&created.name, created.kind), (&full.name, CredentialKind::Git));
    assert_eq!((Some(&created.projects), created.last_used_at), (full.projects.as_ref(), None));
    assert_eq!(created.versions.len(), 1);
    assert_eq!((created.versions[0].number, created.expires_at()), (1, Some(end)));
    assert_eq!(get(harness, "GIT_1").await.as_ref(), Some(&created));
    assert_eq!(exposed(&granted(harness, "GIT_1", 1).await), (1, text, vec![]));
    let nothing = CredentialDraft { value: None, projects: None, expires_at: None, ..full.clone() };
    let same = put(harness, &nothing).await;
    assert_eq!((&same.projects, &same.versions), (&created.projects, &created.versions));
    let settings = CredentialDraft { value: None, projects: Some(None), expires_at: Some(None), ..full };
    let changed = harness.credentials().put(Access::everything(), &settings).await.expect("stored");
    let CredentialPut::Changed(changed) = changed else { panic!("{changed:?}") };
    assert_eq!((&changed.projects, changed.expires_at(), changed.versions.len()), (&None, None, 1));
    assert_eq!(changed.created_at, created.created_at);
    assert_eq!(get(harness, "GIT_1").await.as_ref(), Some(&changed));
    assert!(changed.last_used_at.is_some());
    let unknown = CredentialDraft { name: name("OTHER"), ..settings };
    let refused = harness.credentials().put(Access::everything(), &unknown).await.expect("answered");
    assert_eq!(refused, CredentialPut::ValueRequired);
    assert_eq!((get(harness, "OTHER").await, get(harness, "GIT_1").await), (None, Some(changed)));
}

/// A replaced version is there until the overlap or its own end, and the current one always.
pub async fn a_replaced_version_is_kept_for_the_overlap(harness: &dyn StoreHarness) {
    let first = put(harness, &draft("A", "first")).await;
    let second = put(harness, &draft("A", "second")).await;
    let numbers = |credential: &Credential| {
        credential.versions.iter().map(|version| version.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&second), [2, 1]);
    let end = second.versions[1].expires_at.expect("the replaced version ends");
    assert_eq!(end, second.versions[0].created_at + HOUR);
    assert_eq!(exposed(&granted(harness, "A", 1).await), (2, "second", vec!["first"]));
    // An end of its own before that of the overlap.
    let soon = first.created_at + HOUR / 4;
    put(harness, &CredentialDraft { expires_at: Some(Some(soon)), ..draft("A", "third") }).await;
    let fourth = put(harness, &draft("A", "fourth")).await;
    assert_eq!((numbers(&fourth), fourth.versions[1].expires_at), (vec![4, 3, 2, 1], Some(soon)));
    harness.advance(HOUR / 2).await;
    let kept = get(harness, "A").await.expect("it exists");
    assert_eq!(numbers(&kept), [4, 2, 1]);
    let expired = CredentialDraft { value: None, expires_at: Some(Some(soon)), ..draft("A", "fourth") };
    put(harness, &expired).await;
    harness.advance(2 * HOUR).await;
    harness.credentials().prune_credentials(HOUR, 100).await.expect("pruned");
    assert_eq!(numbers(&get(harness, "A").await.expect("it exists")), [4]);
    let at_once = CredentialDraft { overlap: Duration::ZERO, ..draft("A", "fifth") };
    assert_eq!(numbers(&put(harness, &at_once).await), [5]);
    assert_eq!(exposed(&granted(harness, "A", 2).await), (5, "fifth", vec![]));
}

/// A repeated change makes one version, and changes nothing.
pub async fn the_same_value_is_no_new_version(harness: &dyn StoreHarness) {
    let first = put(harness, &draft("A", "first")).await;
    harness.advance(Duration::from_secs(1)).await;
    let again = put(harness, &draft("A", "first")).await;
    assert_eq!((again.versions.len(), again.updated_at), (1, first.updated_at));
    let others = CredentialDraft { projects: Some(Some(projects(&["a"]))), ..draft("A", "first") };
    assert!(put(harness, &others).await.updated_at > first.updated_at);
    let mut file = draft("A", "first");
    file.value = Some(CredentialValue::new(CredentialKind::File, "first".into()).expect("a value"));
    let other = put(harness, &file).await;
    assert_eq!((other.kind, other.versions.len()), (CredentialKind::File, 2));
}

/// A use names one value, also after its credential was deleted.
pub async fn the_number_of_a_version_is_never_reused(harness: &dyn StoreHarness) {
    put(harness, &draft("A", "first")).await;
    granted(harness, "A", 1).await;
    assert!(harness.credentials().delete(Access::everything(), &name("A")).await.expect("deleted"));
    let created = put(harness, &draft("A", "second")).await;
    assert_eq!(created.versions[0].number, 2);
    assert!(matches!(grant(harness, "A", 1).await, CredentialGrant::Gone));
}

/// A project-scoped caller sees and changes the credentials of its projects only.
pub async fn credentials_are_shown_to_their_projects_alone(harness: &dyn StoreHarness) {
    for (credential, names) in [("A", Some(&["a"][..])), ("AB", Some(&["a", "b"])), ("ALL", None)] {
        let projects = Some(names.map(projects));
        put(harness, &CredentialDraft { projects, ..draft(credential, "value") }).await;
    }
    let access = Access::new([]).with_projects(projects(&["a", "c"]));
    let credentials = harness.credentials();
    let listed = credentials.list(&access, None, None, 10).await.expect("listed").items;
    assert_eq!(listed.iter().map(|found| found.name.as_str()).collect::<Vec<_>>(), ["A"]);
    assert!(credentials.get(&access, &name("A")).await.expect("read").is_some());
    for hidden in ["AB", "ALL"] {
        assert_eq!(credentials.get(&access, &name(hidden)).await.expect("read"), None);
        let change = CredentialDraft { projects: Some(Some(projects(&["a"]))), ..draft(hidden, "other") };
        assert_eq!(credentials.put(&access, &change).await.expect("answered"), CredentialPut::NotFound);
        assert!(!credentials.delete(&access, &name(hidden)).await.expect("answered"));
        assert_eq!(exposed(&granted_to(harness, hidden, "b").await).1, "value");
    }
    let change = CredentialDraft { projects: Some(Some(projects(&["a"]))), ..draft("A", "other") };
    let changed = credentials.put(&access, &change).await.expect("answered");
    assert!(matches!(changed, CredentialPut::Changed(_)), "{changed:?}");
    assert!(credentials.delete(&access, &name("A")).await.expect("answered"));
}

async fn granted_to(harness: &dyn StoreHarness, credential: &str, project: &str) -> GrantedCredential {
    let project = project.parse().expect("a name");
    let granted = harness.credentials().grant(&name(credential), command_id(9), &project).await;
    match granted.expect("answered") {
        CredentialGrant::Granted(granted) => granted,
        other => panic!("{other:?}"),
    }
}

/// The number of versions is bounded.
pub async fn the_oldest_versions_are_deleted(harness: &dyn StoreHarness) {
    let newest = MAX_CREDENTIAL_VERSIONS as u64 + 2;
    for number in 1..=newest {
        put(harness, &draft("A", &format!("value {number}"))).await;
    }
    let versions = get(harness, "A").await.expect("it exists").versions;
    assert!(versions.iter().map(|version| version.number).eq((3..=newest).rev()), "{versions:?}");
}

/// Pages follow each other by name.
pub async fn credentials_are_paged_by_name(harness: &dyn StoreHarness) {
    for credential in ["b", "A", "_1", "B", "a"] {
        put(harness, &draft(credential, "value")).await;
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page =
            harness.credentials().list(Access::everything(), None, after.as_ref(), 2).await.expect("listed");
        seen.extend(page.items.iter().map(|found| found.name.to_string()));
        after = page.items.last().map(|found| found.name.clone());
        if !page.has_more {
            break;
        }
    }
    assert_eq!(seen, ["A", "B", "_1", "a", "b"]);
}

/// A project has its own credentials and those for every project, as far as the caller sees them.
pub async fn credentials_are_filtered_by_project(harness: &dyn StoreHarness) {
    for (name, names) in [("A", Some("a")), ("AB", Some("a b")), ("ALL", None), ("B", Some("b"))] {
        let projects = Some(names.map(|names| projects(&Vec::from_iter(names.split(' ')))));
        put(harness, &CredentialDraft { projects, ..draft(name, "value") }).await;
    }
    let list = async |access: &Access, project: &str, after: Option<&str>, limit| {
        let (project, after) = (project.parse().expect("a name"), after.map(name));
        let page = harness.credentials().list(access, Some(&project), after.as_ref(), limit).await;
        let page = page.expect("listed");
        let names: Vec<_> = page.items.iter().map(|found| found.name.to_string()).collect();
        (names.join(" "), page.has_more)
    };
    let everyone = Access::everything();
    assert_eq!(list(everyone, "a", None, 10).await, ("A AB ALL".to_owned(), false));
    assert_eq!(list(everyone, "b", None, 2).await, ("AB ALL".to_owned(), true));
    assert_eq!(list(everyone, "b", Some("ALL"), 2).await, ("B".to_owned(), false));
    assert_eq!(list(everyone, "c", None, 10).await, ("ALL".to_owned(), false));
    let scoped = Access::new([]).with_projects(projects(&["a"]));
    assert_eq!(list(&scoped, "a", None, 10).await, ("A".to_owned(), false));
    assert_eq!(list(&scoped, "b", None, 10).await, (String::new(), false));
}

/// The uses outlive the values.
pub async fn a_deleted_credential_leaves_its_uses(harness: &dyn StoreHarness) {
    put(harness, &draft("A", "first")).await;
    granted(harness, "A", 1).await;
    assert!(harness.credentials().delete(Access::everything(), &name("A")).await.expect("deleted"));
    assert!(!harness.credentials().delete(Access::everything(), &name("A")).await.expect("answered"));
    assert_eq!(get(harness, "A").await, None);
    assert!(matches!(grant(harness, "A", 2).await, CredentialGrant::Unknown));
    assert_eq!(uses(harness, Access::everything(), "A").await.len(), 1);
}

/// A command has one use of a credential.
pub async fn each_use_is_recorded_once(harness: &dyn StoreHarness) {
    put(harness, &draft("A", "first")).await;
    let granting: Vec<_> = (0..4)
        .map(|_| {
            let credentials = harness.credentials();
            tokio::spawn(async move {
                credentials.grant(&name("A"), command_id(1), &my_project()).await.expect("answered")
            })
        })
        .collect();
    for grant in granting {
        assert!(matches!(grant.await.expect("no panic"), CredentialGrant::Granted(_)));
    }
    let found = uses(harness, Access::everything(), "A").await;
    let [used] = &found[..] else { panic!("{found:?}") };
    assert_eq!((used.command, &used.project, used.version), (command_id(1), &my_project(), 1));
    assert_eq!(get(harness, "A").await.expect("it exists").last_used_at, Some(used.used_at));
}

/// Other projects get nothing, and leave no use.
pub async fn a_credential_is_granted_to_its_projects(harness: &dyn StoreHarness) {
    put(harness, &CredentialDraft { projects: Some(Some(projects(&["other"]))), ..draft("A", "first") })
        .await;
    assert!(matches!(grant(harness, "A", 1).await, CredentialGrant::OtherProject));
    assert!(matches!(grant(harness, "B", 1).await, CredentialGrant::Unknown));
    assert_eq!(uses(harness, Access::everything(), "A").await, []);
    let settings = projects(&["other", "my-project"]);
    put(harness, &CredentialDraft { value: None, projects: Some(Some(settings)), ..draft("A", "first") })
        .await;
    granted(harness, "A", 1).await;
}

/// A version is granted until its end.
pub async fn an_expired_version_is_not_granted(harness: &dyn StoreHarness) {
    let created = put(harness, &draft("A", "first")).await;
    let end = created.created_at + HOUR;
    put(harness, &CredentialDraft { value: None, expires_at: Some(Some(end)), ..draft("A", "first") }).await;
    granted(harness, "A", 1).await;
    harness.advance(HOUR).await;
    assert!(matches!(grant(harness, "A", 2).await, CredentialGrant::Expired));
    assert_eq!(uses(harness, Access::everything(), "A").await.len(), 1);
    put(harness, &CredentialDraft { value: None, expires_at: Some(None), ..draft("A", "first") }).await;
    granted(harness, "A", 2).await;
}

/// A run that goes on has the version that it began with, and never another one.
pub async fn a_command_keeps_its_version(harness: &dyn StoreHarness) {
    put(harness, &draft("A", "first")).await;
    assert_eq!(exposed(&granted(harness, "A", 1).await), (1, "first", vec![]));
    let other = Some(projects(&["other"]));
    put(harness, &CredentialDraft { projects: Some(other), ..draft("A", "second") }).await;
    assert_eq!(exposed(&granted(harness, "A", 1).await), (1, "first", vec!["second"]));
    harness.advance(HOUR).await;
    assert!(matches!(grant(harness, "A", 1).await, CredentialGrant::Gone));
}

/// A value opens in its place alone.
pub async fn a_swapped_value_is_not_granted(harness: &dyn StoreHarness) {
    put(harness, &draft("A", "first")).await;
    put(harness, &draft("B", "second")).await;
    harness.swap_values((&name("A"), 1), (&name("B"), 1)).await;
    for credential in ["A", "B"] {
        let failed = harness.credentials().grant(&name(credential), command_id(1), &my_project()).await;
        let Err(error @ StoreError::Corrupt { table: "credential_versions", .. }) = failed else {
            panic!("{failed:?}")
        };
        let shown = format!("{error:?} {error}");
        assert!(!shown.contains("first") && !shown.contains("second"), "{shown}");
        assert_eq!(uses(harness, Access::everything(), credential).await, []);
    }
    // A new version replaces the damaged one.
    put(harness, &draft("A", "third")).await;
    let failed = harness.credentials().grant(&name("A"), command_id(1), &my_project()).await;
    assert!(failed.is_err(), "the damaged version may be in the run's output: {failed:?}");
    put(harness, &CredentialDraft { overlap: Duration::ZERO, ..draft("B", "third") }).await;
    assert_eq!(exposed(&granted(harness, "B", 1).await), (2, "third", vec![]));
}

/// A value opens under the number of its version alone.
pub async fn a_value_of_another_version_is_not_granted(harness: &dyn StoreHarness) {
    put(harness, &draft("A", "first")).await;
    granted(harness, "A", 1).await;
    put(harness, &draft("A", "second")).await;
    harness.swap_values((&name("A"), 1), (&name("A"), 2)).await;
    for command in [1, 2] {
        let failed = harness.credentials().grant(&name("A"), command_id(command), &my_project()).await;
        let corrupt = matches!(failed, Err(StoreError::Corrupt { table: "credential_versions", .. }));
        assert!(corrupt, "{failed:?}");
    }
    assert_eq!(uses(harness, Access::everything(), "A").await.len(), 1);
}

/// Pages of uses follow each other, without those of other projects.
pub async fn uses_are_paged_newest_first(harness: &dyn StoreHarness) {
    put(harness, &draft("A", "first")).await;
    put(harness, &draft("B", "first")).await;
    granted(harness, "B", 1).await;
    for command in [2, 1, 4, 3] {
        granted(harness, "A", command).await;
    }
    granted_to(harness, "A", "other").await;
    let access = Access::new([]).with_projects([my_project()]);
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = PageRequest { limit: 3, before };
        let page = harness.credentials().uses(&access, &name("A"), page).await.expect("read");
        seen.extend(page.items.iter().map(|used| used.command));
        before = page.items.last().map(|used| used.command);
        if !page.has_more {
            break;
        }
    }
    assert_eq!(seen, [4, 3, 2, 1].map(command_id));
    assert_eq!(uses(harness, Access::everything(), "A").await.len(), 5);
}

/// Uses are kept for as long as commands are.
pub async fn old_uses_are_pruned(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 2).await;
    put(harness, &draft("A", "first")).await;
    for command in [1, 2] {
        add(harness, command).await;
    }
    let ended = claim(harness).await;
    claim(harness).await;
    for command in [1, 2, 3] {
        granted(harness, "A", command).await;
    }
    complete(harness, &ended).await;
    let prune = async |limit| harness.credentials().prune_credentials(HOUR, limit).await.expect("pruned");
    assert_eq!(prune(100).await, 0);
    harness.advance(HOUR + Duration::from_secs(1)).await;
    assert_eq!(prune(1).await, 1);
    assert_eq!(prune(100).await, 1);
    assert_eq!(prune(100).await, 0);
    let left = uses(harness, Access::everything(), "A").await;
    assert_eq!(left.iter().map(|used| used.command).collect::<Vec<_>>(), [command_id(2)]);
}
