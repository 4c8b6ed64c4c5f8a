//! The stream of changes of deliveries: the ids of those that changed. The page asks for the rows that it shows.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rdev_http::event_stream::{self, Source};
use rdev_http::{Caller, Problem, ProblemCode};
use rdev_pages::{FormFaults, PageQuery, View};
use rdev_webhooks_app::feed::Subscription;
use rdev_webhooks_domain::feed::Watched;
use rdev_webhooks_domain::{Access, DeliveryFilter, sees_delivery};

use super::filter;
use crate::{Shared, failure};

pub(crate) async fn live(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let mut faults = FormFaults::default();
    let filter = filter::read(&query, &mut faults);
    if !faults.is_empty() {
        return Err(Problem::new(ProblemCode::VALIDATION_FAILED, "The filter is invalid."));
    }
    let subscription = services.feed.watch(caller.key, None).await.map_err(failure::of_watch)?;
    let is_exact = filter.last_attempt.is_none() && filter.command_id.is_none();
    let any_status = DeliveryFilter { status: None, ..filter.clone() };
    let watcher = Watcher { subscription, access: caller.access, filter, any_status, is_exact };
    Ok(event_stream::response_while(Some(view), watcher))
}

/// The stream of one page.
struct Watcher {
    subscription: Subscription,
    access: Arc<Access>,
    filter: DeliveryFilter,
    /// The filter without its status.
    any_status: DeliveryFilter,
    /// Whether the filter can be applied to a delivery alone, without its last attempt and its event's data.
    is_exact: bool,
}

impl Source for Watcher {
    async fn next(&mut self) -> Option<String> {
        match self.subscription.next().await {
            Ok(batch) => batch.map(|batch| self.render(&batch.changes)),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "stream of the console closed: changes cannot be read");
                None
            }
        }
    }
}

impl Watcher {
    /// Renders the changes that concern the page. A delivery whose status leaves the filter may be among its rows.
    fn render(&self, changes: &[Watched]) -> String {
        let mut text = String::new();
        for watched in changes {
            let delivery = &watched.delivery;
            let projects = (delivery.project.as_ref(), watched.webhook_projects.as_ref());
            if !self.any_status.matches(delivery) || !sees_delivery(&self.access, projects.0, projects.1) {
                continue;
            }
            let matches = self.is_exact && self.filter.matches(delivery);
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "event: delivery\ndata: {{\"id\":\"{}\",\"matches\":{matches}}}\n\n",
                delivery.id
            );
        }
        text
    }
}
