//! The commands.

use std::time::Duration;

use async_trait::async_trait;
use rdev_runner_domain::ports::{
    Cancellation, CommandRefusal, CommandRepository, Deletion, Signal, StoreError,
};
use rdev_runner_domain::{
    Access, AgentProvider, AgentRequest, Command, CommandFilter, CommandId, CommandState, EventLog,
    EventPage, MAX_EVENT_PAGE_BYTES, Page, PageRequest, ProjectName, Session, SessionRef, Timestamp,
};

use super::{Entry, MemoryStore, State};

impl State {
    fn visible(&mut self, access: &Access, id: CommandId) -> Option<&mut Entry> {
        self.commands.get_mut(&id).filter(|entry| access.sees_project(Some(&entry.command.project)))
    }
}

#[async_trait]
impl CommandRepository for MemoryStore {
    async fn create(&self, request: &AgentRequest) -> Result<Result<Command, CommandRefusal>, StoreError> {
        let draft = request.draft();
        let mut state = self.state();
        if let Some(entry) = state.commands.get(&draft.command_id) {
            return Ok(Ok(entry.command.clone()));
        }
        match state.projects.get(&draft.project) {
            None => return Ok(Err(CommandRefusal::NoProject)),
            Some(project) if project.is_deleting => return Ok(Err(CommandRefusal::Deleting)),
            Some(project) if project.settings().is_archived => return Ok(Err(CommandRefusal::Archived)),
            Some(_) => {}
        }
        let session = match &draft.session {
            Session::Resume(session) => Some(session.clone()),
            Session::New | Session::Fork(_) => None,
        };
        let command = Command {
            id: draft.command_id,
            project: draft.project.clone(),
            provider: draft.provider.clone(),
            state: CommandState::Queued,
            session,
            result: None,
            created_at: self.now(),
            last_seq: 0,
        };
        let entry = Entry {
            request: request.clone(),
            command: command.clone(),
            log: EventLog::default(),
            events: Vec::new(),
            host: None,
            token: None,
            lease_expires_at: Timestamp::EPOCH,
            checkpoint: None,
            has_begun: false,
            cluster: None,
        };
        state.commands.insert(draft.command_id, entry);
        self.signals.send(Signal::Queue);
        Ok(Ok(command))
    }

    async fn get(&self, access: &Access, id: CommandId) -> Result<Option<Command>, StoreError> {
        Ok(self.state().visible(access, id).map(|entry| entry.command.clone()))
    }

    async fn request(&self, access: &Access, id: CommandId) -> Result<Option<AgentRequest>, StoreError> {
        Ok(self.state().visible(access, id).map(|entry| entry.request.clone()))
    }

    async fn list(
        &self,
        access: &Access,
        filter: &CommandFilter,
        page: PageRequest<CommandId>,
    ) -> Result<Page<Command>, StoreError> {
        let state = self.state();
        let fits = |command: &&Command| {
            access.sees_project(Some(&command.project))
                && page.before.is_none_or(|before| command.id < before)
                && filter.project.as_ref().is_none_or(|project| *project == command.project)
                && filter.provider.as_ref().is_none_or(|provider| *provider == command.provider)
                && filter.status.is_none_or(|status| status == command.state.status())
        };
        let found = state.commands.values().rev().map(|entry| &entry.command).filter(fits);
        let without_diff = |command: &Command| {
            let mut command = command.clone();
            if let Some(changes) = command.result.as_mut().and_then(|result| result.changes.as_mut()) {
                changes.diff = None;
            }
            command
        };
        Ok(Page::of(found.take(page.limit as usize + 1).map(without_diff).collect(), page.limit))
    }

    async fn first_of_session(
        &self,
        project: &ProjectName,
        provider: &AgentProvider,
        session: &SessionRef,
    ) -> Result<Option<CommandId>, StoreError> {
        let state = self.state();
        let mut commands = state.commands.values().map(|entry| &entry.command);
        let first = commands.find(|command| {
            (&command.project, &command.provider, command.session.as_ref())
                == (project, provider, Some(session))
        });
        Ok(first.map(|command| command.id))
    }

    async fn cancel(&self, access: &Access, id: CommandId) -> Result<Option<Cancellation>, StoreError> {
        let now = self.now();
        let mut state = self.state();
        let Some(entry) = state.visible(access, id) else { return Ok(None) };
        let Ok(change) = entry.command.state.cancel(now) else { return Ok(Some(Cancellation::Ended)) };
        let published = entry.apply(&change, None)?;
        let command = entry.command.clone();
        state.published.extend(published);
        self.signals.send(Signal::Cancelled(id));
        Ok(Some(Cancellation::Accepted(Box::new(command))))
    }

    async fn delete(&self, access: &Access, id: CommandId) -> Result<Option<Deletion>, StoreError> {
        let mut state = self.state();
        let Some(entry) = state.visible(access, id) else { return Ok(None) };
        if !entry.has_ended() {
            return Ok(Some(Deletion::NotEnded));
        }
        state.commands.remove(&id);
        self.signals.send(Signal::Changed(id));
        Ok(Some(Deletion::Deleted))
    }

    async fn events(
        &self,
        access: &Access,
        id: CommandId,
        after: u64,
        limit: u32,
    ) -> Result<Option<EventPage>, StoreError> {
        let mut state = self.state();
        let Some(entry) = state.visible(access, id) else { return Ok(None) };
        let mut later = entry.events.iter().filter(|event| event.seq > after).peekable();
        let (mut events, mut bytes) = (Vec::new(), 0);
        while events.len() < limit as usize && bytes <= MAX_EVENT_PAGE_BYTES as u64 {
            let Some(event) = later.next() else { break };
            bytes += event.kind.stored_bytes();
            events.push(event.clone());
        }
        let has_more = later.peek().is_some();
        Ok(Some(EventPage { events, has_more, has_ended: entry.has_ended() }))
    }

    async fn prune(&self, age: Duration, limit: u32) -> Result<u64, StoreError> {
        let before = self.now() - age;
        let mut state = self.state();
        let is_old = |entry: &&Entry| entry.command.state.times().1.is_some_and(|ended_at| ended_at < before);
        let old: Vec<_> = state.commands.values().filter(is_old).map(|entry| entry.command.id).collect();
        let mut pruned = 0;
        for id in old.into_iter().take(limit as usize) {
            state.commands.remove(&id);
            pruned += 1;
        }
        Ok(pruned)
    }

    async fn database_id(&self) -> Result<String, StoreError> {
        Ok("memory".to_owned())
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
