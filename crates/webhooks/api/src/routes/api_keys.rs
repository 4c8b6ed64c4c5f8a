//! API keys.

mod create;
mod delete;
mod get;
mod list;
mod new;

use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(paths(create::create, list::list, get::get, delete::delete))]
pub(super) struct Described;

pub(super) use create::create;
pub(super) use delete::delete;
pub(super) use get::get;
pub(super) use list::list;
