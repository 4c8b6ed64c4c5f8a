//! Batches as parameters: one statement takes a JSON array with an element for each row, so that a batch of
//! any size costs one statement. Ids are hexadecimal digits. Bytes are concatenated in a parameter of their
//! own, and the JSON holds their positions.
//!
//! Where a statement uses many columns of a row, it materializes the rows first: SQLite would otherwise
//! format a row as text again for each column.

use std::collections::BTreeSet;

use rdev_webhooks_domain::ProjectName;
use rdev_webhooks_domain::ports::StoreError;
use serde::Serialize;
use uuid::Uuid;

use crate::error;

/// Returns the parameter for a batch.
pub(crate) fn rows(rows: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(rows).map_err(error::internal)
}

/// Returns the parameter for a set of ids.
pub(crate) fn ids(ids: impl IntoIterator<Item = Uuid>) -> Result<String, StoreError> {
    rows(&ids.into_iter().map(id).collect::<Vec<_>>())
}

/// Returns the parameter for a set of projects.
pub(crate) fn projects(projects: &BTreeSet<ProjectName>) -> Result<String, StoreError> {
    rows(&projects.iter().map(|project| project.as_str()).collect::<Vec<_>>())
}

/// Formats an id within a batch; `unhex` in SQL reverses it.
pub(crate) fn id(id: Uuid) -> String {
    id.simple().to_string()
}

/// The concatenated bytes of a batch.
#[derive(Default)]
pub(crate) struct Blobs(Vec<u8>);

/// The position and length of a row's bytes; positions count from 1 as `substr` in SQL does.
pub(crate) type ByteRange = (usize, usize);

impl Blobs {
    /// Returns an empty value with this capacity.
    pub(crate) fn with_capacity(len: usize) -> Self {
        Self(Vec::with_capacity(len))
    }

    /// Appends a row's bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> ByteRange {
        let place = (self.0.len() + 1, bytes.len());
        self.0.extend_from_slice(bytes);
        place
    }

    /// Returns the parameter.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}
