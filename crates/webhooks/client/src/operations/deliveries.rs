//! Deliveries.

use http::Method;

use rdev_client::{Call, Error, Live, Operation, Page, PageRequest, Query, Reply};

use crate::{Attempt, Client, Delivery};

const LIST: Operation = Operation { id: "listDeliveries", method: Method::GET, path: "/deliveries" };
const LIST_OF_WEBHOOK: Operation =
    Operation { id: "listWebhookDeliveries", method: Method::GET, path: "/webhooks/{id}/deliveries" };
const GET: Operation = Operation { id: "getDelivery", method: Method::GET, path: "/deliveries/{id}" };
const ATTEMPTS: Operation =
    Operation { id: "listAttempts", method: Method::GET, path: "/deliveries/{id}/attempts" };
const CANCEL: Operation =
    Operation { id: "cancelDelivery", method: Method::POST, path: "/deliveries/{id}/cancel" };
const REDELIVER: Operation =
    Operation { id: "redeliver", method: Method::POST, path: "/deliveries/{id}/redeliver" };
const WATCH: Operation = Operation { id: "watchDeliveries", method: Method::GET, path: "/events/stream" };
#[cfg(test)]
pub(crate) const ALL: &[&Operation] =
    &[&LIST, &LIST_OF_WEBHOOK, &GET, &ATTEMPTS, &CANCEL, &REDELIVER, &WATCH];

/// Which deliveries. Every member narrows the selection.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// The status.
    pub status: Option<String>,
    /// The event type, or the id of an event.
    pub event: Option<String>,
    /// The project.
    pub project: Option<String>,
    /// Created at this time or later, by RFC 3339.
    pub since: Option<String>,
    /// Created before this time, by RFC 3339.
    pub until: Option<String>,
    /// The webhook.
    pub webhook: Option<String>,
    /// The HTTP status of the last attempt's response.
    pub code: Option<u16>,
    /// The failure class of the last attempt.
    pub class: Option<String>,
    /// Why the last attempt was made.
    pub trigger: Option<String>,
    /// The member `command_id` of the event's data.
    pub command_id: Option<String>,
}

impl DeliveryFilter {
    pub(crate) fn query(&self) -> Query {
        let mut query = Query::default();
        query.add("status", self.status.as_ref());
        query.add("event", self.event.as_ref());
        query.add("project", self.project.as_ref());
        query.add("since", self.since.as_ref());
        query.add("until", self.until.as_ref());
        query.add("webhook", self.webhook.as_ref());
        query.add("code", self.code.as_ref());
        query.add("class", self.class.as_ref());
        query.add("trigger", self.trigger.as_ref());
        query.add("data.command_id", self.command_id.as_ref());
        query
    }
}

/// Which deliveries a stream reports.
#[derive(Debug, Clone, Default)]
pub struct StreamFilter {
    /// The status.
    pub status: Option<String>,
    /// The event type, or the id of an event.
    pub event: Option<String>,
    /// The project.
    pub project: Option<String>,
    /// The webhook.
    pub webhook: Option<String>,
}

impl StreamFilter {
    pub(crate) fn query(&self) -> Query {
        let mut query = Query::default();
        query.add("status", self.status.as_ref());
        query.add("event", self.event.as_ref());
        query.add("project", self.project.as_ref());
        query.add("webhook", self.webhook.as_ref());
        query
    }
}

impl Client {
    /// Lists deliveries, newest first.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn list_deliveries(
        &self,
        filter: &DeliveryFilter,
        page: &PageRequest,
    ) -> Result<Reply<Page<Delivery>>, Error> {
        self.0.list(&LIST, &[], filter.query(), page).await
    }

    /// Lists the deliveries of a webhook, newest first. It fails for an unknown webhook. `filter.webhook` is not
    /// used.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn list_webhook_deliveries(
        &self,
        webhook: &str,
        filter: &DeliveryFilter,
        page: &PageRequest,
    ) -> Result<Reply<Page<Delivery>>, Error> {
        let filter = DeliveryFilter { webhook: None, ..filter.clone() };
        self.0.list(&LIST_OF_WEBHOOK, &[webhook], filter.query(), page).await
    }

    /// Returns a delivery with its request and its last attempt.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn get_delivery(&self, id: &str) -> Result<Reply<Delivery>, Error> {
        self.0.plain(&GET, &[id]).await
    }

    /// Lists the attempts of a delivery, newest first.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn list_attempts(&self, id: &str, page: &PageRequest) -> Result<Reply<Page<Attempt>>, Error> {
        self.0.list(&ATTEMPTS, &[id], Query::default(), page).await
    }

    /// Cancels a delivery.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn cancel_delivery(&self, id: &str) -> Result<Reply<Delivery>, Error> {
        self.0.plain(&CANCEL, &[id]).await
    }

    /// Requests one more attempt of a delivery.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn redeliver(&self, id: &str) -> Result<Reply<Delivery>, Error> {
        self.0.plain(&REDELIVER, &[id]).await
    }

    /// Returns a stream of deliveries as they change, from now on or after the cursor of an earlier stream.
    ///
    /// # Errors
    /// Fails if the filter is invalid.
    pub fn watch_deliveries(
        &self,
        filter: &StreamFilter,
        cursor: Option<String>,
    ) -> Result<Live<Delivery>, Error> {
        let call = Call::new(&WATCH, &[])?.query(&filter.query());
        Ok(self.0.stream(call, cursor))
    }
}
