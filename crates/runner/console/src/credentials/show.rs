//! One credential: its versions, and the commands that got it.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_access::scopes;
use rdev_http::{Caller, Problem};
use rdev_pages::{Moment, PageQuery, Pager, View};

use super::{kind, path, projects};
use crate::Shared;
use crate::path::PathCredential;

/// The number of uses of a page.
const LIMIT: u32 = 25;

#[derive(Template)]
#[template(path = "credentials/show.html")]
struct ShowPage<'a> {
    view: &'a View,
    path: String,
    name: String,
    kind: &'static str,
    projects: Option<Vec<String>>,
    has_expired: bool,
    created: Moment,
    updated: Moment,
    versions: Vec<Version>,
    uses: Vec<Use>,
    pager: Pager,
    may_write: bool,
}

struct Version {
    number: u64,
    created: Moment,
    expires: Option<Moment>,
    is_current: bool,
}

struct Use {
    command: String,
    /// The address of the command, if the caller may read commands.
    path: Option<String>,
    project: String,
    version: u64,
    used: Moment,
}

pub(crate) async fn show(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PathCredential(credential): PathCredential,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let uses = services.credentials.uses(&caller.access, &credential.name, query.page(LIMIT)).await?;
    let page = format!("/credentials/{}", credential.name);
    let pager = Pager::new(&view, &page, &query, &uses, |used| used.command);
    let versions = credential.versions.iter().enumerate().map(|(place, version)| Version {
        number: version.number,
        created: view.moment(version.created_at),
        expires: version.expires_at.map(|at| view.moment(at)),
        is_current: place == 0,
    });
    let reads_commands = view.allows(&scopes::COMMANDS_READ);
    let uses = uses.items.iter().map(|used| Use {
        command: used.command.to_string(),
        path: reads_commands.then(|| view.url(&format!("/commands/{}", used.command))),
        project: used.project.to_string(),
        version: used.version,
        used: view.moment(used.used_at),
    });
    let content = ShowPage {
        view: &view,
        path: path(&view, &credential),
        name: credential.name.to_string(),
        kind: kind(credential.kind),
        projects: projects(&credential),
        has_expired: credential.has_expired(view.now()),
        created: view.moment(credential.created_at),
        updated: view.moment(credential.updated_at),
        versions: versions.collect(),
        uses: uses.collect(),
        pager,
        may_write: view.allows(&scopes::CREDENTIALS_WRITE),
    };
    view.page("Credential", &content)
}
