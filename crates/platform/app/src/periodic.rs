//! Periodic work: passes with pauses between them, until the process drains.

use std::sync::Arc;
use std::time::Duration;

use rdev_core::Entropy;
use tokio_util::sync::CancellationToken;

/// The longest random delay of a first pass.
const MAX_DELAY: Duration = Duration::from_secs(5);
/// The longest random delay as a part of the interval.
const MAX_DELAY_OF_INTERVAL: u32 = 10;

/// The random delay of the first pass of a periodic task, so that the tasks of processes that start together
/// do not run in step. The default adds no delay. Cheap to clone.
#[derive(Clone, Default)]
pub struct Stagger {
    entropy: Option<Arc<dyn Entropy>>,
}

impl Stagger {
    /// Draws the delays from this randomness: up to a tenth of a task's interval, and at most 5 s.
    #[must_use]
    pub fn random(entropy: Arc<dyn Entropy>) -> Self {
        Self { entropy: Some(entropy) }
    }

    /// Returns the delay of a task that runs at this interval.
    #[must_use]
    pub fn delay(&self, interval: Duration) -> Duration {
        let fraction = self.entropy.as_ref().map_or(0.0, |entropy| entropy.fraction());
        (interval / MAX_DELAY_OF_INTERVAL).min(MAX_DELAY).mul_f64(fraction)
    }
}

/// Work that is repeated.
pub trait Periodic: Send {
    /// Runs one pass, and returns the pause until the next one. It must be safe to drop at any time.
    fn run_once(&mut self) -> impl Future<Output = Duration> + Send;
}

/// Runs the first pass after `delay`, and further ones after their pauses, until `drain`. It ends at once
/// then, even within a pass.
pub async fn repeat(mut work: impl Periodic, delay: Duration, drain: &CancellationToken) {
    let passes = async {
        sleep(delay).await;
        loop {
            let pause = work.run_once().await;
            sleep(pause).await;
        }
    };
    drain.run_until_cancelled(passes).await;
}

/// Sleeps; not even for the rest of a millisecond if the duration is zero.
async fn sleep(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    /// Randomness that fills everything with one byte.
    struct Constant(u8);

    impl Entropy for Constant {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn a_first_pass_is_delayed_by_at_most_a_tenth_of_the_interval() {
        let (none, least, most) = (
            Stagger::default(),
            Stagger::random(Arc::new(Constant(0))),
            Stagger::random(Arc::new(Constant(0xff))),
        );
        let (short, long) = (Duration::from_secs(10), Duration::from_secs(3_600));
        for interval in [short, long] {
            assert_eq!(none.delay(interval), Duration::ZERO);
            assert_eq!(least.delay(interval), Duration::ZERO);
        }
        assert!(most.delay(short) > Duration::from_millis(990) && most.delay(short) <= short / 10);
        assert!(most.delay(long) > Duration::from_millis(4_990) && most.delay(long) <= MAX_DELAY);
    }

    /// Work that records when its passes begin.
    struct Work<'a> {
        begun: Instant,
        passes: &'a mut Vec<u64>,
        pauses: Vec<Duration>,
    }

    impl Periodic for Work<'_> {
        async fn run_once(&mut self) -> Duration {
            self.passes.push(self.begun.elapsed().as_secs());
            match self.pauses.pop() {
                Some(pause) => pause,
                None => std::future::pending().await,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn passes_run_after_their_pauses_until_drain_interrupts_one() {
        let (drain, begun, mut passes) = (CancellationToken::new(), Instant::now(), Vec::new());
        let pauses = [20, 10].map(Duration::from_secs).into();
        let work = Work { begun, passes: &mut passes, pauses };
        let stopping = async {
            tokio::time::sleep(Duration::from_secs(100)).await;
            drain.cancel();
        };
        tokio::join!(repeat(work, Duration::from_secs(1), &drain), stopping);
        assert_eq!(begun.elapsed(), Duration::from_secs(100));
        assert_eq!(passes, [1, 11, 31]);
    }

    #[tokio::test(start_paused = true)]
    async fn drain_interrupts_a_pause() {
        let (drain, begun, mut passes) = (CancellationToken::new(), Instant::now(), Vec::new());
        let work = Work { begun, passes: &mut passes, pauses: vec![Duration::from_secs(3_600)] };
        let stopping = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            drain.cancel();
        };
        tokio::join!(repeat(work, Duration::ZERO, &drain), stopping);
        assert_eq!((begun.elapsed(), passes), (Duration::from_secs(2), vec![0]));
    }
}
