use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::{
    Access, AgentProvider, AgentRequest, Command, CommandFilter, CommandId, EventPage, Page, PageRequest,
    ProjectName, SessionRef,
};

/// The stored commands and their events. A caller sees the commands of the projects that it sees.
#[async_trait]
pub trait CommandRepository: Send + Sync + 'static {
    /// Stores a command, queued. Returns it, or why its project takes none.
    ///
    /// 1. MUST keep the request exactly. (`a_request_is_kept_exactly`)
    /// 2. MUST NOT change an existing command with that id, and return it as it is, so that a call whose
    ///    response was lost can be repeated. (`a_command_is_created_once`)
    /// 3. MUST NOT store a command of an unknown project, or of one that is archived or being deleted.
    ///    (`a_command_needs_its_project`, `an_archived_project_takes_no_commands`,
    ///    `a_project_is_gone_once_its_commands_have_ended`)
    async fn create(&self, request: &AgentRequest) -> Result<Result<Command, CommandRefusal>, StoreError>;

    /// Returns a visible command.
    ///
    /// 1. MUST return the commands that [`Self::list`] shows to the caller, and no others.
    ///    (`commands_are_shown_to_their_projects_alone`)
    /// 2. MUST return the state, the session and the result as they were reported.
    ///    (`a_result_is_kept_exactly`)
    async fn get(&self, access: &Access, id: CommandId) -> Result<Option<Command>, StoreError>;

    /// Returns the request of a visible command.
    ///
    /// 1. MUST NOT find a command that the caller cannot see.
    ///    (`commands_are_shown_to_their_projects_alone`)
    async fn request(&self, access: &Access, id: CommandId) -> Result<Option<AgentRequest>, StoreError>;

    /// Returns a page of the visible commands, newest first.
    ///
    /// 1. MUST page without gaps and repetitions. (`commands_are_paged_newest_first`)
    /// 2. MUST apply every given filter. (`commands_are_filtered`)
    /// 3. MUST leave out the diffs of the results, and nothing else. (`a_list_leaves_out_diffs`)
    async fn list(
        &self,
        access: &Access,
        filter: &CommandFilter,
        page: PageRequest<CommandId>,
    ) -> Result<Page<Command>, StoreError>;

    /// Returns the first command of a session that still exists: of this project and provider, that resumes the session
    /// or whose agent has reported it.
    ///
    /// 1. MUST find no command of another session, project or provider. (`the_first_command_of_a_session_is_found`)
    async fn first_of_session(
        &self,
        project: &ProjectName,
        provider: &AgentProvider,
        session: &SessionRef,
    ) -> Result<Option<CommandId>, StoreError>;

    /// Cancels a visible command by [`CommandState::cancel`](crate::CommandState::cancel).
    ///
    /// 1. MUST end a queued command, with its webhook event in the same transaction, and never start it.
    ///    (`a_queued_command_is_cancelled_at_once`)
    /// 2. MUST tell the runner of a started command at its next heartbeat or report.
    ///    (`a_started_command_is_cancelled_by_its_runner`)
    /// 3. MUST accept a repetition, and change nothing of a command that has ended.
    ///    (`a_cancellation_can_be_repeated`)
    /// 4. MUST NOT find a command that the caller cannot see.
    ///    (`commands_are_shown_to_their_projects_alone`)
    async fn cancel(&self, access: &Access, id: CommandId) -> Result<Option<Cancellation>, StoreError>;

    /// Deletes a visible command that has ended, with its events.
    ///
    /// 1. MUST change nothing of a command that has not ended. (`only_an_ended_command_is_deleted`)
    /// 2. MUST NOT find a command that the caller cannot see.
    ///    (`commands_are_shown_to_their_projects_alone`)
    async fn delete(&self, access: &Access, id: CommandId) -> Result<Option<Deletion>, StoreError>;

    /// Returns up to `limit` events of a visible command after number `after`, oldest first; fewer once they
    /// exceed [`MAX_EVENT_PAGE_BYTES`](crate::MAX_EVENT_PAGE_BYTES).
    ///
    /// 1. MUST return every stored event once, exactly as it was reported. (`events_are_kept_exactly`)
    /// 2. MUST page without gaps and repetitions, and return an event if there is one.
    ///    (`events_are_paged_oldest_first`, `a_page_of_events_is_bounded_in_bytes`)
    /// 3. MUST NOT say that the command has ended before all its events are visible.
    ///    (`events_are_paged_oldest_first`)
    /// 4. MUST NOT find a command that the caller cannot see.
    ///    (`commands_are_shown_to_their_projects_alone`)
    async fn events(
        &self,
        access: &Access,
        id: CommandId,
        after: u64,
        limit: u32,
    ) -> Result<Option<EventPage>, StoreError>;

    /// Deletes up to `limit` commands that ended longer ago than `age`, with their events. Returns their
    /// number.
    ///
    /// 1. MUST delete no others. (`old_commands_are_pruned`)
    async fn prune(&self, age: Duration, limit: u32) -> Result<u64, StoreError>;

    /// Returns the id of the database, which no other has.
    ///
    /// 1. MUST return the same always. (`a_database_has_an_id`)
    async fn database_id(&self) -> Result<String, StoreError>;

    /// Checks that the database responds.
    async fn check(&self) -> Result<(), StoreError>;
}

/// The reason why a project takes no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandRefusal {
    /// The project does not exist.
    NoProject,
    /// The project is archived.
    Archived,
    /// The project is being deleted.
    Deleting,
}

/// The result of a request to cancel a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Cancellation {
    /// The command is cancelled, or is being stopped.
    Accepted(Box<Command>),
    /// The command had ended before.
    Ended,
}

/// The result of a request to delete a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// The command was deleted.
    Deleted,
    /// The command has not ended.
    NotEnded,
}
