//! The options as a binary flattens them.

mod metrics;
mod options;
mod signals;
