//! Reading of events.

use std::collections::HashMap;

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{
    Access, DeliveryCounts, DeliveryFilter, DeliveryStatus, Event, EventFilter, EventId, EventRecord,
    MAX_LISTED_BODY, Page, PageRequest, ProjectName, Timestamp, WalkStep,
};
use sqlx::SqliteConnection;

use crate::error::{self, DbError, Row};
use crate::rows::micros;
use crate::{json, visible};

/// The row of an event.
pub(super) struct EventRow {
    pub(super) id: Vec<u8>,
    pub(super) key: Option<String>,
    pub(super) event_type: String,
    pub(super) project: Option<String>,
    pub(super) timestamp: i64,
    pub(super) body: Vec<u8>,
}

impl EventRow {
    fn id(&self) -> Result<EventId, StoreError> {
        error::uuid("events", "id", &self.id).map(EventId::from_uuid)
    }

    pub(super) fn record(self, counts: &HashMap<EventId, DeliveryCounts>) -> Result<EventRecord, StoreError> {
        let id = self.id()?;
        let row = Row { table: "events", id: &id };
        Ok(EventRecord {
            event: Event {
                id,
                key: self.key.map(|key| row.parse("key", &key)).transpose()?,
                event_type: row.parse("event_type", &self.event_type)?,
                project: self.project.map(|project| row.parse("project", &project)).transpose()?,
                timestamp: Timestamp::from_micros(self.timestamp),
                body: self.body.into(),
            },
            deliveries: counts.get(&id).copied().unwrap_or_default(),
        })
    }
}

/// A query for [`EventRow`]s of `events AS e`, under the given condition and these bounds: at least the id ?1
/// and under the id ?2; of the type ?3; of the project ?4; at most ?5; without bodies longer than ?6;
/// with the key ?7; of the command ?8.
macro_rules! event_rows {
    ($from:literal, $bounds:expr) => {
        sqlx::query_as!(
            EventRow,
            "SELECT e.id, e.key, e.event_type, e.project, e.timestamp,
               CASE WHEN length(e.body) <= ?6 THEN e.body ELSE x'' END AS \"body!: Vec<u8>\" FROM webhooks_events AS e "
                + $from
                + " AND e.id >= ?1 AND e.id < ?2 AND (?3 IS NULL OR e.event_type = ?3) "
                + "AND (?4 IS NULL OR e.project = ?4) AND (?7 IS NULL OR e.key = ?7) "
                + "AND (?8 IS NULL OR e.command_id = ?8) ORDER BY e.id DESC LIMIT +?5",
            $bounds.low,
            $bounds.high,
            $bounds.event_type,
            $bounds.project,
            $bounds.limit,
            $bounds.max_body,
            $bounds.key,
            $bounds.command_id
        )
    };
}

/// The parameters of a query for a page.
#[derive(Clone)]
struct Bounds<'a> {
    low: Vec<u8>,
    high: Vec<u8>,
    event_type: Option<&'a str>,
    project: Option<&'a str>,
    limit: i64,
    max_body: i64,
    key: Option<&'a str>,
    command_id: Option<&'a str>,
}

