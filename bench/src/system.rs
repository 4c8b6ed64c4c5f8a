//! The system under load: API and worker on Postgres, or everything in one process on SQLite.

use std::net::SocketAddr;

use rdev_webhooks_testkit::postgres::PostgresServer;
use tokio::process::Command;

use crate::Outcome;
use crate::connection::{Connection, request};
use crate::process::{Process, binary};

pub(crate) const API_KEY: &str = "a-key-of-the-benchmarks-that-is-long-enough";
const ENCRYPTION_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// The type of the events with one delivery.
pub(crate) const TO_ONE: &str = "command.started";
/// The type of the events with a delivery to each of [`MANY`] webhooks.
pub(crate) const TO_MANY: &str = "command.completed";
pub(crate) const MANY: usize = 10;
/// The type of the events with a delivery to each of [`CROWD`] webhooks.
pub(crate) const TO_CROWD: &str = "command.failed";
pub(crate) const CROWD: usize = 1_000;

/// The number of connections that create webhooks.
const SUBSCRIBERS: usize = 16;

/// An API process and a worker process on one Postgres.
pub(crate) struct Deployment {
    url: String,
    pub(crate) api: Process,
    pub(crate) address: SocketAddr,
    worker: Option<Process>,
    /// The peak memory of any worker, in MiB.
    worker_peak: f64,
}

impl Deployment {
    /// Migrates the database and starts an API, but no worker.
    pub(crate) async fn start(postgres: &PostgresServer) -> Outcome<Self> {
        let url = postgres.url("postgres");
        let migrated =
            Command::new(binary("rdev-webhooks")?).args(["migrate", "--database-url", &url]).output().await?;
        if !migrated.status.success() {
            return Err(String::from_utf8_lossy(&migrated.stderr).into());
        }
        let args = ["--bind", "127.0.0.1:0"];
        let api = Process::start("rdev-webhooks-api", &args, &variables(&url), "listens on").await?;
        let address = api.address()?;
        Ok(Self { url, api, address, worker: None, worker_peak: 0.0 })
    }

    pub(crate) async fn start_worker(&mut self) -> Outcome<()> {
        self.start_limited_worker(None).await
    }

    /// The same with so many open files at the most.
    pub(crate) async fn start_limited_worker(&mut self, open_files: Option<u32>) -> Outcome<()> {
        let (args, variables) = (["--admin-bind", "127.0.0.1:0"], variables(&self.url));
        let worker =
            Process::start_limited("rdev-webhooks-worker", &args, &variables, "metrics on", open_files)
                .await?;
        self.worker = Some(worker);
        Ok(())
    }

    pub(crate) async fn kill_worker(&mut self) -> Outcome<()> {
        match self.worker.take() {
            Some(worker) => worker.kill().await,
            None => Ok(()),
        }
    }

    pub(crate) async fn stop_worker(&mut self) -> Outcome<()> {
        if let Some(worker) = self.worker.take() {
            self.worker_peak = self.worker_peak.max(worker.stop().await?);
        }
        Ok(())
    }

    pub(crate) fn worker_pid(&self) -> Option<u32> {
        self.worker.as_ref().map(|worker| worker.pid)
    }

    /// Stops everything gracefully; returns the peak memory of API and worker, in MiB.
    pub(crate) async fn stop(mut self) -> Outcome<(f64, f64)> {
        self.stop_worker().await?;
        Ok((self.api.stop().await?, self.worker_peak))
    }
}

fn variables(url: &str) -> [(&str, &str); 5] {
    [
        ("RDEV_DATABASE_URL", url),
        ("RDEV_ENCRYPTION_KEY", ENCRYPTION_KEY),
        ("RDEV_API_KEY", API_KEY),
        ("RDEV_ALLOW_DESTINATION", "127.0.0.0/8"),
        ("RDEV_LOG", "warn"),
    ]
}

/// Everything in one process, in a temporary folder.
pub(crate) struct AllInOne {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    folder: tempfile::TempDir,
}

impl AllInOne {
    pub(crate) async fn start() -> Outcome<Self> {
        Self::start_limited(None).await
    }

    /// The same with so many open files at the most.
    pub(crate) async fn start_limited(open_files: Option<u32>) -> Outcome<Self> {
        Self::on(tempfile::Builder::new().prefix("rdev-bench-").tempdir()?, open_files).await
    }

    /// Kills it and starts it again on the same data.
    pub(crate) async fn restart(self) -> Outcome<Self> {
        self.process.kill().await?;
        Self::on(self.folder, None).await
    }

    async fn on(folder: tempfile::TempDir, open_files: Option<u32>) -> Outcome<Self> {
        let place = folder.path().to_string_lossy().into_owned();
        let args = ["serve", "--data-dir", &place, "--bind", "127.0.0.1:0"];
        let variables = [("RDEV_API_KEY", API_KEY), ("RDEV_LOG", "warn")];
        let process =
            Process::start_limited("rdev-webhooks", &args, &variables, "http://", open_files).await?;
        let address = process.address()?;
        Ok(Self { process, address, folder })
    }
}

/// Creates the webhook for [`TO_ONE`] and the webhooks for [`TO_MANY`]. Each has its number as the path of
/// the receiver's URL.
pub(crate) async fn subscribe(api: SocketAddr, receiver: SocketAddr) -> Outcome<()> {
    subscribe_one(api, receiver, 0, TO_ONE).await?;
    for number in 0..MANY {
        subscribe_one(api, receiver, number, TO_MANY).await?;
    }
    Ok(())
}

/// Creates the webhooks for [`TO_CROWD`].
pub(crate) async fn subscribe_crowd(api: SocketAddr, receiver: SocketAddr) -> Outcome<()> {
    let webhook = |number| format!(r#"{{"url":"http://{receiver}/{number}","events":["{TO_CROWD}"]}}"#);
    subscribe_all(api, (0..CROWD).map(webhook).collect()).await
}

/// Creates webhook number `number` of a receiver.
pub(crate) async fn subscribe_one(
    api: SocketAddr,
    receiver: SocketAddr,
    number: usize,
    event: &str,
) -> Outcome<()> {
    subscribe_url(api, &format!("http://{receiver}/{number}"), event).await
}

/// Creates a webhook.
pub(crate) async fn subscribe_url(api: SocketAddr, url: &str, event: &str) -> Outcome<()> {
    subscribe_all(api, vec![format!(r#"{{"url":"{url}","events":["{event}"]}}"#)]).await
}

/// Creates webhooks from request bodies, on [`SUBSCRIBERS`] connections.
pub(crate) async fn subscribe_all(api: SocketAddr, mut webhooks: Vec<String>) -> Outcome<()> {
    let mut tasks = tokio::task::JoinSet::new();
    let share = webhooks.len().div_ceil(SUBSCRIBERS).max(1);
    while !webhooks.is_empty() {
        let some = webhooks.split_off(webhooks.len() - share.min(webhooks.len()));
        tasks.spawn(async move {
            let mut connection = Connection::open(api).await?;
            for webhook in some {
                let answer =
                    connection.exchange(&request(api, API_KEY, "POST", "/webhooks", &webhook)).await?;
                if answer.status != 201 {
                    let body = String::from_utf8_lossy(answer.body);
                    return Err(format!("a webhook was answered {}: {body}", answer.status).into());
                }
            }
            Outcome::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}
