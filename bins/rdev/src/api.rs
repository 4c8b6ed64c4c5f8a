//! `rdev api`: the API on a database that it shares with runners and workers.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rdev_process::{Shutdown, cli, program};
use rdev_webhooks::Database;
use rdev_webhooks::keyring::Keyring;
use rdev_webhooks_options::{DataDir, process};
use secrecy::SecretString;

use crate::agents::Agents;
use crate::options::ApiArgs;
use crate::server::Server;
use crate::services::{self, Front};
use crate::store::Store;
use crate::woodpecker;

/// What the API requires.
struct Required {
    database: Database,
    keyring: Keyring,
    api_key: SecretString,
    data_dir: DataDir,
}

/// Serves until it is stopped.
pub(crate) fn run(options: ApiArgs) -> ExitCode {
    options.telemetry.init();
    match required(&options) {
        Ok(required) => program::run(async { process::exit_code(serve(options, required).await) }),
        Err(message) => cli::fail(message),
    }
}

fn required(options: &ApiArgs) -> Result<Required, String> {
    Ok(Required {
        database: options.place.database_url.clone().required()?,
        keyring: options.encryption_key.clone().required()?,
        api_key: options.api_key.clone().required()?,
        data_dir: DataDir::open(&options.place.data_dir)?,
    })
}

async fn serve(options: ApiArgs, required: Required) -> Result<(), Box<dyn Error>> {
    let Required { database, keyring, api_key, data_dir } = required;
    let ci = options.woodpecker.server()?;
    let shutdown = Shutdown::install(options.drain.stop_times())?;
    let metrics = process::metrics()?;
    process::warn_if_alone(&database, "no command runs, and nothing is delivered");
    let started = process::Started::new("rdev api", &database, &keyring, &options.system.allow_destination);
    let listener = process::listen(options.bind.bind, "--bind").await?;
    let builder = options.system.builder(database.clone(), keyring.clone());
    let Some((system, listener)) = process::open(builder, listener, &metrics, &shutdown).await? else {
        return Ok(());
    };
    if ci.is_some() {
        woodpecker::register_event(&system).await?;
    }
    let store = Store::open(&database, keyring, system.ambient()).await?;
    // It takes over no runs.
    let pods = (Arc::clone(&store.pods), Duration::ZERO);
    let workspaces = services::workspaces(options.workspaces, data_dir.path())?;
    let agents =
        Agents::new(&options.agents, &data_dir.path().join("agents"), &workspaces, pods, system.ambient())?;
    let source = process::source(&metrics);
    let Front { router, watching, .. } = services::front(
        &system,
        &store,
        &agents,
        (&workspaces, &options.templates, ci),
        services::secrets(&store, system.ambient()),
        &options.limits,
        (api_key, source),
    );
    let address = listener.local_addr()?;
    started.log(&system, address).await;
    cli::print(std::io::stdout(), format!("rdev api listens on http://{address}\n"));
    let server = Server::new(system, shutdown);
    server.spawn("watches", |drain| watching.run(drain));
    server.spawn("store", |drain| store.run_until(drain));
    server.serve(listener, router, (process::Role::Api, options.server.to_options()), metrics).await
}