pub(super) async fn get(
    conn: &mut SqliteConnection,
    access: &Access,
    id: EventId,
    now: Timestamp,
) -> Result<Option<EventRecord>, DbError> {
    let bytes = id.as_uuid().as_bytes().to_vec();
    let row = sqlx::query_as!(
        EventRow,
        "SELECT id, key, event_type, project, timestamp, body FROM webhooks_events WHERE id = ?1",
        bytes
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let counts = count(conn, access, &[id], now).await?;
    Ok(Some(row.record(&counts)?).filter(|record| record.event.is_visible_to(access)))
}

pub(super) async fn list(
    conn: &mut SqliteConnection,
    access: &Access,
    filter: &EventFilter,
    page: PageRequest<EventId>,
    now: Timestamp,
) -> Result<Page<EventRecord>, DbError> {
    let bytes = |id: EventId| id.as_uuid().as_bytes().to_vec();
    let until = filter.until.map(EventId::floor);
    let high = [until, page.before].into_iter().flatten().min();
    let mut bounds = Bounds {
        low: filter.since.map(EventId::floor).map_or_else(Vec::new, bytes),
        // One byte more than an id has sorts after every id.
        high: high.map_or_else(|| vec![0xff; 17], bytes),
        event_type: filter.event_type.as_ref().map(|event_type| event_type.as_str()),
        project: filter.project.as_ref().map(|project| project.as_str()),
        limit: i64::from(page.limit) + 1,
        max_body: MAX_LISTED_BODY as i64,
        key: filter.key.as_ref().map(|key| key.as_str()),
        command_id: filter.command_id.as_ref().map(|id| id.as_str()),
    };
    let rows = match &access.projects {
        None => fetch(&mut *conn, &bounds).await?,
        Some(projects) => {
            // The index has each project's events in order: take a page of each and merge them.
            let mut rows = Vec::new();
            for project in projects.iter().filter(|one| filter.project.as_ref().is_none_or(|it| it == *one)) {
                bounds.project = Some(project.as_str());
                rows.extend(fetch(&mut *conn, &bounds).await?);
            }
            rows.sort_unstable_by(|one, other| other.id.cmp(&one.id));
            rows
        }
    };
    let ids: Vec<_> = rows.iter().filter_map(|row| row.id().ok()).collect();
    let counts = count(conn, access, &ids, now).await?;
    let id = |row: &EventRow| error::id_text(&row.id, EventId::from_uuid);
    Ok(Page::read(rows, page.limit, id, |row| row.record(&counts))?)
}

async fn fetch(conn: &mut SqliteConnection, bounds: &Bounds<'_>) -> Result<Vec<EventRow>, DbError> {
    // A key and a command are rarer than a type of a project.
    let rows = if bounds.key.is_some() {
        event_rows!("INDEXED BY webhooks_events_by_key_id WHERE e.key = ?7", bounds).fetch_all(conn).await
    } else if bounds.command_id.is_some() {
        event_rows!("INDEXED BY webhooks_events_by_command_id_id WHERE e.command_id = ?8", bounds)
            .fetch_all(conn)
            .await
    } else if let Some(project) = bounds.project {
        return of_project(conn, project, bounds).await;
    } else if bounds.event_type.is_some() {
        event_rows!("INDEXED BY webhooks_events_by_event_type_id WHERE e.event_type = ?3", bounds)
            .fetch_all(conn)
            .await
    } else {
        event_rows!("WHERE true", bounds).fetch_all(conn).await
    };
    Ok(rows?)
}

/// Returns the newest events of a project, of one type or of all: then a page of each type, merged. A project has few
/// types, so that the index of its types serves for both, and each event is in one index less.
async fn of_project(
    conn: &mut SqliteConnection,
    project: &str,
    bounds: &Bounds<'_>,
) -> Result<Vec<EventRow>, DbError> {
    let types = match bounds.event_type {
        Some(event_type) => vec![event_type.to_owned()],
        None => types_of_project(&mut *conn, project, bounds).await?,
    };
    let (mut low, limit) = (bounds.low.clone(), usize::try_from(bounds.limit).unwrap_or_default());
    let mut rows: Vec<EventRow> = Vec::new();
    for event_type in &types {
        let bounds = Bounds { low: low.clone(), event_type: Some(event_type), ..bounds.clone() };
        let found = event_rows!(
            "INDEXED BY webhooks_events_by_project_event_type_id WHERE e.project = ?4 AND e.event_type = ?3",
            bounds
        );
        rows.extend(found.fetch_all(&mut *conn).await?);
        rows.sort_unstable_by(|one, other| other.id.cmp(&one.id));
        rows.truncate(limit);
        if let Some(last) = rows.last().filter(|_| rows.len() == limit) {
            // Of the other types, only newer events are among the newest.
            low.clone_from(&last.id);
        }
    }
    Ok(rows)
}

/// Returns the types of a project's newest events within the bounds, the type of the newest first.
async fn types_of_project(
    conn: &mut SqliteConnection,
    project: &str,
    bounds: &Bounds<'_>,
) -> Result<Vec<String>, DbError> {
    let types = sqlx::query_scalar!(
        r#"WITH RECURSIVE types (event_type) AS (
             SELECT min(e.event_type) FROM webhooks_events AS e INDEXED BY webhooks_events_by_project_event_type_id
             WHERE e.project = ?1
             UNION ALL
             SELECT (SELECT min(e.event_type)
               FROM webhooks_events AS e INDEXED BY webhooks_events_by_project_event_type_id
               WHERE e.project = ?1 AND e.event_type > types.event_type)
             FROM types WHERE types.event_type IS NOT NULL
           )
           SELECT t.event_type AS "event_type!: String" FROM (
             SELECT types.event_type, (SELECT max(e.id)
               FROM webhooks_events AS e INDEXED BY webhooks_events_by_project_event_type_id
               WHERE e.project = ?1 AND e.event_type = types.event_type AND e.id >= ?2 AND e.id < ?3) AS newest
             FROM types WHERE types.event_type IS NOT NULL
           ) AS t
           WHERE t.newest IS NOT NULL ORDER BY t.newest DESC LIMIT +?4"#,
        project,
        bounds.low,
        bounds.high,
        bounds.limit
    )
    .fetch_all(conn)
    .await?;
    Ok(types)
}

