//! The publisher: one event per request, as fast as the API responds or at a fixed rate.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::Outcome;
use crate::connection::Connection;
use crate::ledger::Ledger;
use crate::stats::per_second;

/// The rest of an event's data, with which a delivery's body has some 250 bytes.
const REST: &str = concat!(
    r#""command_id":"cmd-0193f2d1","project":"benchmarks","type":"claude","exit_code":0,"duration_ms":5432,"#,
    r#""summary":"ran 128 steps, changed 7 files""#
);

/// The longest wait for a response.
const ANSWER_DEADLINE: Duration = Duration::from_secs(20);

/// The address to publish to, and the events to publish.
#[derive(Clone)]
pub(crate) struct Publisher {
    pub(crate) address: SocketAddr,
    pub(crate) key: String,
    pub(crate) event_type: &'static str,
    /// The number of deliveries per event.
    pub(crate) fan_out: usize,
    pub(crate) ledger: Arc<Ledger>,
}

/// The result of publishing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Published {
    pub(crate) events: u64,
    pub(crate) took: Duration,
}

impl Published {
    pub(crate) fn per_second(&self) -> f64 {
        per_second(self.events, self.took)
    }
}

impl Publisher {
    /// Publishes on each connection the next event after the response to the last, until `duration` is over
    /// or `most` events are published.
    pub(crate) async fn as_fast_as_answered(
        &self,
        connections: usize,
        duration: Duration,
        most: u64,
    ) -> Outcome<Published> {
        let began = Instant::now();
        let room = (self.ledger.mark() as u64).saturating_add(most.saturating_mul(self.fan_out as u64));
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            let (publisher, stop) = (self.clone(), Arc::clone(&stop));
            tasks.spawn(async move {
                let mut sender = Sender::open(publisher).await?;
                let mut events = 0;
                while !stop.load(Relaxed) && (sender.publisher.ledger.mark() as u64) < room {
                    let sent_us = sender.publisher.ledger.now_us();
                    sender.send(sent_us).await?;
                    events += 1;
                }
                Outcome::Ok(events)
            });
        }
        let timer = tokio::spawn(async move {
            tokio::time::sleep(duration).await;
            stop.store(true, Relaxed);
        });
        let mut events = 0;
        while let Some(ended) = tasks.join_next().await {
            events += ended??;
        }
        timer.abort();
        Ok(Published { events, took: began.elapsed() })
    }

    /// Publishes at a fixed rate, whether or not earlier events got a response. An event's time is its
    /// scheduled time: a wait for a busy connection counts.
    pub(crate) async fn at_rate(
        &self,
        connections: usize,
        rate: u32,
        duration: Duration,
    ) -> Outcome<Published> {
        let mut tasks = JoinSet::new();
        let mut queues = Vec::with_capacity(connections);
        for _ in 0..connections {
            let mut sender = Sender::open(self.clone()).await?;
            let (queue, mut turns) = mpsc::unbounded_channel();
            queues.push(queue);
            tasks.spawn(async move {
                let mut events = 0;
                while let Some(sent_us) = turns.recv().await {
                    sender.send(sent_us).await?;
                    events += 1;
                }
                Outcome::Ok(events)
            });
        }
        let began = Instant::now();
        let mut interval = tokio::time::interval(Duration::from_secs(1) / rate);
        interval.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for queue in queues.iter().cycle() {
            interval.tick().await;
            if began.elapsed() >= duration || queue.send(self.ledger.now_us()).is_err() {
                break;
            }
        }
        drop(queues);
        let mut events = 0;
        while let Some(ended) = tasks.join_next().await {
            events += ended??;
        }
        Ok(Published { events, took: began.elapsed() })
    }
}

/// Returns the data of the event at a place of the ledger.
pub(crate) fn data(place: usize, sent_us: u64) -> String {
    format!(r#"{{"n":{place},"t":{sent_us},{REST}}}"#)
}

struct Sender {
    publisher: Publisher,
    connection: Connection,
    head: String,
    body: Vec<u8>,
    request: Vec<u8>,
}

impl Sender {
    async fn open(publisher: Publisher) -> Outcome<Self> {
        let connection = Connection::open(publisher.address).await?;
        let head = format!(
            "POST /events HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: ",
            publisher.address, publisher.key
        );
        Ok(Self { publisher, connection, head, body: Vec::new(), request: Vec::new() })
    }

    /// Publishes one event; fails unless it is accepted.
    async fn send(&mut self, sent_us: u64) -> Outcome<()> {
        let publisher = &self.publisher;
        let place = publisher.ledger.take(publisher.fan_out).ok_or("the ledger is full: a shorter phase")?;
        let event_type = publisher.event_type;
        self.body.clear();
        write!(self.body, r#"{{"event":"{event_type}","data":{}}}"#, data(place, sent_us))?;
        self.request.clear();
        write!(self.request, "{}{}\r\n\r\n", self.head, self.body.len())?;
        self.request.extend_from_slice(&self.body);
        let exchange = self.connection.exchange(&self.request);
        let answer = tokio::time::timeout(ANSWER_DEADLINE, exchange).await??;
        if answer.status != 202 {
            let body = String::from_utf8_lossy(answer.body);
            return Err(format!("an event was answered {}: {body}", answer.status).into());
        }
        Ok(())
    }
}
