//! The readers of watched commands.

use std::sync::Arc;
use std::time::Duration;

use rdev_app::Outages;
use rdev_runner_domain::Access;
use rdev_runner_domain::ports::{SignalStream, StoreError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::topic::{End, Topic};
use super::{Shared, Topics};

/// The pause between two looks for new events without a signal: the shortest one after news, twice as long after each
/// look without any.
const MIN_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// The pause after a failure of the database.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

/// The name of the operation in the log of outages.
const OPERATION: &str = "read the events of a watched command";

/// The task that runs a reader for each watched command.
pub struct WatchTask {
    shared: Arc<Shared>,
    started: mpsc::Receiver<Arc<Topic>>,
    signals: Box<dyn SignalStream>,
    outages: Outages,
}

impl WatchTask {
    pub(super) fn new(
        shared: Arc<Shared>,
        started: mpsc::Receiver<Arc<Topic>>,
        signals: Box<dyn SignalStream>,
    ) -> Self {
        Self { shared, started, signals, outages: Outages::default() }
    }

    /// Reports failures of the database to `outages`.
    #[must_use]
    pub fn with_outages(mut self, outages: Outages) -> Self {
        self.outages = outages;
        self
    }

    /// Runs until `drain`; then all watchers end, and none is admitted any more.
    pub async fn run(mut self, drain: CancellationToken) {
        let mut readers = JoinSet::new();
        loop {
            tokio::select! {
                () = drain.cancelled() => break,
                Some(topic) = self.started.recv() => {
                    let reader = Reader { shared: Arc::clone(&self.shared), topic, outages: self.outages.clone() };
                    readers.spawn(reader.run());
                }
                signal = self.signals.next() => self.shared.wake(signal),
                Some(_) = readers.join_next() => {}
            }
        }
        self.shared.closed.cancel();
        readers.shutdown().await;
        let Topics { open, .. } =
            std::mem::replace(&mut *self.shared.topics(), Topics { is_closed: true, ..Topics::default() });
        for topic in open.into_values() {
            topic.push(Vec::new(), Some(End::Closed));
        }
    }
}

struct Reader {
    shared: Arc<Shared>,
    topic: Arc<Topic>,
    outages: Outages,
}

impl Reader {
    /// Reads until the command has ended or no watcher is left.
    async fn run(self) {
        let mut pause = MIN_PAUSE;
        while self.topic.is_watched() {
            match self.look().await {
                Ok(Look::End) => return,
                Ok(Look::More) => {
                    pause = MIN_PAUSE;
                    continue;
                }
                Ok(Look::News) => pause = MIN_PAUSE,
                Ok(Look::Nothing) => pause = (pause * 2).min(MAX_PAUSE),
                Err(error) => {
                    self.outages.store_failed(OPERATION, &error);
                    pause = FAILURE_PAUSE;
                }
            }
            tokio::select! {
                () = self.topic.woken.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn look(&self) -> Result<Look, StoreError> {
        let id = self.topic.id();
        let page = self.shared.read(id, self.topic.last_seq()).await?;
        if self.outages.is_any() {
            self.outages.worked(OPERATION);
        }
        let Some(page) = page else {
            self.topic.push(Vec::new(), Some(End::Deleted));
            return Ok(Look::End);
        };
        let end = match page.has_ended && !page.has_more {
            false => None,
            true => Some(match self.shared.commands.get(Access::everything(), id).await? {
                Some(command) => End::Ended(Arc::new(command)),
                None => End::Deleted,
            }),
        };
        let look = match (&end, page.has_more, page.events.is_empty()) {
            (Some(_), _, _) => Look::End,
            (None, true, _) => Look::More,
            (None, false, false) => Look::News,
            (None, false, true) => Look::Nothing,
        };
        if !matches!(look, Look::Nothing) {
            self.topic.push(page.events, end);
        }
        Ok(look)
    }
}

/// The result of a look for new events.
enum Look {
    /// There are more than were read.
    More,
    /// There were some.
    News,
    /// There were none.
    Nothing,
    /// There will be no more.
    End,
}
