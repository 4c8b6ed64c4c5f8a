//! The kinds of problems of this API, besides the general ones.

use rdev_http::problem_codes;

problem_codes! {
    /// All of them.
    const ALL;

    /// The delivery is being sent.
    DELIVERY_IN_FLIGHT = "delivery_in_flight", CONFLICT, "Delivery in flight";
    /// The delivery has ended.
    DELIVERY_FINISHED = "delivery_finished", CONFLICT, "Delivery finished";
    /// The webhook is disabled and receives nothing.
    WEBHOOK_DISABLED = "webhook_disabled", CONFLICT, "Webhook disabled";
    /// The webhook was deleted.
    WEBHOOK_DELETED = "webhook_deleted", CONFLICT, "Webhook deleted";
    /// The event type is built in and cannot be changed.
    EVENT_TYPE_BUILT_IN = "event_type_built_in", CONFLICT, "Event type built in";
    /// A webhook subscribes to the event type by name.
    EVENT_TYPE_SUBSCRIBED = "event_type_subscribed", CONFLICT, "Event type in use";
    /// The maximum number of event types is registered.
    TOO_MANY_EVENT_TYPES = "too_many_event_types", CONFLICT, "Too many event types";
    /// The feed has no longer, or not yet, the events after the cursor.
    CURSOR_EXPIRED = "cursor_expired", GONE, "Cursor expired";
    /// Another replay of the webhook is running.
    REPLAY_RUNNING = "replay_running", CONFLICT, "Replay running";
    /// The replay has ended and cannot be cancelled.
    REPLAY_ENDED = "replay_ended", CONFLICT, "Replay ended";
}
