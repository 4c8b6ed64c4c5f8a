//! `rdev runner`: runs agents for a database that it shares with the API.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use rdev_process::{Shutdown, cli, program};
use rdev_webhooks::Database;
use rdev_webhooks::http_api::ServeOptions;
use rdev_webhooks::keyring::Keyring;
use rdev_webhooks_options::{DataDir, process};

use crate::agents::Agents;
use crate::options::RunArgs;
use crate::server::Server;
use crate::services;
use crate::store::Store;
use crate::woodpecker;

/// What a runner requires.
struct Required {
    database: Database,
    keyring: Keyring,
    data_dir: DataDir,
}

/// Runs agents until it is stopped.
pub(crate) fn run(options: RunArgs) -> ExitCode {
    options.telemetry.init();
    match required(&options) {
        Ok(required) => program::run(async { process::exit_code(work(options, required).await) }),
        Err(message) => cli::fail(message),
    }
}

fn required(options: &RunArgs) -> Result<Required, String> {
    Ok(Required {
        database: options.place.database_url.clone().required()?,
        keyring: options.encryption_key.clone().required()?,
        data_dir: DataDir::open(&options.place.data_dir)?,
    })
}

async fn work(options: RunArgs, required: Required) -> Result<(), Box<dyn Error>> {
    let Required { database, keyring, data_dir } = required;
    let ci = options.woodpecker.server()?;
    let shutdown = Shutdown::install(options.drain.stop_times())?;
    let metrics = process::metrics()?;
    process::warn_if_alone(&database, "no commands are accepted");
    let started =
        process::Started::new("rdev runner", &database, &keyring, &options.system.allow_destination);
    let listener = process::listen(options.admin.admin_bind, "--admin-bind").await?;
    let builder = options.system.builder(database.clone(), keyring.clone());
    let Some((system, listener)) = process::open(builder, listener, &metrics, &shutdown).await? else {
        return Ok(());
    };
    if ci.is_some() {
        woodpecker::register_event(&system).await?;
    }
    let store = Store::open(&database, keyring, system.ambient()).await?;
    let folder = data_dir.path().join("agents");
    let pods = (Arc::clone(&store.pods), options.runner.lost_after);
    let workspaces = services::workspaces(options.workspaces, data_dir.path())?;
    let agents = Agents::new(&options.agents, &folder, &workspaces, pods, system.ambient())?;
    let (limits, runner) = (&options.limits, &options.runner);
    let runner =
        services::runner(&system, &store, &agents, (workspaces, ci), data_dir.path(), limits, runner).await?;
    let router = system.health_router(Some(process::source(&metrics)));
    let address = listener.local_addr()?;
    started.log(&system, address).await;
    cli::print(std::io::stdout(), format!("rdev runner serves health and metrics on http://{address}\n"));
    let server = Server::new(system, shutdown);
    server.spawn("runner", |drain| services::run(runner, agents, drain));
    server.spawn("store", |drain| store.run_until(drain));
    server.serve(listener, router, (process::Role::Admin, ServeOptions::default()), metrics).await
}
