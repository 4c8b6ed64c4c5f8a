//! The registry of event types.

mod delete;
mod get;
mod list;
mod names;
mod put;

use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(paths(list::list, get::get, put::put, delete::delete))]
pub(super) struct Described;

pub(super) use delete::delete;
pub(super) use get::get;
pub(super) use list::list;
pub(super) use names::listed;
pub(super) use put::put;
