//! Parses the command line and the environment, and reports an error in one line.

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Parser};

/// The exit code of a program with invalid options.
const EXIT_USAGE: u8 = 2;

/// The longest duration of printing.
const PRINT_TIMEOUT: Duration = Duration::from_secs(1);

/// Parses the program's options from its arguments and environment.
///
/// `--help` and `--version` print to standard output and end the process with exit code 0. An error ends it
/// with exit code 2 and one line on standard error.
pub fn parse_or_exit<T: Parser>() -> T {
    match parse_from(std::env::args_os()) {
        Ok(options) => options,
        Err(UsageError::Shown(error)) => error.exit(),
        Err(UsageError::Wrong(line)) => {
            print_error(line);
            std::process::exit(i32::from(EXIT_USAGE))
        }
    }
}

/// Reports, in one line on standard error, an error of the configuration that was found only after parsing.
/// Returns the exit code for `main`, which is 2.
pub fn fail(message: impl Display) -> ExitCode {
    print_error(message);
    ExitCode::from(EXIT_USAGE)
}

/// The reason why there are no options.
#[derive(Debug)]
pub enum UsageError {
    /// Help or the version was requested; [`clap::Error::exit`] shows it.
    Shown(clap::Error),
    /// One line that describes the error. It never contains a secret.
    Wrong(String),
}

/// Parses options from `args` (the program's name first) and the process's environment.
///
/// A variable that is set but empty counts as not set, because `RDEV_BIND= rdev-webhooks` and an unfilled
/// line in a compose file mean "the default", not an empty address. An empty *flag* is still an error, unless
/// the option accepts empty values.
///
/// # Errors
/// Fails with [`UsageError::Shown`] for help and the version, otherwise with [`UsageError::Wrong`].
pub fn parse_from<T: Parser>(args: impl IntoIterator<Item = impl Into<OsString>>) -> Result<T, UsageError> {
    parse_in(args, |name| std::env::var_os(name))
}

fn parse_in<T: Parser>(
    args: impl IntoIterator<Item = impl Into<OsString>>,
    environment: fn(&OsStr) -> Option<OsString>,
) -> Result<T, UsageError> {
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    let mut command = without_empty_variables(T::command(), environment);
    command
        .try_get_matches_from_mut(&args)
        .and_then(|mut matches| T::from_arg_matches_mut(&mut matches))
        .map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => UsageError::Shown(error),
            _ => UsageError::Wrong(line(T::command(), &args, &error)),
        })
}

/// Returns `command` without the variables that are empty.
///
/// Removing a variable from the process's environment instead would be unsound once there are threads, hence
/// `unsafe`.
fn without_empty_variables(command: Command, environment: fn(&OsStr) -> Option<OsString>) -> Command {
    let is_empty = move |name: &OsStr| environment(name).is_some_and(|value| value.is_empty());
    command
        .mut_args(|arg| match arg.get_env() {
            Some(name) if is_empty(name) => arg.env(None::<&'static str>),
            _ => arg,
        })
        .mut_subcommands(|subcommand| without_empty_variables(subcommand, environment))
}

/// Describes the error, and the variable that it concerns.
fn line(mut command: Command, args: &[OsString], error: &clap::Error) -> String {
    command.build();
    let command = &command;
    let what = summary(error);
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(shown)) => match variable_at_fault(command, args, shown) {
            Some(name) => format!("{name}: {what}; see --help"),
            None => format!("{what}; see --help"),
        },
        Some(ContextValue::Strings(missing)) if error.kind() == ErrorKind::MissingRequiredArgument => {
            let names: Vec<_> = missing.iter().filter_map(|shown| variable(command, shown)).collect();
            match names.as_slice() {
                [] => format!("{what}; see --help"),
                names => format!("{what} (or set {}); see --help", names.join(", ")),
            }
        }
        _ => format!("{what}; see --help"),
    }
}

/// Returns the variable from which an option's refused value came, unless it came from the flag.
fn variable_at_fault(command: &Command, args: &[OsString], shown: &str) -> Option<String> {
    let name = variable(command, shown)?;
    let flag = format!("--{}", find_arg(command, shown)?.get_long()?);
    let given_as_flag =
        args.iter().filter_map(|arg| arg.to_str()).any(|arg| arg.split('=').next() == Some(flag.as_str()));
    let is_set = std::env::var_os(&name).is_some();
    (is_set && !given_as_flag).then_some(name)
}

