//! The state of a page that changes by itself.

use askama::Template;

/// Whether a page is live, paused or reconnecting, with a button that pauses it. The script connects to the stream.
#[derive(Debug, Clone, Template)]
#[template(path = "live.html")]
pub struct Live {
    stream: String,
}

impl Live {
    /// Creates the state of a page whose changes come from this address.
    #[must_use]
    pub fn new(stream: impl Into<String>) -> Self {
        Self { stream: stream.into() }
    }
}
