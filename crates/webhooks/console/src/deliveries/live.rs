//! The stream of changes of deliveries: the ids of those that changed. The page asks for the rows that it shows.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_TYPE, HeaderValue};
use rdev_http::{Caller, Problem, ProblemCode};
use rdev_pages::{FormFaults, PageQuery, View};
use rdev_webhooks_app::feed::{Subscription, WatchError};
use rdev_webhooks_domain::feed::Watched;
use rdev_webhooks_domain::{DeliveryFilter, sees_delivery};
use tokio::time::Instant;

use super::filter;
use crate::Shared;

/// How often a silent stream shows that it is alive, so that proxies keep it open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often the session is checked.
const CHECK_SESSION: Duration = Duration::from_secs(5);

const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

/// The stream of one page.
struct Stream {
    subscription: Subscription,
    view: View,
    caller: Caller,
    filter: DeliveryFilter,
    /// Whether the filter can be applied to a delivery alone, without its last attempt and its event's data.
    is_exact: bool,
    spoke_at: Instant,
    checked_at: Instant,
    is_greeted: bool,
}

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
    let subscription = services.feed.watch(caller.key, None).await.map_err(refusal)?;
    let now = Instant::now();
    let stream = Stream {
        subscription,
        view,
        caller,
        is_exact: filter.last_attempt.is_none() && filter.command_id.is_none(),
        filter,
        spoke_at: now,
        checked_at: now,
        is_greeted: false,
    };
    let body = Body::from_stream(stream::unfold(stream, Stream::next));
    Ok(([(CONTENT_TYPE, EVENT_STREAM)], body).into_response())
}

fn refusal(error: WatchError) -> Problem {
    let detail = match error {
        WatchError::TooManyOfKey | WatchError::TooMany => "Too many pages are live at the same time.",
        WatchError::Stopped => "The service is stopping.",
        _ => "The database is unavailable.",
    };
    Problem::new(ProblemCode::UNAVAILABLE, detail)
}

impl Stream {
    /// Returns the next text to send; `None` once the stream has ended. The page opens another one.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if !self.is_greeted {
            self.is_greeted = true;
            return Some((Ok("retry: 2000\n\n".into()), self));
        }
        loop {
            let wake_at = (self.spoke_at + KEEP_ALIVE).min(self.checked_at + CHECK_SESSION);
            let next = tokio::time::timeout_at(wake_at, self.subscription.next()).await;
            if self.checked_at.elapsed() >= CHECK_SESSION {
                self.checked_at = Instant::now();
                if !self.view.still_holds().await {
                    return None;
                }
            }
            let text = match next {
                Ok(Ok(Some(batch))) => self.render(&batch.changes),
                Ok(Ok(None)) => return None,
                Ok(Err(error)) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "stream of the console closed: changes cannot be read");
                    return None;
                }
                Err(_) if self.spoke_at.elapsed() >= KEEP_ALIVE => ": alive\n\n".to_owned(),
                Err(_) => String::new(),
            };
            if !text.is_empty() {
                self.spoke_at = Instant::now();
                return Some((Ok(text.into()), self));
            }
        }
    }

    /// Renders the changes that concern the page. A delivery whose status leaves the filter may be among its rows.
    fn render(&self, changes: &[Watched]) -> String {
        let any_status = DeliveryFilter { status: None, ..self.filter.clone() };
        let access = &self.caller.access;
        let seen = changes.iter().filter(|watched| {
            any_status.matches(&watched.delivery)
                && sees_delivery(access, watched.delivery.project.as_ref(), watched.webhook_projects.as_ref())
        });
        seen.map(|watched| {
            let delivery = &watched.delivery;
            let matches = self.is_exact && self.filter.matches(delivery);
            format!("event: delivery\ndata: {{\"id\":\"{}\",\"matches\":{matches}}}\n\n", delivery.id)
        })
        .collect()
    }
}
