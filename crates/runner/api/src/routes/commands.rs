//! Commands.

mod accepted;
pub(super) mod cancel;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod events;
pub(super) mod get;
pub(super) mod list;
pub(super) mod request;
pub(super) mod run_again;

pub(super) use cancel::cancel;
pub(super) use create::create;
pub(super) use delete::delete;
pub(super) use events::events;
pub(super) use get::get;
pub(super) use list::list;
pub(super) use run_again::run_again;
