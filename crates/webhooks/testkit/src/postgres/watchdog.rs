//! What ends a server when the test process does.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// A shell that waits for the end of this process, or of this value, and then runs a command.
///
/// It reads a pipe that nobody writes to: the reading ends when the last one who could write is gone,
/// and a process that is killed is gone too.
#[derive(Debug)]
pub(super) struct Watchdog(Child);

impl Watchdog {
    /// Runs `command` at the end. It is a shell's, with `arguments` as `$1` and so on.
    pub(super) fn set(command: &str, arguments: &[String]) -> Self {
        // It must outlive what interrupts us: it has a group of its own, and ignores signals besides.
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
            .expect("there is a shell");
        Self(child)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // Until the server is down: what comes next may count on it.
        let _ = self.0.wait();
    }
}
