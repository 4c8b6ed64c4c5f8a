//! The feed of delivery changes.

use std::collections::BTreeSet;

use crate::{Delivery, DeliveryId, ProjectName, Timestamp};

/// The position of a change in the order of all changes: when it was recorded, and its delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangePoint {
    /// When the change was recorded, by the store's time.
    pub at: Timestamp,
    /// The changed delivery.
    pub delivery: DeliveryId,
}

impl ChangePoint {
    /// Returns the position before every change recorded at `at` or later.
    #[must_use]
    pub fn before(at: Timestamp) -> Self {
        Self { at, delivery: DeliveryId::floor(Timestamp::EPOCH) }
    }
}

/// A page of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The changes in order.
    pub points: Vec<ChangePoint>,
    /// Whether there are more changes after the last one of this page.
    pub has_more: bool,
    /// No further change recorded before this moment can appear.
    pub complete_until: Timestamp,
}

/// The current state of a delivery, with the data that decide its visibility.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// The delivery.
    pub delivery: Delivery,
    /// The projects of its webhook, empty for every project; `None` if the webhook was deleted.
    pub webhook_projects: Option<BTreeSet<ProjectName>>,
}
