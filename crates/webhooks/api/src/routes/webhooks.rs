//! Webhooks.

mod circuits;
mod create;
mod delete;
mod deliveries;
mod get;
mod jwks;
mod list;
mod patch;
pub(super) mod replays;
mod request;
mod retry;
mod rotate;
mod settings;
mod stats;
mod subscription;
mod test;

use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(paths(
    create::create,
    list::list,
    get::get,
    jwks::jwks,
    patch::patch,
    delete::delete,
    rotate::rotate,
    stats::stats,
    test::test,
    deliveries::deliveries,
))]
pub(super) struct Described;

pub(super) use create::create;
pub(super) use delete::delete;
pub(super) use deliveries::deliveries;
pub(super) use get::get;
pub(super) use jwks::jwks;
pub(super) use list::list;
pub(super) use patch::patch;
pub(super) use retry::RetryBody;
pub(super) use rotate::rotate;
pub(super) use settings::Description;
pub(super) use stats::stats;
pub(super) use test::test;
