//! Webhooks.

mod create;
mod delete;
mod draft;
mod edit;
mod list;
mod secret;
mod show;
mod state;
mod test;

pub(crate) use create::{create, new};
pub(crate) use delete::{confirm, delete};
pub(crate) use edit::{edit, save};
pub(crate) use list::list;
pub(crate) use secret::{rotate, show_rotation};
pub(crate) use show::{of_statistics, show};
pub(crate) use state::{disable, enable};
pub(crate) use test::{send_test, show_test};

use axum::extract::FromRequestParts;
use http::request::Parts;
use rdev_http::{Caller, PathId, Problem};
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{Access, Webhook, WebhookId};

use crate::{Shared, failure};

/// The webhook of a path, which the caller sees.
pub(crate) struct PathWebhook(pub(crate) Webhook);

impl FromRequestParts<Shared> for PathWebhook {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, services: &Shared) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, services).await?;
        let PathId(id) = PathId::from_request_parts(parts, services).await?;
        find(services, &caller.access, id).await.map(Self)
    }
}

/// Returns a webhook that the caller sees.
pub(crate) async fn find(services: &Services, access: &Access, id: WebhookId) -> Result<Webhook, Problem> {
    services.webhooks.get(access, id).await.map_err(failure::of_webhook)
}
