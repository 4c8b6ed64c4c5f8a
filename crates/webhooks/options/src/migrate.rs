//! `rdev-webhooks migrate`.

use std::error::Error;
use std::process::ExitCode;

use rdev_process::{cli, program};
use rdev_webhooks::Database;
use rdev_webhooks_options::process;

use crate::cli::MigrateArgs;
use crate::data_dir::DataDir;

/// Migrates the database's schema to this version.
pub(crate) fn run(options: MigrateArgs) -> ExitCode {
    options.telemetry.init();
    let database = match options.place.database_url.value() {
        Some(database) => database,
        None => match DataDir::open(&options.place.data_dir) {
            Ok(data_dir) => Database::sqlite(data_dir.database()),
            Err(message) => return cli::fail(message),
        },
    };
    program::run(async { process::exit_code(migrate(&database).await) })
}

async fn migrate(database: &Database) -> Result<(), Box<dyn Error>> {
    rdev_webhooks::migrate(database).await?;
    cli::print(std::io::stdout(), format!("{database:?} is up to date\n"));
    Ok(())
}
