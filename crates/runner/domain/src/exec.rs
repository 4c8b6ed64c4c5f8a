//! Programs that run for agents.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use secrecy::SecretString;

use crate::macros::checked_text;
use crate::{CommandId, ProjectName, SecretName, Workspace};

checked_text!(
    /// The name of a run on a backend: 1 to 64 lower-case ASCII letters, digits, underscores and hyphens, the
    /// first of them a letter or digit.
    RunName,
    RunNameError,
    "must be 1 to 64 lower-case ASCII letters, digits, underscores and hyphens, the first a letter or digit",
    |text| {
        (1..=64).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
    }
);

/// The run of a command has the id of the command as its name.
impl From<CommandId> for RunName {
    fn from(command: CommandId) -> Self {
        Self(command.to_string().into())
    }
}

/// The beginning of the names of worktrees.
const WORKTREE: &str = "worktree-";

impl RunName {
    /// Returns the name under which the pod of a command's workspace is recorded, which may have a worktree. No run has it.
    #[must_use]
    pub fn of_worktree(command: CommandId) -> Self {
        Self(format!("{WORKTREE}{command}").into())
    }

    /// Returns the command of a name from [`Self::of_worktree`].
    #[must_use]
    pub fn worktree_of(&self) -> Option<CommandId> {
        self.as_str().strip_prefix(WORKTREE)?.parse().ok()
    }
}

/// What a backend runs.
#[derive(Clone)]
pub struct ExecSpec {
    /// The command for which the program is started.
    pub command: CommandId,
    /// The project. All runs of a project have the same home.
    pub project: ProjectName,
    /// The place in which the program works.
    pub workspace: Workspace,
    /// The program: an absolute path, or a name that the backend finds on its `PATH`.
    pub program: String,
    /// The arguments. Every user of the host can read them, so they hold no secrets.
    pub args: Vec<String>,
    /// The environment in addition to `PATH`, `HOME`, `TMPDIR` and `LANG`, which the backend sets.
    pub env: BTreeMap<String, SecretString>,
    /// Private files, which are there as long as the run: [`SECRETS_FOLDER`](crate::SECRETS_FOLDER) has the path of
    /// their folder, and the variable of a file's name that of the file, unless the backend sets it itself.
    pub files: BTreeMap<SecretName, SecretString>,
    /// The files of a home that hold the agent's sign-in, as relative paths. The backend copies those that
    /// the project's home lacks from the home that the administrator names.
    pub sign_in: &'static [&'static str],
    /// The beginning of the program's input. The program gets it even if the runner dies after the start.
    pub input: String,
    /// The longest duration; `None` for a server.
    pub wall: Option<Duration>,
}

impl fmt::Debug for ExecSpec {
    /// Shows neither the values of variables, nor the content of files, nor the input.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecSpec")
            .field("command", &self.command)
            .field("project", &self.project)
            .field("workspace", &self.workspace)
            .field("program", &self.program)
            .field("args", &self.args)
            .field("env", &self.env.keys())
            .field("files", &self.files.keys())
            .field("sign_in", &self.sign_in)
            .field("input_bytes", &self.input.len())
            .field("wall", &self.wall)
            .finish()
    }
}

/// A stream of a program's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStream {
    /// The standard output.
    Stdout,
    /// The standard error.
    Stderr,
}

/// The state of a run on a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecState {
    /// The program, or a process that descends from it, still runs.
    Running,
    /// Nothing of the run is left.
    Ended(ExecEnd),
    /// The supervision of the run was killed, so that the end of the program is unknown.
    Lost,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExecEnd {
    /// The exit code, unless a signal ended the program.
    pub exit_code: Option<i32>,
    /// The signal that ended the program.
    pub signal: Option<i32>,
    /// Whether the program took longer than [`ExecSpec::wall`].
    pub timed_out: bool,
    /// The reason why the program could not be started.
    pub start_error: Option<String>,
    /// The number of processes that the program left behind, and that were killed.
    pub swept: u32,
    /// The number of processes that could not be killed.
    pub left: u32,
    /// The duration from the start of the program to its end.
    pub duration: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_a_name_that_is_safe_as_a_file() {
        let command = CommandId::from_parts(crate::Timestamp::EPOCH, [7; 10]);
        let name = RunName::from(command);
        assert_eq!(name.as_str().parse(), Ok(name.clone()));
        assert_eq!(name.worktree_of(), None);
        let worktree = RunName::of_worktree(command);
        assert_eq!(worktree.as_str().parse(), Ok(worktree.clone()));
        assert_eq!(worktree.worktree_of(), Some(command));
        for invalid in ["", ".", "..", "-a", "_a", "a/b", "A", "a.b", "é", &"a".repeat(65)] {
            assert_eq!(invalid.parse::<RunName>(), Err(RunNameError), "{invalid:?}");
        }
    }

    #[test]
    fn a_specification_shows_no_secrets() {
        let spec = ExecSpec {
            command: CommandId::from_parts(crate::Timestamp::EPOCH, [7; 10]),
            project: "p".parse().unwrap(),
            workspace: Workspace::Local { path: "/".parse().unwrap() },
            program: "sh".to_owned(),
            args: Vec::new(),
            env: BTreeMap::from([("KEY".to_owned(), "sk-secret".into())]),
            files: BTreeMap::from([("FILE".parse().unwrap(), "sk-secret".into())]),
            sign_in: &[],
            input: "a private prompt".to_owned(),
            wall: None,
        };
        let shown = format!("{spec:?}");
        assert!(
            shown.contains("KEY") && !shown.contains("sk-secret") && !shown.contains("private"),
            "{shown}"
        );
    }
}
