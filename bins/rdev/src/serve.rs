//! `rdev serve`: everything in one process.

use std::error::Error;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use rdev_process::{Shutdown, cli, program};
use rdev_webhooks::Ambient;
use rdev_webhooks::console::{ConsoleOptions, SignInLink};
use rdev_webhooks_options::banner::{base, client_command};
use rdev_webhooks_options::{DataDir, ServerKeys, process};

use crate::agents::Agents;
use crate::banner::banner;
use crate::options::ServeArgs;
use crate::server::Server;
use crate::services::{self, Front};
use crate::store::Store;
use crate::woodpecker;

/// Serves until it is stopped. Reports errors of the configuration before anything is opened (exit code 2),
/// and later errors with exit code 1.
pub(crate) fn run(options: ServeArgs) -> ExitCode {
    options.webhooks.telemetry.init();
    let ambient = Ambient::system();
    let found = DataDir::open(&options.webhooks.place.data_dir)
        .and_then(|data_dir| Ok((data_dir, ServerKeys::find(&options.webhooks, &ambient)?)));
    match found {
        Ok((data_dir, keys)) => {
            program::run(async { process::exit_code(serve(options, data_dir, keys, ambient).await) })
        }
        Err(message) => cli::fail(message),
    }
}

async fn serve(
    options: ServeArgs,
    data_dir: DataDir,
    keys: ServerKeys,
    ambient: Ambient,
) -> Result<(), Box<dyn Error>> {
    let ServeArgs { webhooks, agents, workspaces, templates, woodpecker: ci, limits, runner } = options;
    let ci = ci.server()?;
    let shutdown = Shutdown::install(webhooks.drain.stop_times())?;
    let metrics = process::metrics()?;
    let listener = process::listen(webhooks.bind.bind, "--bind").await?;
    let address = listener.local_addr()?;
    let mut system = webhooks.system;
    if address.ip().to_canonical().is_loopback() {
        system.allow_loopback();
    }
    let started = process::Started::new("rdev", &keys.database, &keys.encryption, &system.allow_destination);
    let builder = system.builder(keys.database.clone(), keys.encryption.clone()).ambient(ambient);
    let Some((system, listener)) = process::open(builder, listener, &metrics, &shutdown).await? else {
        return Ok(());
    };
    if ci.is_some() {
        woodpecker::register_event(&system).await?;
    }
    let store = Store::open(&keys.database, keys.encryption, system.ambient()).await?;
    let folder = data_dir.path().join("agents");
    let pods = (Arc::clone(&store.pods), runner.lost_after);
    let workspaces = services::workspaces(workspaces, data_dir.path())?;
    let agents = Agents::new(&agents, &folder, &workspaces, pods, system.ambient())?;
    let source = process::source(&metrics);
    let Front { router, pages, watching } = services::front(
        &system,
        &store,
        &agents,
        (&workspaces, &templates, ci.clone()),
        services::runner_secrets(&store, system.ambient(), &runner),
        &limits,
        (keys.api.clone(), source),
    );
    let (link, path) = SignInLink::new(system.ambient());
    let console = ConsoleOptions::new(keys.api).with_sign_in_link(link).with_pages(pages);
    let router = webhooks.console.mount(router, &system, console, address);
    let runner =
        services::runner(&system, &store, &agents, (workspaces, ci), data_dir.path(), &limits, &runner)
            .await?;
    webhooks.worker.start(&system);
    // Without it client commands need --url.
    let _ = data_dir.announce(&base(address));
    started.log(&system, address).await;
    // Output that a program collects must contain neither a key nor a link that signs in.
    let is_read_by_people = std::io::stdout().is_terminal();
    let console = webhooks.console.line(&base(address), &path, is_read_by_people);
    let (program, find) = client_command("rdev", Some(&webhooks.place.data_dir), address);
    let commands = (&*program, &*find);
    cli::print(std::io::stdout(), banner(address, &keys.source, &console, commands, is_read_by_people));
    let server = Server::new(system, shutdown);
    server.spawn("runner", |drain| services::run(runner, agents, drain));
    server.spawn("watches", |drain| watching.run(drain));
    server.spawn("store", |drain| store.run_until(drain));
    server.serve(listener, router, (process::Role::Api, webhooks.server.to_options()), metrics).await
}
