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

pub(crate) use change::{cancel, redeliver, redeliver_row};
pub(crate) use hint::sentence;
pub(crate) use list::{list, rows};
pub(crate) use live::live;
pub(crate) use raw::{request_body, response_body};
pub(crate) use row::{Row, Rows};
pub(crate) use show::show;
pub(crate) use verify::verify;

use axum::extract::FromRequestParts;
use http::request::Parts;
use rdev_http::{Caller, PathId, Problem};
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{Access, DeliveryId, DeliveryRecord};

use crate::Shared;

/// The delivery of a path, which the caller sees.
pub(crate) struct PathDelivery(pub(crate) DeliveryRecord);

impl FromRequestParts<Shared> for PathDelivery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, services: &Shared) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, services).await?;
        let PathId(id) = PathId::from_request_parts(parts, services).await?;
        find(services, &caller.access, id).await.map(Self)
    }
}

/// Returns a delivery that the caller sees.
async fn find(services: &Services, access: &Access, id: DeliveryId) -> Result<DeliveryRecord, Problem> {
    services.history.get(access, id).await?.ok_or_else(absent)
}

/// Returns the problem of a delivery that does not exist for the caller.
fn absent() -> Problem {
    Problem::not_found("The delivery does not exist, or its retention has passed.")
}
