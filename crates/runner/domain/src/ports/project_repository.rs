use async_trait::async_trait;

use super::StoreError;
use crate::{
    Access, CommandId, Page, Project, ProjectFilter, ProjectName, ProjectStatistics, StatisticsWindow,
};

/// The stored projects.
#[async_trait]
pub trait ProjectRepository: Send + Sync + 'static {
    /// Stores a new project. Returns whether its name was free.
    ///
    /// 1. MUST keep every field exactly. (`a_project_is_kept_exactly`)
    /// 2. MUST NOT change an existing project of that name. (`a_project_is_created_once`)
    async fn create(&self, project: &Project) -> Result<bool, StoreError>;

    /// Returns a project; `None` if it does not exist or is not visible to the caller.
    ///
    /// 1. MUST return what [`Self::list`] shows to the caller, and nothing else.
    ///    (`projects_are_shown_to_their_callers_alone`)
    async fn get(&self, access: &Access, name: &ProjectName) -> Result<Option<Project>, StoreError>;

    /// Returns up to `limit` visible projects after the given name, in the order of their names' bytes.
    ///
    /// 1. MUST page without gaps and repetitions. (`projects_are_paged_by_name`)
    /// 2. MUST omit projects that are not visible. (`projects_are_shown_to_their_callers_alone`)
    /// 3. MUST apply the filter. (`archived_projects_are_filtered`)
    async fn list(
        &self,
        access: &Access,
        filter: ProjectFilter,
        after: Option<&ProjectName>,
        limit: u32,
    ) -> Result<Page<Project>, StoreError>;

    /// Replaces a project whose stored version is `project.version - 1`.
    ///
    /// 1. MUST change nothing and report it if the version is another one. Of several concurrent updates of
    ///    one version, exactly one applies. (`an_update_of_an_old_version_is_refused`,
    ///    `concurrent_updates_of_a_version_apply_once`)
    /// 2. MUST apply to all later claims. (`a_changed_limit_applies_to_later_claims`)
    /// 3. MUST let no command in once the project is archived. (`an_archived_project_takes_no_commands`)
    async fn update(&self, project: &Project) -> Result<ProjectChange, StoreError>;

    /// Returns the statistics of a visible project for a window that ends now.
    ///
    /// 1. MUST count unfinished commands, and those that ended in the window, by their status, and add up the runs of
    ///    the latter. (`a_projects_commands_are_counted_in_a_window`)
    /// 2. MUST NOT find a project that the caller cannot see. (`a_projects_commands_are_counted_in_a_window`)
    async fn statistics(
        &self,
        access: &Access,
        name: &ProjectName,
        window: StatisticsWindow,
    ) -> Result<Option<ProjectStatistics>, StoreError>;

    /// Deletes a visible project; with `versions`, only one of these versions.
    ///
    /// 1. MUST change nothing and report it if the version is not one of `versions`.
    ///    (`a_deletion_of_another_version_is_refused`)
    /// 2. MUST change nothing and report it while a command of the project has not ended, also if one is
    ///    created at the same time. (`a_project_with_unfinished_commands_stays`,
    ///    `a_deletion_and_a_command_exclude_each_other`)
    /// 3. MUST keep the commands that have ended. (`a_project_with_unfinished_commands_stays`)
    /// 4. MUST NOT find a project that the caller cannot see. (`projects_are_shown_to_their_callers_alone`)
    async fn delete(
        &self,
        access: &Access,
        name: &ProjectName,
        versions: Option<&[u64]>,
    ) -> Result<ProjectChange, StoreError>;

    /// Begins the deletion of a visible project, which its commands need not have ended for; with `versions`, only of
    /// one of these versions. [`Self::finish_deletions`] ends it.
    ///
    /// 1. MUST let no command in or start from then on, and make the project its next version, once.
    ///    (`a_project_is_gone_once_its_commands_have_ended`)
    /// 2. MUST change nothing and report it if the version is not one of `versions`.
    ///    (`a_begun_deletion_needs_the_version`)
    /// 3. MUST NOT find a project that the caller cannot see. (`a_begun_deletion_needs_the_version`)
    async fn begin_deletion(
        &self,
        access: &Access,
        name: &ProjectName,
        versions: Option<&[u64]>,
    ) -> Result<ProjectChange, StoreError>;

    /// Returns up to `limit` commands of projects that are being deleted, which are queued or run and are not being
    /// cancelled.
    ///
    /// 1. MUST return no others. (`a_project_is_gone_once_its_commands_have_ended`)
    async fn commands_to_cancel(&self, limit: u32) -> Result<Vec<CommandId>, StoreError>;

    /// Deletes the projects that are being deleted and whose commands have all ended. Returns them.
    ///
    /// 1. MUST delete no others, and keep the commands. (`a_project_is_gone_once_its_commands_have_ended`)
    async fn finish_deletions(&self) -> Result<Vec<ProjectName>, StoreError>;
}

/// The result of an update or a deletion of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectChange {
    /// The change was made.
    Applied,
    /// The project has another version.
    VersionMismatch,
    /// Commands of the project have not ended.
    InUse {
        /// Their number.
        unfinished: u64,
    },
    /// The project does not exist, or the caller cannot see it.
    NotFound,
}
