//! `rekey`.

use std::error::Error;
use std::process::ExitCode;

use clap::Args;
use rdev_process::options::TelemetryArgs;
use rdev_process::{cli, program};
use rdev_webhooks::keyring::{Keyring, RotationReport};
use rdev_webhooks::{Ambient, Database};

use crate::data_dir::DataDir;
use crate::{EncryptionKeyArgs, PlaceArgs, process};

// The options of `rekey`.
#[derive(Debug, Args)]
pub struct RekeyArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
    #[command(flatten)]
    pub encryption_key: EncryptionKeyArgs,
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
}

impl RekeyArgs {
    /// Re-encrypts everything of the webhooks in a database with the first of the keys.
    #[must_use]
    pub fn run(self) -> ExitCode {
        self.run_with(async |_, _| Ok(RotationReport::default()))
    }

    /// Re-encrypts everything of the webhooks in a database with the first of the keys, and then what `others` does.
    #[must_use]
    pub fn run_with<F>(self, others: F) -> ExitCode
    where
        F: AsyncFnOnce(&Database, &Keyring) -> Result<RotationReport, Box<dyn Error>>,
    {
        self.telemetry.init();
        match find(self) {
            Ok((database, keyring)) => {
                program::run(async { process::exit_code(rekey(&database, &keyring, others).await) })
            }
            Err(message) => cli::fail(message),
        }
    }
}

/// Returns the database and the keys, given or from the data directory. Unlike serving, this creates neither
/// the directory nor a key.
fn find(options: RekeyArgs) -> Result<(Database, Keyring), String> {
    let (database, keyring) = match (options.place.database_url.value(), options.encryption_key.value()) {
        (Some(database), Some(keyring)) => return Ok((database, keyring)),
        (Some(database), None) if database.path().is_none() => {
            return Err("--encryption-key is required for this database".to_owned());
        }
        given => given,
    };
    let data_dir = DataDir::existing(&options.place.data_dir)?;
    let database = database.unwrap_or_else(|| Database::sqlite(data_dir.database()));
    let keyring = match (keyring, database.path()) {
        (Some(keyring), _) => keyring,
        (None, Some(path)) if path.exists() => data_dir.encryption_key(&Ambient::system(), Some(path))?.key,
        (None, Some(path)) => return Err(format!("{} does not exist", path.display())),
        (None, None) => return Err("--encryption-key is required for this database".to_owned()),
    };
    Ok((database, keyring))
}

async fn rekey<F>(database: &Database, keyring: &Keyring, others: F) -> Result<(), Box<dyn Error>>
where
    F: AsyncFnOnce(&Database, &Keyring) -> Result<RotationReport, Box<dyn Error>>,
{
    let mut report = rdev_webhooks::rekey(database, keyring).await?;
    report.places.extend(others(database, keyring).await?.places);
    cli::print(std::io::stdout(), describe(&report, keyring));
    if report.is_complete() { Ok(()) } else { Err(report.to_string().into()) }
}

/// Describes the result, one line for each place.
fn describe(report: &RotationReport, keyring: &Keyring) -> String {
    let key = keyring.primary_key_id();
    let places = report.places.iter();
    let mut lines: Vec<_> =
        places.map(|(place, tally)| format!("{place}: {} re-encrypted\n", tally.resealed)).collect();
    if report.is_complete() {
        lines.push(format!("everything is encrypted with the key {key}; no other key is needed\n"));
    }
    lines.concat()
}
