//! The banner at the start of the server.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

use rdev_webhooks_options::KeySource;
use secrecy::ExposeSecret;

/// Returns the banner: the address, the key, and commands to copy. `program` is this program as it was called, and
/// `options` are those by which its client commands find this server. `console` is the line of the console. A new key is shown only on a terminal: other
/// output is stored and read by others.
pub(crate) fn banner(
    address: SocketAddr,
    key: &KeySource,
    console: &str,
    (program, options): (&str, &str),
    is_read_by_people: bool,
) -> String {
    let base = base(address);
    let mut text = format!("rdev webhooks {} listens on {base}\n", env!("CARGO_PKG_VERSION"));
    if address.ip().is_unspecified() {
        let _ =
            writeln!(text, "It is reachable from other machines: {address} means all addresses of this one.");
    }
    text.push_str(console);
    let _ = writeln!(text, "API reference: {base}/docs");
    let bearer = match key {
        KeySource::File(file) => {
            let _ = writeln!(text, "API key: in {}", file.display());
            format!("$(cat {})", quoted(file))
        }
        KeySource::NewFile(file, _) if !is_read_by_people => {
            let _ = writeln!(text, "API key: generated in {}", file.display());
            format!("$(cat {})", quoted(file))
        }
        KeySource::NewFile(file, key) => {
            let _ = writeln!(text, "API key: {} (stored in {})", key.expose_secret(), file.display());
            format!("$(cat {})", quoted(file))
        }
        KeySource::Given => {
            text.push_str("API key: as configured; the commands below read it from RDEV_API_KEY\n");
            "$RDEV_API_KEY".to_owned()
        }
    };
    // Through standard input: other processes can see arguments.
    let curl = format!("printf 'Authorization: Bearer %s\\n' \"{bearer}\" | curl -sS -H @-");
    let json = "-H 'Content-Type: application/json'";
    let _ = write!(
        text,
        r#"
See an event arrive: run this in a second terminal

  {program} listen{options}

and this in a third, or the same with curl:

  {program} events publish command.completed{options}
  {curl} {json} -d '{{"event":"command.completed","data":{{"command_id":"cmd-123","project":"my-project","type":"claude","exit_code":0,"duration_ms":5432}}}}' {base}/events

Press Ctrl-C to stop.
"#
    );
    text
}

/// Returns the URL by which a client on this machine reaches the server.
pub(crate) fn base(address: SocketAddr) -> String {
    format!("http://{}", reachable(address))
}

/// Returns an address that a client on this machine can connect to.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => SocketAddr::from(([127, 0, 0, 1], v4.port())),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, v6.port()))
        }
        other => other,
    }
}

/// Quotes a path for the shell, inside a command substitution in double quotes.
pub(crate) fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_only_when_it_is_new_and_on_a_terminal() {
        let address = "0.0.0.0:8080".parse().unwrap();
        let new_file = KeySource::NewFile("/d/api-key".into(), "rdev_secret".into());
        let collected = banner(address, &new_file, "", ("rdev-webhooks", ""), false);
        assert!(collected.contains("reachable from other machines"));
        assert!(!collected.contains("rdev_secret") && collected.contains("/d/api-key"));
        let new = banner(address, &new_file, "Console: CONSOLE\n", ("rdev-webhooks", ""), true);
        assert!(new.contains("Console: CONSOLE\n") && !collected.contains("Console"));
        assert!(new.contains("API key: rdev_secret") && new.contains("http://127.0.0.1:8080/events"));
        let later = banner(
            "127.0.0.1:8080".parse().unwrap(),
            &KeySource::File("/a dir/it's/api-key".into()),
            "",
            ("rdev-webhooks", " --data-dir x"),
            true,
        );
        assert!(!later.contains("other machines") && later.contains("rdev-webhooks listen --data-dir x\n"));
        assert!(!later.contains("rdev_secret"));
        assert!(later.contains(r"$(cat '/a dir/it'\''s/api-key')"));
    }
}
