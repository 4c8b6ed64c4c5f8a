//! `event-types`.

use clap::{Args, Subcommand};
use rdev_webhooks_client::{Client, EventTypeRequest};
use serde_json::value::RawValue;

use rdev_cli::ListArgs;
use rdev_cli::table::Column;
use rdev_cli::{Failure, Outcome, Session, files};

const COLUMNS: &[Column] = &[("NAME", "name"), ("ORIGIN", "origin"), ("DESCRIPTION", "description")];

#[derive(Debug, Subcommand)]
pub enum EventTypesVerb {
    /// List the event types
    List {
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show an event type with its schema and its examples
    Show {
        /// Name of the event type
        #[arg(value_name = "TYPE")]
        name: String,
    },
    /// Register an event type, or replace its definition
    Put(PutArgs),
    /// Delete a registered event type
    Delete {
        /// Name of the event type
        #[arg(value_name = "TYPE")]
        name: String,
    },
}

#[derive(Debug, Args)]
pub struct PutArgs {
    /// Name of the event type
    #[arg(value_name = "TYPE")]
    name: String,
    /// Description
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// JSON Schema of the data: @FILE, - for standard input, or JSON
    #[arg(long, value_name = "SCHEMA")]
    schema: Option<String>,
    /// An example of the data: @FILE, - for standard input, or JSON; repeat it for more
    #[arg(long, value_name = "DATA")]
    example: Vec<String>,
}

pub(crate) async fn run(session: Session, verb: EventTypesVerb) -> Outcome {
    let client: Client = session.client()?;
    match verb {
        EventTypesVerb::List { list } => {
            session.list(&list, COLUMNS, async |page| client.list_event_types(&page).await).await
        }
        EventTypesVerb::Show { name } => session.show(client.get_event_type(&name).await),
        EventTypesVerb::Put(args) => {
            let examples = args.example.iter().map(|example| raw("--example", example));
            let examples = examples.collect::<Outcome<Vec<_>>>()?;
            let definition = EventTypeRequest {
                description: args.description,
                schema: args.schema.map(|schema| raw("--schema", &schema)).transpose()?,
                examples: (!examples.is_empty()).then_some(examples),
            };
            session.show(client.put_event_type(&args.name, &definition).await)
        }
        EventTypesVerb::Delete { name } => {
            session.delete_each(&[name], async |name| client.delete_event_type(name).await).await
        }
    }
}

fn raw(option: &str, argument: &str) -> Outcome<Box<RawValue>> {
    let text = files::json_argument(argument)?;
    serde_json::from_str(text.trim())
        .map_err(|error| Failure::usage(format!("{option} is not JSON: {error}")))
}
