//! Deliveries.

mod change;
mod curl;
mod filter;
mod hint;
mod list;
mod live;
mod raw;
mod row;
mod show;
mod verify;

pub(crate) use change::{cancel, redeliver};
pub(crate) use hint::sentence;
pub(crate) use list::{list, rows};
pub(crate) use live::live;
pub(crate) use raw::{request_body, response_body};
pub(crate) use row::{Row, Rows};
pub(crate) use show::show;
pub(crate) use verify::verify;

use rdev_http::Problem;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{Access, DeliveryId, DeliveryRecord};

/// Returns a delivery that the caller sees.
async fn find(services: &Services, access: &Access, id: DeliveryId) -> Result<DeliveryRecord, Problem> {
    let found = services.history.get(access, id).await?;
    found.ok_or_else(|| Problem::not_found("The delivery does not exist, or its retention has passed."))
}
