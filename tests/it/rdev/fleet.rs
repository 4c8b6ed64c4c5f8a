//! An API, two runners and a worker of webhooks on one Postgres.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rdev_webhooks_testkit::postgres::PostgresServer;
use rdev_webhooks_tests::{Client, Process, binary};
use tempfile::TempDir;
use tokio::process::Command;

const API_KEY: &str = "a-key-of-a-test-that-is-long-enough";
const ENCRYPTION_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// The processes.
pub(super) struct Fleet {
    pub(super) place: Place,
    pub(super) api: Process,
    pub(super) client: Client,
    pub(super) runners: Vec<Process>,
    worker: Process,
}

/// What the processes need.
pub(super) struct Place {
    url: String,
    folder: TempDir,
    options: Vec<String>,
    /// Where the processes log, at every level.
    log: Option<File>,
    pub(super) postgres: PostgresServer,
}

impl Fleet {
    /// Starts a server of Postgres and the processes. The options are those of the API and the runners.
    pub(super) async fn start(options: &[&str]) -> Self {
        Self::start_with_log(options, None).await
    }

    /// Like [`Self::start`], with a file in which the processes log at every level.
    pub(super) async fn start_with_log(options: &[&str], log: Option<File>) -> Self {
        let postgres = PostgresServer::start().await;
        let (url, folder) = (postgres.url("postgres"), tempfile::tempdir().unwrap());
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let place = Place { url, folder, options, log, postgres };
        let migrate = Command::new(binary("rdev")).args(["migrate", "--database-url", &place.url]).output();
        let migrated = migrate.await.unwrap();
        assert!(migrated.status.success(), "{migrated:?}");
        let (api, client) = place.api().await;
        let runners = vec![place.runner(0).await, place.runner(1).await];
        let worker = ["--admin-bind", "127.0.0.1:0"];
        let worker = place.start("rdev-webhooks-worker", worker.to_vec(), "serves health").await;
        Self { place, api, client, runners, worker }
    }

    pub(super) async fn stop(self) {
        for process in self.runners.into_iter().chain([self.worker, self.api]) {
            assert!(process.stop().await.success());
        }
    }
}

impl Place {
    /// Starts an API, and returns it with its client.
    pub(super) async fn api(&self) -> (Process, Client) {
        let api = self.process("api", "--bind", "api", "listens on").await;
        let client = Client::new(&api.base(), API_KEY);
        (api, client)
    }

    /// Starts a runner on the folder of its number.
    pub(super) async fn runner(&self, number: usize) -> Process {
        self.process("runner", "--admin-bind", &format!("runner-{number}"), "serves health").await
    }

    /// Returns the folder that has the folders of all processes.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the folder of the API, or that of a runner.
    pub(super) fn data_dir(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn process(&self, verb: &str, bind: &str, name: &str, ready: &str) -> Process {
        let data_dir = self.data_dir(name);
        let mut args = vec![verb, bind, "127.0.0.1:0", "--data-dir", data_dir.to_str().unwrap()];
        args.extend(self.options.iter().map(String::as_str));
        self.start("rdev", args, ready).await
    }

    async fn start(&self, name: &str, mut args: Vec<&str>, ready: &str) -> Process {
        let log = match &self.log {
            Some(log) => {
                args.extend(["--log", "debug"]);
                log.try_clone().unwrap().into()
            }
            None => Stdio::inherit(),
        };
        Process::start_with_log(name, &args, &self.variables(), ready, log).await
    }

    fn variables(&self) -> [(&'static str, &str); 4] {
        [
            ("RDEV_DATABASE_URL", &self.url),
            ("RDEV_ENCRYPTION_KEY", ENCRYPTION_KEY),
            ("RDEV_API_KEY", API_KEY),
            ("RDEV_ALLOW_DESTINATION", "127.0.0.0/8"),
        ]
    }
}
