//! Batches as parameters: one statement takes a JSON array with an element for each row, so that a
//! batch costs one statement, whatever its size. Ids go as hexadecimal digits. Bytes are put end to
//! end in a parameter of their own, with their places in the JSON.
//!
//! Where many columns are taken of a row, the rows are materialized first: SQLite would otherwise write a
//! row out as text anew for each of them.

use std::collections::BTreeSet;

use rdev_webhooks_domain::ProjectName;
use rdev_webhooks_domain::ports::StoreError;
use serde::Serialize;
use uuid::Uuid;

use crate::error;

/// The parameter for a batch.
pub(crate) fn rows(rows: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(rows).map_err(error::internal)
}

/// The parameter for a set of ids.
pub(crate) fn ids(ids: impl IntoIterator<Item = Uuid>) -> Result<String, StoreError> {
    rows(&ids.into_iter().map(id).collect::<Vec<_>>())
}

/// The parameter for a set of projects.
pub(crate) fn projects(projects: &BTreeSet<ProjectName>) -> Result<String, StoreError> {
    rows(&projects.iter().map(|project| project.as_str()).collect::<Vec<_>>())
}

/// An id within a batch; `unhex` in SQL takes it back.
pub(crate) fn id(id: Uuid) -> String {
    id.simple().to_string()
}

/// The bytes of a batch, end to end.
#[derive(Default)]
pub(crate) struct Blobs(Vec<u8>);

/// Where a row's bytes are: counted from 1 as `substr` in SQL does, and how many.
pub(crate) type Place = (usize, usize);

impl Blobs {
    /// Room for so many bytes.
    pub(crate) fn with_capacity(len: usize) -> Self {
        Self(Vec::with_capacity(len))
    }

    /// Appends a row's bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Place {
        let place = (self.0.len() + 1, bytes.len());
        self.0.extend_from_slice(bytes);
        place
    }

    /// The parameter.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}
