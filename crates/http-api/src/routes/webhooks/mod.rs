//! Webhooks.

mod change;
mod circuits;
mod create;
mod delete;
mod deliveries;
mod get;
mod list;
mod new;
mod patch;
mod retry;
mod settings;
mod subscription;
mod test;

pub(super) use create::create;
pub(super) use delete::delete;
pub(super) use deliveries::deliveries;
pub(super) use get::get;
pub(super) use list::list;
pub(super) use patch::patch;
pub(super) use test::test;
