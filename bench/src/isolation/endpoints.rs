//! A few hostile endpoints that receive every event.

use std::time::Duration;

use rdev_webhooks_testkit::{Hostile, Malice};

use super::crowd::Good;
use super::system::{Kind, System};
use super::{Found, GOOD_EVENT};
use crate::system::subscribe_url;
use crate::{Outcome, say};

/// Makes one run, with its own processes and database, so that no circuit is open from the run before. Every
/// event goes to all endpoints.
pub(super) async fn measure(bad: usize, rate: u32, duration: Duration) -> Outcome<Found> {
    say(&format!("{bad} bad endpoints, {rate} events a second for {duration:?}"));
    let system = System::start(Kind::Postgres, None).await?;
    let mut hostile = Vec::new();
    for malice in Malice::ALL.into_iter().cycle().take(bad) {
        let endpoint = Hostile::start(malice).await;
        subscribe_url(system.address(), endpoint.url(), GOOD_EVENT).await?;
        hostile.push(endpoint);
    }
    let good = Good::prepare(system.address(), rate, duration, |number, receiver| {
        format!("http://{receiver}/{number}")
    })
    .await?;
    let (all, first_second) = good.publish(system.address()).await?;
    Ok(Found::new(&all, &first_second, system.memory_mib()?, String::new()))
}
