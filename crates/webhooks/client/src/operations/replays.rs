//! Replays.

use http::Method;
use serde::Serialize;

use rdev_client::{Call, Error, Operation, Page, PageRequest, Query, Reply};

use crate::{Client, Replay, ReplayDryRun};

const BEGIN: Operation = Operation { id: "beginReplay", method: Method::POST, path: "/webhooks/{id}/replay" };
const LIST: Operation = Operation { id: "listReplays", method: Method::GET, path: "/webhooks/{id}/replays" };
const GET: Operation =
    Operation { id: "getReplay", method: Method::GET, path: "/webhooks/{id}/replays/{replay_id}" };
const CANCEL: Operation =
    Operation { id: "cancelReplay", method: Method::POST, path: "/webhooks/{id}/replays/{replay_id}/cancel" };
#[cfg(test)]
pub(crate) const ALL: &[&Operation] = &[&BEGIN, &LIST, &GET, &CANCEL];

/// A replay to begin.
#[derive(Debug, Clone, Default, Serialize)]
pub struct NewReplay {
    /// The beginning of the range, by RFC 3339.
    pub since: String,
    /// The end of the range, by RFC 3339; without it, now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Which deliveries: those that ended so; `missing` for events that the webhook never got.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Request<'a> {
    #[serde(flatten)]
    pub(crate) replay: &'a NewReplay,
    pub(crate) dry_run: bool,
}

impl Client {
    /// Begins a replay.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn begin_replay(&self, webhook: &str, replay: &NewReplay) -> Result<Reply<Replay>, Error> {
        self.0.send(Call::new(&BEGIN, &[webhook])?.json(&Request { replay, dry_run: false })?).await
    }

    /// Counts what a replay would select, and changes nothing.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn count_replay(
        &self,
        webhook: &str,
        replay: &NewReplay,
    ) -> Result<Reply<ReplayDryRun>, Error> {
        self.0.send(Call::new(&BEGIN, &[webhook])?.json(&Request { replay, dry_run: true })?).await
    }

    /// Lists the replays of a webhook, newest first.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn list_replays(
        &self,
        webhook: &str,
        page: &PageRequest,
    ) -> Result<Reply<Page<Replay>>, Error> {
        self.0.list(&LIST, &[webhook], Query::default(), page).await
    }

    /// Returns a replay.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn get_replay(&self, webhook: &str, id: &str) -> Result<Reply<Replay>, Error> {
        self.0.plain(&GET, &[webhook, id]).await
    }

    /// Cancels a replay.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn cancel_replay(&self, webhook: &str, id: &str) -> Result<Reply<Replay>, Error> {
        self.0.plain(&CANCEL, &[webhook, id]).await
    }
}
