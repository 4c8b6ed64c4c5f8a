use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::{
    Access, CommandId, Credential, CredentialDraft, CredentialUse, GrantedCredential, Page, PageRequest,
    ProjectName, RepositoryName, SecretName,
};

/// The stored credentials. Their values are encrypted, and bound to the name and the number of their version.
///
/// Nothing but [`Self::grant`] returns a value.
#[async_trait]
pub trait CredentialRepository: Send + Sync + 'static {
    /// Creates a credential, or changes the one of that name: with a value that is not the current one, a new
    /// version replaces the current one.
    ///
    /// 1. MUST keep every field exactly. (`a_credential_is_kept_exactly`)
    /// 2. MUST keep a replaced version for `overlap`, but not longer than until its own end.
    ///    (`a_replaced_version_is_kept_for_the_overlap`)
    /// 3. MUST make no version of the current value, or without a value. (`the_same_value_is_no_new_version`)
    /// 4. MUST NOT give a number again that a version or a recorded use has. (`the_number_of_a_version_is_never_reused`)
    /// 5. MUST NOT change a credential that the caller cannot see.
    ///    (`credentials_are_shown_to_their_projects_alone`)
    /// 6. MUST keep at most [`MAX_CREDENTIAL_VERSIONS`](crate::MAX_CREDENTIAL_VERSIONS).
    ///    (`the_oldest_versions_are_deleted`)
    async fn put(&self, access: &Access, draft: &CredentialDraft) -> Result<CredentialPut, StoreError>;

    /// Returns a credential; `None` if it does not exist or is not visible to the caller.
    ///
    /// 1. MUST return what [`Self::list`] shows to the caller, and nothing else.
    ///    (`credentials_are_shown_to_their_projects_alone`)
    async fn get(&self, access: &Access, name: &SecretName) -> Result<Option<Credential>, StoreError>;

    /// Returns up to `limit` visible credentials after the given name, in the order of their names' bytes. With a
    /// project, only those that it may use.
    ///
    /// 1. MUST page without gaps and repetitions. (`credentials_are_paged_by_name`)
    /// 2. MUST omit credentials that the project may not use. (`credentials_are_filtered_by_project`)
    async fn list(
        &self,
        access: &Access,
        project: Option<&ProjectName>,
        after: Option<&SecretName>,
        limit: u32,
    ) -> Result<Page<Credential>, StoreError>;

    /// Deletes a visible credential with its values. Returns whether it was there.
    ///
    /// 1. MUST keep the recorded uses. (`a_deleted_credential_leaves_its_uses`)
    /// 2. MUST NOT delete a credential that the caller cannot see.
    ///    (`credentials_are_shown_to_their_projects_alone`)
    async fn delete(&self, access: &Access, name: &SecretName) -> Result<bool, StoreError>;

    /// Grants a credential to the run of a command: its current version, or the one that was granted to the command
    /// before.
    ///
    /// 1. MUST record the use in the same step, once for each command. (`each_use_is_recorded_once`)
    /// 2. MUST refuse other projects, and a version that has ended. (`a_credential_is_granted_to_its_projects`,
    ///    `an_expired_version_is_not_granted`)
    /// 3. MUST grant to a command the version of its recorded use for as long as it is kept, and afterwards no other
    ///    one. (`a_command_keeps_its_version`)
    /// 4. MUST fail if a value was altered or belongs to another version. (`a_swapped_value_is_not_granted`,
    ///    `a_value_of_another_version_is_not_granted`)
    async fn grant(
        &self,
        name: &SecretName,
        command: CommandId,
        project: &ProjectName,
    ) -> Result<CredentialGrant, StoreError>;

    /// Returns the value of a credential for the pipelines of a repository, by the rules of [`Self::grant`], and records
    /// the use under an id that no command has.
    ///
    /// 1. MUST record each id once. (`a_use_by_pipelines_names_the_repository`)
    async fn grant_to_repository(
        &self,
        name: &SecretName,
        id: CommandId,
        project: &ProjectName,
        repository: &RepositoryName,
    ) -> Result<CredentialGrant, StoreError>;

    /// Returns a page of the recorded uses of a name by visible commands, those of the newest commands first. A
    /// credential of the name need not exist.
    ///
    /// 1. MUST page without gaps and repetitions. (`uses_are_paged_newest_first`)
    /// 2. MUST omit uses by projects that the caller cannot see. (`uses_are_paged_newest_first`)
    async fn uses(
        &self,
        access: &Access,
        name: &SecretName,
        page: PageRequest<CommandId>,
    ) -> Result<Page<CredentialUse>, StoreError>;

    /// Deletes replaced versions that have ended, and up to `limit` uses that are older than `retention`. Returns how
    /// many uses it deleted.
    ///
    /// 1. MUST keep the current version of each credential, also if it has ended.
    ///    (`a_replaced_version_is_kept_for_the_overlap`)
    /// 2. MUST keep the uses by commands that have not ended. (`old_uses_are_pruned`)
    async fn prune_credentials(&self, retention: Duration, limit: u32) -> Result<u64, StoreError>;
}

/// The result of [`CredentialRepository::put`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialPut {
    /// The credential is new.
    Created(Credential),
    /// The credential was changed.
    Changed(Credential),
    /// There is no credential of that name, and no value for one.
    ValueRequired,
    /// The caller cannot see the credential of that name.
    NotFound,
}

/// The result of [`CredentialRepository::grant`].
#[derive(Debug, Clone)]
pub enum CredentialGrant {
    /// The command has the credential.
    Granted(GrantedCredential),
    /// No credential has the name.
    Unknown,
    /// The project may not use the credential.
    OtherProject,
    /// The credential has ended.
    Expired,
    /// The version that was granted to the command before is gone.
    Gone,
}
