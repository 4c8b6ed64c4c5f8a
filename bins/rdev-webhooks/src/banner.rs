//! The banner at the start of the server.

use std::fmt::Write;
use std::net::SocketAddr;

use rdev_webhooks_options::KeySource;
use rdev_webhooks_options::banner::{base, heading, quoted};

/// Returns the banner: the heading, and commands to copy. `program` is this program as it was called, and `options` are
/// those by which its client commands find this server.
pub(crate) fn banner(
    address: SocketAddr,
    key: &KeySource,
    console: &str,
    (program, options): (&str, &str),
    is_read_by_people: bool,
) -> String {
    let base = base(address);
    let mut text = heading("rdev webhooks", address, console, key, is_read_by_people);
    let bearer = match key {
        KeySource::File(file) | KeySource::NewFile(file, _) => format!("$(cat {})", quoted(file)),
        KeySource::Given => "$RDEV_API_KEY".to_owned(),
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
