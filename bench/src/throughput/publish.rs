//! Measures how fast the API accepts events, with each on disk before its response, while no worker delivers.

use super::Bench;
use super::cpu::{Before, Used};
use crate::publisher::Published;
use crate::{Outcome, say};

pub(super) struct PublishRate {
    pub(super) published: Published,
    pub(super) used: Used,
}

/// Measures publishing; leaves the published events undelivered.
pub(super) async fn measure(bench: &mut Bench<'_>) -> Outcome<PublishRate> {
    let (duration, connections) = (bench.options.duration() / 2, bench.options.connections);
    say("publishing, without a worker");
    let publisher = bench.publisher(1);
    publisher.as_fast_as_answered(connections, duration / 4, u64::MAX).await?;
    let before = Before::take(bench).await?;
    let published = publisher.as_fast_as_answered(connections, duration, u64::MAX).await?;
    let used = before.used(bench).await?;
    Ok(PublishRate { published, used })
}
