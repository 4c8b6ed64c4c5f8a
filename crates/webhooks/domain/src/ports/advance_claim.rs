use std::time::Instant;

use async_trait::async_trait;

use crate::LeasedDelivery;

/// A claim on deliveries that do not exist yet, which a worker leaves with the queue of its own process: the next
/// publication of this process that has deliveries for it leases them as it stores them. No notification and no
/// [`claim`](super::DeliveryQueue::claim) is needed then.
///
/// Dropped while a publication uses it, its deliveries stay leased until their leases expire.
#[async_trait]
pub trait AdvanceClaim: Send {
    /// Withdraws the claim, and returns whether it is withdrawn: a publication that has begun to use it goes on, and
    /// [`Self::leased`] returns its deliveries.
    fn withdraw(&mut self) -> bool;

    /// Waits until a publication has used the claim, and returns the leased deliveries; none if the publication failed.
    /// It resolves once. Safe to drop.
    async fn leased(&mut self) -> AdvanceLeases;
}

/// The deliveries that were leased by an [`AdvanceClaim`].
#[derive(Debug)]
pub struct AdvanceLeases {
    /// A time before the leases began.
    pub since: Instant,
    /// The deliveries.
    pub deliveries: Vec<LeasedDelivery>,
}
