//! What the banners of the servers share.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;

use crate::KeySource;

/// Returns the first lines of a banner: the addresses, and where the administrator key is. `console` is the line of the
/// console. A new key is shown to people alone: other output is stored and read by others.
#[must_use]
pub fn heading(
    program: &str,
    address: SocketAddr,
    console: &str,
    key: &KeySource,
    is_read_by_people: bool,
) -> String {
    let base = base(address);
    let mut text = format!("{program} {} listens on {base}\n", env!("CARGO_PKG_VERSION"));
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
        KeySource::Given => {
            writeln!(text, "API key: as configured; the commands below read it from RDEV_API_KEY")
        }
    };
    text
}

/// Returns the URL by which a client on this machine reaches the server.
#[must_use]
pub fn base(address: SocketAddr) -> String {
    let reachable = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(reachable, address.port()))
}

/// Returns this program as it was called, and the options by which its client commands find the server at this address.
#[must_use]
pub fn client_command(program: &str, data_dir: Option<&Path>, address: SocketAddr) -> (String, String) {
    let called = std::env::args_os().next().map_or_else(|| PathBuf::from(program), PathBuf::from);
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "/._-".contains(char);
    let shown = called.display().to_string();
    let shown = if shown.chars().all(is_plain) { shown } else { quoted(&called) };
    let find = match data_dir {
        None => format!(" --url {}", base(address)),
        Some(path) if path == Path::new("./.rdev") => String::new(),
        Some(path) => format!(" --data-dir {}", quoted(path)),
    };
    (shown, find)
}

/// Quotes a path for the shell, inside a command substitution in double quotes.
#[must_use]
pub fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
