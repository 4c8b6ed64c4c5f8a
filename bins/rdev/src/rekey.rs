//! `rdev rekey`.

use std::error::Error;
use std::process::ExitCode;

use rdev_webhooks::keyring::{Keyring, RotationReport};
use rdev_webhooks::{Database, PublishPool};
use rdev_webhooks_options::RekeyArgs;

/// Re-encrypts everything of the webhooks and of the runner with the first of the keys.
pub(crate) fn run(options: RekeyArgs) -> ExitCode {
    options.run_with(reseal)
}

async fn reseal(database: &Database, keyring: &Keyring) -> Result<RotationReport, Box<dyn Error>> {
    match database.pool(1).await? {
        PublishPool::Postgres(pool) => {
            rdev_runner_store_postgres::check_schema(&pool).await?;
            Ok(rdev_runner_store_postgres::reseal(&pool, keyring).await?)
        }
        PublishPool::Sqlite(pool) => {
            rdev_runner_store_sqlite::migrate(&pool).await?;
            Ok(rdev_runner_store_sqlite::reseal(&pool, keyring).await?)
        }
        _ => Err("this program knows no such database".into()),
    }
}
