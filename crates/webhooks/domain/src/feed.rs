//! Deliveries as they change, for those who watch.

use std::collections::BTreeSet;

use crate::{Delivery, DeliveryId, ProjectName, Timestamp};

/// A change's place in the order of all: when it was recorded, and of which delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangePoint {
    /// When, by the store's time.
    pub at: Timestamp,
    /// Of which delivery.
    pub delivery: DeliveryId,
}

impl ChangePoint {
    /// Before every change that was recorded at `at` or later.
    #[must_use]
    pub fn before(at: Timestamp) -> Self {
        Self { at, delivery: DeliveryId::floor(Timestamp::EPOCH) }
    }
}

/// Some of what has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The changes in order.
    pub points: Vec<ChangePoint>,
    /// Whether there are more after the last one here.
    pub has_more: bool,
    /// Nothing will appear any more that was recorded before this.
    pub complete_until: Timestamp,
}

/// A delivery as it is now, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// The delivery.
    pub delivery: Delivery,
    /// The projects that its webhook is limited to, empty for none; nothing if the webhook was deleted.
    pub webhook_projects: Option<BTreeSet<ProjectName>>,
}
