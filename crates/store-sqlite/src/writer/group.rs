//! One transaction for all that waits.

use sqlx::{Connection, SqliteConnection};

use super::{Answer, Job, Message, Outcome, Publication};
use crate::events::publish;
use rdev_webhooks_domain::Timestamp;

/// How many calls share a transaction at the most.
const MAX_CALLS: usize = 256;

/// How many bytes of events share a transaction before no further ones are let in.
const MAX_BYTES: usize = 8 << 20;

/// What is written together.
#[derive(Default)]
pub(super) struct Group {
    publications: Vec<Publication>,
    jobs: Vec<Job>,
    bytes: usize,
}

impl Group {
    /// Takes a message in, unless it is the one to close.
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

    /// Runs everything in one transaction. The answers of what ran are there even if this fails, so
    /// that each can be told.
    pub(super) async fn commit(
        self,
        conn: &mut SqliteConnection,
        now: Timestamp,
        answers: &mut Vec<Answer>,
    ) -> Result<(), sqlx::Error> {
        let mut transaction = conn.begin_with("BEGIN IMMEDIATE").await?;
        if !self.publications.is_empty() {
            publish_together(&mut transaction, self.publications, now, answers).await?;
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

/// Nothing more is to come.
pub(super) struct Closing;

/// Publishes all events at once. Should that fail, each caller's go alone, so that what is wrong with
/// one is nobody else's trouble; and what fails because it is there already is told of.
async fn publish_together(
    conn: &mut SqliteConnection,
    publications: Vec<Publication>,
    now: Timestamp,
    answers: &mut Vec<Answer>,
) -> Result<(), sqlx::Error> {
    let events: Vec<_> = publications.iter().flat_map(|one| &one.events).collect();
    let mut savepoint = conn.begin().await?;
    let together = publish::publish(&mut savepoint, &events, now).await;
    if let Ok(published) = together {
        savepoint.commit().await?;
        let mut published = published.into_iter();
        for Publication { events, reply } in publications {
            let its_own = published.by_ref().take(events.len()).collect();
            answers.push(answer(Ok(its_own), reply));
        }
        return Ok(());
    }
    savepoint.rollback().await?;
    for Publication { events, reply } in publications {
        let mut savepoint = conn.begin().await?;
        let events: Vec<_> = events.iter().collect();
        let published = publish::publish_missing(&mut savepoint, &events, now).await;
        if published.is_ok() {
            savepoint.commit().await?;
        } else {
            savepoint.rollback().await?;
        }
        answers.push(answer(published, reply));
    }
    Ok(())
}

type PublishResult = Result<Vec<rdev_webhooks_domain::Published>, super::StoreError>;

fn answer(result: PublishResult, reply: tokio::sync::oneshot::Sender<PublishResult>) -> Answer {
    Box::new(move |committed| {
        let result = committed.and(result);
        let wake = result
            .as_ref()
            .is_ok_and(|published| published.iter().any(|one| !one.duplicate && one.deliveries > 0));
        let _ = reply.send(result);
        wake
    })
}
