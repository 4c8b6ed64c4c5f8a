//! The options of `migrate`.

use clap::Args;
use rdev_process::options::TelemetryArgs;
use rdev_webhooks::Database;

use crate::PlaceArgs;
use crate::data_dir::DataDir;

// The options of `migrate`.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
}

impl MigrateArgs {
    /// Returns the database to migrate. Creates the data directory if the database is in it.
    ///
    /// # Errors
    ///
    /// Says why the data directory cannot be used.
    pub fn database(self) -> Result<Database, String> {
        match self.place.database_url.value() {
            Some(database) => Ok(database),
            None => Ok(Database::sqlite(DataDir::open(&self.place.data_dir)?.database())),
        }
    }
}
