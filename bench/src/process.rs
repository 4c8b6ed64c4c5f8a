//! The release binaries as processes.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::{Outcome, usage};

const START_DEADLINE: Duration = Duration::from_secs(30);
const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// Returns the path of a binary that was built along with this one.
pub(crate) fn binary(name: &str) -> Outcome<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if !path.exists() {
        return Err(format!("{} is missing: run `just bench`, which builds it", path.display()).into());
    }
    Ok(path)
}

/// A running binary. Dropping it kills the process.
pub(crate) struct Process {
    name: &'static str,
    pub(crate) pid: u32,
    child: Child,
    /// The open end of its output, so that it can print as long as it runs.
    _stdout: BufReader<ChildStdout>,
    printed: String,
}

impl Process {
    /// Starts a binary and waits until it has printed `ready`.
    pub(crate) async fn start(
        name: &'static str,
        args: &[&str],
        variables: &[(&str, &str)],
        ready: &str,
    ) -> Outcome<Self> {
        Self::start_limited(name, args, variables, ready, None).await
    }

    /// Like [`Self::start`], with a limit of open files.
    pub(crate) async fn start_limited(
        name: &'static str,
        args: &[&str],
        variables: &[(&str, &str)],
        ready: &str,
        open_files: Option<u32>,
    ) -> Outcome<Self> {
        let mut command = match open_files {
            None => Command::new(binary(name)?),
            Some(files) => {
                // prlimit replaces itself by the given program, so the process id is the program's.
                let mut limited = Command::new("prlimit");
                limited.arg(format!("--nofile={files}:{files}")).arg(binary(name)?);
                limited
            }
        };
        // Variables set for the developer's own server must not reach the benchmark's.
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("RDEV_") {
                command.env_remove(variable);
            }
        }
        let mut child = command
            .args(args)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().ok_or("a process that was just started has an id")?;
        let mut stdout = BufReader::new(child.stdout.take().ok_or("its output was asked for")?);
        let mut printed = String::new();
        let starting = async {
            while !printed.contains(ready) {
                if stdout.read_line(&mut printed).await? == 0 {
                    return Err(format!("{name} ended after printing: {printed}").into());
                }
            }
            Outcome::Ok(())
        };
        tokio::time::timeout(START_DEADLINE, starting)
            .await
            .map_err(|_| format!("{name} does not start"))??;
        Ok(Self { name, pid, child, _stdout: stdout, printed })
    }

    /// Returns the address of the first URL in its output.
    pub(crate) fn address(&self) -> Outcome<std::net::SocketAddr> {
        let url = self.printed.split_whitespace().find_map(|word| word.strip_prefix("http://"));
        let url = url.ok_or_else(|| format!("{} printed no URL", self.name))?;
        Ok(url.split('/').next().unwrap_or(url).parse()?)
    }

    /// Kills it and waits until it is gone.
    pub(crate) async fn kill(mut self) -> Outcome<()> {
        Ok(self.child.kill().await?)
    }

    /// Stops it gracefully and waits for its end; returns its peak memory, in MiB.
    pub(crate) async fn stop(mut self) -> Outcome<f64> {
        let memory = usage::peak_memory_mib(self.pid)?;
        Command::new("kill").args(["-s", "TERM", &self.pid.to_string()]).status().await?;
        let ended = tokio::time::timeout(STOP_DEADLINE, self.child.wait()).await;
        let ended = ended.map_err(|_| format!("{} does not stop", self.name))??;
        if !ended.success() {
            return Err(format!("{} ended with {ended}", self.name).into());
        }
        Ok(memory)
    }
}
