//! `run`.

mod project;

use clap::Args;
use rdev_cli::output::say;
use rdev_cli::{Failure, Format, Outcome, Session, files};
use rdev_client::{Error, Reply, random_key};
use rdev_runner_client::{Client, Command, NewCommand, NewSession};

use crate::follow::{self, Interrupts};
use crate::screen::Screen;
use crate::settings::{LimitArgs, RightsArgs, given};

#[derive(Debug, Args)]
pub struct RunArgs {
    /// Agent, as `providers` lists them; without a second argument this is the prompt, for the project's agent or the
    /// default one
    #[arg(value_name = "PROVIDER|PROMPT")]
    first: String,
    /// What the agent is asked to do, or - for standard input
    #[arg(value_name = "PROMPT")]
    second: Option<String>,
    /// Project [default: that of the current folder, which is made if there is none]
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,
    /// Continue this session
    #[arg(long, value_name = "SESSION", conflicts_with = "fork")]
    session: Option<String>,
    /// Continue a copy of this session
    #[arg(long, value_name = "SESSION")]
    fork: Option<String>,
    /// The agent's name of the model [default: the agent's]
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    #[command(flatten)]
    rights: RightsArgs,
    /// Only queue it, and print the command
    #[arg(long)]
    detach: bool,
    #[command(flatten)]
    limits: LimitArgs,
}

impl RunArgs {
    /// Returns the agent, if it is given.
    fn provider(&self) -> Option<&String> {
        self.second.as_ref().map(|_| &self.first)
    }

    /// Returns the prompt as it is given.
    fn prompt(&self) -> &str {
        self.second.as_ref().unwrap_or(&self.first)
    }
}

pub(crate) async fn run(session: Session, args: RunArgs) -> Outcome {
    let client: Client = session.client()?;
    let prompt = match args.prompt() {
        "-" => files::read("-")?,
        prompt => prompt.to_owned(),
    };
    let mut interrupts = Interrupts::new()?;
    let command = interrupts.end(queue(&session, &client, &args, prompt)).await?;
    if args.detach {
        return session.printer.one(command.json());
    }
    if session.printer.format == Format::Id {
        session.printer.print(&command.id)?;
    } else {
        say(&format!("{} on {}, by {} (^C cancels it)", command.id, command.project, command.provider));
    }
    match command.waiting_for.as_deref() {
        // A runner takes it at once if it has the agent.
        Some("runner") => say_why_unavailable(&session, &client, &command.provider).await?,
        Some(reason) => {
            let place = command.position.map(|position| format!(", number {position} of the queue"));
            say(&format!("It waits: {}{}.", waiting(reason), place.unwrap_or_default()));
        }
        None => {}
    }
    let mut screen = Screen::new(session.printer).outliving_output();
    // An answer to an earlier cancellation under the command's own key would cancel nothing.
    let unkeyed = client.with_idempotency_key(session.done(random_key())?);
    let ended = follow::cancellable(&session, &unkeyed, &command, &mut screen, &mut interrupts).await?;
    screen.end(session.program(), &ended)
}

/// Queues the command on the project.
async fn queue(
    session: &Session,
    client: &Client,
    args: &RunArgs,
    prompt: String,
) -> Outcome<Reply<Command>> {
    if prompt.trim().is_empty() {
        return Err(Failure::usage("the prompt is blank").with_command("run PROVIDER PROMPT"));
    }
    if args.provider().is_none() {
        check_prompt(session, client, args.prompt()).await?;
    }
    let (project, is_new) = match &args.project {
        Some(project) => (project.clone(), false),
        None => {
            let key = format!("{}-project", session.idempotency_key());
            project::of_folder(session, &client.with_idempotency_key(key)).await?
        }
    };
    let continued = args.session.clone().map(NewSession::Resume);
    let command = NewCommand {
        provider: args.provider().cloned(),
        session: continued.or_else(|| args.fork.clone().map(NewSession::Fork)),
        model: args.model.clone(),
        limits: args.limits.limits(),
        permissions: args.rights.permissions.clone(),
        allowed_tools: given(&args.rights.allow),
        denied_tools: given(&args.rights.deny),
        secrets: given(&args.rights.secret),
        ..NewCommand::new(prompt)
    };
    let created = client.create_command(&project, &command).await;
    let is_refused = |error: &Error| error.problem().is_some_and(|problem| problem.status < 500);
    if is_new && created.as_ref().is_err_and(is_refused) {
        // It was made for this command alone. One that has others by now stays.
        let deleted = client.delete_project(&project, None).await;
        say(&if deleted.is_ok() {
            format!("Project {project} is deleted again.")
        } else {
            format!("Project {project} stays.")
        });
    }
    session.done(created)
}

/// Refuses the name of an agent as the whole prompt: the prompt was forgotten.
async fn check_prompt(session: &Session, client: &Client, prompt: &str) -> Outcome {
    let is_name = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-';
    if prompt == "-" || !prompt.chars().all(is_name) {
        return Ok(());
    }
    let providers = session.done(client.list_providers().await)?;
    if providers.data.iter().all(|provider| provider.name != prompt) {
        return Ok(());
    }
    let command = format!("run {prompt} \"PROMPT\"");
    Err(Failure::usage(format!("{prompt} is an agent, and the prompt is missing")).with_command(command))
}

/// Says why an agent cannot run, if it cannot.
async fn say_why_unavailable(session: &Session, client: &Client, provider: &str) -> Outcome {
    let providers = session.done(client.list_providers().await)?;
    let unavailable = providers.data.iter().find(|found| found.name == provider && !found.available);
    if let Some(reason) = unavailable.and_then(|found| found.unavailable_reason.as_deref()) {
        say(&format!("It waits: {reason}"));
    }
    Ok(())
}

fn waiting(reason: &str) -> &str {
    match reason {
        "max_running" => "as many commands run as may in all",
        "provider" => "as many commands of this agent run as may",
        "project" => "as many commands of this project run as may",
        "session" => "another command runs on this session",
        other => other,
    }
}
