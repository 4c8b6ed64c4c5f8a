//! The kinds of problems of this API, besides the general ones.

use rdev_http::{ProblemCode, problem_codes};

problem_codes! {
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

/// All kinds of problems that a response of this API may contain.
pub const ALL: &[ProblemCode] = &[
    ProblemCode::MALFORMED_JSON,
    ProblemCode::INCOMPLETE_BODY,
    ProblemCode::UNAUTHENTICATED,
    ProblemCode::FORBIDDEN,
    ProblemCode::NOT_FOUND,
    ProblemCode::METHOD_NOT_ALLOWED,
    ProblemCode::REQUEST_TIMEOUT,
    DELIVERY_IN_FLIGHT,
    DELIVERY_FINISHED,
    WEBHOOK_DISABLED,
    WEBHOOK_DELETED,
    ProblemCode::IDEMPOTENCY_KEY_IN_USE,
    ProblemCode::IDEMPOTENCY_KEY_REUSED,
    EVENT_TYPE_BUILT_IN,
    EVENT_TYPE_SUBSCRIBED,
    TOO_MANY_EVENT_TYPES,
    REPLAY_RUNNING,
    REPLAY_ENDED,
    CURSOR_EXPIRED,
    ProblemCode::VERSION_MISMATCH,
    ProblemCode::BODY_TOO_LARGE,
    ProblemCode::UNSUPPORTED_MEDIA_TYPE,
    ProblemCode::VALIDATION_FAILED,
    ProblemCode::INTERNAL_ERROR,
    ProblemCode::UNAVAILABLE,
    ProblemCode::DEADLINE_EXCEEDED,
];
