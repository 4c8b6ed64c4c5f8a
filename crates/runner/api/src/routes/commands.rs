//! Commands.

mod accepted;
pub(crate) mod cancel;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod events;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod request;
pub(crate) mod run_again;

pub(super) use cancel::cancel;
pub(super) use create::create;
pub(super) use delete::delete;
pub(super) use events::events;
pub(super) use get::get;
pub(super) use list::list;
pub(super) use run_again::run_again;
