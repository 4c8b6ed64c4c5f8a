//! Deliveries as rows of a table.

use std::collections::HashMap;

use askama::Template;
use rdev_http::Problem;
use rdev_pages::{Badge, Icon, Moment, View, duration};
use rdev_webhooks_app::{Services, Waits};
use rdev_webhooks_domain::{
    Access, Delivery, DeliveryId, DeliveryState, LastAttempt, Webhook, WebhookId, WebhookState, scopes,
};

use crate::{failure, words};

/// A delivery as a row.
#[derive(Template)]
#[template(path = "deliveries/row.html")]
pub(crate) struct Row {
    id: DeliveryId,
    path: String,
    pub(super) status: Badge,
    status_name: &'static str,
    event_type: String,
    project: Option<String>,
    webhook: Target,
    answer: String,
    duration: String,
    pub(super) attempts: String,
    trigger: &'static str,
    accepted: Moment,
    pub(super) next: Option<String>,
    pub(super) next_at: Option<Moment>,
    pub(super) can_redeliver: bool,
}

impl Row {
    /// Returns the status and the answer.
    pub(crate) fn result(self) -> (Badge, String) {
        (self.status, self.answer)
    }
}

/// The receiver of a row.
struct Target {
    path: String,
    label: String,
}

/// What the rows of several deliveries are made of.
pub(crate) struct Rows<'a> {
    view: &'a View,
    waits: Waits,
    attempts: HashMap<DeliveryId, LastAttempt>,
}

impl<'a> Rows<'a> {
    /// Reads the webhooks and the last attempts of these deliveries.
    pub(crate) async fn load(
        services: &Services,
        access: &Access,
        view: &'a View,
        deliveries: &[Delivery],
    ) -> Result<Self, Problem> {
        let ids = deliveries.iter().map(|delivery| delivery.webhook_id).collect();
        let waits = services.webhooks.waits(access, ids).await.map_err(failure::of_webhook)?;
        let begun = deliveries.iter().filter(|delivery| delivery.attempts > 0).map(|delivery| delivery.id);
        let begun: Vec<DeliveryId> = begun.collect();
        let last = services.history.last_attempts(&begun).await?;
        let attempts = last.into_iter().map(|last| (last.delivery, last)).collect();
        Ok(Self { view, waits, attempts })
    }

    /// Returns a delivery as a row.
    pub(crate) fn row(&self, delivery: &Delivery) -> Row {
        let last = self.attempts.get(&delivery.id);
        let webhook = self.webhook(delivery.webhook_id);
        let waiting = self.waits.waiting_for(delivery);
        let next_at = match waiting {
            Some((_, at)) => at,
            None => delivery.state.next_attempt_at(),
        };
        let next = match (waiting, next_at) {
            (Some((waiting, _)), _) => Some(words::waiting(waiting).to_owned()),
            (None, Some(_)) => Some("Next attempt".to_owned()),
            (None, None) => words::reason(&delivery.state).map(str::to_owned),
        };
        let most = webhook.map(|webhook| webhook.settings.retry.max_attempts());
        Row {
            id: delivery.id,
            path: self.view.url(&format!("/deliveries/{}", delivery.id)),
            status: words::status(delivery.state.status()),
            status_name: delivery.state.status().as_str(),
            event_type: delivery.event_type.to_string(),
            project: delivery.project.as_ref().map(ToString::to_string),
            webhook: Target {
                path: self.view.url(&format!("/webhooks/{}", delivery.webhook_id)),
                label: webhook.map_or("deleted".to_owned(), |webhook| webhook.settings.url.to_string()),
            },
            answer: last.map(words::answer).unwrap_or_default(),
            duration: last.map(|last| duration(last.duration)).unwrap_or_default(),
            attempts: match most {
                Some(most) if delivery.attempts <= most => format!("{} of {most}", delivery.attempts),
                _ => delivery.attempts.to_string(),
            },
            trigger: last.map_or("", |last| words::trigger(last.trigger)),
            accepted: self.view.moment(delivery.id.time()),
            next,
            next_at: next_at.map(|at| self.view.moment(at)),
            can_redeliver: self.view.allows(&scopes::WEBHOOKS_WRITE)
                && webhook.is_some_and(|webhook| webhook.state == WebhookState::Enabled)
                && !matches!(delivery.state, DeliveryState::InFlight { .. }),
        }
    }

    /// Returns the webhook of a delivery, unless it was deleted.
    pub(crate) fn webhook(&self, id: WebhookId) -> Option<&Webhook> {
        self.waits.webhook(id)
    }
}
