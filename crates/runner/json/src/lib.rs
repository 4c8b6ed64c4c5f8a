//! The JSON form of requests, projects, events and results, as the stores keep them, and the data of the webhook
//! events that report commands.
//!
//! What a function has written, its counterpart reads as the same value.

mod events;
mod fields;
mod publication;
mod requests;
mod results;

pub use events::{event_from_json, event_to_json};
pub use publication::{Published, pipeline_publication, publication};
pub use requests::{request_from_json, request_to_json, settings_from_json, settings_to_json};
pub use results::{diff_to_json, result_from_json, result_to_json};

/// The error for a text that is not the JSON form of a value.
pub type Error = serde_json::Error;
