//! The system under load: api and worker on Postgres, or everything in one process on SQLite.

use std::net::SocketAddr;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rdev_webhooks_testkit::postgres::PostgresServer;
use tokio::process::Command;

use crate::Outcome;
use crate::process::{Process, binary};

pub(crate) const API_KEY: &str = "a-key-of-the-benchmarks-that-is-long-enough";
const ENCRYPTION_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// The type of the events that go to one webhook.
pub(crate) const TO_ONE: &str = "command.started";
/// The type of the events that go to [`MANY`] webhooks.
pub(crate) const TO_MANY: &str = "command.completed";
pub(crate) const MANY: usize = 10;

/// An api process and a worker process on one Postgres.
pub(crate) struct Deployment {
    url: String,
    pub(crate) api: Process,
    pub(crate) address: SocketAddr,
    worker: Option<Process>,
    /// The most memory that any worker ever held, in MiB.
    worker_peak: f64,
}

impl Deployment {
    /// Prepares the database and starts an api; no worker yet.
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
        let args = ["--admin-bind", "127.0.0.1:0"];
        let worker = Process::start("rdev-webhooks-worker", &args, &variables(&self.url), "admin on").await?;
        self.worker = Some(worker);
        Ok(())
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

    /// Stops everything in good order, and answers the most memory that api and worker ever held, in MiB.
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

/// Everything in one process, in a folder that goes with it.
pub(crate) struct AllInOne {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl AllInOne {
    pub(crate) async fn start() -> Outcome<Self> {
        let folder = tempfile::Builder::new().prefix("rdev-bench-").tempdir()?;
        let place = folder.path().to_string_lossy().into_owned();
        let args = ["serve", "--data-dir", &place, "--bind", "127.0.0.1:0"];
        let variables = [("RDEV_API_KEY", API_KEY), ("RDEV_LOG", "warn")];
        let process = Process::start("rdev-webhooks", &args, &variables, "http://").await?;
        let address = process.address()?;
        Ok(Self { process, address, _folder: folder })
    }
}

/// Makes the webhook of the events that go to one, and those of the events that go to many. Each has its
/// number in the receiver's path.
pub(crate) async fn subscribe(api: SocketAddr, receiver: SocketAddr) -> Outcome<()> {
    subscribe_one(api, receiver, 0, TO_ONE).await?;
    for number in 0..MANY {
        subscribe_one(api, receiver, number, TO_MANY).await?;
    }
    Ok(())
}

/// Makes a webhook for number `number` of a receiver.
pub(crate) async fn subscribe_one(
    api: SocketAddr,
    receiver: SocketAddr,
    number: usize,
    event: &str,
) -> Outcome<()> {
    subscribe_url(api, &format!("http://{receiver}/{number}"), event).await
}

/// Makes a webhook.
pub(crate) async fn subscribe_url(api: SocketAddr, url: &str, event: &str) -> Outcome<()> {
    let body = format!(r#"{{"url":"{url}","events":["{event}"]}}"#);
    let request = Request::post(format!("http://{api}/webhooks"))
        .header("authorization", format!("Bearer {API_KEY}"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let (head, body) = client.request(request).await?.into_parts();
    if head.status != 201 {
        let body = body.collect().await?.to_bytes();
        return Err(format!("a webhook was refused: {}", String::from_utf8_lossy(&body)).into());
    }
    Ok(())
}
