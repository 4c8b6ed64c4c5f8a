//! `deliveries`.

use clap::{Args, Subcommand};
use rdev_webhooks_client::{Client, DeliveryFilter, StreamFilter};

use rdev_cli::ListArgs;
use rdev_cli::table::Column;
use rdev_cli::{Outcome, Session};

use crate::history::HistoryArgs;

const COLUMNS: &[Column] = &[
    ("ID", "id"),
    ("STATUS", "status"),
    ("EVENT", "event"),
    ("ATTEMPTS", "attempts"),
    ("WEBHOOK", "webhook_id"),
    ("PROJECT", "project"),
    ("CREATED", "created_at"),
    ("NEXT ATTEMPT", "next_attempt_at"),
];
const STREAM_COLUMNS: &[Column] = &[
    ("ID", "id"),
    ("STATUS", "status"),
    ("EVENT", "event"),
    ("ATTEMPTS", "attempts"),
    ("WEBHOOK", "webhook_id"),
    ("REASON", "reason"),
];
const ATTEMPT_COLUMNS: &[Column] = &[
    ("NUMBER", "number"),
    ("TRIGGER", "trigger"),
    ("STARTED", "started_at"),
    ("MS", "duration_ms"),
    ("STATUS", "status"),
    ("ERROR", "error.class"),
    ("DETAIL", "error.detail"),
];

#[derive(Debug, Subcommand)]
pub enum DeliveriesVerb {
    /// List deliveries, newest first
    List(ListDeliveriesArgs),
    /// Show a delivery with its request and its last attempt
    Show {
        /// Id of the delivery
        #[arg(value_name = "DELIVERY")]
        id: String,
    },
    /// List the attempts of a delivery, newest first
    Attempts {
        /// Id of the delivery
        #[arg(value_name = "DELIVERY")]
        id: String,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Request one more attempt of deliveries
    Redeliver(IdsArgs),
    /// Cancel deliveries
    Cancel(IdsArgs),
    /// Show deliveries as they change
    Tail(SelectionArgs),
}

#[derive(Debug, Args)]
pub struct IdsArgs {
    /// Ids of the deliveries
    #[arg(value_name = "DELIVERY", required = true)]
    ids: Vec<String>,
}

#[derive(Debug, Args)]
pub struct SelectionArgs {
    /// Only this status: pending, in_flight, retrying, succeeded, failed or cancelled
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Only this event type, or the event with this id
    #[arg(long, value_name = "TYPE|EVENT")]
    event: Option<String>,
    /// Only this project
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,
    /// Only this webhook
    #[arg(long, value_name = "WEBHOOK")]
    webhook: Option<String>,
}

#[derive(Debug, Args)]
pub struct ListDeliveriesArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Only with this HTTP status of the last attempt
    #[arg(long, value_name = "STATUS")]
    code: Option<u16>,
    /// Only with this failure class of the last attempt, such as timeout
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
    /// Only with a last attempt that was automatic, manual or of a replay
    #[arg(long, value_name = "TRIGGER")]
    trigger: Option<String>,
    #[command(flatten)]
    history: HistoryArgs,
}

pub(crate) async fn run(session: Session, verb: DeliveriesVerb) -> Outcome {
    let client: Client = session.client()?;
    match verb {
        DeliveriesVerb::List(args) => {
            let ListDeliveriesArgs { selection, code, class, trigger, history } = args;
            let HistoryArgs { command_id, since, until, list } = history;
            let SelectionArgs { status, event, project, webhook } = selection;
            let filter = DeliveryFilter {
                status,
                event,
                project,
                webhook,
                since,
                until,
                code,
                class,
                trigger,
                command_id,
            };
            session.list(&list, COLUMNS, async |page| client.list_deliveries(&filter, &page).await).await
        }
        DeliveriesVerb::Show { id } => session.show(client.get_delivery(&id).await),
        DeliveriesVerb::Attempts { id, list } => {
            session.list(&list, ATTEMPT_COLUMNS, async |page| client.list_attempts(&id, &page).await).await
        }
        DeliveriesVerb::Redeliver(IdsArgs { ids }) => {
            session.show_each(&ids, STREAM_COLUMNS, async |id| client.redeliver(id).await).await
        }
        DeliveriesVerb::Cancel(IdsArgs { ids }) => {
            session.show_each(&ids, STREAM_COLUMNS, async |id| client.cancel_delivery(id).await).await
        }
        DeliveriesVerb::Tail(SelectionArgs { status, event, project, webhook }) => {
            let filter = StreamFilter { status, event, project, webhook };
            session.follow(session.done(client.watch_deliveries(&filter, None))?, STREAM_COLUMNS).await
        }
    }
}
