//! `events`.

use clap::{Args, Subcommand};
use rdev_webhooks_client::{Client, EventFilter, FeedFilter, NewEvent};
use serde_json::value::{RawValue, to_raw_value};

use rdev_cli::json::{self, Object};
use rdev_cli::output::{is_heard, say};
use rdev_cli::table::Column;
use rdev_cli::times::past;
use rdev_cli::{Failure, Format, Outcome, Session, files};

use crate::history::HistoryArgs;

const COLUMNS: &[Column] = &[
    ("ID", "id"),
    ("EVENT", "event"),
    ("PROJECT", "project"),
    ("ACCEPTED", "created_at"),
    ("DELIVERIES", "deliveries.total"),
    ("SUCCEEDED", "deliveries.succeeded"),
    ("FAILED", "deliveries.failed"),
];
const FEED_COLUMNS: &[Column] =
    &[("ID", "id"), ("EVENT", "event"), ("PROJECT", "project"), ("TIMESTAMP", "timestamp"), ("DATA", "data")];

#[derive(Debug, Subcommand)]
pub enum EventsVerb {
    /// Publish an event, with the example of its type as data unless --data is given
    Publish(PublishArgs),
    /// List events, newest first
    List(ListEventsArgs),
    /// Show an event with its deliveries
    Show {
        /// Id of the event
        #[arg(value_name = "EVENT")]
        id: String,
    },
    /// Read the event feed, oldest first
    Feed(FeedArgs),
}

#[derive(Debug, Args)]
pub struct PublishArgs {
    /// Event type
    #[arg(value_name = "TYPE")]
    event: String,

    /// Data: @FILE, - for standard input, or a JSON object
    #[arg(long, value_name = "DATA")]
    data: Option<String>,

    /// Set a member of the data, such as data.exit_code=1; the value is JSON or else text
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,

    /// Project, the same as --set data.project=PROJECT
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,

    /// When it happened: 2h, yesterday, 2025-01-15T10:30:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = past)]
    timestamp: Option<String>,

    /// The producer's own key; an event with a known key is not stored again
    #[arg(long, value_name = "KEY")]
    id: Option<String>,
}

#[derive(Debug, Args)]
pub struct ListEventsArgs {
    /// Only this event type
    #[arg(long, value_name = "TYPE")]
    event: Option<String>,
    /// Only this project
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,
    /// Only with this key of the producer
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    #[command(flatten)]
    history: HistoryArgs,
}

#[derive(Debug, Args)]
pub struct FeedArgs {
    /// Continue after this cursor, or `now` for what comes [default: from the oldest kept event]
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// Only this event type
    #[arg(long, value_name = "TYPE")]
    event: Option<String>,
    /// Only this project
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,
    /// Do not end: show events as they come
    #[arg(long, short)]
    follow: bool,
}

pub(crate) async fn run(session: Session, verb: EventsVerb) -> Outcome {
    match verb {
        EventsVerb::Publish(args) => publish(&session, args).await,
        EventsVerb::List(args) => {
            let client: Client = session.client()?;
            let ListEventsArgs { event, project, key, history } = args;
            let HistoryArgs { command_id, since, until, list } = history;
            let filter = EventFilter { event, project, since, until, key, command_id };
            session.list(&list, COLUMNS, async |page| client.list_events(&filter, &page).await).await
        }
        EventsVerb::Show { id } => {
            let client: Client = session.client()?;
            session.show(client.get_event(&id).await)
        }
        EventsVerb::Feed(args) => feed(&session, args).await,
    }
}

async fn publish(session: &Session, args: PublishArgs) -> Outcome {
    let client: Client = session.client()?;
    let data = match &args.data {
        Some(data) => files::json_argument(data)?,
        None => {
            let known = session.done(client.get_event_type(&args.event).await)?;
            known.examples.first().map_or_else(|| "{}".to_owned(), |example| example.get().to_owned())
        }
    };
    let data = with_changes(&data, &args.set, args.project.as_deref()).map_err(Failure::usage)?;
    let mut event = session.done(NewEvent::new(&args.event, &data))?;
    event.timestamp = args.timestamp;
    event.id = args.id;
    let accepted = session.done(client.publish_event(&event).await)?;
    session.printer.one(accepted.json())?;
    if is_heard() && session.printer.format == Format::Table {
        let show = session.program().command(&format!("events show {}", accepted.id));
        say(&format!("To follow its deliveries: {show}"));
    }
    Ok(())
}

/// Returns the data with the members that `--set` and `--project` name. Unchanged data stays byte for byte.
fn with_changes(data: &str, set: &[String], project: Option<&str>) -> Result<Box<RawValue>, String> {
    let parsed = serde_json::from_str(data.trim()).map_err(|error| format!("--data is not JSON: {error}"))?;
    let mut event = Object(vec![("data".to_owned(), parsed)]);
    for change in set {
        let (path, value) = change
            .split_once('=')
            .ok_or_else(|| format!("--set {change}: use for example --set data.exit_code=1"))?;
        let path: Vec<_> = path.split('.').collect();
        if path.len() < 2 || path[0] != "data" || path.contains(&"") {
            return Err(format!("--set {change}: the path must begin with data., such as data.exit_code=1"));
        }
        event.set(&path, json::value_or_text(value)?).map_err(|error| format!("--set {change}: {error}"))?;
    }
    if let Some(project) = project {
        let project = to_raw_value(project).map_err(|error| error.to_string())?;
        event.set(&["data", "project"], project).map_err(|error| format!("--project: {error}"))?;
    }
    event.0.pop().map(|(_, data)| data).ok_or_else(|| "there is no data".to_owned())
}

async fn feed(session: &Session, args: FeedArgs) -> Outcome {
    let client: Client = session.client()?;
    let filter = FeedFilter { event: args.event, project: args.project };
    let mut after = args.after;
    loop {
        let page = session.done(client.read_feed(&filter, after.as_deref(), Some(100)).await)?;
        for event in &page.data {
            session.printer.streamed(FEED_COLUMNS, event.json())?;
        }
        after = page.next_cursor.clone();
        if !page.has_more {
            break;
        }
    }
    if !args.follow {
        let next = format!("events feed --after {}", after.unwrap_or_default());
        say(&format!("To continue: {}", session.program().command(&next)));
        return Ok(());
    }
    session.follow(session.done(client.follow_feed(&filter, after))?, FEED_COLUMNS).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_changed_only_where_it_is_asked() {
        let data = r#"{"exit_code": 0, "type":"claude"}"#;
        assert_eq!(with_changes(data, &[], None).unwrap().get(), data);
        let set = ["data.exit_code=1".to_owned(), "data.note=a b".to_owned()];
        let changed = with_changes(data, &set, Some("7")).unwrap();
        assert_eq!(changed.get(), r#"{"exit_code":1,"type":"claude","note":"a b","project":"7"}"#);
        for wrong in ["exit_code=1", "data=1", "data.=1", "data.a", "data.type.x=1"] {
            assert!(with_changes(data, &[wrong.to_owned()], None).is_err(), "{wrong}");
        }
    }
}
