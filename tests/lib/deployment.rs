//! API and worker processes on one Postgres.

use std::fs::File;
use std::process::Stdio;

use rdev_webhooks_testkit::postgres::PostgresServer;
use tokio::process::Command;

use crate::{Client, Log, Process, binary};

const API_KEY: &str = "a-key-of-a-test-that-is-long-enough";
const ENCRYPTION_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A Postgres of its own, whose processes come and go.
pub struct Deployment {
    /// The server, to be stopped and started.
    pub postgres: PostgresServer,
    /// The encryption keys of the processes that are started from now on.
    pub encryption_key: String,
    url: String,
    api_port: u16,
}

impl Deployment {
    /// Starts a server and prepares its database with `rdev-webhooks migrate`.
    pub async fn start() -> Self {
        let postgres = PostgresServer::start().await;
        let url = postgres.url("postgres");
        let migrated = Command::new(binary("rdev-webhooks"))
            .args(["migrate", "--database-url", &url])
            .output()
            .await
            .unwrap();
        assert!(migrated.status.success(), "{migrated:?}");
        // A port that is free now and that nobody else is given soon: the API comes back on it.
        let api_port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { postgres, encryption_key: ENCRYPTION_KEY.to_owned(), url, api_port }
    }

    /// The database's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A client of the API, whether one runs or not.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(&format!("http://127.0.0.1:{}", self.api_port), API_KEY)
    }

    /// Starts an API.
    pub async fn api(&self) -> Process {
        let bind = format!("127.0.0.1:{}", self.api_port);
        self.process("rdev-webhooks-api", &["--bind", &bind], "listens on").await
    }

    /// Starts a further API beside the first, on a port of its own, and answers a client of it too.
    pub async fn further_api(&self) -> (Process, Client) {
        let api = self.process("rdev-webhooks-api", &["--bind", "127.0.0.1:0"], "listens on").await;
        let client = Client::new(&api.base(), API_KEY);
        (api, client)
    }

    /// Starts an API that logs to `log`, with a client of it.
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

    /// Starts an API and a worker that log all there is to a file; the client is of that API.
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

    /// What the processes are given, to be found nowhere.
    #[must_use]
    pub fn secrets(&self) -> [&'static str; 2] {
        [API_KEY, ENCRYPTION_KEY]
    }

    /// Starts a worker that gives an attempt two seconds.
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
