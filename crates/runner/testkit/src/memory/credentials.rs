//! The credentials.

use std::time::Duration;

use async_trait::async_trait;
use rdev_keyring::{EncryptionKey, Keyring};
use rdev_runner_domain::ports::{CredentialGrant, CredentialPut, CredentialRepository, StoreError};
use rdev_runner_domain::{
    Access, CommandId, Credential, CredentialDraft, CredentialUse, Page, PageRequest, ProjectName,
    RepositoryName, SecretName, sees_credential,
};
use rdev_runner_store::credentials::{PutPlan, StoredCredential};
use rdev_runner_store::rows::signed;

use super::{MemoryStore, State};

impl MemoryStore {
    /// Swaps the encrypted values of two versions, each given by its credential and its number.
    ///
    /// # Panics
    ///
    /// Panics if one of them does not exist.
    #[expect(clippy::expect_used, reason = "only tests use it")]
    pub fn swap_values(&self, one: (&SecretName, i64), other: (&SecretName, i64)) {
        let mut state = self.state();
        let mut value = |(name, number): (&SecretName, i64), value: Option<Vec<u8>>| {
            let credential = state.credentials.get_mut(name).expect("the credential exists");
            let version = credential.versions.iter_mut().find(|version| version.number == number);
            std::mem::replace(&mut version.expect("it has the version").value, value.unwrap_or_default())
        };
        let first = value(one, None);
        let second = value(other, Some(first));
        value(one, Some(second));
    }
}

/// Returns the keyring of the store: one key, always the same.
pub(super) fn keyring() -> Keyring {
    Keyring::new(EncryptionKey::generate([7; 32]))
}

#[async_trait]
impl CredentialRepository for MemoryStore {
    async fn put(&self, access: &Access, draft: &CredentialDraft) -> Result<CredentialPut, StoreError> {
        let (now, mut state) = (self.now(), self.state());
        let present = state.credentials.get(&draft.name).cloned();
        let is_new = present.is_none();
        let stored = present.unwrap_or_else(|| StoredCredential {
            name: draft.name.clone(),
            projects: draft.projects.clone().flatten(),
            created_at: now,
            updated_at: now,
            last_used_at: None,
            versions: Vec::new(),
        });
        let last = last_number(&state, &stored);
        let (ends, added, deleted, credential) =
            match stored.clone().plan(&self.keyring, access, draft, (is_new, last), now)? {
                PutPlan::Write { ends, added, deleted, credential } => (ends, added, deleted, *credential),
                PutPlan::ValueRequired => return Ok(CredentialPut::ValueRequired),
                PutPlan::NotFound => return Ok(CredentialPut::NotFound),
            };
        let mut stored = StoredCredential {
            projects: credential.projects.clone(),
            updated_at: credential.updated_at,
            ..stored
        };
        for (number, end) in ends {
            let ended = stored.versions.iter_mut().filter(|version| version.number == number);
            ended.for_each(|version| version.expires_at = end);
        }
        stored.versions.extend(added);
        stored.versions.retain(|version| !deleted.contains(&version.number));
        state.credentials.insert(draft.name.clone(), stored);
        Ok(if is_new { CredentialPut::Created(credential) } else { CredentialPut::Changed(credential) })
    }

    async fn get(&self, access: &Access, name: &SecretName) -> Result<Option<Credential>, StoreError> {
        let (now, state) = (self.now(), self.state());
        let visible =
            state.credentials.get(name).filter(|found| sees_credential(access, found.projects.as_ref()));
        visible.map(|found| found.read(now)).transpose()
    }

    async fn list(
        &self,
        access: &Access,
        project: Option<&ProjectName>,
        after: Option<&SecretName>,
        limit: u32,
    ) -> Result<Page<Credential>, StoreError> {
        let (now, state) = (self.now(), self.state());
        let is_for = |found: &StoredCredential, project: &ProjectName| {
            found.projects.as_ref().is_none_or(|projects| projects.contains(project))
        };
        let visible = state.credentials.values().filter(|found| {
            sees_credential(access, found.projects.as_ref())
                && project.is_none_or(|project| is_for(found, project))
                && after.is_none_or(|after| found.name > *after)
        });
        let read = visible.take(limit as usize + 1).map(|found| found.read(now));
        Ok(Page::of(read.collect::<Result<_, _>>()?, limit))
    }

