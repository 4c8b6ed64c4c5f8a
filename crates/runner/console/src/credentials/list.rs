//! The list of credentials.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_access::scopes;
use rdev_http::{Caller, Problem};
use rdev_pages::{Moment, PageQuery, Pager, View};

use super::{path, projects};
use crate::Shared;

/// The number of credentials of a page.
const LIMIT: u32 = 25;

#[derive(Template)]
#[template(path = "credentials/list.html")]
struct ListPage {
    rows: Vec<Row>,
    pager: Pager,
    new: Option<String>,
}

struct Row {
    path: String,
    name: String,
    kind: &'static str,
    projects: Option<Vec<String>>,
    version: u64,
    has_expired: bool,
    expires: Option<Moment>,
    used: Option<Moment>,
}

pub(crate) async fn list(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let after = query.after();
    let found = services.credentials.list(&caller.access, None, after.as_ref(), LIMIT).await?;
    let pager = Pager::by_name(&view, "/credentials", &query, &found, |credential| &credential.name);
    let rows = found.items.iter().map(|credential| Row {
        path: path(&view, credential),
        name: credential.name.to_string(),
        kind: credential.kind.as_str(),
        projects: projects(credential),
        version: credential.versions.first().map_or(1, |version| version.number),
        has_expired: credential.has_expired(view.now()),
        expires: credential.expires_at().map(|at| view.moment(at)),
        used: credential.last_used_at.map(|at| view.moment(at)),
    });
    let new = view.allows(&scopes::CREDENTIALS_WRITE).then(|| view.url("/credentials/new"));
    view.page("Credentials", &ListPage { rows: rows.collect(), pager, new })
}
