//! Connections to servers in pods.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use rdev_runner_domain::RunName;
use rdev_runner_domain::ports::{ExecError, ServerConnection};
use rdev_runner_exec_local::remote::{Answer, Call, MAX_PIECE};

use super::{KubernetesBackend, Reached, WAIT_MS, token};
use crate::error::{PodError, misunderstood};
use crate::places::InPod;

/// A connection that the supervisor of the run has. It outlives the connections to the pod: what had no answer is
/// repeated, from the same offset on.
pub(super) struct RelayedConnection {
    backend: KubernetesBackend,
    run: RunName,
    place: InPod,
    name: String,
    received: AtomicU64,
    sent: AtomicU64,
}

impl RelayedConnection {
    pub(super) async fn open(
        backend: KubernetesBackend,
        run: RunName,
        place: InPod,
        port: u16,
    ) -> Result<Self, ExecError> {
        let (received, sent) = (AtomicU64::new(0), AtomicU64::new(0));
        // Before it is opened, so that it is closed in any case.
        let opened = Self { backend, run, place, name: token(), received, sent };
        let call = Call::Connect { run: opened.run.to_string(), connection: opened.name.clone(), port };
        opened.ask(&call, &[]).await?;
        Ok(opened)
    }

    async fn ask(&self, call: &Call, body: &[u8]) -> Result<(Answer, Vec<u8>), ExecError> {
        match self.backend.ask_about(&self.run, &self.place, call, body).await? {
            Reached::Answered(answered) => Ok(answered),
            Reached::Lost => Err(PodError::Host(format!("the run {} is lost", self.run)).into()),
        }
    }
}

#[async_trait]
impl ServerConnection for RelayedConnection {
    async fn receive(&self) -> Result<Vec<u8>, ExecError> {
        let (run, connection) = (self.run.to_string(), self.name.clone());
        let offset = self.received.load(Ordering::Relaxed);
        let call = Call::Receive { run, connection, offset, wait_ms: WAIT_MS };
        loop {
            let (Answer::Output { has_ended }, piece) = self.ask(&call, &[]).await? else {
                return Err(misunderstood());
            };
            if has_ended || !piece.is_empty() {
                self.received.fetch_add(piece.len() as u64, Ordering::Relaxed);
                return Ok(piece);
            }
        }
    }

    async fn send(&self, bytes: &[u8]) -> Result<(), ExecError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (run, connection) = (self.run.to_string(), self.name.clone());
            let offset = self.sent.load(Ordering::Relaxed);
            let call = Call::Send { run, connection, offset, wait_ms: WAIT_MS };
            let piece = rest.get(..MAX_PIECE).unwrap_or(rest);
            let (Answer::Sent(end), _) = self.ask(&call, piece).await? else { return Err(misunderstood()) };
            let taken = end.checked_sub(offset).and_then(|taken| usize::try_from(taken).ok());
            rest = taken.and_then(|taken| rest.get(taken..)).ok_or_else(misunderstood)?;
            self.sent.store(end, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Drop for RelayedConnection {
    /// Closes the connection. If the pod cannot be reached now, its supervisor closes it after a while.
    fn drop(&mut self) {
        let (run, connection) = (self.run.to_string(), self.name.clone());
        self.backend.notify(&self.place.pod, Call::Disconnect { run, connection });
    }
}
