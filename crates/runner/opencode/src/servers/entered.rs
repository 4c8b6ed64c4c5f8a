//! A run in its server.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::server::RunningServer;

/// A run that is counted in its server. A run that has begun stays counted if this is dropped: it goes on, and
/// the next runner attaches to it.
pub(crate) struct Entered {
    pub(super) server: Arc<RunningServer>,
    pub(super) tasks: TaskTracker,
    pub(super) has_begun: bool,
}

impl Entered {
    pub(crate) fn server(&self) -> &RunningServer {
        &self.server
    }

    /// Marks that the run may have begun.
    pub(crate) const fn begin(&mut self) {
        self.has_begun = true;
    }

    /// Ends the run, by [`RunningServer::end_run`].
    pub(crate) async fn leave(mut self, has_ended: bool) {
        self.has_begun = true;
        self.server.end_run(has_ended).await;
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if !self.has_begun
            && let Ok(runtime) = Handle::try_current()
        {
            let server = Arc::clone(&self.server);
            self.tasks.spawn_on(async move { server.end_run(true).await }, &runtime);
        }
    }
}
