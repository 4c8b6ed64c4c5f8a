//! The end of everything that descends from this process.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::poll;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// How long a supervisor tries to kill what a program has left behind.
pub const SWEEP_LIMIT: Duration = Duration::from_secs(30);

/// Kills the children of this process, which is a child subreaper, and reaps them until none is left: the
/// children of a dead child become its own. Returns how many it killed, and how many are left after `limit`.
pub(crate) fn sweep(limit: Duration) -> (u32, u32) {
    let until = Instant::now() + limit;
    let mut killed = BTreeSet::new();
    loop {
        let children = children();
        for child in &children {
            // A child that is not yet reaped keeps its id.
            if kill(*child, Signal::SIGKILL).is_ok() {
                killed.insert(child.as_raw());
            }
        }
        let has_children = reap(|_, _| ());
        if !has_children || Instant::now() > until {
            let count = |number: usize| number.try_into().unwrap_or(u32::MAX);
            return (count(killed.len()), if has_children { count(children.len()) } else { 0 });
        }
        // The dead take a moment. Without descriptors this only waits.
        let _ = poll(&mut [], 5_u8);
    }
}

/// Reaps the children that have ended, and passes the exit code or the signal of each to `ended`. Returns
/// whether there are others.
pub(crate) fn reap(mut ended: impl FnMut(Pid, Result<i32, Signal>)) -> bool {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => ended(pid, Ok(code)),
            Ok(WaitStatus::Signaled(pid, signal, _)) => ended(pid, Err(signal)),
            Err(Errno::ECHILD) => return false,
            Err(Errno::EINTR) => {}
            _ => return true,
        }
    }
}

fn children() -> Vec<Pid> {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let ids: Vec<_> = lists.flat_map(|list| numbers(&list)).collect();
    ids.into_iter().map(Pid::from_raw).collect()
}

fn numbers(list: &str) -> Vec<i32> {
    list.split_whitespace().filter_map(|id| id.parse().ok()).collect()
}
