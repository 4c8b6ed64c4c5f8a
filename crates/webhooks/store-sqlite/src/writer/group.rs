//! One transaction for all waiting work.

use rdev_webhooks_domain::{PublishOutcome, Timestamp};
use rdev_webhooks_store::NewDeliveries;
use sqlx::{Connection, SqliteConnection};

use super::advance::Advance;
use super::{Answer, Job, Message, Outcome, Publication};
use crate::events::publish::{self, Call};

/// Maximum number of calls that share a transaction.
const MAX_CALLS: usize = 256;

/// The size of events, in bytes, from which a transaction accepts no more.
const MAX_BYTES: usize = 8 << 20;

/// The work of one transaction.
#[derive(Default)]
pub(super) struct Group {
    publications: Vec<Publication>,
    jobs: Vec<Job>,
    bytes: usize,
}

impl Group {
    /// Adds a message, unless it is the one to close.
    pub(super) fn add(&mut self, message: Message) -> Result<(), Closing> {
        match message {
            Message::Publish(publication) => {
                let bodies = publication.events.iter().map(|event| event.body.len());
                self.bytes += bodies.sum::<usize>();
                self.publications.push(publication);
            }
            Message::Job(job) => self.jobs.push(job),
            Message::Close => return Err(Closing),
        }
        Ok(())
    }

    pub(super) fn is_full(&self) -> bool {
        self.publications.len() + self.jobs.len() >= MAX_CALLS || self.bytes >= MAX_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.publications.is_empty() && self.jobs.is_empty()
    }

    /// Runs everything in one transaction. The responses for the finished work are available even if this
    /// fails, so that each caller gets one.
    pub(super) async fn commit(
        self,
        conn: &mut SqliteConnection,
        now: Timestamp,
        advance: &Advance,
        answers: &mut Vec<Answer>,
    ) -> Result<(), sqlx::Error> {
        let mut transaction = conn.begin_with("BEGIN IMMEDIATE").await?;
        if !self.publications.is_empty() {
            let new = publish_together(&mut transaction, self.publications, now, answers).await?;
            answers.push(advance.lease(&mut transaction, new, now).await?);
        }
        for job in self.jobs {
            let mut savepoint = transaction.begin().await?;
            let Outcome { keep, answer } = job(&mut savepoint, now).await;
            answers.push(answer);
            if keep {
                savepoint.commit().await?;
            } else {
                savepoint.rollback().await?;
            }
        }
        transaction.commit().await
    }
}

/// No more messages follow.
pub(super) struct Closing;

/// Publishes all events at once. If that fails, or exceeds the limit of deliveries, publishes each caller's
/// events alone, so that one caller's failure does not affect the others; for events that exist already, the
/// result contains their deliveries. Returns the new deliveries.
async fn publish_together(
    conn: &mut SqliteConnection,
    mut publications: Vec<Publication>,
    now: Timestamp,
    answers: &mut Vec<Answer>,
) -> Result<NewDeliveries, sqlx::Error> {
    publications.retain(|one| one.ticket.begin());
    let calls: Vec<_> = publications.iter().map(|one| Call::new(&one.events, one.max_deliveries)).collect();
    let mut savepoint = conn.begin().await?;
    let together = publish::publish(&mut savepoint, &calls, None, now).await;
    if let Ok(Some((outcomes, new))) = together {
        savepoint.commit().await?;
        for (publication, outcome) in publications.into_iter().zip(outcomes) {
            answers.push(answer(Ok(outcome), publication.reply));
        }
        return Ok(new);
    }
    savepoint.rollback().await?;
    let mut new = NewDeliveries::count([]);
    for Publication { events, max_deliveries, reply, .. } in publications {
        let mut savepoint = conn.begin().await?;
        let outcome =
            publish::publish_missing(&mut savepoint, &Call::new(&events, max_deliveries), now).await;
        if outcome.is_ok() {
            savepoint.commit().await?;
        } else {
            savepoint.rollback().await?;
        }
        if outcome.as_ref().is_ok_and(has_new_deliveries) {
            new = NewDeliveries::ANY;
        }
        answers.push(answer(outcome.map_err(Into::into), reply));
    }
    Ok(new)
}

type PublishResult = Result<PublishOutcome, super::StoreError>;

fn has_new_deliveries(outcome: &PublishOutcome) -> bool {
    let PublishOutcome::Stored(published) = outcome else { return false };
    published.iter().any(|one| !one.duplicate && one.deliveries > 0)
}

fn answer(result: PublishResult, reply: tokio::sync::oneshot::Sender<PublishResult>) -> Answer {
    Box::new(move |committed| {
        let _ = reply.send(committed.and(result));
        None
    })
}
