//! `keys`.

use clap::{Args, Subcommand};
use rdev_webhooks_client::{ApiKeyRequest, Client};

use rdev_cli::ListArgs;
use rdev_cli::table::Column;
use rdev_cli::times::future;
use rdev_cli::{Outcome, Session};

const COLUMNS: &[Column] = &[
    ("ID", "id"),
    ("LABEL", "name"),
    ("HINT", "hint"),
    ("SCOPES", "scopes"),
    ("PROJECTS", "projects"),
    ("EXPIRES", "expires_at"),
    ("LAST USED", "last_used_at"),
];

#[derive(Debug, Subcommand)]
pub enum KeysVerb {
    /// List the API keys
    List {
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show an API key, without the key itself
    Show {
        /// Id of the API key
        #[arg(value_name = "KEY")]
        id: String,
    },
    /// Create an API key; the key itself is shown this once
    Create(CreateKeyArgs),
    /// Delete API keys
    Delete {
        /// Ids of the API keys
        #[arg(value_name = "KEY", required = true)]
        ids: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub struct CreateKeyArgs {
    /// Name, to recognise it
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Scope: events:write, webhooks:read, webhooks:write, commands:read, commands:write, projects:write or admin;
    /// separate several by commas
    #[arg(long, value_name = "SCOPES", required = true, value_delimiter = ',')]
    scope: Vec<String>,
    /// Projects to which it is restricted
    #[arg(long, value_name = "PROJECTS", value_delimiter = ',')]
    projects: Vec<String>,
    /// When it expires: 30d, tomorrow, 2026-01-15T10:30:00Z
    #[arg(long, value_name = "TIME", value_parser = future)]
    expires_at: Option<String>,
}

pub(crate) async fn run(session: Session, verb: KeysVerb) -> Outcome {
    let client: Client = session.client()?;
    match verb {
        KeysVerb::List { list } => {
            session.list(&list, COLUMNS, async |page| client.list_api_keys(&page).await).await
        }
        KeysVerb::Show { id } => session.show(client.get_api_key(&id).await),
        KeysVerb::Create(args) => {
            let key = ApiKeyRequest {
                name: args.name,
                scopes: args.scope,
                projects: (!args.projects.is_empty()).then_some(args.projects),
                expires_at: args.expires_at,
            };
            session.show(client.create_api_key(&key).await)
        }
        KeysVerb::Delete { ids } => {
            session.delete_each(&ids, async |id| client.delete_api_key(id).await).await
        }
    }
}
