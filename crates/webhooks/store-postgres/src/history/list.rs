//! Pages of deliveries, each found by the index that leaves the fewest rows to read.

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{
    Access, CommandId, DeliveryFilter, DeliveryId, EventId, EventType, EventWalk, PageRequest, WalkStep,
};
use uuid::Uuid;

use crate::rows::DeliveryRow;
use crate::store::PostgresStore;
use crate::visible::{self, Range};

/// Returns the deliveries of a page, the newest first, and one more if there are more.
pub(super) async fn list(
    store: &PostgresStore,
    access: &Access,
    filter: &DeliveryFilter,
    page: PageRequest<DeliveryId>,
) -> Result<Vec<DeliveryRow>, StoreError> {
    let Some(range) = range_of(filter, page.before) else {
        return Ok(Vec::new());
    };
    if filter.selects_events()
        && let Some(rows) = along_events(store, access, filter, range, page).await?
    {
        return Ok(rows);
    }
    let limit = i64::from(page.limit) + 1;
    if filter.event.is_none() && !filter.last_attempt.is_none() {
        return by_last_attempt(store, access, filter, range, limit).await;
    }
    match &access.projects {
        None => select(store, filter, range, limit).await,
        Some(_) => visible::deliveries(store, access, filter, range, limit).await,
    }
}

/// Returns the range of ids that can be in a list; `None` if there can be none.
fn range_of(filter: &DeliveryFilter, before: Option<DeliveryId>) -> Option<Range> {
    // A delivery has its event's millisecond.
    let of_event = filter.event.map(|event| {
        let first = DeliveryId::floor(event.time()).as_uuid();
        let last = Uuid::from_u128(first.as_u128() | ((1 << 80) - 1));
        (first, last)
    });
    let until = filter.until.map(DeliveryId::floor);
    let mut to = match before.into_iter().chain(until).min() {
        None => Uuid::max(),
        Some(end) => Uuid::from_u128(end.as_uuid().as_u128().checked_sub(1)?),
    };
    let mut from = filter.since.map_or(Uuid::nil(), |since| DeliveryId::floor(since).as_uuid());
    if let Some((first, last)) = of_event {
        from = from.max(first);
        to = to.min(last);
    }
    (from <= to).then_some(Range { from, to })
}

/// Returns the deliveries of a range, those of the newest events first: unfinished and finished ones in one
/// order. An index yields each half in that order, no further than the page. The conditions on the event are
/// checked row by row, by the event's key: with a join or an EXISTS the planner could read all events first.
pub(super) async fn select(
    store: &PostgresStore,
    filter: &DeliveryFilter,
    range: Range,
    limit: i64,
) -> Result<Vec<DeliveryRow>, StoreError> {
    store
        .inner
        .listings()
        .run(async |conn| {
            sqlx::query_file_as!(
                DeliveryRow,
                "src/history/list.sql",
                range.from,
                range.to,
                filter.webhook.map(|webhook| webhook.as_uuid()),
                filter.event.map(|event| event.as_uuid()),
                filter.event_type.as_ref().map(|event_type| event_type.as_str()),
                filter.project.as_ref().map(|project| project.as_str()),
                filter.status.map(|status| status.as_str()),
                limit,
                filter.last_attempt.pattern(),
                filter.command_id.as_ref().map(CommandId::as_str),
            )
            .fetch_all(&mut **conn)
            .await
        })
        .await
}

