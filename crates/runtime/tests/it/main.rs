//! The options as a binary flattens them.

mod options;
mod signals;
