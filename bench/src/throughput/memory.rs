//! The most memory that processes held.

/// In MiB.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    pub(super) api: f64,
    pub(super) worker: f64,
    pub(super) embedded: Option<f64>,
}
