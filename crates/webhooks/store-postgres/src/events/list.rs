//! The events of a list, with the counts of their deliveries to webhooks that the caller sees.

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{Access, EventFilter, EventType};

use crate::rows::EventRow;
use crate::store::PostgresStore;
use crate::visible::{self, Range};

/// What a list shows.
pub(crate) struct Listing {
    pub(crate) range: Range,
    pub(crate) limit: i64,
    /// Longer bodies are left out.
    pub(crate) max_body: i32,
}

/// A query for [`EventRow`]s, newest first: of the events of the given subquery, which uses these parameters: the ids
/// from $1 to $2, at most $3, of the type $6, and from $7 those at the end of the list.
///
/// A delivery's id holds the millisecond of its event, so that an event's deliveries are found by their primary key and
/// in one partition.
macro_rules! counted {
    ($conn:ident, $listing:ident, $visible_to:expr, $page:literal $(+ $more:literal)*, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            EventRow,
            "WITH page AS MATERIALIZED (" + $page $(+ $more)* + ")
            SELECT p.id AS \"id!\", p.timestamp AS \"timestamp!\", p.event_type AS \"event_type!\", p.project, p.key,
                CASE WHEN octet_length(p.body) <= $4 THEN p.body ELSE ''::bytea END AS \"body!\",
                c.pending AS \"pending!\", c.in_flight AS \"in_flight!\", c.retrying AS \"retrying!\",
                c.succeeded AS \"succeeded!\", c.failed AS \"failed!\", c.cancelled AS \"cancelled!\"
            FROM page p
            CROSS JOIN LATERAL (
                SELECT count(*) FILTER (WHERE x.status = 'pending') AS pending,
                    count(*) FILTER (WHERE x.status = 'in_flight') AS in_flight,
                    count(*) FILTER (WHERE x.status = 'retrying') AS retrying,
                    count(*) FILTER (WHERE x.status = 'succeeded') AS succeeded,
                    count(*) FILTER (WHERE x.status = 'failed') AS failed,
                    count(*) FILTER (WHERE x.status = 'cancelled') AS cancelled
                FROM (
                    SELECT q.webhook_id, q.status FROM rdev_webhooks.queued_deliveries q
                    WHERE q.id BETWEEN rdev_webhooks.id_first_of_ms(p.id) AND rdev_webhooks.id_last_of_ms(p.id)
                        AND q.event_id = p.id
                    UNION ALL
                    SELECT d.webhook_id, d.status FROM rdev_webhooks.deliveries d
                    WHERE d.id BETWEEN rdev_webhooks.id_first_of_ms(p.id) AND rdev_webhooks.id_last_of_ms(p.id)
                        AND d.event_id = p.id
                ) x
                WHERE $5::text[] IS NULL OR EXISTS (
                    SELECT FROM rdev_webhooks.webhooks w
                    WHERE w.id = x.webhook_id AND rdev_webhooks.is_visible(w.projects, $5)
                )
            ) c
            ORDER BY p.id DESC",
            $listing.range.from,
            $listing.range.to,
            $listing.limit,
            $listing.max_body,
            $visible_to,
            $($argument),+
        )
        .fetch_all(&mut **$conn)
        .await
    };
}

/// Returns the events of a range, newest first, that match the filter and have one of `projects`, if it is given.
pub(crate) async fn matching(
    store: &PostgresStore,
    access: &Access,
    filter: &EventFilter,
    projects: Option<&[String]>,
    listing: Listing,
) -> Result<Vec<EventRow>, StoreError> {
    let visible_to = visible::projects(access);
    store
        .inner
        .listings()
        .run(async |conn| {
            counted!(
                conn,
                listing,
                visible_to.as_deref(),
                // The project as an expression, so that the index of the key or of the command is used.
                "SELECT * FROM rdev_webhooks.events e
                WHERE e.id BETWEEN $1 AND $2
                    AND ($6::text IS NULL OR e.event_type = $6)
                    AND ($7::text IS NULL OR e.key = $7)
                    AND ($8::text IS NULL OR e.command_id = $8)
                    AND ($9::text[] IS NULL OR (e.project || '') = ANY($9))
                ORDER BY e.id DESC LIMIT $3",
                filter.event_type.as_ref().map(EventType::as_str),
                filter.key.as_ref().map(|key| key.as_str()),
                filter.command_id.as_ref().map(|id| id.as_str()),
                projects,
            )
        })
        .await
}

/// Returns the events of a range, newest first, of these projects, and of one type if `event_type` is given: a page of
/// each project, merged.
pub(crate) async fn of_projects(
    store: &PostgresStore,
    access: &Access,
    projects: &[String],
    event_type: Option<&EventType>,
    listing: Listing,
) -> Result<Vec<EventRow>, StoreError> {
    let visible_to = visible::projects(access);
    // A project has an index with types and one without; compared as rows, the columns fit no other.
    macro_rules! merged {
        ($conn:ident, $matches:literal, $newest_first:literal) => {
            counted!(
                $conn,
                listing,
                visible_to.as_deref(),
                "SELECT x.*
                FROM unnest($7::text[]) AS own(project)
                CROSS JOIN LATERAL (
                    SELECT e.id, e.timestamp, e.event_type, e.project, e.key, e.body
                    FROM rdev_webhooks.events e
                    WHERE e.project IS NOT NULL AND "
                    + $matches
                    + "
                    ORDER BY "
                    + $newest_first
                    + " LIMIT $3
                ) x
                ORDER BY x.id DESC LIMIT $3",
                event_type.map(EventType::as_str),
                projects,
            )
        };
    }
    store
        .inner
        .listings()
        .run(async |conn| match event_type {
            None => merged!(
                conn,
                "$6::text IS NULL AND e.project = own.project AND e.id BETWEEN $1 AND $2",
                "e.id DESC"
            ),
            Some(_) => merged!(
                conn,
                "(e.project, e.event_type, e.id) >= (own.project, $6::text, $1)
                    AND (e.project, e.event_type, e.id) <= (own.project, $6, $2)",
                "e.project DESC, e.event_type DESC, e.id DESC"
            ),
        })
        .await
}
