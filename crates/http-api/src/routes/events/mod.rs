//! Events.

mod draft;
mod get;
mod list;
mod publish;

pub(super) use get::get;
pub(super) use list::list;
pub(super) use publish::publish;
