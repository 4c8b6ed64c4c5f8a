//! The guardian process, the parent of the supervisor.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use nix::sys::prctl::set_child_subreaper;
use nix::unistd::setsid;
use rdev_runner_domain::ExecEnd;

use crate::exit::Exit;
use crate::folder::{EXIT, GUARDIAN, RunFolder, SUPERVISOR};
use crate::identity::Identity;
use crate::supervisor;
use crate::sweep::{SWEEP_LIMIT, sweep};

/// The variable by which a guardian starts the supervisor as another process of the same executable.
const GUARDED: &str = "RDEV_SUPERVISE_GUARDED";

/// Supervises the run of this folder, and returns when nothing of it is left. The process must have no other
/// task and no children.
///
/// It reads a [`RunSpec`](crate::RunSpec) from its standard input, and writes a line to its standard output
/// once the program has started or failed to. It starts its own executable again, with the same arguments; so
/// a process has to call this function before it does anything else.
///
/// # Errors
///
/// Fails if the folder or the specification cannot be used.
pub fn supervise(folder: &Path) -> io::Result<()> {
    let folder = RunFolder::new(folder);
    if std::env::var_os(GUARDED).is_some() {
        return supervisor::supervise(&folder);
    }
    // The starter of the process may have made it a leader already.
    let _ = setsid();
    set_child_subreaper(true)?;
    folder.write(GUARDIAN, &Identity::of_this_process()?)?;
    let started_at = Instant::now();
    // By this path an executable is found that was replaced by a newer one.
    let status =
        Command::new("/proc/self/exe").args(std::env::args_os().skip(1)).env(GUARDED, "1").status()?;
    let (swept, left) = sweep(SWEEP_LIMIT);
    if status.success() {
        // The end is recorded, so the folder may be removed at any moment.
        return Ok(());
    }
    if !folder.exists(SUPERVISOR) || folder.exists(EXIT) {
        return Err(io::Error::other(format!("supervisor: {status}")));
    }
    folder.remove_temporary();
    let (signal, duration) = (status.signal(), started_at.elapsed());
    folder.write(EXIT, &Exit(ExecEnd { signal, swept, left, duration, ..ExecEnd::default() }))
}
