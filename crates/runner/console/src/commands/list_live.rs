//! The stream of changes of a list of commands: the ids of those whose rows are other ones now or that have left the list,
//! and of new ones. The page
//! asks for the rows that it shows.

use std::collections::HashMap;
use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_http::event_stream::{self, Source};
use rdev_http::{Caller, Problem, ProblemCode};
use rdev_pages::{FormFaults, PageQuery, View};
use rdev_runner_app::ListWatch;
use rdev_runner_domain::ports::StoreError;
use rdev_runner_domain::{Access, CommandFilter, CommandId, PageRequest};
use serde_json::json;

use super::list::{NEWEST, read_filter};
use super::row::Row;
use crate::{Shared, failure};

/// The number of commands that are compared: those of the page, which new ones push back.
const LIMIT: u32 = 100;

pub(crate) async fn list_live(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let mut faults = FormFaults::default();
    let filter = read_filter(&query, &mut faults);
    if !faults.is_empty() {
        return Err(Problem::new(ProblemCode::VALIDATION_FAILED, "The filter is invalid."));
    }
    let watch = services.watches.watch_list(caller.key).map_err(failure::of_watch)?;
    let watcher = Watcher {
        services,
        view: view.clone(),
        access: caller.access,
        filter,
        page: query.page(LIMIT),
        newest: query.text(NEWEST).parse().ok(),
        rows: None,
        watch,
    };
    Ok(event_stream::response_while(Some(view), watcher))
}

/// The stream of one page.
struct Watcher {
    services: Shared,
    view: View,
    access: Arc<Access>,
    filter: CommandFilter,
    page: PageRequest<CommandId>,
    /// The newest command that the stream or its page has; `None` if the list had none.
    newest: Option<CommandId>,
    /// A hash of each row; `None` before the first look.
    rows: Option<HashMap<CommandId, u64>>,
    watch: ListWatch,
}

impl Source for Watcher {
    async fn next(&mut self) -> Option<String> {
        if self.rows.is_some() && !self.watch.next().await {
            return None;
        }
        match self.look().await {
            Ok(text) => Some(text),
            Err(error) => {
                let error = &error as &dyn Error;
                tracing::warn!(error, "list of the console closed: commands cannot be read");
                None
            }
        }
    }
}

impl Watcher {
    /// Compares the list with what it was, and writes what has changed.
    async fn look(&mut self) -> Result<String, StoreError> {
        let found = self.services.commands.list(&self.access, &self.filter, self.page).await?.items;
        let waiting = self.services.commands.waiting(&found).await?;
        let rows = found.iter().zip(waiting).map(|(one, waiting)| {
            let mut hasher = DefaultHasher::new();
            // Rendering fails only by an error of formatting, which strings do not have.
            Row::new(&self.view, one, waiting).render().unwrap_or_default().hash(&mut hasher);
            (one.id, hasher.finish())
        });
        let rows: HashMap<_, _> = rows.collect();
        let mut text = String::new();
        let mut write = |id: CommandId, matches: bool, left: bool| {
            let data = json!({ "id": id.to_string(), "left": left, "matches": matches }).to_string();
            event_stream::write_event(&mut text, None, "command", &data);
        };
        for (id, hash) in self.rows.iter().flatten() {
            // One that is not in the list any more was deleted, or has left the filter.
            let found = rows.get(id);
            if found != Some(hash) {
                write(*id, false, found.is_none());
            }
        }
        if self.page.before.is_none() {
            let new = found.iter().filter(|command| self.newest.is_none_or(|newest| command.id > newest));
            new.for_each(|command| write(command.id, true, false));
            self.newest = found.first().map(|command| command.id).max(self.newest);
        }
        self.rows = Some(rows);
        Ok(text)
    }
}
