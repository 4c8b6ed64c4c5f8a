//! The options of the console.

use std::net::SocketAddr;

use clap::Args;
use rdev_webhooks::RdevWebhooks;
use rdev_webhooks::console::{ConsoleOptions, Hosts};
use rdev_webhooks::http_api::Router;

/// Where the console is mounted.
const MOUNT: &str = "/console";

// The options of the console.
#[derive(Debug, Clone, Args)]
pub struct ConsoleArgs {
    /// Do not serve the console at /console
    #[arg(long, env = "RDEV_NO_CONSOLE")]
    pub no_console: bool,

    /// Host name under which a proxy on this machine serves the console, which otherwise answers only to names of
    /// this machine while it binds to loopback; may be repeated
    #[arg(long, env = "RDEV_CONSOLE_HOST", value_name = "NAME", value_delimiter = ',')]
    pub console_host: Vec<String>,
}

impl ConsoleArgs {
    /// Adds the console to the API that listens on `address`, unless it is switched off.
    pub fn mount(
        &self,
        api: Router,
        system: &RdevWebhooks,
        options: ConsoleOptions,
        address: SocketAddr,
    ) -> Router {
        if self.no_console {
            return api;
        }
        let hosts = match address.ip().to_canonical().is_loopback() {
            true => Hosts::loopback_and(self.console_host.iter().cloned()),
            false => Hosts::any(),
        };
        api.nest_service(MOUNT, system.console::<()>(options.with_hosts(hosts)))
    }

    /// Returns the line of a banner with the address of the console of the server at `base`; nothing if it is switched
    /// off. The path of a link that signs in is shown to people alone: other output is stored and read by others.
    #[must_use]
    pub fn line(&self, base: &str, link: &str, is_read_by_people: bool) -> String {
        match (self.no_console, is_read_by_people) {
            (true, _) => String::new(),
            (false, false) => format!("Console: {base}{MOUNT}\n"),
            (false, true) => format!("Console: {base}{MOUNT}{link} (signs in once, within 10 minutes)\n"),
        }
    }
}