/// Returns the deliveries of a page by their last attempt. Of each summary that occurs, an index yields a page. Those
/// with a [plain](rdev_webhooks_domain::Attempt::PLAIN) one are in no such index: they are found from the newest on.
async fn by_last_attempt(
    store: &PostgresStore,
    access: &Access,
    filter: &DeliveryFilter,
    range: Range,
    limit: i64,
) -> Result<Vec<DeliveryRow>, StoreError> {
    let webhooks = match &access.projects {
        None => filter.webhook.map(|webhook| vec![webhook.as_uuid()]),
        Some(projects) => Some(visible::webhooks(store, projects, filter.webhook).await?),
    };
    let projects = visible::matching_projects(access, filter.project.as_ref());
    // `$of` begins the columns of the index: `d.webhook_id` or nothing; `$is` has its value. Compared as rows, the
    // columns fit no other index, whatever the statistics say.
    macro_rules! page {
        ($conn:ident, $webhooks:expr, $of:literal, $down:literal, $is:literal, $only:literal) => {
            sqlx::query_as!(
                DeliveryRow,
                "SELECT x.id AS \"id!\", x.event_id AS \"event_id!\", e.event_type, e.project,
                     x.webhook_id AS \"webhook_id!\", x.attempts AS \"attempts!\", x.status AS \"status!\",
                     x.at AS \"at!\", x.reason
                 FROM (
                     SELECT y.* FROM unnest($3::uuid[]) AS w(id)
                     CROSS JOIN LATERAL (
                     (WITH RECURSIVE known(value) AS (
                         SELECT '' COLLATE \"C\"
                         UNION ALL
                         SELECT (SELECT n.last_attempt FROM (
                             SELECT d.webhook_id, d.last_attempt FROM rdev_webhooks.delivery_queue d
                             WHERE d.last_attempt IS NOT NULL
                                 AND (" + $of + " d.last_attempt) > (" + $is + " k.value)
                             ORDER BY " + $of + " d.last_attempt LIMIT 1
                         ) n WHERE " + $only + " true)
                         FROM known k WHERE k.value IS NOT NULL
                     )
                     SELECT p.* FROM known k
                     CROSS JOIN LATERAL (
                         SELECT d.id, d.event_id, d.webhook_id, d.attempts, d.status, d.at, d.reason
                         FROM rdev_webhooks.unfinished_deliveries d
                         WHERE d.last_attempt IS NOT NULL AND d.id BETWEEN $1 AND $2
                             AND (" + $of + " d.last_attempt, d.id) >= (" + $is + " k.value, $1)
                             AND (" + $of + " d.last_attempt, d.id) <= (" + $is + " k.value, $2)
                             AND ($7::text IS NULL OR d.status = $7)
                             AND ($4::text IS NULL AND $5::text[] IS NULL AND $6::text IS NULL OR (
                                 SELECT ($4 IS NULL OR e.event_type = $4)
                                     AND ($5 IS NULL OR e.project = ANY($5))
                                     AND ($6 IS NULL OR e.command_id = $6)
                                 FROM rdev_webhooks.events e WHERE e.id = d.event_id))
                         ORDER BY " + $down + " d.last_attempt DESC, d.id DESC LIMIT $8
                     ) p
                     WHERE k.value LIKE $9
                     ORDER BY p.id DESC LIMIT $8)
                     UNION ALL
                     (WITH RECURSIVE known(value) AS (
                         SELECT '' COLLATE \"C\"
                         UNION ALL
                         SELECT (SELECT n.last_attempt FROM (
                             SELECT d.webhook_id, d.last_attempt FROM rdev_webhooks.deliveries d
                             WHERE d.last_attempt IS NOT NULL
                                 AND (" + $of + " d.last_attempt) > (" + $is + " k.value)
                             ORDER BY " + $of + " d.last_attempt LIMIT 1
                         ) n WHERE " + $only + " true)
                         FROM known k WHERE k.value IS NOT NULL
                     )
                     SELECT p.* FROM known k
                     CROSS JOIN LATERAL (
                         SELECT d.id, d.event_id, d.webhook_id, d.attempts, d.status, d.at, d.reason
                         FROM rdev_webhooks.finished_deliveries d
                         WHERE d.indexed_attempt IS NOT NULL AND d.id BETWEEN $1 AND $2
                             AND (" + $of + " d.indexed_attempt, d.id) >= (" + $is + " k.value, $1)
                             AND (" + $of + " d.indexed_attempt, d.id) <= (" + $is + " k.value, $2)
                             AND ($7::text IS NULL OR d.status = $7)
                             AND ($4::text IS NULL AND $5::text[] IS NULL AND $6::text IS NULL OR (
                                 SELECT ($4 IS NULL OR e.event_type = $4)
                                     AND ($5 IS NULL OR e.project = ANY($5))
                                     AND ($6 IS NULL OR e.command_id = $6)
                                 FROM rdev_webhooks.events e WHERE e.id = d.event_id))
                         ORDER BY " + $down + " d.indexed_attempt DESC, d.id DESC LIMIT $8
                     ) p
                     WHERE k.value LIKE $9
                     ORDER BY p.id DESC LIMIT $8)
                     UNION ALL
                     (SELECT d.id, d.event_id, d.webhook_id, d.attempts, d.status, d.at, d.reason
                     FROM rdev_webhooks.finished_deliveries d
                     WHERE $10 AND d.indexed_attempt IS NULL AND d.status = 'succeeded'
                         AND ($7 IS NULL OR d.status = $7) AND d.id BETWEEN $1 AND $2
                         AND (" + $of + " d.id) >= (" + $is + " $1) AND (" + $of + " d.id) <= (" + $is + " $2)
                         AND ($4 IS NULL AND $5 IS NULL AND $6 IS NULL OR (
                             SELECT ($4 IS NULL OR e.event_type = $4)
                                 AND ($5 IS NULL OR e.project = ANY($5))
                                 AND ($6 IS NULL OR e.command_id = $6)
                             FROM rdev_webhooks.events e WHERE e.id = d.event_id))
                     ORDER BY " + $down + " d.id DESC LIMIT $8)
                     ) y
                     ORDER BY y.id DESC LIMIT $8
                 ) x
                 JOIN rdev_webhooks.events e ON e.id = x.event_id
                 ORDER BY x.id DESC",
                range.from,
                range.to,
                $webhooks,
                filter.event_type.as_ref().map(EventType::as_str),
                projects.as_deref(),
                filter.command_id.as_ref().map(CommandId::as_str),
                filter.status.map(|status| status.as_str()),
                limit,
                filter.last_attempt.pattern(),
                filter.last_attempt.matches_plain(),
            )
            .fetch_all(&mut **$conn)
            .await
        };
    }
    store
        .inner
        .listings()
        .run(async |conn| match &webhooks {
            Some(webhooks) => {
                page!(
                    conn,
                    webhooks,
                    "d.webhook_id,",
                    "d.webhook_id DESC,",
                    "w.id,",
                    "n.webhook_id = w.id AND"
                )
            }
            // One row, of no webhook.
            None => page!(conn, &[Uuid::nil()], "", "", "", ""),
        })
        .await
}

