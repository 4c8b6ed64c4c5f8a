//! Follows the events of commands, live.
//!
//! One reader for each watched command and process reads its events and shares them with all watchers. It keeps the
//! latest ones in a bounded buffer, from which the watchers take them at their own pace. A watcher that comes later than
//! the buffer begins, or that has fallen behind it, reads pages by itself until it is level with the buffer.

mod list;
mod reader;
mod topic;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdev_app::{NoPermit, StreamPermit, StreamPermits};
use rdev_core::ApiKeyId;
use rdev_runner_domain::ports::{CommandRepository, CommandSignals, Signal, StoreError};
use rdev_runner_domain::{Access, AgentEvent, Command, CommandId};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

pub use list::ListWatch;
pub use reader::WatchTask;
use topic::{Topic, Turn};

/// The maximum number of watchers, in all and with one API key.
const MAX_WATCHERS: usize = 2_048;
const MAX_WATCHERS_PER_KEY: usize = 1_024;
/// The number of reads of events at the same time.
const MAX_READS: usize = 4;
/// The number of events that are read at once.
const PAGE_EVENTS: u32 = 50;

/// The reason why a command cannot be watched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// The command does not exist, or the caller does not see it.
    #[error("the command was not found")]
    NotFound,
    /// The command has no event of the number after which the watcher wants them.
    #[error("the command has no such event")]
    UnknownEvent,
    /// Too many streams are open.
    #[error(transparent)]
    NoPermit(#[from] NoPermit),
    /// The process is stopping.
    #[error("the process is stopping")]
    Stopped,
    /// The database failed.
    #[error("the command could not be read")]
    Store(#[from] StoreError),
}

/// What a watcher gets next.
#[derive(Debug, Clone)]
pub enum Watched {
    /// The next events, in order, at least one.
    Events(Vec<Arc<AgentEvent>>),
    /// The command has ended, and the watcher has got all its events.
    Ended(Arc<Command>),
    /// The command was deleted.
    Deleted,
    /// The watcher must come again: the process is stopping, or another key needs the stream.
    Closed,
}

/// Follows the events of commands. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Watches(Arc<Shared>);

struct Shared {
    commands: Arc<dyn CommandRepository>,
    topics: Mutex<Topics>,
    /// Held by the watcher that looks whether a command exists, so that those that come with it need not.
    opening: tokio::sync::Mutex<()>,
    permits: Arc<StreamPermits>,
    reads: Semaphore,
    /// Starts the readers of new topics.
    starts: mpsc::Sender<Arc<Topic>>,
    /// Changed by each signal, for the watchers of lists.
    any_change: watch::Sender<()>,
    /// Cancelled once the process is stopping.
    closed: CancellationToken,
}

#[derive(Default)]
struct Topics {
    open: HashMap<CommandId, Arc<Topic>>,
    is_closed: bool,
}

impl Watches {
    /// Creates the use case over these ports, and the task that must run for it. The reader of a command looks for new
    /// events at each signal of the command, and from time to time without one: the process of its runner may be
    /// another.
    #[must_use]
    pub fn new(commands: Arc<dyn CommandRepository>, signals: &dyn CommandSignals) -> (Self, WatchTask) {
        let (starts, started) = mpsc::channel(MAX_WATCHERS);
        let shared = Arc::new(Shared {
            commands,
            topics: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            permits: Arc::new(StreamPermits::new(MAX_WATCHERS, MAX_WATCHERS_PER_KEY)),
            reads: Semaphore::new(MAX_READS),
            starts,
            any_change: watch::Sender::new(()),
            closed: CancellationToken::new(),
        });
        (Self(Arc::clone(&shared)), WatchTask::new(shared, started, signals.subscribe()))
    }

    /// Watches a command with an API key, from the event after number `after` on.
    ///
    /// # Errors
    ///
    /// Fails if the caller does not see the command, if the command has no event of that number, if too many streams
    /// are open, or if the process is stopping.
    pub async fn watch(
        &self,
        key: Option<ApiKeyId>,
        access: &Access,
        command: CommandId,
        after: u64,
    ) -> Result<Watch, WatchError> {
        let permit = StreamPermit::take(&self.0.permits, key)?;
        if let Some(topic) = self.0.join(access, command, after)? {
            return Ok(self.watch_on(topic, permit, after));
        }
        let _opening = self.0.opening.lock().await;
        if let Some(topic) = self.0.join(access, command, after)? {
            return Ok(self.watch_on(topic, permit, after));
        }
        let found = self.0.commands.get(access, command).await?.ok_or(WatchError::NotFound)?;
        if after > found.last_seq {
            return Err(WatchError::UnknownEvent);
        }
        let topic = self.0.open(&found, after)?;
        Ok(self.watch_on(topic, permit, after))
    }

    /// Watches a list of commands with an API key.
    ///
    /// # Errors
    ///
    /// Fails if too many streams are open.
    pub fn watch_list(&self, key: Option<ApiKeyId>) -> Result<ListWatch, WatchError> {
        let permit = StreamPermit::take(&self.0.permits, key)?;
        Ok(ListWatch::new(permit, self.0.any_change.subscribe(), self.0.closed.clone()))
    }

    fn watch_on(&self, topic: Arc<Topic>, permit: StreamPermit, after: u64) -> Watch {
        let changes = topic.changes();
        Watch { shared: Arc::clone(&self.0), topic, permit, changes, after }
    }
}

impl Shared {
    fn topics(&self) -> MutexGuard<'_, Topics> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the watchers of a command, if there are any and they are as far as the new one.
    fn join(
        &self,
        access: &Access,
        command: CommandId,
        after: u64,
    ) -> Result<Option<Arc<Topic>>, WatchError> {
        let topics = self.topics();
        if topics.is_closed {
            return Err(WatchError::Stopped);
        }
        let Some(topic) = topics.open.get(&command) else { return Ok(None) };
        if !access.sees_project(Some(topic.project())) {
            return Err(WatchError::NotFound);
        }
        Ok(topic.join(after).then(|| Arc::clone(topic)))
    }

    /// Joins the watchers of a command that exists, as the first one if there are none.
    fn open(&self, command: &Command, after: u64) -> Result<Arc<Topic>, WatchError> {
        let mut topics = self.topics();
        if topics.is_closed {
            return Err(WatchError::Stopped);
        }
        if let Some(topic) = topics.open.get(&command.id) {
            topic.join_always();
            return Ok(Arc::clone(topic));
        }
        let topic = Arc::new(Topic::new(command.id, command.project.clone(), after));
        // A reader without a watcher ends, so the watcher comes first.
        topic.join_always();
        // There are no more topics than watchers, so the channel has room, unless the task has ended.
        self.starts.try_send(Arc::clone(&topic)).map_err(|_| WatchError::Stopped)?;
        topics.open.insert(command.id, Arc::clone(&topic));
        Ok(topic)
    }

    /// Wakes the readers of what has changed.
    fn wake(&self, signal: Signal) {
        self.any_change.send_replace(());
        let topics = self.topics();
        match signal {
            Signal::Changed(command) => topics.open.get(&command).into_iter().for_each(|topic| topic.wake()),
            Signal::Missed => topics.open.values().for_each(|topic| topic.wake()),
            Signal::Queue | Signal::Cancelled(_) => {}
        }
    }

    /// Leaves the watchers of a command. The last one closes the topic.
    fn leave(&self, topic: &Arc<Topic>) {
        let mut topics = self.topics();
        if topic.leave() {
            topics.open.remove(&topic.id());
        }
    }

    async fn read(
        &self,
        id: CommandId,
        after: u64,
    ) -> Result<Option<rdev_runner_domain::EventPage>, StoreError> {
        // The semaphore is never closed.
        let _turn = self.reads.acquire().await;
        self.commands.events(Access::everything(), id, after, PAGE_EVENTS).await
    }
}

/// A watcher of a command; dropping it ends it.
pub struct Watch {
    shared: Arc<Shared>,
    topic: Arc<Topic>,
    permit: StreamPermit,
    changes: watch::Receiver<()>,
    after: u64,
}

impl Watch {
    /// Returns what comes next; waits while there is nothing new. Each event comes once, in order. Safe to drop and to
    /// call again.
    ///
    /// # Errors
    ///
    /// Fails if the database fails. It may be called again.
    pub async fn next(&mut self) -> Result<Watched, StoreError> {
        loop {
            self.changes.borrow_and_update();
            if self.permit.is_lost() {
                return Ok(Watched::Closed);
            }
            match self.topic.turn(self.after) {
                Turn::Take(events) => return Ok(self.took(events)),
                Turn::Read => {
                    let page = self.shared.read(self.topic.id(), self.after).await?;
                    let Some(page) = page else { return Ok(Watched::Deleted) };
                    if !page.events.is_empty() {
                        return Ok(self.took(page.events.into_iter().map(Arc::new).collect()));
                    }
                    // The reader has seen more, so the command was deleted and the database set back.
                    return Ok(Watched::Closed);
                }
                Turn::Ended(command) => return Ok(Watched::Ended(command)),
                Turn::Deleted => return Ok(Watched::Deleted),
                Turn::Closed => return Ok(Watched::Closed),
                Turn::Wait => {}
            }
            tokio::select! {
                () = self.permit.lost() => {}
                // The topic lives as long as its watchers.
                _ = self.changes.changed() => {}
            }
        }
    }

    fn took(&mut self, events: Vec<Arc<AgentEvent>>) -> Watched {
        self.after = events.last().map_or(self.after, |last| last.seq);
        Watched::Events(events)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.leave(&self.topic);
    }
}
