//! `rdev-webhooks migrate`.

use std::error::Error;
use std::process::ExitCode;

use rdev_process::{cli, program};
use rdev_webhooks::Database;
use rdev_webhooks_options::{MigrateArgs, process};

/// Migrates the database's schema to this version.
pub(crate) fn run(options: MigrateArgs) -> ExitCode {
    options.telemetry.init();
    match options.database() {
        Ok(database) => program::run(async { process::exit_code(migrate(&database).await) }),
        Err(message) => cli::fail(message),
    }
}

async fn migrate(database: &Database) -> Result<(), Box<dyn Error>> {
    rdev_webhooks::migrate(database).await?;
    cli::print(std::io::stdout(), format!("{database:?} is up to date\n"));
    Ok(())
}
