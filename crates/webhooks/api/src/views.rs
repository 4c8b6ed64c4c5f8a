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

use std::fmt::Display;
use std::time::Duration;

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

pub(crate) type ApiKeyList = ListOf<ApiKeyView<'static>>;
pub(crate) type ReplayList = ListOf<ReplayView>;
pub(crate) type EventTypeList = ListOf<EventTypeView<'static>>;
pub(crate) type WebhookList = ListOf<WebhookView<'static>>;
pub(crate) type EventList = ListOf<EventView<'static>>;
pub(crate) type DeliveryList = ListOf<ListedDelivery<'static>>;
pub(crate) type AttemptList = ListOf<AttemptView<'static>>;

/// A value that is shown as its text.
#[derive(Clone, Copy)]
struct Text<T>(T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A number that is shown without a fraction if it has none.
struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Up to this value, a whole f64 is an exact integer.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if self.0.fract() == 0.0 && self.0.abs() <= EXACT {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

/// Returns milliseconds, with microsecond precision.
fn milliseconds(duration: Duration) -> Number {
    Number(duration.as_micros() as f64 / 1_000.0)
}

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
