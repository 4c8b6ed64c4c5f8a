//! `projects woodpecker`.

use clap::{Args, Subcommand};
use rdev_cli::table::Column;
use rdev_cli::{Failure, ListArgs, Outcome, Session};
use rdev_runner_client::{Client, NewPipeline, NewPipelineSecret};

const COLUMNS: &[Column] = &[
    ("ID", "id"),
    ("REPOSITORY", "repository"),
    ("NUMBER", "number"),
    ("STATUS", "status"),
    ("BRANCH", "branch"),
    ("TRIGGERED", "created_at"),
];

#[derive(Debug, Subcommand)]
pub enum WoodpeckerVerb {
    /// Activate the repository of a project
    Activate {
        /// Name of the project
        #[arg(value_name = "PROJECT")]
        project: String,
    },
    /// Set a secret of the repository to the value of a credential
    Secret(SecretArgs),
    /// Trigger a pipeline; its end is published as the event pipeline.completed
    Trigger(TriggerArgs),
    /// List the pipelines that were triggered for a project, newest first
    Pipelines {
        /// Name of the project
        #[arg(value_name = "PROJECT")]
        project: String,
        #[command(flatten)]
        list: ListArgs,
    },
}

#[derive(Debug, Args)]
pub struct SecretArgs {
    /// Name of the project
    #[arg(value_name = "PROJECT")]
    project: String,
    /// Credential with the value, which the project lists among its secrets
    #[arg(value_name = "CREDENTIAL")]
    credential: String,
    /// Name in pipelines [default: that of the credential in lower case]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Event whose pipelines get it, such as push; repeatable [default: push, tag and manual]
    #[arg(long = "event", value_name = "EVENT")]
    events: Vec<String>,
}

#[derive(Debug, Args)]
pub struct TriggerArgs {
    /// Name of the project
    #[arg(value_name = "PROJECT")]
    project: String,
    /// Branch [default: that of the repository]
    #[arg(long, value_name = "BRANCH")]
    branch: Option<String>,
    /// Variable that its steps find in their environment, no secret; repeatable
    #[arg(long = "var", value_name = "NAME=VALUE")]
    variables: Vec<String>,
}

pub(crate) async fn run(session: &Session, client: &Client, verb: WoodpeckerVerb) -> Outcome {
    match verb {
        WoodpeckerVerb::Activate { project } => session.show(client.activate_repository(&project).await),
        WoodpeckerVerb::Secret(SecretArgs { project, credential, name, events }) => {
            let events = Some(events).filter(|events| !events.is_empty());
            let secret = NewPipelineSecret { credential, name, events };
            session.show(client.set_pipeline_secret(&project, &secret).await)
        }
        WoodpeckerVerb::Trigger(TriggerArgs { project, branch, variables }) => {
            let mut pipeline = NewPipeline { branch, ..NewPipeline::default() };
            for variable in variables {
                let Some((name, value)) = variable.split_once('=') else {
                    return Err(Failure::usage(format!("--var {variable} is not NAME=VALUE")));
                };
                pipeline.variables.insert(name.to_owned(), value.to_owned());
            }
            session.show(client.trigger_pipeline(&project, &pipeline).await)
        }
        WoodpeckerVerb::Pipelines { project, list } => {
            session.list(&list, COLUMNS, async |page| client.list_pipelines(&project, &page).await).await
        }
    }
}
