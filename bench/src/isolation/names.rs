//! Webhooks with host names that never resolve, beside good ones with names that do.
//!
//! The queries must not leave the machine, so another process of this program makes the run, in its own
//! network and mount namespaces with the benchmark's name server as the only one.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::net::UdpSocket;
use tokio::process::Command;

use super::Found;
use super::crowd::{CROWD_EVENT, Good, RATE, publish};
use super::system::{Kind, System};
use crate::Outcome;
use crate::system::subscribe_all;

/// The number of webhooks with an unanswered name, each with its own.
const DEAD: usize = 100;

/// The name server answers for names below `good.test`, and ignores queries for any other name.
const GOOD_NAMES: &[u8] = b"\x04good\x04test\x00";

/// The longest duration of a run.
const LONGEST: Duration = Duration::from_secs(180);

/// Makes the run in a process with namespaces of its own.
pub(super) async fn measure(quick: bool) -> Outcome<Found> {
    let folder = tempfile::Builder::new().prefix("rdev-bench-").tempdir()?;
    let results = folder.path().join("found.json");
    let mut command = Command::new("unshare");
    // A user other than root becomes root in a user namespace, where the kernel allows it.
    let is_root = std::fs::metadata("/proc/self")?.uid() == 0;
    command.args((!is_root).then_some("--map-root-user"));
    command.args(["--mount", "--net"]).arg(std::env::current_exe()?);
    command.args(["isolation", "--in-namespace", "--json"]).arg(&results);
    command.args(quick.then_some("--quick")).stdin(Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(LONGEST, command.output()).await??;
    if !ended.status.success() {
        let told = String::from_utf8_lossy(&ended.stderr);
        let last = told.lines().last().unwrap_or("unshare failed").to_owned();
        return Err(format!("{last} (network and mount namespaces need root, or user namespaces)").into());
    }
    let found: Value = serde_json::from_slice(&std::fs::read(&results)?)?;
    Found::from_json(&found).ok_or_else(|| "the run in the namespace found nothing".into())
}

/// Makes the run in this process's namespaces, and writes the result.
pub(super) async fn run_in_namespace(duration: Duration, results: &Path) -> Outcome<()> {
    let folder = tempfile::Builder::new().prefix("rdev-bench-").tempdir()?;
    let resolver = folder.path().join("resolv.conf");
    std::fs::write(&resolver, "nameserver 127.0.0.1\n")?;
    must(Command::new("ip").args(["link", "set", "lo", "up"])).await?;
    must(Command::new("mount").arg("--bind").arg(&resolver).arg("/etc/resolv.conf")).await?;
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53)).await?;
    let server = tokio::spawn(async move {
        let mut query = [0; 512];
        loop {
            if let Ok((length, from)) = server.recv_from(&mut query).await
                && let Some(answer) = answer(&query[..length])
            {
                // A resolver that misses the answer asks again.
                let _ = server.send_to(&answer, from).await;
            }
        }
    });
    let found = beside_dead_names(duration).await;
    server.abort();
    std::fs::write(results, found?.to_json().to_string())?;
    Ok(())
}

async fn beside_dead_names(duration: Duration) -> Outcome<Found> {
    let system = System::start(Kind::Sqlite, None).await?;
    let api = system.address();
    let webhook = |number| {
        let url = format!("http://n{number}.dead.test/");
        format!(r#"{{"url":"{url}","events":["{CROWD_EVENT}"]}}"#)
    };
    subscribe_all(api, (0..DEAD).map(webhook).collect()).await?;
    let url =
        |number, receiver: SocketAddr| format!("http://w{number}.good.test:{}/{number}", receiver.port());
    let good = Good::prepare(api, RATE, duration, url).await?;
    publish(api, CROWD_EVENT).await?;
    let (all, first_second) = good.publish(api).await?;
    Ok(Found::new(&all, &first_second, system.memory_mib()?, format!("; {DEAD} names")))
}

async fn must(command: &mut Command) -> Outcome<()> {
    let ended = command.output().await?;
    if ended.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&ended.stderr).trim().to_owned().into())
}

/// Returns the answer to a DNS query (RFC 1035, section 4): this machine's address for an A query of a good
/// name, no record for another type of query; `None` for any other name.
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let question = query.get(12..)?;
    let end = question.iter().position(|byte| *byte == 0)? + 1;
    let name = question.get(..end)?.to_ascii_lowercase();
    let asked = question.get(end..end + 4)?;
    if !name.ends_with(GOOD_NAMES) {
        return None;
    }
    let is_address = asked == [0, 1, 0, 1];
    let mut answer = query.get(..2)?.to_vec();
    // A response without error, with recursion; one question, and one answer or none.
    answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_address), 0, 0, 0, 0]);
    answer.extend(&question[..end + 4]);
    if is_address {
        // The name of the question, type A, class IN, TTL 0.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1]);
    }
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(name: &[u8], kind: u8) -> Vec<u8> {
        [&[7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], name, &[0, kind, 0, 1]].concat()
    }

    #[test]
    fn good_names_resolve_to_this_machine_and_others_get_no_answer() {
        let good = b"\x02w1\x04GOOD\x04test\x00";
        let found = answer(&query(good, 1)).unwrap();
        assert_eq!((&found[..2], &found[found.len() - 4..]), (&[7, 9][..], &[127, 0, 0, 1][..]));
        let none = answer(&query(good, 28)).unwrap();
        assert_eq!((none[7], none.len()), (0, query(good, 28).len()));
        assert_eq!(answer(&query(b"\x02n1\x04dead\x04test\x00", 1)), None);
        assert_eq!(answer(b"short"), None);
    }
}
