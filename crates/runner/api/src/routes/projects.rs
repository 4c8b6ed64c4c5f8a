//! Projects.

pub(crate) mod create;
pub(crate) mod delete;
mod environment;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod patch;
pub(crate) mod request;
pub(crate) mod stats;
pub(crate) mod workspace;

pub(super) use create::create;
pub(super) use delete::delete;
pub(super) use get::get;
pub(super) use list::list;
pub(super) use patch::patch;
pub(super) use stats::stats;
