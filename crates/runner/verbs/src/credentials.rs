//! `credentials`.

use std::io::IsTerminal;
use std::time::Duration;

use clap::{Args, Subcommand};
use rdev_cli::table::Column;
use rdev_cli::{Failure, ListArgs, Outcome, Session, files, times};
use rdev_process::options::duration;
use rdev_runner_client::{Client, CredentialFilter, NewCredential};

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("KIND", "kind"),
    ("VERSION", "version"),
    ("PROJECTS", "projects"),
    ("EXPIRES", "expires_at"),
    ("LAST USED", "last_used_at"),
];

const USE_COLUMNS: &[Column] = &[
    ("COMMAND", "command_id"),
    ("REPOSITORY", "repository"),
    ("PROJECT", "project"),
    ("VERSION", "version"),
    ("USED", "used_at"),
];

#[derive(Debug, Subcommand)]
pub enum CredentialsVerb {
    /// List the credentials by name; their values are never shown
    List {
        /// Only those that this project may use
        #[arg(long, value_name = "PROJECT")]
        project: Option<String>,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show a credential without its value
    Show {
        /// Name of the credential
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Store a credential, or a new value of one; the value comes from standard input
    ///
    /// What is not given stays as it is. A run gets a credential only if its project lists it (`projects update PROJECT
    /// --secret NAME`), and the command does not name other secrets.
    Put(Box<PutArgs>),
    /// List the commands that got a credential, the newest first
    Uses {
        /// Name of the credential
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Delete credentials with their values; runs that have them go on
    Delete {
        /// Names of the credentials
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub struct PutArgs {
    /// Name of the credential: that of the environment variable with its value, or with the path of its file
    #[arg(value_name = "NAME")]
    name: String,
    /// How a run gets the value: env for a variable, file for a private file, git for a credential helper of git
    /// [default: env, or the present kind]
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// File with the value [default: standard input]
    #[arg(long, value_name = "FILE", conflicts_with = "keep_value")]
    value_file: Option<String>,
    /// Change the other settings alone
    #[arg(long)]
    keep_value: bool,
    /// A project that may use the credential; repeat it for more [default: all, or the present ones]
    #[arg(long, value_name = "PROJECT", conflicts_with = "all_projects")]
    project: Vec<String>,
    /// Let every project use the credential
    #[arg(long)]
    all_projects: bool,
    /// When the value ends: a time, or a duration from now such as 30d
    #[arg(long, value_name = "TIME", value_parser = times::future)]
    expires_at: Option<String>,
    /// How long a value that is replaced is kept for the runs that have it [default: 1d]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    overlap: Option<Duration>,
}

pub(crate) async fn run(session: Session, verb: CredentialsVerb) -> Outcome {
    let client: Client = session.client()?;
    match verb {
        CredentialsVerb::List { project, list } => {
            let filter = CredentialFilter { project };
            session.list(&list, COLUMNS, async |page| client.list_credentials(&filter, &page).await).await
        }
        CredentialsVerb::Show { name } => session.show(client.get_credential(&name).await),
        CredentialsVerb::Put(args) => {
            let credential = credential(&session, &client, &args).await?;
            session.show(client.put_credential(&args.name, &credential).await)
        }
        CredentialsVerb::Uses { name, list } => {
            let uses = async |page| client.list_credential_uses(&name, &page).await;
            session.list(&list, USE_COLUMNS, uses).await
        }
        CredentialsVerb::Delete { names } => {
            session.delete_each(&names, async |name| client.delete_credential(name).await).await
        }
    }
}

async fn credential(session: &Session, client: &Client, args: &PutArgs) -> Outcome<NewCredential> {
    let kind = match &args.kind {
        Some(kind) => kind.clone(),
        None => match client.get_credential(&args.name).await {
            Err(error) if error.problem().is_some_and(|problem| problem.code == "not_found") => {
                "env".to_owned()
            }
            present => session.done(present)?.kind.clone(),
        },
    };
    let value = if args.keep_value { None } else { Some(value(args.value_file.as_deref(), &kind)?) };
    let projects = match (args.all_projects, args.project.is_empty()) {
        (true, _) => Some(None),
        (false, false) => Some(Some(args.project.clone())),
        (false, true) => None,
    };
    Ok(NewCredential {
        kind: Some(kind),
        value,
        projects,
        expires_at: args.expires_at.clone().map(Some),
        overlap_seconds: args.overlap.map(|overlap| overlap.as_secs().try_into().unwrap_or(u32::MAX)),
    })
}

/// Reads a value. That of a variable loses the line break at its end, which `echo` adds.
fn value(file: Option<&str>, kind: &str) -> Outcome<String> {
    if file.is_none() && std::io::stdin().is_terminal() {
        let message = "the value comes from standard input: pipe it in, or name a file with --value-file";
        return Err(Failure::usage(message));
    }
    let mut text = files::read(file.unwrap_or("-"))?;
    if kind == "env" {
        text.truncate(text.trim_end_matches(['\n', '\r']).len());
    }
    Ok(text)
}
