//! `GET /webhooks?event=&enabled=&project=&metadata.KEY=&limit=&cursor=`: webhooks, newest first.

use axum::extract::State;
use axum::response::Response;
use rdev_http::Faults;
use rdev_http::kind;
use rdev_http::members::{Members, Object};
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{Metadata, WebhookFilter, WebhookId};
use serde_json::json;
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterIn, ParameterStyle};
use utoipa::openapi::schema::{ObjectBuilder, Schema};

use super::circuits::circuits;
use crate::failure::Failure;
use crate::schema_types as types;
use crate::views::WebhookList;
use rdev_http::Caller;
use rdev_http::page::{self, ListQuery, PageParameters};

rdev_http::members! {
    /// The parameters of `GET /webhooks`.
    pub(crate) struct Filters {
        /// Only webhooks that subscribe to this event type, by name or by pattern.
        event: Option<types::EventType>,
        enabled: Option<bool>,
        /// Only webhooks that receive this project's events.
        project: Option<types::ProjectName>,
    }
}

/// The parameters `metadata.KEY` of `GET /webhooks`.
pub(crate) struct Pairs(Metadata);

impl Members for Pairs {
    fn take(object: &mut Object<'_>, faults: &mut Faults) -> Self {
        let mut pairs = Metadata::default();
        for (key, value) in object.take_prefixed("metadata.", "metadata.KEY") {
            if let Some(text) = value.string(faults)
                && let Err(fault) = pairs.insert(key, text)
            {
                value.fault(faults, fault);
            }
        }
        Self(pairs)
    }
}

impl IntoParams for Pairs {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let key = kind::string().pattern(Some(r"^metadata\..{1,40}$"));
        let value = kind::string().max_length(Some(Metadata::MAX_VALUE));
        let pairs = ObjectBuilder::new()
            .property_names(Some(Schema::from(key)))
            .additional_properties(Some(Schema::from(value)))
            .max_properties(Some(Metadata::MAX_PAIRS));
        let parameter = Parameter::builder()
            .name("metadata")
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some(
                "`metadata.KEY=VALUE`: only webhooks with this pair in their `metadata`. Of several pairs, they have all.",
            ))
            .style(Some(ParameterStyle::Form))
            .explode(Some(true))
            .schema(Some(Schema::from(pairs)))
            .example(Some(json!({"metadata.tenant": "acme"})));
        vec![parameter.build()]
    }
}

/// List webhooks
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/webhooks",
    tag = "webhooks",
    operation_id = "listWebhooks",
    security(("api_key" = ["webhooks:read"])),
    params(Filters, Pairs, PageParameters),
    responses((status = 200, description = "A page of webhooks.", body = WebhookList, headers(("Link"))))
)]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    ListQuery { filter, page, given }: ListQuery<(Filters, Pairs), WebhookId>,
) -> Result<Response, Failure> {
    let (Filters { event: event_type, enabled, project }, Pairs(metadata)) = filter;
    let filter = WebhookFilter { event_type, enabled, project, metadata, ids: None };
    let found = services.webhooks.list(&caller.access, &filter, page).await?;
    let ids: Vec<_> = found.items.iter().map(|webhook| webhook.id).collect();
    let circuits = circuits(&services, &ids).await?;
    Ok(page::answer(&found, &given, |webhook| circuits.show(webhook), |webhook| webhook.id))
}
