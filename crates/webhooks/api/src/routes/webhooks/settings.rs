//! The kinds of the members of a webhook's body.

use rdev_webhooks_domain::{
    CustomHeaders, CustomHeadersError, Metadata, MetadataError, REDACTED, RateLimit, WebhookSettings,
};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType};
use utoipa::openapi::{RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::schema_types as types;
use rdev_http::Faults;
use rdev_http::kind::{self, Kind};
use rdev_http::members::Value;

const MAX_DESCRIPTION: usize = WebhookSettings::MAX_DESCRIPTION;
/// Maximum number of members in `headers`: some may remove headers while as many as are allowed are set.
const MAX_HEADER_MEMBERS: usize = 64;
/// Maximum number of members in `metadata`, for the same reason.
const MAX_METADATA_MEMBERS: usize = 2 * Metadata::MAX_PAIRS;

rdev_http::kind! {
    /// A text for people.
    pub(in crate::routes) Description: String = kind::string().max_length(Some(MAX_DESCRIPTION)), |value, faults| {
        let text = value.string(faults)?;
        let is_odd = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
        if text.chars().count() > MAX_DESCRIPTION {
            value.refuse(faults, format_args!("must be at most {MAX_DESCRIPTION} characters long"))
        } else if text.chars().any(is_odd) {
            value.refuse(faults, "must contain no control characters except line breaks (\\n) and tabs")
        } else {
            Some(text)
        }
    }
}

rdev_http::kind! {
    /// A number of deliveries per second.
    pub(super) Rate: RateLimit = kind::number(RateLimit::RANGE), |value, faults| {
        RateLimit::per_second(value.number(faults)?).or_else(|| {
            let (min, max) = RateLimit::RANGE.into_inner();
            value.refuse(faults, format_args!("must be a number of deliveries per second from {min} to {max}"))
        })
    }
}

/// Custom headers by name, in order. A header without a value is to be removed, which only a patch may request.
pub(super) enum Headers {}

impl Headers {
    /// Returns the schema of headers with these values.
    pub(super) fn with_values<V: ToSchema>() -> RefOr<Schema> {
        let headers = ObjectBuilder::new().additional_properties(Some(kind::reference::<V>()));
        match types::HeaderName::schema() {
            RefOr::T(name) => headers.property_names(Some(name)).into(),
            RefOr::Ref(_) => headers.into(),
        }
    }
}

impl Kind for Headers {
    type Value = Vec<(String, Option<String>)>;

    fn shape() -> RefOr<Schema> {
        Self::with_values::<types::HeaderValue>()
    }

    fn read(value: &Value<'_>, faults: &mut Faults) -> Option<Self::Value> {
        let members: Vec<_> = value.object(faults)?.into_rest().collect();
        if members.len() > MAX_HEADER_MEMBERS {
            return value.refuse(faults, CustomHeadersError::TooMany);
        }
        let mut checked = CustomHeaders::default();
        let mut headers: Vec<(String, Option<String>)> = Vec::new();
        for (name, member) in members {
            let is_removed = value.is_patch() && member.is_null();
            let text = if is_removed { None } else { member.string(faults) };
            if text.as_deref() == Some(REDACTED) {
                // The client sends back a redacted value, and would lose the real one.
                let detail = "is a placeholder and not a value: omit the header to keep its value";
                member.fault(faults, detail);
                continue;
            }
            let is_twice = headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(&name));
            let fault = match &text {
                _ if is_twice => Some(CustomHeadersError::Duplicate),
                Some(text) => checked.insert(&name, text).err(),
                None => None,
            };
            match fault {
                None if is_removed || text.is_some() => headers.push((name, text)),
                None => {} // not a string, which has been noted
                Some(CustomHeadersError::TooMany) => {
                    return value.refuse(faults, CustomHeadersError::TooMany);
                }
                Some(fault) => member.fault(faults, fault),
            }
        }
        Some(headers)
    }
}

/// Pairs of metadata, in order. A pair without a value is to be removed, which only a patch may request.
pub(super) enum MetadataPairs {}

impl MetadataPairs {
    /// Returns the schema of the pairs of a patch, where `null` removes one.
    pub(super) fn in_patch() -> RefOr<Schema> {
        Self::with_values(SchemaType::from_iter([Type::String, Type::Null]), MAX_METADATA_MEMBERS)
    }

    fn with_values(types: SchemaType, max: usize) -> RefOr<Schema> {
        let value = kind::string().schema_type(types).max_length(Some(Metadata::MAX_VALUE));
        let key = kind::string().min_length(Some(1)).max_length(Some(Metadata::MAX_KEY));
        ObjectBuilder::new()
            .property_names(Some(Schema::from(key)))
            .additional_properties(Some(Schema::from(value)))
            .max_properties(Some(max))
            .into()
    }
}

impl Kind for MetadataPairs {
    type Value = Vec<(String, Option<String>)>;

    fn shape() -> RefOr<Schema> {
        Self::with_values(Type::String.into(), Metadata::MAX_PAIRS)
    }

    fn read(value: &Value<'_>, faults: &mut Faults) -> Option<Self::Value> {
        let members: Vec<_> = value.object(faults)?.into_rest().collect();
        if members.len() > MAX_METADATA_MEMBERS {
            return value.refuse(faults, MetadataError::TooMany);
        }
        let mut pairs = Vec::with_capacity(members.len());
        for (key, member) in members {
            if value.is_patch() && member.is_null() {
                pairs.push((key, None));
            } else if let Some(text) = member.string(faults) {
                match Metadata::default().insert(key.clone(), text.clone()) {
                    Ok(()) => pairs.push((key, Some(text))),
                    Err(fault) => member.fault(faults, fault),
                }
            }
        }
        Some(pairs)
    }
}
