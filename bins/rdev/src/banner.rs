//! The banner at the start of the server.

use std::fmt::Write;
use std::net::SocketAddr;

use rdev_webhooks_options::KeySource;
use secrecy::ExposeSecret;

/// Returns the banner: the address, the key, and commands to copy. A new key is shown only on a terminal: other output
/// is stored and read by others.
pub(crate) fn banner(address: SocketAddr, key: &KeySource, console: &str, is_read_by_people: bool) -> String {
    let base = base(address);
    let mut text = format!("rdev {} listens on {base}\n", env!("CARGO_PKG_VERSION"));
    if address.ip().is_unspecified() {
        let _ =
            writeln!(text, "It is reachable from other machines: {address} means all addresses of this one.");
    }
    text.push_str(console);
    let _ = writeln!(text, "API reference: {base}/docs");
    let _ = match key {
        KeySource::File(file) => writeln!(text, "API key: in {}", file.display()),
        KeySource::NewFile(file, key) if is_read_by_people => {
            writeln!(text, "API key: {} (stored in {})", key.expose_secret(), file.display())
        }
        KeySource::NewFile(file, _) => writeln!(text, "API key: generated in {}", file.display()),
        KeySource::Given => writeln!(text, "API key: as configured"),
    };
    text.push_str("\nPress Ctrl-C to stop; agents that run then go on, and the next start continues them.\n");
    text
}

/// Returns the URL by which a client on this machine reaches the server.
pub(crate) fn base(address: SocketAddr) -> String {
    let mut reachable = address;
    if address.ip().is_unspecified() {
        reachable.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("http://{reachable}")
}