/// Returns the variable of an option, which is given as clap shows it: `--workers <N>`.
fn variable(command: &Command, shown: &str) -> Option<String> {
    let name = find_arg(command, shown)?.get_env()?;
    Some(name.to_string_lossy().into_owned())
}

fn find_arg<'a>(command: &'a Command, shown: &str) -> Option<&'a Arg> {
    command
        .get_arguments()
        .find(|arg| arg.to_string() == shown)
        .or_else(|| command.get_subcommands().find_map(|subcommand| find_arg(subcommand, shown)))
}

/// Returns clap's message on one line, without its label, the usage and the pointer to `--help`.
fn summary(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let mut paragraphs = text
        .split("\n\n")
        .map(one_line)
        .take_while(|paragraph| {
            !paragraph.starts_with("Usage:") && !paragraph.starts_with("For more information")
        })
        .filter(|paragraph| !paragraph.is_empty());
    let first = paragraphs.next().unwrap_or_default();
    paragraphs.fold(first, |line, paragraph| format!("{line}; {paragraph}"))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Prints the reason why a program ends, in one line on standard error.
pub fn print_error(message: impl Display) {
    print(std::io::stderr(), format!("error: {}\n", one_line(&message.to_string())));
}

/// Prints text for humans. The program continues if the output is closed, and after a second if the output is
/// not read: neither prevents its work.
pub fn print(mut output: impl Write + Send + 'static, text: String) {
    let (done, printed) = mpsc::channel();
    let printing = std::thread::Builder::new().name("print".to_owned()).spawn(move || {
        let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
        let _ = done.send(());
    });
    if printing.is_ok() {
        let _ = printed.recv_timeout(PRINT_TIMEOUT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cargo sets this variable for every test, so it stands for one that an operator set.
    #[derive(Debug, Parser)]
    struct Options {
        #[arg(long, env = "CARGO_PKG_NAME", default_value = "the default")]
        name: String,
    }

    #[test]
    fn a_variable_is_used_when_the_flag_is_absent() {
        let options: Options = parse_in(["program"], |_| Some("not empty".into())).unwrap();
        assert_eq!(options.name, env!("CARGO_PKG_NAME"));
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let options: Options = parse_in(["program"], |_| Some(OsString::new())).unwrap();
        assert_eq!(options.name, "the default");
    }

    #[derive(Debug, Parser)]
    struct Numeric {
        #[arg(long, env = "CARGO_PKG_NAME")]
        number: u16,
    }

    fn wrong<T: Parser + std::fmt::Debug>(args: &[&str]) -> String {
        match parse_from::<T>(args).unwrap_err() {
            UsageError::Wrong(line) => line,
            UsageError::Shown(error) => panic!("not an error: {error}"),
        }
    }

    #[test]
    fn a_wrong_value_names_the_variable_it_came_from() {
        let line = wrong::<Numeric>(&["program"]);
        assert!(line.contains("--number <NUMBER>"), "{line}");
        assert!(line.starts_with("CARGO_PKG_NAME: invalid value"), "{line}");
    }

    #[test]
    fn a_wrong_flag_is_not_blamed_on_the_variable() {
        for args in [["program", "--number=x"].as_slice(), &["program", "--number", "x"]] {
            let line = wrong::<Numeric>(args);
            assert!(line.starts_with("invalid value 'x' for '--number <NUMBER>'"), "{line}");
        }
    }

    #[derive(Debug, Parser)]
    struct Required {
        #[arg(long, env = "RDEV_OF_NOBODY")]
        bind: String,
    }

    #[test]
    fn a_missing_option_names_its_variable() {
        let line = wrong::<Required>(&["program"]);
        assert!(line.contains("--bind <BIND> (or set RDEV_OF_NOBODY)"), "{line}");
    }

    #[test]
    fn a_missing_option_names_its_variable_even_when_that_is_empty() {
        let result = parse_in::<Numeric>(["program"], |_| Some(OsString::new()));
        let Err(UsageError::Wrong(line)) = result else { panic!("not an error: {result:?}") };
        assert!(line.contains("--number <NUMBER> (or set CARGO_PKG_NAME)"), "{line}");
    }
}
