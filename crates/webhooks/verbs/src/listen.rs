//! `listen`: shows events as they come, and forwards them to a program on this machine.

use anstyle::{AnsiColor, Style};
use clap::Args;
use rdev_webhooks::Ambient;
use rdev_webhooks::domain::EventPattern;
use rdev_webhooks_client::{Client, FeedEvent, FeedFilter, Live, Reply, Signal};
use secrecy::ExposeSecret;

use self::forward::{Forwarder, Result as Forwarded};
use self::state::{Progress, State};
use rdev_cli::output::{one_line, say};
use rdev_cli::{Failure, Format, Outcome, Session};

mod forward;
mod state;

/// The number of missed events at which counting stops.
const MAX_COUNTED: u64 = 10_000;
const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();
const RED: Style = AnsiColor::Red.on_default();

#[derive(Debug, Args)]
pub struct ListenArgs {
    /// Send each event to this URL as a delivery would be [default: show the events only]
    #[arg(long, value_name = "URL")]
    forward_to: Option<String>,
    /// Only these event types, command.* or *; separate several by commas
    #[arg(long, value_name = "TYPES", value_delimiter = ',')]
    events: Vec<EventPattern>,
    /// Only events of these projects
    #[arg(long, visible_alias = "projects", value_name = "PROJECTS", value_delimiter = ',')]
    project: Vec<String>,
    /// A header that is sent along; repeat it for more
    #[arg(long, visible_alias = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Take the event types, the projects and the format from this webhook
    #[arg(long, value_name = "WEBHOOK")]
    load_from: Option<String>,
    /// Begin after this cursor of the feed, or `now` to skip what was missed [default: where it stopped]
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// Print the signing secret and end
    #[arg(long)]
    print_secret: bool,
}

/// Which events are shown.
#[derive(Debug, Clone, Default)]
struct Selection {
    events: Vec<EventPattern>,
    projects: Vec<String>,
}

impl Selection {
    fn matches(&self, event: &FeedEvent) -> bool {
        let of_type = |pattern: &EventPattern| event.event.parse().is_ok_and(|name| pattern.matches(&name));
        let of_project = |project: &String| event.project.as_ref() == Some(project);
        (self.events.is_empty() || self.events.iter().any(of_type))
            && (self.projects.is_empty() || self.projects.iter().any(of_project))
    }

    /// Returns the part of the selection that the service makes.
    fn filter(&self) -> FeedFilter {
        let event = match self.events.as_slice() {
            [one] if !one.as_str().ends_with('*') => Some(one.as_str().to_owned()),
            _ => None,
        };
        let project = match self.projects.as_slice() {
            [one] => Some(one.clone()),
            _ => None,
        };
        FeedFilter { event, project }
    }
}

pub(crate) async fn run(session: Session, mut args: ListenArgs) -> Outcome {
    let secret = state::secret(&session, &Ambient::system())?;
    if args.print_secret {
        return session.printer.print(secret.expose().expose_secret());
    }
    let client: Client = session.client()?;
    let mut format = None;
    if let Some(id) = &args.load_from {
        let webhook = session.done(client.get_webhook(id).await)?;
        if args.events.is_empty() {
            args.events = webhook.events.iter().filter_map(|pattern| pattern.parse().ok()).collect();
        }
        if args.project.is_empty() {
            args.project.clone_from(&webhook.projects);
        }
        format = Some(webhook.format.clone());
    }
    let forwarder = match &args.forward_to {
        Some(url) => Some(Forwarder::new(url, &secret, &args.headers, format.as_deref())?),
        None => None,
    };
    let selection = Selection { events: args.events, projects: args.project };
    let mut state = State::load(&session, &selection.events, &selection.projects)?;
    let listener = Listener { session: &session, client, selection, forwarder };
    listener.begin(&mut state, args.after).await?;
    let hint = if listener.forwarder.is_some() {
        ""
    } else {
        "Showing events; forward them with --forward-to URL. "
    };
    say(&format!(
        "Ready! {hint}Listening to {}, signing secret {} (^C to quit)",
        session.settings.url.value,
        secret.expose().expose_secret()
    ));
    listener.follow(state).await
}

struct Listener<'a> {
    session: &'a Session,
    client: Client,
    selection: Selection,
    forwarder: Option<Forwarder>,
}

