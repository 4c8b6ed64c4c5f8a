//! The banner at the start of the server.

use std::fmt::Write;
use std::net::SocketAddr;

use rdev_webhooks_options::KeySource;
use rdev_webhooks_options::banner::heading;

/// Returns the banner: the heading, and commands to copy. `program` is this program as it was called, and `options` are
/// those by which its client commands find this server.
pub(crate) fn banner(
    address: SocketAddr,
    key: &KeySource,
    console: &str,
    (program, options): (&str, &str),
    is_read_by_people: bool,
) -> String {
    let mut text = heading("rdev", address, console, key, is_read_by_people);
    let _ = write!(
        text,
        r#"
See the agents, and run the one that needs no installation, in a second terminal:

  {program} providers{options}
  {program} run demo "Good day."{options}

Press Ctrl-C to stop. Agents that run then go on, and the next start continues them.
"#
    );
    text
}
