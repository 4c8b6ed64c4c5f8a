//! Who gets an event.

use std::collections::HashMap;

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{NewEvent, Target, WebhookId};
use sqlx::SqliteConnection;

use crate::rows::webhook;
use crate::{error, json};

/// What decides who gets an event. The events of a batch have few different ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Address<'a> {
    Subscribers { event_type: &'a str, project: &'a str },
    Webhook(WebhookId, Option<u64>),
}

impl<'a> Address<'a> {
    fn of(event: &'a NewEvent) -> Self {
        match event.target {
            Target::Webhook(id) => Self::Webhook(id, None),
            Target::WebhookAt(id, version) => Self::Webhook(id, Some(version)),
            Target::Subscribers => Self::Subscribers {
                event_type: event.event_type.as_str(),
                project: event.project.as_ref().map_or("", |project| project.as_str()),
            },
        }
    }
}

/// The enabled webhooks that get the events of a batch.
pub(crate) struct Subscribers<'a>(HashMap<Address<'a>, Vec<WebhookId>>);

impl<'a> Subscribers<'a> {
    /// Looks them up for all the events.
    pub(crate) async fn of(conn: &mut SqliteConnection, events: &[&'a NewEvent]) -> Result<Self, StoreError> {
        let mut found: HashMap<Address<'a>, Vec<WebhookId>> = HashMap::new();
        let mut subscribed: Vec<Address<'a>> = Vec::new();
        let mut lookups: Vec<(&str, Vec<String>)> = Vec::new();
        let mut targets = Vec::new();
        for event in events {
            let address = Address::of(event);
            if found.insert(address, Vec::new()).is_some() {
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
                    found.entry(address).and_modify(|receivers| *receivers = vec![id]);
                }
            }
        }
        if !lookups.is_empty() {
            for (address, id) in subscribing(conn, json::rows(&lookups)?).await? {
                let address = subscribed.get(address).and_then(|address| found.get_mut(address));
                address.ok_or_else(|| error::internal("a look-up was answered that was not made"))?.push(id);
            }
        }
        Ok(Self(found))
    }

    /// Those of one of the events.
    pub(crate) fn get(&self, event: &'a NewEvent) -> &[WebhookId] {
        self.0.get(&Address::of(event)).map_or(&[], Vec::as_slice)
    }
}

/// Those of the webhooks that are, with their versions.
async fn enabled(conn: &mut SqliteConnection, ids: String) -> Result<Vec<(WebhookId, u64)>, StoreError> {
    let rows = sqlx::query!(
        "SELECT id, version FROM webhooks
         WHERE id IN (SELECT unhex(value) FROM json_each(?1)) AND disabled_since IS NULL AND deleted_at IS NULL",
        ids
    )
    .fetch_all(conn)
    .await
    .map_err(error::database)?;
    rows.iter()
        .map(|row| {
            let id = webhook::id(&row.id)?;
            Ok((id, webhook::row(&id).number("version", row.version)?))
        })
        .collect()
}

/// Answers look-ups `[project, [patterns]]`, each webhook with the place of its look-up.
async fn subscribing(
    conn: &mut SqliteConnection,
    lookups: String,
) -> Result<Vec<(usize, WebhookId)>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT DISTINCT CAST(lookup.key AS INTEGER) AS "lookup!: i64", w.id
           FROM json_each(?1) AS lookup
             CROSS JOIN json_each(lookup.value, '$[1]') AS pattern
             CROSS JOIN subscriptions AS s
               ON s.pattern = pattern.value AND s.project IN ('', lookup.value ->> 0)
             CROSS JOIN webhooks AS w
               ON w.id = s.webhook_id AND w.disabled_since IS NULL AND w.deleted_at IS NULL"#,
        lookups
    )
    .fetch_all(conn)
    .await
    .map_err(error::database)?;
    let mut answers = Vec::with_capacity(rows.len());
    for row in rows {
        answers.push((usize::try_from(row.lookup).unwrap_or(usize::MAX), webhook::id(&row.id)?));
    }
    Ok(answers)
}