impl Listener<'_> {
    /// Finds where to begin, and says what was missed.
    async fn begin(&self, state: &mut State, after: Option<String>) -> Outcome {
        let stored = state.progress.cursor.clone();
        match after.or(stored) {
            Some(cursor) if cursor != "now" => match self.catch_up(&cursor).await {
                Ok(()) => {
                    state.progress.cursor = Some(cursor);
                    return Ok(());
                }
                Err(rdev_webhooks_client::Error::Problem(problem)) if problem.code == "cursor_expired" => {
                    say(&format!(
                        "warning: cannot continue where it stopped: {} Beginning now.",
                        problem.detail
                    ));
                }
                Err(error) => return self.session.done(Err(error)),
            },
            _ => {}
        }
        let page = self.client.read_feed(&FeedFilter::default(), Some("now"), Some(1)).await;
        let cursor = self.session.done(page)?.next_cursor.clone();
        state.store(Progress { cursor, forwarding: None })
    }

    /// Counts the events after a cursor, and says how many they are.
    async fn catch_up(&self, cursor: &str) -> Result<(), rdev_webhooks_client::Error> {
        let filter = self.selection.filter();
        let (mut missed, mut after) = (0, cursor.to_owned());
        loop {
            let page = self.client.read_feed(&filter, Some(&after), Some(100)).await?;
            missed += page.data.iter().filter(|event| self.selection.matches(event)).count() as u64;
            if !page.has_more || missed >= MAX_COUNTED {
                let more = if page.has_more { "more than " } else { "" };
                if missed > 0 {
                    let events = if missed == 1 { "event" } else { "events" };
                    say(&format!("Catching up on {more}{missed} {events} since it stopped."));
                }
                return Ok(());
            }
            after = page.next_cursor.clone().unwrap_or_default();
        }
    }

    async fn follow(&self, mut state: State) -> Outcome {
        let filter = self.selection.filter();
        let cursor = state.progress.cursor.clone();
        let mut live = self.session.done(self.client.follow_feed(&filter, cursor))?;
        let mut is_lost = false;
        loop {
            match self.session.done(live.next().await)? {
                Signal::Item(event) if self.selection.matches(&event) => {
                    self.take(&mut state, &live, &event).await?;
                }
                Signal::Item(_) | Signal::Moved | Signal::Other(..) => {
                    state.progress.cursor = live.cursor().map(str::to_owned);
                    state.store_seldom()?;
                }
                Signal::Lost(error) => {
                    if !std::mem::replace(&mut is_lost, true) {
                        say(&format!("warning: {error}; reconnecting"));
                    }
                }
                Signal::Connected => {
                    if std::mem::take(&mut is_lost) {
                        say("Connected again.");
                        if let Some(cursor) = live.cursor() {
                            // The events come by the stream anyhow.
                            let _ = self.catch_up(cursor).await;
                        }
                    }
                }
            }
        }
    }

    /// Shows and forwards one event. The state says before that it is being forwarded, and after that it was.
    async fn take(&self, state: &mut State, live: &Live<FeedEvent>, event: &Reply<FeedEvent>) -> Outcome {
        let cursor = live.cursor().map(str::to_owned);
        let Some(forwarder) = &self.forwarder else {
            self.show(event)?;
            return state.store(Progress { cursor, forwarding: None });
        };
        let is_repeated = state.progress.forwarding.as_ref() == Some(&event.id);
        if is_repeated {
            say(&format!("Forwarding {} again: the last run ended while it forwarded this event.", event.id));
        }
        state.store(Progress { forwarding: Some(event.id.clone()), ..state.progress.clone() })?;
        self.show(event)?;
        let result = forwarder.send(event).await;
        self.show_result(forwarder, event, &result, is_repeated)?;
        state.store(Progress { cursor, forwarding: None })
    }

    fn show(&self, event: &Reply<FeedEvent>) -> Outcome {
        let printer = &self.session.printer;
        match printer.format {
            Format::Table => paint(&format!("--> {} {DIM}[{}]{DIM:#}", event.event, event.id)),
            Format::Id => printer.print(&event.id),
            Format::Json | Format::Ndjson if self.forwarder.is_none() => {
                printer.print(&one_line(event.json()))
            }
            Format::Json | Format::Ndjson => Ok(()),
        }
    }

    fn show_result(
        &self,
        forwarder: &Forwarder,
        event: &Reply<FeedEvent>,
        result: &Forwarded,
        is_repeated: bool,
    ) -> Outcome {
        let url = forwarder.url();
        let took = result.took.as_millis();
        match self.session.printer.format {
            Format::Table => {
                let (style, status) = match &result.response {
                    Ok(status) if status.is_success() => (GREEN, status.as_u16().to_string()),
                    Ok(status) => (RED, status.as_u16().to_string()),
                    Err(_) => (RED, "ERROR".to_owned()),
                };
                let reason = result.response.as_ref().err().map(|reason| format!(" {reason}"));
                let reason = reason.unwrap_or_default();
                paint(&format!(
                    "<-- [{style}{status}{style:#}] POST {url} {took}ms{reason} {DIM}[{}]{DIM:#}",
                    event.id
                ))
            }
            Format::Json | Format::Ndjson => {
                let result = serde_json::json!({
                    "forwarded_to": url,
                    "status": result.response.as_ref().ok().map(http::StatusCode::as_u16),
                    "error": result.response.as_ref().err(),
                    "duration_ms": u64::try_from(took).unwrap_or(u64::MAX),
                    "repeated": is_repeated,
                });
                let event = one_line(event.json());
                self.session.printer.print(&format!(r#"{{"event":{event},"result":{result}}}"#))
            }
            Format::Id => Ok(()),
        }
    }
}

/// Prints a line, in colours if the terminal and the environment want them.
fn paint(line: &str) -> Outcome {
    use std::io::Write;
    writeln!(anstream::stdout().lock(), "{line}").map_err(Failure::from)
}
