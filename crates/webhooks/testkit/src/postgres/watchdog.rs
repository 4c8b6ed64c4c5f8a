//! The watchdog, which stops a server when the test process ends.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// A shell that waits for the end of this process, or of this value, and then runs a command.
///
/// It reads a pipe without a message. The read ends when the last possible writer is gone, even if its
/// process was killed.
#[derive(Debug)]
pub(super) struct Watchdog(Child);

impl Watchdog {
    /// Starts a watchdog that runs the shell command `command` at the end, with `arguments` as `$1` and so
    /// on.
    pub(super) fn set(command: &str, arguments: &[String]) -> Self {
        // It must outlive an interrupt of this process, so it has its own process group and ignores signals.
        let script = format!("trap '' HUP INT TERM; cat >/dev/null; {command}");
        let child = Command::new("sh")
            .args(["-c", &script, "watchdog"])
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("a shell is installed");
        Self(child)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // Waits until the server is down: later code may rely on it.
        let _ = self.0.wait();
    }
}
