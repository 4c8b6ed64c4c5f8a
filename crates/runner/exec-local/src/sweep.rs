//! The end of everything that descends from this process.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::poll;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getsid};

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

/// Kills children of this process. One that is not yet reaped keeps its id.
pub(crate) fn kill_all(children: &[Pid]) {
    for child in children {
        let _ = kill(*child, Signal::SIGKILL);
    }
}

/// Returns how many processes descend from a child of this process and are not in the session of this process.
pub(crate) fn outside(child: Pid) -> u32 {
    let own = session(Pid::this()).unwrap_or_default();
    // One that has ended in between has none.
    let is_outside = |process: &Pid| session(*process).is_some_and(|session| session != own);
    let found = family(child).into_iter().filter(is_outside).count();
    found.try_into().unwrap_or(u32::MAX)
}

/// Returns a process and those that descend from it.
pub(crate) fn family(process: Pid) -> Vec<Pid> {
    let (mut found, mut ahead) = (Vec::new(), vec![process]);
    while let Some(process) = ahead.pop() {
        found.push(process);
        ahead.extend(children_of(process));
    }
    found
}

/// Returns the children of this process.
pub(crate) fn children() -> Vec<Pid> {
    children_of(Pid::this())
}

fn children_of(process: Pid) -> Vec<Pid> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let ids: Vec<_> = lists.flat_map(|list| numbers(&list)).collect();
    ids.into_iter().map(Pid::from_raw).collect()
}

/// Returns the session of a process that runs.
fn session(process: Pid) -> Option<i32> {
    getsid(Some(process)).ok().map(Pid::as_raw)
}

fn numbers(list: &str) -> Vec<i32> {
    list.split_whitespace().filter_map(|id| id.parse().ok()).collect()
}
