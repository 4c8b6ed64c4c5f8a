//! The limits of a server.

use std::time::Duration;

const MIN_CONNECTIONS: usize = 64;
const MAX_CONNECTIONS: usize = 4_096;

/// The limits of the server's connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeOptions {
    /// Maximum number of open connections; a further one replaces one that waits.
    pub max_connections: usize,
    /// How long a client may take to send a request's head, from its first byte; for the first head, from the
    /// beginning of the connection.
    pub header_read_timeout: Duration,
    /// How long a connection may wait for its next request.
    pub idle_timeout: Duration,
    /// Maximum bytes of a request's head; at least 8,192. Optional syntax around the parts of a head, which
    /// does not change its meaning, does not count.
    pub max_head_bytes: usize,
    /// Maximum number of headers of a request.
    pub max_headers: usize,
    /// How long a shutdown waits for requests in progress before it aborts them.
    pub drain_timeout: Duration,
}

/// Returns how many connections leave enough file descriptors for the database and for deliveries.
fn connections() -> usize {
    let files = rlimit::Resource::NOFILE.get_soft().unwrap_or(1_024);
    usize::try_from(files / 4).unwrap_or(usize::MAX).clamp(MIN_CONNECTIONS, MAX_CONNECTIONS)
}

impl Default for ServeOptions {
    /// Returns 4,096 connections, or a quarter of the file descriptors that the process may open now if that
    /// is less; 10 s for a head of at most 32 KiB and 100 headers; 75 s idle; 20 s to drain.
    fn default() -> Self {
        Self {
            max_connections: connections(),
            header_read_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            max_head_bytes: 32 * 1_024,
            max_headers: 100,
            drain_timeout: Duration::from_secs(20),
        }
    }
}
