//! The servers of a run.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::Ipv4Addr;

use nix::unistd::Pid;

use crate::sweep::family;

/// The sockets of this network, one in a line.
const SOCKETS: &str = "/proc/self/net/tcp";

/// The state of a socket that listens.
const LISTENS: &str = "0A";

/// The largest number of bytes of a connection that are passed on at once.
pub const MAX_PIECE: usize = 256 * 1024;

/// Checks that a process, or one that descends from it, listens at a port of the loopback address.
pub(crate) fn check(process: Pid, port: u16) -> io::Result<()> {
    let sockets = listening(&fs::read_to_string(SOCKETS)?, port);
    let is_own = |process: Pid| {
        let files = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
        let mut links = files.filter_map(|file| fs::read_link(file.path()).ok());
        links.any(|link| link.to_str().is_some_and(|link| sockets.contains(link)))
    };
    if !sockets.is_empty() && family(process).into_iter().any(is_own) {
        return Ok(());
    }
    let fault = format!("no process of the run listens at port {port}");
    Err(io::Error::new(ErrorKind::ConnectionRefused, fault))
}

/// Returns the sockets that listen at a port of the loopback address, as the links of their descriptors name them.
fn listening(sockets: &str, port: u16) -> BTreeSet<String> {
    let address = |address: Ipv4Addr| format!("{:08X}:{port:04X}", u32::from_ne_bytes(address.octets()));
    let local = [address(Ipv4Addr::LOCALHOST), address(Ipv4Addr::UNSPECIFIED)];
    let lines = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let names = lines.filter_map(|line| {
        let (own, state, inode) = (*line.get(1)?, *line.get(3)?, *line.get(9)?);
        let is_there = state == LISTENS && local.iter().any(|local| local == own);
        is_there.then(|| format!("socket:[{inode}]"))
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1000 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0
   1: 00000000:1000 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12 1 0 100 0 0 10 0
   2: 0200007F:1000 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13 1 0 100 0 0 10 0
   3: 0100007F:1000 0100007F:8000 01 00000000:00000000 00:00000000 00000000     0        0 14 1 0 20 4 30 10 -1
   4: 0100007F:1001 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 15 1 0 100 0 0 10 0
";

    #[cfg(target_endian = "little")]
    #[test]
    fn only_a_listener_at_the_loopback_address_counts() {
        let expected = ["socket:[11]", "socket:[12]"].map(str::to_owned);
        assert_eq!(listening(TABLE, 4096), BTreeSet::from(expected));
        assert_eq!(listening(TABLE, 1), BTreeSet::new());
    }

    #[test]
    fn a_server_belongs_to_its_process() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        check(Pid::this(), port).unwrap();
        drop(server);
        assert_eq!(check(Pid::this(), port).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
}
