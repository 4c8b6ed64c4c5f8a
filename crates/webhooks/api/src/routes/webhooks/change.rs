//! The description of the body of `PATCH /webhooks/{id}`: a JSON merge patch (RFC 7396) with the members of a new
//! webhook.

use std::borrow::Cow;

use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::new::WebhookBody;
use super::settings::Headers;
use crate::schema_types as types;
use rdev_http::members;

pub(super) enum WebhookPatchBody {}

impl PartialSchema for WebhookPatchBody {
    fn schema() -> RefOr<Schema> {
        let mut members = WebhookBody::described();
        for member in &mut members {
            (member.is_required, member.default) = (false, None);
            let about = match member.name {
                "events" => "Replaces the event patterns.",
                "projects" => "Replaces the projects.",
                "headers" => "Sets the given headers, and removes those that are `null`.",
                "max_in_flight" => "Concurrent deliveries in each worker process.",
                "signing" => "Must equal the current scheme: it cannot be changed.",
                _ => continue,
            };
            member.about = about.to_owned();
            if member.name == "headers" {
                member.shape = Headers::with_values::<types::HeaderChange>();
            }
        }
        let about = "A JSON merge patch of a webhook: `null` removes a setting or resets it to its default.";
        members::object(about, members).into()
    }
}

impl ToSchema for WebhookPatchBody {
    fn name() -> Cow<'static, str> {
        "WebhookPatch".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((types::HeaderValue::name().into(), types::HeaderValue::schema()));
        schemas.push((types::HeaderChange::name().into(), types::HeaderChange::schema()));
    }
}
