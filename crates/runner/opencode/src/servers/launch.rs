//! The start of a server.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use http::Method;
use rdev_runner_domain::ports::{ExecBackend, ExecError};
use rdev_runner_domain::{AgentRun, ExecSpec, ExecState, OutputStream, RunName, Workspace};
use serde_json::json;
use tokio::time::timeout;

use crate::client::{AVAILABILITY_TIMEOUT, Client};

/// How long a server may take to listen. On an idle machine it takes 1 to 7 s.
pub const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a server lives at most. It takes new runs for the first half of that time, and no run is longer
/// than the second.
pub const SERVER_LIFETIME: Duration = Duration::from_secs(48 * 60 * 60);

/// The largest number of steps of a turn. It ends a turn whose runner is gone too, and is as large as a limit
/// of a request can be.
pub const MAX_STEPS: u32 = 10_000;

/// The part of the output in which the line with the address must be.
const MAX_GREETING: usize = 64 * 1024;

/// The part of the standard error that an error quotes, in bytes.
const COMPLAINT: usize = 1_000;

/// The files of a home with the user's own configuration and sign-in.
const SIGN_IN: &[&str] = &[
    ".config/opencode/opencode.json",
    ".config/opencode/opencode.jsonc",
    ".config/opencode/config.json",
    ".local/share/opencode/auth.json",
];

/// Returns what the backend runs for a server.
///
/// The repository's own configuration and plugins are not read: they would run commands outside of every rule.
/// Nothing is downloaded or updated, and no session is shared.
pub(super) fn spec(program: &str, run: &AgentRun, password: &str) -> ExecSpec {
    let mut env = run.environment();
    let config =
        json!({ "autoupdate": false, "share": "disabled", "agent": { "build": { "steps": MAX_STEPS } } });
    let own = [
        ("OPENCODE_SERVER_PASSWORD", password.to_owned()),
        ("OPENCODE_CONFIG_CONTENT", config.to_string()),
        ("OPENCODE_DISABLE_AUTOUPDATE", "1".to_owned()),
        ("OPENCODE_DISABLE_MODELS_FETCH", "1".to_owned()),
        ("OPENCODE_DISABLE_LSP_DOWNLOAD", "1".to_owned()),
        ("OPENCODE_DISABLE_DEFAULT_PLUGINS", "1".to_owned()),
        ("OPENCODE_DISABLE_PROJECT_CONFIG", "1".to_owned()),
    ];
    env.extend(own.into_iter().map(|(name, value)| (name.to_owned(), value.into())));
    let args = ["serve", "--hostname", "127.0.0.1", "--port", "0", "--pure"];
    ExecSpec {
        command: run.command_id(),
        project: run.request.draft().project.clone(),
        workspace: run.workspace.clone(),
        program: program.to_owned(),
        args: args.map(str::to_owned).to_vec(),
        env,
        files: run.secrets.files.clone(),
        sign_in: SIGN_IN,
        input: String::new(),
        wall: Some(SERVER_LIFETIME),
    }
}

/// Returns the folder of a workspace, as the server sees it.
pub(super) fn directory(workspace: &Workspace) -> Result<String, String> {
    match workspace {
        Workspace::Local { path } => Ok(path.as_str().to_owned()),
        Workspace::Kubernetes(place) => Ok(place.path.as_str().to_owned()),
        other => Err(format!("the workspace is of an unknown kind: {other:?}")),
    }
}

/// Waits until a server listens, and returns its address.
///
/// # Errors
///
/// Returns the reason why it does not listen.
pub(super) async fn address(backend: &dyn ExecBackend, name: &RunName) -> Result<SocketAddr, String> {
    let reading = async {
        let mut greeting = Vec::new();
        loop {
            let offset = greeting.len() as u64;
            let read = backend.follow_output(name, OutputStream::Stdout, offset).await;
            let more = read.map_err(|error| error.to_string())?;
            if more.is_empty() || greeting.len() > MAX_GREETING {
                let fate = fate(backend, name).await;
                return Err(fate.map_or_else(|| "it printed no address".to_owned(), |fate| fate.to_string()));
            }
            greeting.extend(more);
            if let Some(address) = listening(&String::from_utf8_lossy(&greeting)) {
                return Ok(address);
            }
        }
    };
    let read = timeout(START_TIMEOUT, reading).await;
    read.unwrap_or_else(|_| Err(format!("it does not listen after {} s", START_TIMEOUT.as_secs())))
}

