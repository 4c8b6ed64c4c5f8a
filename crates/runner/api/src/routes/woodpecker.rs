//! The repositories of projects in a Woodpecker server.

pub(crate) mod activate;
pub(crate) mod list;
pub(crate) mod secrets;
pub(crate) mod trigger;

pub(super) use activate::activate;
pub(super) use list::list;
pub(super) use secrets::set_secret;
pub(super) use trigger::trigger;
