//! `GET /events/stream?webhook=&status=&event=&project=`: deliveries as they change, as server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use rdev_app::NoPermit;
use rdev_webhooks_app::Services;
use rdev_webhooks_app::feed::{FeedBatch, Subscription, WatchError};
use rdev_webhooks_domain::feed::Watched;
use rdev_webhooks_domain::{Access, DeliveryFilter, Timestamp};

use crate::keys::FeedCursor;
use crate::routes::deliveries::filter::{Filters, Receiver};
use crate::views::DeliveryView;
use rdev_http::auth::Admission;
use rdev_http::event_stream::{self, Source};
use rdev_http::query::Query;
use rdev_http::{Caller, Problem, ProblemCode, page};

/// Stream delivery changes
///
/// An endless stream of server-sent events: `event: delivery`, with a delivery as `data` and a cursor as `id`. To
/// resume, send the last `id` as `Last-Event-ID`: no change is missed, though some may be repeated.
#[utoipa::path(
    get,
    path = "/events/stream",
    tag = "events",
    operation_id = "watchDeliveries",
    security(("api_key" = ["webhooks:read"])),
    params(Filters, Receiver, ("Last-Event-ID" = Option<String>, Header)),
    responses((
        status = 200,
        description = "The event stream.",
        body = String,
        content_type = "text/event-stream",
        headers(("X-Accel-Buffering")),
        example = json!("retry: 1000\n\nid: MTox\nevent: delivery\ndata: {\"id\":\"dlv_…\",\"status\":\"succeeded\",…}\n\n")
    ))
)]
pub(crate) async fn stream(
    State(services): State<Services>,
    caller: Caller,
    admission: Admission,
    headers: HeaderMap,
    Query((filters, Receiver { webhook })): Query<(Filters, Receiver)>,
) -> Result<Response, Problem> {
    let filter = DeliveryFilter { webhook, ..filters.filter() };
    let since =
        event_stream::last_event_id(&headers, |text| page::decode(text).ok().map(|FeedCursor(since)| since))?;
    let subscription = services.feed.watch(caller.key, since).await.map_err(refusal)?;
    let watcher = Watcher { subscription, access: Arc::clone(&caller.access), filter, cursor: since };
    Ok(event_stream::response(watcher, &caller, admission))
}

/// Returns the problem of a stream that cannot be opened.
pub(super) fn refusal(error: WatchError) -> Problem {
    let detail = match error {
        WatchError::TooManyOfKey => return NoPermit::TooManyOfKey.into(),
        WatchError::TooMany => return NoPermit::TooMany.into(),
        WatchError::Unavailable => "The database is unavailable. Try again.",
        _ => "The service is stopping. Try again.",
    };
    Problem::new(ProblemCode::UNAVAILABLE, detail)
}

/// The stream of one client.
struct Watcher {
    subscription: Subscription,
    access: Arc<Access>,
    filter: DeliveryFilter,
    /// Everything that changed before this moment has been sent.
    cursor: Option<Timestamp>,
}

impl Source for Watcher {
    async fn next(&mut self) -> Option<String> {
        match self.subscription.next().await {
            Ok(batch) => batch.map(|batch| self.render(&batch)),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "stream closed: missed changes cannot be read");
                None
            }
        }
    }

    /// Returns a comment, and the cursor, since time also passes for a client that gets no events.
    fn keep_alive(&self) -> String {
        let id = self.cursor.map(|cursor| format!("id: {}\n", page::encode(&FeedCursor(cursor))));
        format!(": keep-alive\n{}\n", id.unwrap_or_default())
    }
}

impl Watcher {
    /// Renders the events of a batch that are for this client. Their cursor is the one before the batch: a
    /// batch that was sent in part is sent again completely.
    fn render(&mut self, batch: &FeedBatch) -> String {
        let id = page::encode(&FeedCursor(*self.cursor.get_or_insert(batch.cursor)));
        let mut text = String::new();
        for watched in batch.changes.iter().filter(|watched| self.is_for_it(watched)) {
            if let Ok(data) = serde_json::to_string(&DeliveryView::from(&watched.delivery)) {
                event_stream::write_event(&mut text, Some(&id), "delivery", &data);
            }
        }
        self.cursor = Some(batch.cursor);
        text
    }

    fn is_for_it(&self, watched: &Watched) -> bool {
        self.filter.matches(&watched.delivery)
            && rdev_webhooks_domain::sees_delivery(
                &self.access,
                watched.delivery.project.as_ref(),
                watched.webhook_projects.as_ref(),
            )
    }
}
