//! Waiting for what only a look can tell.

use std::time::Duration;

/// The time between two looks.
const PAUSE: Duration = Duration::from_millis(10);
/// The bound of every wait, which a slow machine does not reach either.
const PATIENCE: Duration = Duration::from_secs(90);

/// Looks until there is something, and returns it. For a condition that announces itself, wait for that instead.
///
/// # Panics
///
/// If there is nothing within 90 seconds. `what` says what was missed.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        let mut pauses = tokio::time::interval(PAUSE);
        loop {
            pauses.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    };
    match tokio::time::timeout(PATIENCE, looking).await {
        Ok(found) => found,
        Err(_) => panic!("{what}: it did not happen"),
    }
}
