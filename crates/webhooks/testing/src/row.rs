//! The rows of events.

/// A stored event.
#[derive(sqlx::FromRow)]
pub(crate) struct Row {
    pub(crate) id: Vec<u8>,
    pub(crate) timestamp: i64,
    pub(crate) event_type: String,
    pub(crate) project: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) traceparent: Option<String>,
    pub(crate) body: Vec<u8>,
}
