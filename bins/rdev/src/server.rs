//! A server: the system with its HTTP server, and the tasks of the runner beside it.

use std::error::Error;

use rdev_process::{Metrics, Shutdown};
use rdev_webhooks::RdevWebhooks;
use rdev_webhooks::http_api::{Router, ServeOptions};
use rdev_webhooks_options::process::{self, Role};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A server that is about to serve.
pub(crate) struct Server {
    system: RdevWebhooks,
    shutdown: Shutdown,
    tasks: TaskTracker,
}

impl Server {
    pub(crate) fn new(system: RdevWebhooks, shutdown: Shutdown) -> Self {
        Self { system, shutdown, tasks: TaskTracker::new() }
    }

    /// Starts a task that ends once its token is cancelled. If it ends earlier, or panics, the server is not ready any
    /// more, and [`Self::serve`] fails.
    pub(crate) fn spawn<F>(&self, name: &'static str, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let drain = self.shutdown.drain();
        let task = task(drain.clone());
        self.tasks.spawn(self.system.needed_task(name, drain, task));
    }

    /// Serves until the process is stopped or a task has failed, and waits for the end of the tasks.
    ///
    /// # Errors
    ///
    /// Fails as [`process::run`] does, and if a task has failed.
    pub(crate) async fn serve(
        self,
        listener: TcpListener,
        router: Router,
        serving: (Role, ServeOptions),
        metrics: Metrics,
    ) -> Result<(), Box<dyn Error>> {
        let Self { system, shutdown, tasks } = self;
        let failed = system.failed();
        let served = process::run(system, listener, router, serving, metrics, &shutdown).await;
        shutdown.request();
        tasks.close();
        tasks.wait().await;
        served?;
        // While it stopped.
        process::check(&failed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rdev_webhooks::keyring::{EncryptionKey, Keyring};
    use rdev_webhooks::{Ambient, Database};
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_server_whose_runner_panics_stops_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::sqlite(folder.path().join("rdev.db"));
        let keyring = Keyring::new(EncryptionKey::generate(Ambient::system().entropy.bytes()));
        let system = RdevWebhooks::builder(database, keyring).open().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (router, failed) = (system.health_router(None), system.failed());
        let shutdown = Shutdown::manual(Duration::from_secs(10));
        let server = Server::new(system, shutdown.clone());
        let beside = CancellationToken::new();
        let ended = beside.clone();
        server.spawn("watches", |drain| async move {
            drain.cancelled().await;
            ended.cancel();
        });
        assert!(!failed.is_cancelled());
        server.spawn("runner", |_| async { panic!("a defect") });
        let serving = (Role::Api, ServeOptions::default());
        let served = server.serve(listener, router, serving, process::metrics().unwrap());
        let error = timeout(Duration::from_secs(20), served).await.unwrap().unwrap_err();
        assert!(error.to_string().contains("the log says which"), "{error}");
        assert!(shutdown.drain().is_cancelled() && beside.is_cancelled());
    }
}
