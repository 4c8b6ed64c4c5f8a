//! `rdev-webhooks serve`: the API and the worker in one process.

use std::error::Error;
use std::io::IsTerminal;
use std::process::ExitCode;

use rdev_process::{Shutdown, cli, program};
use rdev_webhooks::Ambient;
use rdev_webhooks::console::{ConsoleOptions, SignInLink};
use rdev_webhooks::http_api::ApiOptions;
use rdev_webhooks_options::banner::{base, client_command};
use rdev_webhooks_options::{ServeArgs, ServerKeys, process};

use crate::banner::banner;

/// Serves until it is stopped. Reports errors of the configuration before anything is opened (exit code 2),
/// and later errors with exit code 1.
pub(crate) fn run(options: ServeArgs) -> ExitCode {
    // A newcomer sees each delivery arrive.
    options.telemetry.init_with_debug_on_terminal(&["rdev_webhooks_app::deliver::pool"]);
    let ambient = Ambient::system();
    let keys = match ServerKeys::find(&options, &ambient) {
        Ok(keys) => keys,
        Err(message) => return cli::fail(message),
    };
    program::run(async { process::exit_code(serve(options, keys, ambient).await) })
}

async fn serve(options: ServeArgs, keys: ServerKeys, ambient: Ambient) -> Result<(), Box<dyn Error>> {
    let shutdown = Shutdown::install(options.drain.stop_times())?;
    let metrics = process::metrics()?;
    let listener = process::listen(options.bind.bind, "--bind").await?;
    let address = listener.local_addr()?;
    let mut system = options.system;
    if address.ip().to_canonical().is_loopback() {
        system.allow_loopback();
    }
    let started =
        process::Started::new("rdev-webhooks", &keys.database, &keys.encryption, &system.allow_destination);
    let builder = system.builder(keys.database, keys.encryption).ambient(ambient);
    let Some((system, listener)) = process::open(builder, listener, &metrics, &shutdown).await? else {
        return Ok(());
    };
    options.worker.start(&system);
    if let Some(data_dir) = &keys.data_dir {
        // Without it client commands need --url, and a data dir that only has keys may be read-only.
        let _ = data_dir.announce(&base(address));
    }
    let api = system.router(ApiOptions::new(keys.api.clone()).with_metrics(process::source(&metrics)));
    let (link, path) = SignInLink::new(system.ambient());
    let console = ConsoleOptions::new(keys.api).with_sign_in_link(link);
    let router = options.console.mount(api, &system, console, address);
    started.log(&system, address).await;
    // Output that a program collects must contain neither a key nor a link that signs in.
    let is_read_by_people = std::io::stdout().is_terminal();
    let console = options.console.line(&base(address), &path, is_read_by_people);
    let is_in_data_dir = keys.data_dir.is_some();
    let (program, find) =
        client_command("rdev-webhooks", is_in_data_dir.then_some(&*options.place.data_dir), address);
    cli::print(
        std::io::stdout(),
        banner(address, &keys.source, &console, (&program, &find), is_read_by_people),
    );
    let serving = (process::Role::Api, options.server.to_options());
    process::run(system, listener, router, serving, metrics, &shutdown).await
}