/// Returns the deliveries of a page along their events; `None` if they are found faster in another way.
async fn along_events(
    store: &PostgresStore,
    access: &Access,
    filter: &DeliveryFilter,
    range: Range,
    page: PageRequest<DeliveryId>,
) -> Result<Option<Vec<DeliveryRow>>, StoreError> {
    let mut walk = EventWalk::new(page, filter.until, filter.selects_deliveries());
    while let Some(step) = walk.next() {
        let events = events(store, access, filter, step).await?;
        let rows = of_events(store, access, filter, range, &events, i64::from(page.limit) + 1).await?;
        let events: Vec<_> = events.into_iter().map(EventId::from_uuid).collect();
        walk.add(&events, rows.into_iter().map(|row| (DeliveryId::from_uuid(row.id), row)));
    }
    Ok(walk.finish())
}

/// Returns the events of a step, the newest first. Of several indexes, the statement must use that of the command: the
/// other columns are compared as expressions. A project has an index with types and one without; compared as rows, the
/// columns fit no other.
async fn events(
    store: &PostgresStore,
    access: &Access,
    filter: &DeliveryFilter,
    step: WalkStep,
) -> Result<Vec<Uuid>, StoreError> {
    let before = step.before.map_or_else(Uuid::max, |before| before.as_uuid());
    let since = filter.since.map_or_else(Uuid::nil, |since| EventId::floor(since).as_uuid());
    let event_type = filter.event_type.as_ref().map(EventType::as_str);
    let projects = visible::matching_projects(access, filter.project.as_ref());
    let limit = i64::from(step.limit);
    store
        .inner
        .listings()
        .run(async |conn| {
            if let Some(command) = &filter.command_id {
                return sqlx::query_scalar!(
                    "SELECT e.id FROM rdev_webhooks.events e
                     WHERE e.command_id = $1 AND e.id >= $2 AND e.id < $3
                         AND ($4::text IS NULL OR (e.event_type || '') = $4)
                         AND ($5::text[] IS NULL OR (e.project || '') = ANY($5))
                     ORDER BY e.id DESC LIMIT $6",
                    command.as_str(),
                    since,
                    before,
                    event_type,
                    projects.as_deref(),
                    limit,
                )
                .fetch_all(&mut **conn)
                .await;
            }
            let Some(projects) = &projects else {
                return sqlx::query_scalar!(
                    "SELECT e.id FROM rdev_webhooks.events e
                     WHERE e.id >= $1 AND e.id < $2 AND ($3::text IS NULL OR e.event_type = $3)
                     ORDER BY e.id DESC LIMIT $4",
                    since,
                    before,
                    event_type,
                    limit,
                )
                .fetch_all(&mut **conn)
                .await;
            };
            let Some(event_type) = event_type else {
                return sqlx::query_scalar!(
                    r#"SELECT x.id AS "id!" FROM unnest($1::text[]) AS own(project)
                       CROSS JOIN LATERAL (
                           SELECT e.id FROM rdev_webhooks.events e
                           WHERE e.project = own.project AND e.id >= $2 AND e.id < $3
                           ORDER BY e.id DESC LIMIT $4
                       ) x
                       ORDER BY x.id DESC LIMIT $4"#,
                    projects,
                    since,
                    before,
                    limit,
                )
                .fetch_all(&mut **conn)
                .await;
            };
            sqlx::query_scalar!(
                r#"SELECT x.id AS "id!" FROM unnest($1::text[]) AS own(project)
                   CROSS JOIN LATERAL (
                       SELECT e.id FROM rdev_webhooks.events e
                       WHERE e.project IS NOT NULL
                           AND (e.project, e.event_type, e.id) >= (own.project, $4, $2)
                           AND (e.project, e.event_type, e.id) < (own.project, $4, $3)
                       ORDER BY e.project DESC, e.event_type DESC, e.id DESC LIMIT $5
                   ) x
                   ORDER BY x.id DESC LIMIT $5"#,
                projects,
                since,
                before,
                event_type,
                limit,
            )
            .fetch_all(&mut **conn)
            .await
        })
        .await
}

async fn of_events(
    store: &PostgresStore,
    access: &Access,
    filter: &DeliveryFilter,
    range: Range,
    events: &[Uuid],
    limit: i64,
) -> Result<Vec<DeliveryRow>, StoreError> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let visible_to = visible::projects(access);
    store
        .inner
        .listings()
        .run(async |conn| {
            sqlx::query_file_as!(
                DeliveryRow,
                "src/history/of_events.sql",
                range.from,
                range.to,
                filter.webhook.map(|webhook| webhook.as_uuid()),
                events,
                filter.status.map(|status| status.as_str()),
                filter.last_attempt.pattern(),
                visible_to.as_deref(),
                limit,
            )
            .fetch_all(&mut **conn)
            .await
        })
        .await
}
