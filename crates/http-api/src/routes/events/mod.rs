//! Events.

mod accepted;
mod batch;
mod draft;
mod get;
mod list;
mod publish;
mod trace;

pub(super) use batch::batch;
pub(super) use get::get;
pub(super) use list::list;
pub(super) use publish::publish;
