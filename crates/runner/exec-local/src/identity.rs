//! The identity of a process. Its id alone is none, because ids are used again.

use std::fs;
use std::io;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// The identity of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pid: i32,
    /// When it started, in clock ticks since the boot.
    started: u64,
    /// The boot of the machine.
    boot: String,
}

impl Identity {
    pub(crate) fn of_this_process() -> io::Result<Self> {
        let pid = Pid::this().as_raw();
        let (_, started) = state(pid).ok_or_else(|| io::Error::other("no /proc"))?;
        Ok(Self { pid, started, boot: boot()? })
    }

    /// Returns whether the process runs.
    pub(crate) fn is_alive(&self) -> bool {
        let is_running = state(self.pid).is_some_and(|(state, started)| {
            // A zombie and a dead process run no more.
            !matches!(state, 'Z' | 'X') && started == self.started
        });
        is_running && boot().is_ok_and(|boot| boot == self.boot)
    }

    /// Returns the id of the process, if it runs.
    pub(crate) fn pid(&self) -> Option<Pid> {
        self.is_alive().then_some(Pid::from_raw(self.pid))
    }

    /// Sends a signal, if the process runs.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        self.is_alive() && kill(Pid::from_raw(self.pid), signal).is_ok()
    }
}

/// Returns the state of a process and when it started.
fn state(pid: i32) -> Option<(char, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may contain anything.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?.chars().next()?;
    // The 22nd field; the state is the third.
    Some((state, fields.nth(18)?.parse().ok()?))
}

fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_more_than_its_id() {
        let this = Identity::of_this_process().unwrap();
        assert!(this.is_alive());
        let later = Identity { started: this.started + 1, ..this.clone() };
        assert!(!later.is_alive() && !later.signal(Signal::SIGKILL));
        assert!(!Identity { boot: "another".to_owned(), ..this }.is_alive());
    }
}
