//! The list of commands, and its rows by their ids.

use askama::Template;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use rdev_access::scopes;
use rdev_http::{Caller, Problem};
use rdev_pages::{Form, FormFaults, Input, PageQuery, Pager, View};
use rdev_runner_app::CommandsError;
use rdev_runner_domain::{CommandFilter, CommandId, CommandStatus, Page};

use super::row::Row;
use crate::{Shared, failure, words};

/// The number of commands of a page.
const LIMIT: u32 = 25;

/// The parameter of the stream with the newest command that its page has.
pub(crate) const NEWEST: &str = "newest";

const NAMES: [&str; 3] = ["project", "type", "status"];

#[derive(Template)]
#[template(path = "commands/list.html")]
struct ListPage<'a> {
    view: &'a View,
    filter: [Input; 3],
    is_filtered: bool,
    rows: Vec<Row>,
    stream: Option<String>,
    newest: String,
    pager: Pager,
    new: Option<String>,
}

#[derive(Template)]
#[template(path = "commands/rows.html")]
struct RowsPart {
    rows: Vec<Row>,
    gone: Vec<CommandId>,
}

pub(crate) async fn list(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let mut faults = FormFaults::default();
    let filter = read_filter(&query, &mut faults);
    let found = match faults.is_empty() {
        true => services.commands.list(&caller.access, &filter, query.page(LIMIT)).await?,
        false => Page::of(Vec::new(), LIMIT),
    };
    let waiting = services.commands.waiting(&found.items).await?;
    let new = query.only(["project"]).address("/commands/new", &[]);
    // New commands come before the newest one of the first page.
    let first = found.items.first().filter(|_| !query.has("before")).map(|command| command.id.to_string());
    let stream = query.address("/commands/live", &[(NEWEST, first.as_deref())]);
    let content = ListPage {
        view: &view,
        filter: inputs(&query, &faults),
        is_filtered: NAMES.iter().any(|name| query.given(name).is_some()),
        rows: found.items.iter().zip(waiting).map(|(one, waiting)| Row::new(&view, one, waiting)).collect(),
        stream: faults.is_empty().then(|| view.url(&stream)),
        newest: view.url(&query.address("/commands", &[("before", None)])),
        pager: Pager::new(&view, "/commands", &query, &found, |command| command.id),
        new: view.allows(&scopes::COMMANDS_WRITE).then(|| view.url(&new)),
    };
    view.page("Commands", &content)
}

/// The rows of these commands as they are now, and which were deleted.
pub(crate) async fn rows(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let ids = query.all("id").filter_map(|id| id.parse().ok()).take(LIMIT as usize);
    let (mut found, mut gone) = (Vec::new(), Vec::new());
    for id in ids.collect::<Vec<CommandId>>() {
        match services.commands.get(&caller.access, id).await {
            Ok(command) => found.push(command),
            Err(CommandsError::NotFound) => gone.push(id),
            Err(error) => return Err(failure::of_command(error)),
        }
    }
    let waiting = services.commands.waiting(&found).await?;
    let rows = found.iter().zip(waiting).map(|(one, waiting)| Row::new(&view, one, waiting)).collect();
    Ok(Html(view.part(&RowsPart { rows, gone })?).into_response())
}

pub(super) fn read_filter(query: &Form, faults: &mut FormFaults) -> CommandFilter {
    let status = |text| CommandStatus::parse(text).ok_or("is none of the choices");
    CommandFilter {
        project: query.given("project").and_then(|text| faults.check("project", text.parse())),
        provider: query.given("type").and_then(|text| faults.check("type", text.parse())),
        status: query.given("status").and_then(|text| faults.check("status", status(text))),
    }
}

fn inputs(query: &Form, faults: &FormFaults) -> [Input; 3] {
    let filled = |input: Input, name: &str| input.value(query.text(name)).fault(faults.of(name));
    let statuses = CommandStatus::ALL.iter().map(|one| (one.as_str(), words::status(*one).word));
    let statuses = std::iter::once(("", "Any")).chain(statuses);
    [
        filled(Input::choice("status", "Status", statuses), "status").search(),
        filled(Input::line("project", "Project"), "project"),
        filled(Input::line("type", "Provider"), "type"),
    ]
}
