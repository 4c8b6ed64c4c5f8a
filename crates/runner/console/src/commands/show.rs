//! One command: its state, result, changes and request, and its transcript, live.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_access::scopes;
use rdev_http::{Caller, Problem};
use rdev_pages::{Badge, Form, Icon, Input, Moment, PageQuery, View};
use rdev_runner_app::Services;
use rdev_runner_domain::{AgentRequest, Command, CommandId, LimitSettings, Session, Timeout};

use super::entry::Entry;
use super::outcome::ResultPart;
use super::row::why;
use super::transcript;
use crate::path::PathCommand;
use crate::text::{Cut, MAX_PROSE, first_line};
use crate::{Shared, failure, path, words};

/// The number of events of a page. Parts of messages are events too.
const EVENTS: u32 = 500;
/// The number of characters of the title.
const MAX_TITLE: usize = 120;

#[derive(Template)]
#[template(path = "commands/show.html")]
struct ShowPage<'a> {
    view: &'a View,
    id: CommandId,
    path: String,
    title: String,
    project: String,
    provider: String,
    status: Badge,
    why: Option<String>,
    has_ended: bool,
    /// Why it did not complete, and what to do.
    trouble: Option<(&'static str, &'static str)>,
    facts: Vec<(&'static str, Moment)>,
    session: Option<String>,
    result: Option<ResultPart>,
    prompt: Cut,
    request: Vec<(&'static str, String)>,
    project_path: String,
    webhook_events: Option<String>,
    cancel: Option<String>,
    run_again: Option<String>,
    resume: Option<Resume>,
    transcript: Option<Transcript>,
}

/// The form that goes on with the session.
struct Resume {
    action: String,
    session: String,
    prompt: Input,
}

/// A page of the transcript.
struct Transcript {
    entries: Vec<Entry>,
    stream: Option<String>,
    earlier: Option<String>,
    later: Option<String>,
}

pub(crate) async fn show(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PathCommand(command): PathCommand,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let request = services.commands.request(&caller.access, command.id).await;
    let request = request.map_err(failure::of_command)?;
    let waiting = services.commands.waiting(std::slice::from_ref(&command)).await?;
    // The script asks for everything but the transcript, which it has from the stream.
    let transcript = match view.is_part() {
        true => None,
        false => Some(Transcript::read(&services, &view, &caller, &command, &query).await?),
    };
    let path = format!("/commands/{}", command.id);
    let draft = request.draft();
    let may_run = view.allows(&scopes::COMMANDS_WRITE);
    let has_ended = command.state.outcome().is_some();
    let events = Form::default().address("/events", &[("command", Some(&command.id.to_string()))]);
    let action = |name: &str| view.once(&format!("{path}/{name}"));
    let resumed = command.result.as_ref().and_then(|result| result.session.clone());
    let content = ShowPage {
        view: &view,
        id: command.id,
        path: view.url(&path),
        title: first_line(&draft.prompt, MAX_TITLE),
        project: command.project.to_string(),
        provider: command.provider.to_string(),
        status: words::status(command.state.status()),
        why: why(&command, waiting.into_iter().next().flatten()),
        has_ended,
        trouble: command.state.outcome().and_then(words::outcome),
        facts: facts(&view, &command),
        session: command.session.as_ref().map(ToString::to_string),
        result: command.result.as_ref().map(ResultPart::new),
        prompt: Cut::new(&draft.prompt, MAX_PROSE),
        request: request_facts(&request),
        project_path: view.url(&path::of_project(&command.project)),
        webhook_events: view.shows("/events").then(|| view.url(&events)),
        cancel: (may_run && !has_ended).then(|| action("cancel")),
        run_again: may_run.then(|| action("run-again")),
        resume: resumed.filter(|_| may_run && has_ended).map(|session| Resume {
            action: view.once("/commands/new"),
            session: session.to_string(),
            prompt: Input::area("prompt", "Prompt", 3).required(),
        }),
        transcript,
    };
    view.page("Command", &content)
}

impl Transcript {
    /// Reads the page that the query asks for, the newest one without a number.
    async fn read(
        services: &Services,
        view: &View,
        caller: &Caller,
        command: &Command,
        query: &Form,
    ) -> Result<Self, Problem> {
        let asked: Option<u64> = query.given("after").and_then(|text| text.parse().ok());
        let newest = command.last_seq.saturating_sub(EVENTS.into());
        let after = asked.unwrap_or(newest);
        let found = services.commands.events(&caller.access, command.id, after, EVENTS).await;
        let found = found.map_err(failure::of_command)?;
        let path = format!("/commands/{}", command.id);
        let last = found.events.last().map_or(after.min(command.last_seq), |event| event.seq);
        let to = |after: u64| view.url(&format!("{path}?after={after}#transcript"));
        // A page between others stays as it is.
        let is_live = !found.has_ended && (asked.is_none() || !found.has_more);
        Ok(Self {
            entries: transcript::joined(view, &view.url(&path), &found.events),
            stream: is_live.then(|| view.url(&format!("{path}/live?after={last}"))),
            earlier: (after > 0).then(|| to(after.min(command.last_seq).saturating_sub(EVENTS.into()))),
            later: (found.has_more && !is_live).then(|| to(last)),
        })
    }
}

fn facts(view: &View, command: &Command) -> Vec<(&'static str, Moment)> {
    let (started_at, ended_at) = command.state.times();
    let times = [("Queued", Some(command.created_at)), ("Started", started_at), ("Ended", ended_at)];
    times.into_iter().filter_map(|(label, at)| Some((label, view.moment(at?)))).collect()
}

/// Returns the request without its prompt, as labels with values.
fn request_facts(request: &AgentRequest) -> Vec<(&'static str, String)> {
    let draft = request.draft();
    let session = match &draft.session {
        Session::New => "new".to_owned(),
        Session::Resume(session) => format!("resumes {session}"),
        Session::Fork(session) => format!("forks {session}"),
    };
    let listed = |names: Vec<String>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let mut facts = vec![
        ("Session", session),
        ("Model", draft.model.as_ref().map_or_else(|| "the agent's default".to_owned(), ToString::to_string)),
        ("Permissions", words::permissions(draft.permissions).to_owned()),
        ("Allowed tools", listed(draft.allowed_tools.iter().map(ToString::to_string).collect())),
        ("Denied tools", listed(draft.denied_tools.iter().map(ToString::to_string).collect())),
        ("Secrets", listed(draft.secrets.iter().map(ToString::to_string).collect())),
    ];
    facts.extend(limit_facts(&draft.limits));
    facts
}

/// Returns limits as labels with values.
pub(crate) fn limit_facts(limits: &LimitSettings) -> Vec<(&'static str, String)> {
    let span = |set: Option<_>, kind: Timeout| rdev_pages::span::text(set.unwrap_or(kind.default_value()));
    vec![
        (
            "Limits",
            format!(
                "{} in all, {} of silence, {} of a tool's silence, {} to start",
                span(limits.wall, Timeout::Wall),
                span(limits.idle, Timeout::Idle),
                span(limits.tool_idle, Timeout::ToolIdle),
                span(limits.start, Timeout::Start)
            ),
        ),
        ("Turns", limits.max_turns.map_or_else(|| "no limit".to_owned(), |turns| turns.to_string())),
        ("Budget", limits.max_budget_usd.map_or_else(|| "no limit".to_owned(), |usd| format!("${usd}"))),
    ]
}
