//! The client verbs.

pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod deliveries;
pub(crate) mod event_types;
pub(crate) mod events;
pub(crate) mod keys;
pub(crate) mod listen;
pub(crate) mod replay;
pub(crate) mod status;
pub(crate) mod verify;
pub(crate) mod webhooks;
