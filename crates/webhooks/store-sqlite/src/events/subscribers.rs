//! The webhooks that receive an event.

use std::collections::{BTreeSet, HashMap};

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{NewEvent, ProjectName, Target, WebhookId};
use sqlx::SqliteConnection;

use crate::error::{self, DbError, Row};
use crate::json;

/// The properties of an event that decide which webhooks receive it, and how many of these its producer sees.
/// The events of a batch have few different combinations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Address<'a> {
    Subscribers { event_type: &'a str, project: &'a str, visible_to: Option<&'a BTreeSet<ProjectName>> },
    Webhook(WebhookId, Option<u64>),
}

impl<'a> Address<'a> {
    fn new(event: &'a NewEvent) -> Self {
        match event.target {
            Target::Webhook(id) => Self::Webhook(id, None),
            Target::WebhookAt(id, version) => Self::Webhook(id, Some(version)),
            Target::Subscribers => Self::Subscribers {
                event_type: event.event_type.as_str(),
                project: event.project.as_ref().map_or("", |project| project.as_str()),
                visible_to: event.producer.as_ref().and_then(|access| access.projects.as_ref()),
            },
        }
    }
}

/// The webhooks that receive an event.
#[derive(Default)]
pub(crate) struct Receivers {
    ids: Vec<WebhookId>,
    /// The number of webhooks that a project-scoped producer sees.
    visible: Option<u32>,
}

impl Receivers {
    const NONE: &'static Self = &Self { ids: Vec::new(), visible: None };

    pub(crate) fn ids(&self) -> &[WebhookId] {
        &self.ids
    }

    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.ids.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn visible(&self) -> u32 {
        self.visible.unwrap_or_else(|| self.count())
    }
}

/// The enabled webhooks that receive the events of a batch.
pub(crate) struct Subscribers<'a> {
    by_address: HashMap<Address<'a>, Receivers>,
    is_cut: bool,
}

impl<'a> Subscribers<'a> {
    /// Looks up the webhooks for all events, up to one more than `limit` in all.
    pub(crate) async fn load(
        conn: &mut SqliteConnection,
        events: &[&'a NewEvent],
        limit: u64,
    ) -> Result<Self, DbError> {
        let mut found: HashMap<Address<'a>, Receivers> = HashMap::new();
        let mut subscribed: Vec<Address<'a>> = Vec::new();
        let mut lookups: Vec<(&str, Vec<String>)> = Vec::new();
        let mut targets = Vec::new();
        for event in events {
            let address = Address::new(event);
            if found.insert(address, Receivers::default()).is_some() {
                continue;
            }
            match address {
                Address::Webhook(id, _) => targets.push(id.as_uuid()),
                Address::Subscribers { project, .. } => {
                    subscribed.push(address);
                    lookups.push((project, event.event_type.matching_patterns().collect()));
                }
            }
        }
        if !targets.is_empty() {
            for (id, version) in enabled(conn, json::ids(targets)?).await? {
                for address in [Address::Webhook(id, None), Address::Webhook(id, Some(version))] {
                    found.entry(address).and_modify(|receivers| receivers.ids = vec![id]);
                }
            }
        }
        let mut is_cut = false;
        if !lookups.is_empty() {
            let answers = subscribing(conn, json::rows(&lookups)?, limit.saturating_add(1)).await?;
            is_cut = answers.len() as u64 > limit;
            for (address, id) in answers {
                let receivers = subscribed.get(address).and_then(|address| found.get_mut(address));
                let receivers = receivers.ok_or_else(|| error::internal("an unknown lookup got a result"))?;
                receivers.ids.push(id);
            }
        }
        for address in subscribed {
            if let Address::Subscribers { visible_to: Some(projects), .. } = address
                && let Some(receivers) = found.get_mut(&address)
            {
                receivers.visible = Some(count_visible(conn, receivers.ids(), projects).await?);
            }
        }
        Ok(Self { by_address: found, is_cut })
    }

    /// Returns whether the limit was exceeded; then some webhooks are missing.
    pub(crate) const fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Removes a webhook.
    pub(crate) fn remove(&mut self, webhook: WebhookId) {
        self.by_address.values_mut().for_each(|receivers| receivers.ids.retain(|id| *id != webhook));
    }

    /// Returns the webhooks for one of the events.
    pub(crate) fn get(&self, event: &'a NewEvent) -> &Receivers {
        self.by_address.get(&Address::new(event)).unwrap_or(Receivers::NONE)
    }
}

/// Counts the webhooks that take only events of these projects.
async fn count_visible(
    conn: &mut SqliteConnection,
    webhooks: &[WebhookId],
    visible_to: &BTreeSet<ProjectName>,
) -> Result<u32, DbError> {
    if webhooks.is_empty() {
        return Ok(0);
    }
    let (webhooks, visible_to) =
        (json::ids(webhooks.iter().map(WebhookId::as_uuid))?, json::projects(visible_to)?);
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!: u32" FROM webhooks_webhooks AS w
           WHERE w.id IN (SELECT unhex(value) FROM json_each(?1))
             AND NOT EXISTS (SELECT 1 FROM webhooks_webhook_projects AS own
               WHERE own.webhook_id = w.id AND own.project NOT IN (SELECT value FROM json_each(?2)))"#,
        webhooks,
        visible_to
    )
    .fetch_one(conn)
    .await?;
    Ok(count)
}

/// Returns the enabled ones among the webhooks, with their versions.
async fn enabled(conn: &mut SqliteConnection, ids: String) -> Result<Vec<(WebhookId, u64)>, DbError> {
    let rows = sqlx::query!(
        "SELECT id, version FROM webhooks_webhooks
         WHERE id IN (SELECT unhex(value) FROM json_each(?1)) AND disabled_at IS NULL AND deleted_at IS NULL",
        ids
    )
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let id = webhook_id(&row.id)?;
            Ok((id, Row { table: "webhooks", id: &id }.number("version", row.version)?))
        })
        .collect()
}

/// Answers look-ups `[project, [patterns]]`: returns each webhook with the index of its look-up, up to a
/// limit.
async fn subscribing(
    conn: &mut SqliteConnection,
    lookups: String,
    limit: u64,
) -> Result<Vec<(usize, WebhookId)>, DbError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = sqlx::query!(
        r#"SELECT DISTINCT CAST(lookup.key AS INTEGER) AS "lookup!: i64", w.id
           FROM json_each(?1) AS lookup
             CROSS JOIN json_each(lookup.value, '$[1]') AS pattern
             CROSS JOIN webhooks_subscriptions AS s
               ON s.pattern = pattern.value AND s.project IN ('', lookup.value ->> 0)
             CROSS JOIN webhooks_webhooks AS w
               ON w.id = s.webhook_id AND w.disabled_at IS NULL AND w.deleted_at IS NULL
           LIMIT +?2"#,
        lookups,
        limit
    )
    .fetch_all(conn)
    .await?;
    let mut answers = Vec::with_capacity(rows.len());
    for row in rows {
        answers.push((usize::try_from(row.lookup).unwrap_or(usize::MAX), webhook_id(&row.id)?));
    }
    Ok(answers)
}

fn webhook_id(bytes: &[u8]) -> Result<WebhookId, StoreError> {
    error::uuid("webhooks", "id", bytes).map(WebhookId::from_uuid)
}
