//! API keys.

mod create;
mod delete;
mod get;
mod list;
mod new;

pub(super) use create::create;
pub(super) use delete::delete;
pub(super) use get::get;
pub(super) use list::list;
