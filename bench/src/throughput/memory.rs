//! The peak memory of the processes.

/// Peak memory, in MiB.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    pub(super) api: f64,
    pub(super) worker: f64,
    pub(super) embedded: Option<f64>,
}
