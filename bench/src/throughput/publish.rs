//! How fast events are taken, on disk when they are answered, while nobody delivers.

use super::Bench;
use super::cpu::{Before, Used};
use crate::publisher::Published;
use crate::{Outcome, say};

pub(super) struct PublishRate {
    pub(super) published: Published,
    pub(super) used: Used,
}

/// Leaves what it has published to be delivered.
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
