//! The program whose command line it is.

use rdev_client::Problem;

/// A program.
#[derive(Debug)]
pub struct Program {
    /// The name, which is also that of its folder of settings.
    pub name: &'static str,
    /// The value of the header `user-agent`.
    pub agent: &'static str,
    /// What helps against the problems of its APIs; the first that knows a problem counts.
    pub help: &'static [fn(&Problem) -> Option<Help>],
}

/// What helps against a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Help {
    /// A command of the program, without the program's name.
    Command(String),
    /// Anything else that one can do.
    Advice(String),
}

impl Program {
    /// Returns the text of a help.
    #[must_use]
    pub fn text(&self, help: &Help) -> String {
        match help {
            Help::Command(command) => self.command(command),
            Help::Advice(advice) => advice.clone(),
        }
    }

    /// Returns a command of the program as people write it.
    #[must_use]
    pub fn command(&self, words: &str) -> String {
        format!("{} {words}", self.name)
    }
}
