//! `rdev migrate`.

use std::error::Error;
use std::process::ExitCode;

use rdev_process::{cli, program};
use rdev_webhooks::{Database, PublishPool};
use rdev_webhooks_options::{MigrateArgs, process};

/// Migrates the schemas of the webhooks and of the runner to this version.
pub(crate) fn run(options: MigrateArgs) -> ExitCode {
    options.telemetry.init();
    match options.database() {
        Ok(database) => program::run(async { process::exit_code(migrate(&database).await) }),
        Err(message) => cli::fail(message),
    }
}

async fn migrate(database: &Database) -> Result<(), Box<dyn Error>> {
    rdev_webhooks::migrate(database).await?;
    match database.pool(1).await? {
        PublishPool::Postgres(pool) => rdev_runner_store_postgres::migrate(&pool).await?,
        PublishPool::Sqlite(pool) => rdev_runner_store_sqlite::migrate(&pool).await?,
        _ => return Err("this program knows no such database".into()),
    }
    cli::print(std::io::stdout(), format!("{database:?} is up to date\n"));
    Ok(())
}
