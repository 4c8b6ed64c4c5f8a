//! The client commands of the programs, run as a user does.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::client::DEADLINE;
use crate::process::{binary, text};

/// A user with a home of their own.
pub struct CommandLine {
    /// The user's home, which is also the current folder.
    pub home: PathBuf,
    program: &'static str,
    variables: Vec<(String, String)>,
}

/// The end of a command.
#[derive(Debug)]
pub struct Ended {
    /// The exit code.
    pub code: i32,
    /// The data that it printed.
    pub stdout: String,
    /// What it said.
    pub stderr: String,
}

impl Ended {
    /// Returns the data without the line break at its end; panics unless the exit code is the expected one.
    #[track_caller]
    pub fn expect(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}\n{}", self.stdout, self.stderr);
        self.stdout.trim_end().to_owned()
    }
}

impl CommandLine {
    /// Creates a user whose home is `home`, and who uses the server of a data dir.
    #[must_use]
    pub fn new(home: &Path, data_dir: &Path) -> Self {
        let variables = vec![("RDEV_DATA_DIR".to_owned(), text(data_dir).to_owned())];
        Self { home: home.to_owned(), program: "rdev-webhooks", variables }
    }

    /// Returns the user of another program than `rdev-webhooks`.
    #[must_use]
    pub fn of(self, program: &'static str) -> Self {
        Self { program, ..self }
    }

    /// Returns the user with another variable in the environment.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Returns a command, to start it in another way.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("HOME", &self.home).env("PATH", "/usr/bin:/bin").current_dir(&self.home);
        command.envs(self.variables.iter().map(|(name, value)| (name, value))).kill_on_drop(true);
        command
    }

    /// Runs the program with arguments.
    pub async fn run(&self, args: &[&str]) -> Ended {
        self.run_with_input(args, "").await
    }

    /// Runs the program with the words of a line as arguments.
    pub async fn line(&self, line: &str) -> Ended {
        self.run(&line.split_whitespace().collect::<Vec<_>>()).await
    }

    /// Runs the program with arguments and standard input.
    pub async fn run_with_input(&self, args: &[&str], input: &str) -> Ended {
        let mut command = self.command(&binary(self.program));
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that does not read it may have ended.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = tokio::time::timeout(DEADLINE, child.wait_with_output()).await;
        let output = output.expect("it ends in time").unwrap();
        Ended {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Replaces what differs between two runs: ids, secrets, times and durations.
#[must_use]
pub fn normalized(output: &str) -> String {
    let is_part = |char: char| char.is_ascii_alphanumeric() || "_+/=.:-".contains(char);
    let mut out = String::with_capacity(output.len());
    let mut rest = output;
    let dated = output.find("[\"date\",").and_then(|at| Some((at, at + output[at..].find(']')?)));
    if let Some((at, end)) = dated {
        return format!("{}DATE{}", normalized(&output[..at]), normalized(&output[end + 1..]));
    }
    while let Some(char) = rest.chars().next() {
        let len = rest.find(|char| !is_part(char)).unwrap_or(rest.len());
        let word = if len == 0 { &rest[..char.len_utf8()] } else { &rest[..len] };
        out.push_str(&normal(word));
        rest = &rest[word.len()..];
    }
    out
}

fn normal(word: &str) -> String {
    const PREFIXES: [&str; 9] = ["req_", "evt_", "whk_", "dlv_", "att_", "rpl_", "key_", "whsec_", "rdev_"];
    let word_end = word.trim_end_matches([':', '.']);
    if let Some(prefix) = PREFIXES.iter().find(|prefix| word.starts_with(**prefix))
        && word_end.len() >= 9
        && !word_end[prefix.len()..].contains('_')
    {
        return format!("{prefix}…{}", &word[word_end.len()..]);
    }
    let is_time = word_end.len() >= 20 && word_end.ends_with('Z') && word_end.as_bytes()[10] == b'T';
    if is_time {
        return "TIME".to_owned();
    }
    if word_end.contains("127.0.0.1:") {
        let start = word.find("127.0.0.1:").unwrap_or_default() + "127.0.0.1:".len();
        let digits = word[start..].find(|char: char| !char.is_ascii_digit()).unwrap_or(word.len() - start);
        return format!("{}PORT{}", &word[..start], &word[start + digits..]);
    }
    let is_number = word_end.bytes().all(|byte| byte.is_ascii_digit());
    if word_end.len() >= 40 || (word_end.len() == 10 && is_number) {
        return "…".to_owned();
    }
    let number = word_end.trim_end_matches("ms");
    if number.contains('.') && number.parse::<f64>().is_ok() {
        return "N.N".to_owned();
    }
    word.to_owned()
}
