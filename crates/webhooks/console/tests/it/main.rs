//! The console over a real system on SQLite, request by request.

mod access;
mod browser;
mod catalogue;
mod deliveries;
mod hostile;
mod keys;
mod replays;
mod scene;
mod shell;
mod webhooks;
