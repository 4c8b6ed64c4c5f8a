//! The options of a server with everything in one process, and what it needs before it starts.

use std::path::PathBuf;

use clap::Args;
use rdev_process::options::{DrainArgs, TelemetryArgs};
use rdev_webhooks::domain::Cidr;
use rdev_webhooks::keyring::Keyring;
use rdev_webhooks::{Ambient, Database};
use secrecy::SecretString;

use crate::data_dir::DataDir;
use crate::{
    ApiKeyArgs, BindArgs, ConsoleArgs, EncryptionKeyArgs, PlaceArgs, ServerArgs, SystemArgs, WorkerArgs,
};

// The options of the API and the worker in one process.
#[derive(Debug, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    pub place: PlaceArgs,

    #[command(flatten)]
    pub bind: BindArgs,
    #[command(flatten)]
    pub api_key: ApiKeyArgs,
    #[command(flatten)]
    pub encryption_key: EncryptionKeyArgs,
    #[command(flatten)]
    pub server: ServerArgs,
    #[command(flatten)]
    pub console: ConsoleArgs,
    #[command(flatten)]
    pub worker: WorkerArgs,
    #[command(flatten)]
    pub system: SystemArgs,
    #[command(flatten)]
    pub drain: DrainArgs,
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
}

impl SystemArgs {
    /// Allows destinations on this machine, unless others are allowed: only clients on this machine can request
    /// them.
    pub fn allow_loopback(&mut self) {
        if self.allow_destination.is_empty() {
            let loopback = ["127.0.0.0/8", "::1"].into_iter();
            self.allow_destination = loopback.filter_map(|cidr| cidr.parse::<Cidr>().ok()).collect();
        }
    }
}

/// The database and the keys of a server, given or from the data directory.
#[derive(Debug)]
pub struct ServerKeys {
    /// The data directory, unless nothing is needed from it.
    pub data_dir: Option<DataDir>,
    /// The database.
    pub database: Database,
    /// The keys that encrypt secrets at rest.
    pub encryption: Keyring,
    /// The administrator key.
    pub api: SecretString,
    /// The source of the administrator key.
    pub source: KeySource,
}

/// The source of the administrator key.
#[derive(Debug)]
pub enum KeySource {
    /// An existing file.
    File(PathBuf),
    /// A new file: on a terminal the key is shown this once.
    NewFile(PathBuf, SecretString),
    /// An option.
    Given,
}

impl ServerKeys {
    /// Finds them; generates what is missing in the data directory.
    ///
    /// # Errors
    ///
    /// Says what is missing, or wrong with a file.
    pub fn find(options: &ServeArgs, ambient: &Ambient) -> Result<Self, String> {
        let given = (
            options.place.database_url.clone().value(),
            options.encryption_key.clone().value(),
            options.api_key.clone().value(),
        );
        let (database, encryption, api) = match given {
            // Nothing is needed from the data directory, so none is created.
            (Some(database), Some(encryption), Some(api)) => {
                let source = KeySource::Given;
                return Ok(Self { data_dir: None, database, encryption, api, source });
            }
            given => given,
        };
        let data_dir = DataDir::open(&options.place.data_dir)?;
        let database = database.unwrap_or_else(|| Database::sqlite(data_dir.database()));
        let encryption = match encryption {
            Some(key) => key,
            None => {
                let Some(path) = database.path() else {
                    return Err("--encryption-key is required for this database".to_owned());
                };
                data_dir.encryption_key(ambient, Some(path))?.key
            }
        };
        let (api, source) = match api {
            Some(key) => (key, KeySource::Given),
            None => {
                let stored = data_dir.api_key(ambient)?;
                let source = if stored.is_new {
                    KeySource::NewFile(stored.file, stored.key.clone())
                } else {
                    KeySource::File(stored.file)
                };
                (stored.key, source)
            }
        };
        Ok(Self { data_dir: Some(data_dir), database, encryption, api, source })
    }
}
