//! Queries for project-scoped callers: webhooks that take events of their projects and nothing else, and the
//! deliveries of these events to these webhooks. A deleted webhook counts as it last was.
//!
//! They are separate from the queries of other callers, which need no such check. Each looks rows up by the
//! projects, or by their webhooks, so that it reads no rows of other projects that it does not show.

use std::collections::BTreeSet;

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{
    Access, DeliveryCounts, DeliveryFilter, DeliveryStatus, EventId, ProjectName, WebhookId,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::convert::texts;
use crate::error::corrupt;
use crate::rows::DeliveryRow;
use crate::store::PostgresStore;

/// A range of ids, both ends included.
#[derive(Clone, Copy)]
pub(crate) struct Range {
    pub(crate) from: Uuid,
    pub(crate) to: Uuid,
}

/// Returns the projects of a project-scoped caller, as a parameter.
pub(crate) fn projects(access: &Access) -> Option<Vec<String>> {
    access.projects.as_ref().map(texts)
}

/// Returns the projects that the events of a list may have; `None` for any.
pub(crate) fn matching_projects(access: &Access, wanted: Option<&ProjectName>) -> Option<Vec<String>> {
    match &access.projects {
        Some(visible) => Some(texts(visible.iter().filter(|it| wanted.is_none_or(|wanted| wanted == *it)))),
        None => wanted.map(|wanted| vec![wanted.to_string()]),
    }
}

/// Counts the events' deliveries to webhooks that the caller sees, in the same order.
pub(crate) async fn counts(
    store: &PostgresStore,
    access: &Access,
    events: &[EventId],
) -> Result<Vec<DeliveryCounts>, StoreError> {
    let ids: Vec<Uuid> = events.iter().map(EventId::as_uuid).collect();
    let projects = projects(access);
    let rows = store
        .inner
        .browse()
        .run(async |conn| {
            sqlx::query!(
                r#"
                SELECT g.n AS "n!", x.status AS "status!", count(*) AS "count!"
                FROM unnest($1::uuid[]) WITH ORDINALITY AS g(id, n)
                CROSS JOIN LATERAL (
                    SELECT q.webhook_id, q.status FROM rdev_webhooks.queued_deliveries q
                    WHERE q.id BETWEEN rdev_webhooks.id_first_of_ms(g.id) AND rdev_webhooks.id_last_of_ms(g.id)
                        AND q.event_id = g.id
                    UNION ALL
                    SELECT d.webhook_id, d.status
                    FROM rdev_webhooks.deliveries d
                    WHERE d.id BETWEEN rdev_webhooks.id_first_of_ms(g.id) AND rdev_webhooks.id_last_of_ms(g.id)
                        AND d.event_id = g.id
                ) x
                LEFT JOIN rdev_webhooks.webhooks w ON w.id = x.webhook_id
                WHERE rdev_webhooks.is_visible(w.projects, $2)
                GROUP BY g.n, x.status
                "#,
                &ids,
                projects.as_deref(),
            )
            .fetch_all(&mut **conn)
            .await
        })
        .await?;
    let mut counts = vec![DeliveryCounts::default(); events.len()];
    for row in rows {
        // Counted from 1, in input order.
        let place = usize::try_from(row.n - 1).ok().and_then(|place| counts.get_mut(place));
        let status = DeliveryStatus::parse(&row.status);
        let (Some(counts), Some(status)) = (place, status) else {
            return Err(corrupt("deliveries", "status", row.n, "an unknown status"));
        };
        *counts.of_mut(status) = u64::try_from(row.count).unwrap_or(0);
    }
    Ok(counts)
}

/// Returns the deliveries of a range to a project-scoped caller, those of the newest events first: a page of each
/// webhook, merged. The conditions on the event are checked row by row, by the event's key; with an EXISTS the planner
/// could read all events first.
pub(crate) async fn deliveries(
    store: &PostgresStore,
    access: &Access,
    filter: &DeliveryFilter,
    range: Range,
    limit: i64,
) -> Result<Vec<DeliveryRow>, StoreError> {
    let of_events = matching_projects(access, filter.project.as_ref()).unwrap_or_default();
    let visible_to = projects(access).unwrap_or_default();
    store
        .inner
        .listings()
        .run(async |conn| {
            sqlx::query_file_as!(
                DeliveryRow,
                "src/visible/deliveries.sql",
                range.from,
                range.to,
                filter.webhook.map(|webhook| webhook.as_uuid()),
                filter.event.map(|event| event.as_uuid()),
                filter.event_type.as_ref().map(|event_type| event_type.as_str()),
                &of_events,
                filter.status.map(|status| status.as_str()),
                limit,
                &visible_to,
                filter.last_attempt.pattern(),
                filter.command_id.as_ref().map(|id| id.as_str()),
            )
            .fetch_all(&mut **conn)
            .await
        })
        .await
}

/// Returns the webhooks that the caller sees, or the given one of them.
pub(crate) async fn webhooks(
    store: &PostgresStore,
    visible_to: &BTreeSet<ProjectName>,
    one: Option<WebhookId>,
) -> Result<Vec<Uuid>, StoreError> {
    store
        .inner
        .listings()
        .run(async |conn| {
            sqlx::query_scalar!(
                "SELECT w.id FROM rdev_webhooks.webhooks w
                 WHERE rdev_webhooks.is_visible(w.projects, $1) AND ($2::uuid IS NULL OR w.id = $2)",
                &texts(visible_to),
                one.map(|id| id.as_uuid()),
            )
            .fetch_all(&mut **conn)
            .await
        })
        .await
}

/// Returns whether the caller sees a delivery. Locks the webhook's row of a project-scoped caller, so that the
/// result holds until the transaction ends.
pub(crate) async fn is_shown(
    tx: &mut PgConnection,
    access: &Access,
    webhook: Uuid,
    event: Uuid,
) -> Result<bool, sqlx::Error> {
    let Some(projects) = projects(access) else {
        return Ok(true);
    };
    let shown = sqlx::query_scalar!(
        r#"SELECT rdev_webhooks.is_visible(projects, $3)
             AND (SELECT e.project = ANY($3) FROM rdev_webhooks.events e WHERE e.id = $2) AS shown
         FROM rdev_webhooks.webhooks WHERE id = $1 FOR SHARE"#,
        webhook,
        event,
        &projects,
    )
    .fetch_optional(tx)
    .await?;
    // An event without a project belongs to none of these projects.
    Ok(shown.flatten().unwrap_or(false))
}
