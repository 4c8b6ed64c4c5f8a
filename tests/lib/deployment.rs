//! API and worker processes on one Postgres.

use std::fs::File;
use std::process::Stdio;

use rdev_webhooks_testkit::postgres::PostgresServer;
use tokio::process::Command;

use crate::{Client, Log, Process, binary};

const API_KEY: &str = "a-key-of-a-test-that-is-long-enough";
const ENCRYPTION_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A Postgres server of its own, with API and worker processes that a test starts and stops.
pub struct Deployment {
    /// The server, which a test may stop and start.
    pub postgres: PostgresServer,
    /// The encryption keys of the processes started from now on.
    pub encryption_key: String,
    url: String,
    api_port: u16,
}

impl Deployment {
    /// Starts a server and migrates its database with `rdev-webhooks migrate`.
    pub async fn start() -> Self {
        let postgres = PostgresServer::start().await;
        let url = postgres.url("postgres");
        let migrated = Command::new(binary("rdev-webhooks"))
            .args(["migrate", "--database-url", &url])
            .output()
            .await
            .unwrap();
        assert!(migrated.status.success(), "{migrated:?}");
        // A free port that the kernel assigns to no other process soon: the API restarts on it.
        let api_port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { postgres, encryption_key: ENCRYPTION_KEY.to_owned(), url, api_port }
    }

    /// Returns the database's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns a client of the API, which need not run.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(&format!("http://127.0.0.1:{}", self.api_port), API_KEY)
    }

    /// Starts an API.
    pub async fn api(&self) -> Process {
        let bind = format!("127.0.0.1:{}", self.api_port);
        self.process("rdev-webhooks-api", &["--bind", &bind], "listens on").await
    }

    /// Starts a second API on a port of its own; returns it with its client.
    pub async fn further_api(&self) -> (Process, Client) {
        let api = self.process("rdev-webhooks-api", &["--bind", "127.0.0.1:0"], "listens on").await;
        let client = Client::new(&api.base(), API_KEY);
        (api, client)
    }

    /// Starts an API that logs to `log`; returns it with its client.
    pub async fn logging_api(&self, log: &Log) -> (Process, Client) {
        let args = ["--bind", "127.0.0.1:0", "--log", "info"];
        let variables = self.variables();
        let api =
            Process::start_with_log("rdev-webhooks-api", &args, &variables, "listens on", log.writer()).await;
        let client = Client::new(&api.base(), API_KEY);
        (api, client)
    }

    /// Starts a worker that logs to `log`.
    pub async fn logging_worker(&self, log: &Log) -> Process {
        let args = ["--admin-bind", "127.0.0.1:0", "--log", "info"];
        let variables = self.variables();
        Process::start_with_log("rdev-webhooks-worker", &args, &variables, "metrics on", log.writer()).await
    }

    /// Starts an API and a worker that log at every level to a file; returns them with the API's client.
    pub async fn logging_to(&self, log: &File) -> (Process, Process, Client) {
        let debug = ["--log", "debug"];
        let start = async |name, args: [&str; 2], ready| {
            let args = [args, debug].concat();
            let log = Stdio::from(log.try_clone().unwrap());
            Process::start_with_log(name, &args, &self.variables(), ready, log).await
        };
        let api = start("rdev-webhooks-api", ["--bind", "127.0.0.1:0"], "listens on").await;
        let worker = start("rdev-webhooks-worker", ["--admin-bind", "127.0.0.1:0"], "metrics on").await;
        let client = Client::new(&api.base(), API_KEY);
        (api, worker, client)
    }

    /// Returns the secrets of the processes, which must stand in no log.
    #[must_use]
    pub fn secrets(&self) -> [&'static str; 2] {
        [API_KEY, ENCRYPTION_KEY]
    }

    /// Starts a worker with a delivery timeout of two seconds.
    pub async fn worker(&self) -> Process {
        self.worker_with(&["--delivery-timeout", "2s"]).await
    }

    /// Starts a worker with further options.
    pub async fn worker_with(&self, options: &[&str]) -> Process {
        let args = [&["--admin-bind", "127.0.0.1:0"], options].concat();
        self.process("rdev-webhooks-worker", &args, "metrics on").await
    }

    async fn process(&self, name: &str, args: &[&str], ready: &str) -> Process {
        Process::start(name, args, &self.variables(), ready).await
    }

    fn variables(&self) -> [(&str, &str); 5] {
        [
            ("RDEV_DATABASE_URL", &self.url),
            ("RDEV_ENCRYPTION_KEY", &self.encryption_key),
            ("RDEV_API_KEY", API_KEY),
            ("RDEV_ALLOW_DESTINATION", "127.0.0.0/8"),
            ("RDEV_LOG", "error"),
        ]
    }
}
