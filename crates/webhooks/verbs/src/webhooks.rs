//! `webhooks`.

use std::time::Duration;

use clap::{Args, Subcommand};
use rdev_process::options::duration;
use rdev_webhooks_client::{Client, Rotation, WebhookFilter};
use secrecy::{ExposeSecret, SecretString};

use self::body::{SettingsArgs, patch, split};
use rdev_cli::ListArgs;
use rdev_cli::settings::read_key;
use rdev_cli::table::Column;
use rdev_cli::{Failure, Outcome, Session};

mod body;

const COLUMNS: &[Column] = &[
    ("ID", "id"),
    ("URL", "url"),
    ("EVENTS", "events"),
    ("ENABLED", "enabled"),
    ("CIRCUIT", "circuit.state"),
    ("PROJECTS", "projects"),
    ("CREATED", "created_at"),
];

#[derive(Debug, Subcommand)]
pub enum WebhooksVerb {
    /// List webhooks, newest first
    List(ListWebhooksArgs),
    /// Create a webhook; its signing secret is shown this once
    Create(Box<CreateArgs>),
    /// Show a webhook
    Show(IdArgs),
    /// Change a webhook
    Update(Box<UpdateArgs>),
    /// Delete webhooks; their history is kept
    Delete {
        /// Ids of the webhooks
        #[arg(value_name = "WEBHOOK", required = true)]
        ids: Vec<String>,
    },
    /// Send a test delivery
    Test(IdArgs),
    /// Replace the signing secret; the new one is shown this once
    Rotate(RotateArgs),
    /// Show statistics
    Stats {
        /// Id of the webhook
        #[arg(value_name = "WEBHOOK")]
        id: String,
        /// Length of the time until now, such as 1h or 7d
        #[arg(long, value_name = "DURATION")]
        window: Option<String>,
    },
}

#[derive(Debug, Args)]
pub struct IdArgs {
    /// Id of the webhook
    #[arg(value_name = "WEBHOOK")]
    id: String,
}

#[derive(Debug, Args)]
pub struct ListWebhooksArgs {
    /// Only those that get this event type
    #[arg(long, value_name = "TYPE")]
    event: Option<String>,
    /// Only enabled ones, or with `false` only disabled ones
    #[arg(long, value_name = "BOOL")]
    enabled: Option<bool>,
    /// Only those that get this project's events
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,
    /// Only those with this value in their metadata; repeat it for more
    #[arg(long, value_name = "KEY=VALUE")]
    metadata: Vec<String>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Args)]
pub struct CreateArgs {
    /// URL of the webhook [default: that of --data]
    #[arg(value_name = "ENDPOINT")]
    endpoint: Option<String>,
    #[command(flatten)]
    settings: SettingsArgs,
    /// File with a signing secret of your own, or - for standard input
    #[arg(long, value_name = "FILE")]
    secret_file: Option<String>,
}

#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// Id of the webhook
    #[arg(value_name = "WEBHOOK")]
    id: String,
    /// New URL of the webhook; --url is the service's
    #[arg(long, value_name = "ENDPOINT")]
    endpoint: Option<String>,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Reset a setting to its default, such as rate_limit, or remove headers.NAME or metadata.KEY
    #[arg(long, value_name = "MEMBER")]
    unset: Vec<String>,
}

#[derive(Debug, Args)]
pub struct RotateArgs {
    /// Id of the webhook
    #[arg(value_name = "WEBHOOK")]
    id: String,
    /// For how long the old secret also signs, such as 1h [default: 24h]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    overlap: Option<Duration>,
    /// File with a signing secret of your own, or - for standard input
    #[arg(long, value_name = "FILE")]
    secret_file: Option<String>,
}

pub(crate) async fn run(session: Session, verb: WebhooksVerb) -> Outcome {
    let client: Client = session.client()?;
    match verb {
        WebhooksVerb::List(args) => {
            let ListWebhooksArgs { event, enabled, project, metadata, list } = args;
            let pairs = metadata.iter().map(|pair| split(pair, '=', "--metadata", "team=core"));
            let pairs = pairs.map(|pair| pair.map(|(key, value)| (key.to_owned(), value.to_owned())));
            let filter = WebhookFilter { event, enabled, project, metadata: pairs.collect::<Outcome<_>>()? };
            session.list(&list, COLUMNS, async |page| client.list_webhooks(&filter, &page).await).await
        }
        WebhooksVerb::Create(args) => {
            check_url(&session, "webhooks create ENDPOINT   (the webhook's URL)").await?;
            let secret = own_secret(args.secret_file.as_deref())?;
            let secret = secret.as_ref().map(|secret| ("secret", secret.expose_secret()));
            let url = args.endpoint.as_deref().map(|url| ("url", url));
            let webhook = patch(&args.settings, &[url, secret], &[])?;
            session.show(client.create_webhook(&webhook).await)
        }
        WebhooksVerb::Show(IdArgs { id }) => session.show(client.get_webhook(&id).await),
        WebhooksVerb::Update(args) => {
            let url = args.endpoint.as_deref().map(|url| ("url", url));
            let patch = patch(&args.settings, &[url], &args.unset)?;
            let command =
                format!("webhooks update {} --endpoint ENDPOINT   (changes the webhook's URL)", args.id);
            if patch.is_empty() {
                let message =
                    "there is nothing to change; --url and --request-timeout are options of the connection";
                return Err(Failure::usage(message).with_command(command));
            }
            check_url(&session, &command).await?;
            session.show(client.update_webhook(&args.id, &patch, None).await)
        }
        WebhooksVerb::Delete { ids } => {
            session.delete_each(&ids, async |id| client.delete_webhook(id, None).await).await
        }
        WebhooksVerb::Test(IdArgs { id }) => session.show(client.test_webhook(&id).await),
        WebhooksVerb::Rotate(args) => {
            let secret = own_secret(args.secret_file.as_deref())?;
            let rotation = Rotation {
                overlap_seconds: args.overlap.map(|overlap| overlap.as_secs()),
                secret: secret.map(|secret| secret.expose_secret().to_owned()),
            };
            session.show(client.rotate_secret(&args.id, &rotation, None).await)
        }
        WebhooksVerb::Stats { id, window } => {
            session.show(client.webhook_statistics(&id, window.as_deref()).await)
        }
    }
}

/// Checks that `--url` is the service, and not the webhook's URL, which would get the API key.
async fn check_url(session: &Session, command: &str) -> Outcome {
    session.check_given_url(command, async |client: Client| client.check_liveness().await).await
}

fn own_secret(file: Option<&str>) -> Outcome<Option<SecretString>> {
    file.map(read_key).transpose()
}
