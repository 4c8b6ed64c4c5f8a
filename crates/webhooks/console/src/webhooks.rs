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

use rdev_http::Problem;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{Access, Webhook};

use crate::failure;

/// Returns the webhook with the id of a path, if the caller sees it.
pub(crate) async fn find(services: &Services, access: &Access, id: &str) -> Result<Webhook, Problem> {
    let id = id.parse().map_err(|error| Problem::not_found(format!("The id {error}.")))?;
    services.webhooks.get(access, id).await.map_err(failure::of_webhook)
}
