//! The JSON views in responses.

mod api_key;
mod attempt;
mod circuit;
mod delivery;
mod event;
mod event_type;
mod key_set;
mod replay;
mod statistics;
mod webhook;

use serde::{Serialize, Serializer};

pub(crate) use api_key::{ApiKeyView, CreatedApiKeyView};
pub(crate) use attempt::AttemptView;
pub(crate) use circuit::CircuitView;
pub(crate) use delivery::{DeliveryDetail, DeliveryView, ListedDelivery, RequestView};
pub(crate) use event::{EventDetail, EventView, FeedEventView, FeedPageView, Today};
pub(crate) use event_type::EventTypeView;
pub(crate) use key_set::KeySetView;
pub(crate) use replay::{DryRunView, ReplayView};
pub(crate) use statistics::StatisticsView;
pub(crate) use webhook::{CreatedView, RotatedView, WebhookView};

use rdev_http::ListOf;
use rdev_http::{Number, Text};

pub(crate) type ApiKeyList = ListOf<ApiKeyView<'static>>;
pub(crate) type ReplayList = ListOf<ReplayView>;
pub(crate) type EventTypeList = ListOf<EventTypeView<'static>>;
pub(crate) type WebhookList = ListOf<WebhookView<'static>>;
pub(crate) type EventList = ListOf<EventView<'static>>;
pub(crate) type DeliveryList = ListOf<ListedDelivery<'static>>;
pub(crate) type AttemptList = ListOf<AttemptView<'static>>;

/// Ordered names and values, shown as an object.
struct Map<T>(T);

impl<'a, T> Serialize for Map<T>
where
    T: Iterator<Item = (&'a str, &'a str)> + Clone,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.clone())
    }
}