/// Returns the ids of a step's events, the newest first, which satisfy the conditions on the event.
pub(crate) async fn ids(
    conn: &mut SqliteConnection,
    access: &Access,
    filter: &DeliveryFilter,
    step: WalkStep,
) -> Result<Vec<EventId>, DbError> {
    let bytes = |id: EventId| id.as_uuid().as_bytes().to_vec();
    let low = filter.since.map(EventId::floor).map_or_else(Vec::new, bytes);
    // One byte more than an id has sorts after every id.
    let high = step.before.map_or_else(|| vec![0xff; 17], bytes);
    let event_type = filter.event_type.as_ref().map(|event_type| event_type.as_str());
    let command_id = filter.command_id.as_ref().map(|id| id.as_str());
    let wanted = |project: &&ProjectName| filter.project.as_ref().is_none_or(|it| it == *project);
    let projects: Vec<_> = match &access.projects {
        Some(visible) => visible.iter().filter(wanted).map(|project| Some(project.as_str())).collect(),
        None => vec![filter.project.as_ref().map(|project| project.as_str())],
    };
    let mut found = Vec::new();
    for project in projects {
        let bounds = Bounds {
            low: low.clone(),
            high: high.clone(),
            event_type,
            project,
            limit: i64::from(step.limit),
            max_body: 0,
            key: None,
            command_id,
        };
        for row in fetch(&mut *conn, &bounds).await? {
            found.push(row.id()?);
        }
    }
    found.sort_unstable_by(|one, other| other.cmp(one));
    found.truncate(step.limit as usize);
    Ok(found)
}

/// Counts the visible deliveries of events by their status at `now`.
pub(super) async fn count(
    conn: &mut SqliteConnection,
    access: &Access,
    events: &[EventId],
    now: Timestamp,
) -> Result<HashMap<EventId, DeliveryCounts>, DbError> {
    let events = json::ids(events.iter().map(EventId::as_uuid))?;
    let visible_to = visible::projects(access)?;
    let now = micros(now);
    // The status of an unfinished delivery follows `Progress::state`.
    let rows = sqlx::query!(
        r#"SELECT event_id,
             CASE WHEN status <> 'unfinished' THEN status
               WHEN lease_expires_at > ?2 THEN 'in_flight'
               WHEN attempts > 0 AND ("trigger" = 'automatic' OR deferred_until IS NOT NULL) THEN 'retrying'
               ELSE 'pending' END AS "status!: String",
             count(*) AS "count!: i64"
           FROM webhooks_deliveries INDEXED BY webhooks_deliveries_by_event_id
           WHERE event_id IN (SELECT unhex(value) FROM json_each(?1))
             AND (?3 IS NULL OR webhook_id IN (
               SELECT w.id FROM webhooks_webhooks AS w
               WHERE NOT EXISTS (SELECT 1 FROM webhooks_webhook_projects AS own
                 WHERE own.webhook_id = w.id AND own.project NOT IN (SELECT value FROM json_each(?3)))))
           GROUP BY 1, 2"#,
        events,
        now,
        visible_to
    )
    .fetch_all(conn)
    .await?;
    let mut counts: HashMap<EventId, DeliveryCounts> = HashMap::new();
    for row in rows {
        let event = error::uuid("deliveries", "event_id", &row.event_id).map(EventId::from_uuid)?;
        let place = Row { table: "deliveries of", id: &event };
        let status = place.name("status", &row.status, DeliveryStatus::parse)?;
        *counts.entry(event).or_default().of_mut(status) = row.count.unsigned_abs();
    }
    Ok(counts)
}