/// Returns the address in the line that a server prints once it listens.
fn listening(greeting: &str) -> Option<SocketAddr> {
    let mut lines = greeting.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    lines.find_map(|line| line.split_once("listening on http://")?.1.trim().parse().ok())
}

/// What became of a server.
#[derive(Debug, Clone)]
pub(crate) enum Fate {
    /// It has ended, for this reason.
    Ended(String),
    /// It was killed together with its supervisor, or its pod is gone.
    Lost,
    /// The place in which it runs cannot be reached now, for this reason.
    Unknown(String),
    /// This process may not use the place in which it runs, for this reason.
    Forbidden(String),
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended(reason) | Self::Unknown(reason) | Self::Forbidden(reason) => reason,
            Self::Lost => "its supervisor was killed, or its pod is gone",
        })
    }
}

/// Returns how a server has ended, with the end of its standard error; `None` while it runs.
pub(super) async fn fate(backend: &dyn ExecBackend, name: &RunName) -> Option<Fate> {
    let end = match backend.status(name).await {
        Ok(ExecState::Running) => return None,
        Ok(ExecState::Ended(end)) => match (end.start_error, end.exit_code, end.signal) {
            (Some(error), _, _) => return Some(Fate::Ended(error)),
            (None, Some(code), _) => format!("it ended with exit code {code}"),
            (None, None, Some(signal)) => format!("it was ended by signal {signal}"),
            (None, None, None) => "it has ended".to_owned(),
        },
        Ok(ExecState::Lost) => return Some(Fate::Lost),
        Err(error @ ExecError::Host { .. }) => return Some(Fate::Unknown(error.to_string())),
        Err(error @ ExecError::Forbidden { .. }) => return Some(Fate::Forbidden(error.to_string())),
        Err(error) => return Some(Fate::Ended(error.to_string())),
    };
    let complaint = backend.tail_output(name, OutputStream::Stderr, COMPLAINT).await.unwrap_or_default();
    let complaint = String::from_utf8_lossy(&complaint);
    let words: Vec<_> = complaint.split_whitespace().collect();
    Some(Fate::Ended(if words.is_empty() { end } else { format!("{end}: {}", words.join(" ")) }))
}

/// Returns the version of the server. An answer without one comes from something else: OpenCode's own, of
/// another version, answers unknown paths with a page.
pub(super) async fn version(client: &Client) -> Result<String, String> {
    let health = client.call(Method::GET, "/global/health", None, AVAILABILITY_TIMEOUT).await;
    let health = health.map_err(|error| error.to_string())?;
    let version = health.get("version").and_then(serde_json::Value::as_str);
    version.map(str::to_owned).ok_or_else(|| "it is not OpenCode's: its health has no version".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_in_a_whole_line() {
        let address = listening("warning: x\nopencode server listening on http://127.0.0.1:4096\nmore");
        assert_eq!(address, Some("127.0.0.1:4096".parse().unwrap()));
        for greeting in ["opencode server listening on http://127.0.0.1:40", "listening on http://x:1\n", ""]
        {
            assert_eq!(listening(greeting), None);
        }
    }

    #[test]
    fn a_secret_replaces_none_of_the_servers_own_variables() {
        use secrecy::ExposeSecret;
        let mut run = rdev_runner_testkit::run(rdev_runner_testkit::draft(1, "Hello."));
        run.secrets.add_variable("OPENCODE_SERVER_PASSWORD".parse().unwrap(), "guess".into());
        run.secrets.add_variable("API_KEY".parse().unwrap(), "sk".into());
        let spec = spec("opencode", &run, "word");
        let value = |name: &str| spec.env[name].expose_secret().to_owned();
        assert_eq!((value("OPENCODE_SERVER_PASSWORD"), value("API_KEY")), ("word".into(), "sk".into()));
        for name in spec.env.keys().filter(|name| *name != "API_KEY") {
            assert!(name.parse::<rdev_runner_domain::EnvironmentName>().is_err(), "{name} is not reserved");
        }
    }
}
