//! `commands`.

use clap::{Args, Subcommand};
use rdev_cli::table::Column;
use rdev_cli::{ListArgs, Outcome, Session};
use rdev_runner_client::{Client, CommandFilter};

use crate::follow;
use crate::screen::Screen;

const COLUMNS: &[Column] = &[
    ("ID", "id"),
    ("STATUS", "status"),
    ("PROJECT", "project"),
    ("TYPE", "type"),
    ("WAITS FOR", "waiting_for"),
    ("EXIT", "result.exit_code"),
    ("USD", "result.cost_usd"),
    ("CREATED", "created_at"),
];

#[derive(Debug, Subcommand)]
pub enum CommandsVerb {
    /// List commands, newest first
    List(ListCommandsArgs),
    /// Show a command with its request, its result and the diff of its changes
    Show {
        /// Id of the command
        #[arg(value_name = "COMMAND")]
        id: String,
    },
    /// Cancel commands
    Cancel(IdsArgs),
    /// Show what happens in a command, from its beginning to its end
    ///
    /// Exits as `run` does. ^C leaves the command as it is.
    Tail {
        /// Id of the command
        #[arg(value_name = "COMMAND")]
        id: String,
        /// Begin after the event with this number
        #[arg(long, value_name = "SEQ")]
        after: Option<u64>,
    },
    /// Queue the requests of commands as new commands
    RunAgain(IdsArgs),
    /// Delete ended commands with their events
    Delete(IdsArgs),
}

#[derive(Debug, Args)]
pub struct IdsArgs {
    /// Ids of the commands
    #[arg(value_name = "COMMAND", required = true)]
    ids: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ListCommandsArgs {
    /// Only of this project
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,
    /// Only of this agent
    #[arg(long = "type", value_name = "PROVIDER")]
    provider: Option<String>,
    /// Only this status: queued, starting, running, cancelling, completed, failed, cancelled, timed_out or lost
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    #[command(flatten)]
    list: ListArgs,
}

pub(crate) async fn run(session: Session, verb: CommandsVerb) -> Outcome {
    let client: Client = session.client()?;
    match verb {
        CommandsVerb::List(ListCommandsArgs { project, provider, status, list }) => {
            let filter = CommandFilter { project, provider, status };
            session.list(&list, COLUMNS, async |page| client.list_commands(&filter, &page).await).await
        }
        CommandsVerb::Show { id } => {
            session.show_with_text(client.get_command(&id).await, "result.changes.diff")
        }
        CommandsVerb::Cancel(IdsArgs { ids }) => {
            session.show_each(&ids, COLUMNS, async |id| client.cancel_command(id).await).await
        }
        CommandsVerb::Tail { id, after } => {
            let events = session.done(client.follow_command(&id, after))?;
            let mut screen = Screen::new(session.printer);
            let ended = follow::to_the_end(&session, events, &mut screen).await?;
            screen.end(session.program(), &ended)
        }
        CommandsVerb::RunAgain(IdsArgs { ids }) => {
            session.show_each(&ids, COLUMNS, async |id| client.run_command_again(id).await).await
        }
        CommandsVerb::Delete(IdsArgs { ids }) => {
            session.delete_each(&ids, async |id| client.delete_command(id).await).await
        }
    }
}