    async fn delete(&self, access: &Access, name: &SecretName) -> Result<bool, StoreError> {
        let mut state = self.state();
        let is_visible = |found: &StoredCredential| sees_credential(access, found.projects.as_ref());
        let is_there = state.credentials.get(name).is_some_and(is_visible);
        if is_there {
            state.credentials.remove(name);
        }
        Ok(is_there)
    }

    async fn grant(
        &self,
        name: &SecretName,
        command: CommandId,
        project: &ProjectName,
    ) -> Result<CredentialGrant, StoreError> {
        self.grant_use(name, command, project, None)
    }

    async fn grant_to_repository(
        &self,
        name: &SecretName,
        id: CommandId,
        project: &ProjectName,
        repository: &RepositoryName,
    ) -> Result<CredentialGrant, StoreError> {
        self.grant_use(name, id, project, Some(repository))
    }

    async fn uses(
        &self,
        access: &Access,
        name: &SecretName,
        page: PageRequest<CommandId>,
    ) -> Result<Page<CredentialUse>, StoreError> {
        let state = self.state();
        let visible = state.uses.iter().rev().filter(|((used, command), found)| {
            used == name
                && access.sees_project(Some(&found.project))
                && page.before.is_none_or(|before| *command < before)
        });
        let visible = visible.map(|(_, found)| found.clone());
        Ok(Page::of(visible.take(page.limit as usize + 1).collect(), page.limit))
    }

    async fn prune_credentials(&self, retention: Duration, limit: u32) -> Result<u64, StoreError> {
        let (now, mut state) = (self.now(), self.state());
        for credential in state.credentials.values_mut() {
            let newest = credential.versions.iter().map(|version| version.number).max();
            credential.versions.retain(|version| {
                Some(version.number) == newest || version.expires_at.is_none_or(|end| end > now)
            });
        }
        let is_old = |found: &CredentialUse| {
            found.used_at < now - retention
                && state.commands.get(&found.command).is_none_or(super::Entry::has_ended)
        };
        let mut old: Vec<_> = state.uses.iter().filter(|(_, found)| is_old(found)).collect();
        old.sort_by_key(|(_, found)| found.used_at);
        let old: Vec<_> = old.into_iter().take(limit as usize).map(|(key, _)| key.clone()).collect();
        for key in &old {
            state.uses.remove(key);
        }
        Ok(old.len() as u64)
    }
}

impl MemoryStore {
    fn grant_use(
        &self,
        name: &SecretName,
        command: CommandId,
        project: &ProjectName,
        repository: Option<&RepositoryName>,
    ) -> Result<CredentialGrant, StoreError> {
        let (now, mut state) = (self.now(), self.state());
        let key = (name.clone(), command);
        let used = state.uses.get(&key).map(|found| signed(found.version));
        let Some(stored) = state.credentials.get_mut(name) else {
            return Ok(used.map_or(CredentialGrant::Unknown, |_| CredentialGrant::Gone));
        };
        let grant = stored.grant(&self.keyring, project, used, now)?;
        if let (CredentialGrant::Granted(granted), None) = (&grant, used) {
            stored.last_used_at = Some(now);
            let (project, version) = (project.clone(), granted.version);
            state.uses.insert(
                key,
                CredentialUse { command, repository: repository.cloned(), project, version, used_at: now },
            );
        }
        Ok(grant)
    }
}

/// Returns the highest number that a version or a use of a credential's name has had.
fn last_number(state: &State, stored: &StoredCredential) -> i64 {
    let versions = stored.versions.iter().map(|version| version.number);
    let of_name = state.uses.iter().filter(|((name, _), _)| *name == stored.name);
    versions.chain(of_name.map(|(_, found)| signed(found.version))).max().unwrap_or_default()
}
