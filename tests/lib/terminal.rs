//! A command on a pseudo-terminal.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::client::DEADLINE;
use crate::{CommandLine, python};

/// Relays between a command on a pseudo-terminal of 80 columns and its own input and output. Input that begins with
/// a zero byte waits until the command hides what is typed.
const RELAY: &str = r#"
import fcntl, os, pty, select, struct, sys, termios, time
child, terminal = pty.fork()
if child == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    os.execvp(sys.argv[1], sys.argv[1:])
watched = [terminal, 0]
while True:
    ready = select.select(watched, [], [])[0]
    if terminal in ready:
        try:
            shown = os.read(terminal, 65536)
        except OSError:
            break
        if not shown:
            break
        os.write(1, shown)
    if 0 in ready:
        typed = os.read(0, 65536)
        if not typed:
            watched.remove(0)
        if typed[:1] == b"\0":
            typed, end = typed[1:], time.monotonic() + 20
            while termios.tcgetattr(terminal)[3] & termios.ECHO and time.monotonic() < end:
                time.sleep(0.002)
        os.write(terminal, typed)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"#;

/// A command that runs on a terminal of 80 columns. Dropping it kills the relay, and closing the terminal ends the
/// command.
pub struct Terminal {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    bytes: Vec<u8>,
}

impl Terminal {
    /// Starts a program of a user.
    #[must_use]
    pub fn start(user: &CommandLine, program: &Path, args: &[&str]) -> Self {
        let mut command = user.command(&python());
        command.args(["-c", RELAY]).arg(program).args(args).env("TERM", "xterm");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, stdin, stdout, bytes: Vec::new() }
    }

    /// Waits until the terminal shows a text.
    pub async fn wait_for(&mut self, text: &str) {
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let reading = async {
            while !shown(&self.bytes).contains(text) {
                let read = self.stdout.read_buf(&mut self.bytes).await.unwrap();
                assert!(read > 0, "it ended before {text:?}: {}", shown(&self.bytes));
            }
        };
        let is_shown = tokio::time::timeout(DEADLINE, reading).await.is_ok();
        assert!(is_shown, "{text:?} was never shown, but: {}", shown(&self.bytes));
    }

    /// Types keys.
    pub async fn type_keys(&mut self, keys: &str) {
        self.stdin.write_all(keys.as_bytes()).await.unwrap();
        self.stdin.flush().await.unwrap();
    }

    /// Types keys once the command hides them.
    pub async fn type_hidden(&mut self, keys: &str) {
        self.type_keys(&format!("\0{keys}")).await;
    }

    /// Waits for the end, and returns the exit code and everything that the terminal showed.
    pub async fn end(mut self) -> (i32, String) {
        let ending = async {
            self.stdout.read_to_end(&mut self.bytes).await.unwrap();
            self.child.wait().await.unwrap()
        };
        let status = tokio::time::timeout(DEADLINE, ending).await;
        let shown = String::from_utf8_lossy(&self.bytes).into_owned();
        (status.unwrap_or_else(|_| panic!("it did not end: {shown}")).code().unwrap(), shown)
    }
}
