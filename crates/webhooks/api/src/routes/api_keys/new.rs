//! The body of `POST /api-keys`.

use std::collections::BTreeSet;

use rdev_access::{ApiKeys, Ids, NewApiKey};
use rdev_webhooks_domain::{Access, Scope, scopes};
use utoipa::ToSchema;

use crate::failure::place_of;
use crate::routes::projects::projects;
use crate::schema_types as types;
use rdev_http::body::{Document, Object, Value};
use rdev_http::{Faults, Problem};

const MAX_NAME: usize = 100;
const MAX_SCOPES: usize = 100;

/// A new API key. `null` means that an optional member is absent.
#[derive(ToSchema)]
#[schema(as = NewApiKey)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes what `read` reads")]
pub(super) struct NewApiKeyBody {
    /// A name without control characters.
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    #[schema(value_type = Vec<types::Scope>, min_items = 1)]
    scopes: Vec<String>,
    /// Restricts the key to these projects: nothing else exists for it. Absent for no restriction. A key with the
    /// scope `admin` cannot be restricted.
    #[schema(value_type = Option<Vec<types::ProjectName>>, min_items = 1, max_items = 100)]
    projects: Option<Vec<String>>,
    /// When the key expires; absent for never.
    #[schema(value_type = Option<types::Timestamp>)]
    expires_at: Option<String>,
}

/// Reads the whole body. Returns the new key, or all faults of the body.
pub(super) fn read(
    document: &Document,
    api_keys: &ApiKeys,
    access: &Access,
    ids: Ids,
) -> Result<NewApiKey, Problem> {
    let mut faults = Faults::default();
    let object = document.root().object(&mut faults);
    let new = object.map(|object| members(object, access, &mut faults));
    for fault in new.iter().flat_map(|new| api_keys.validate(new, ids)) {
        faults.at(place_of(fault), fault);
    }
    match new {
        Some(new) if faults.is_empty() => Ok(new),
        _ => Err(faults.into()),
    }
}

fn members(mut object: Object<'_>, access: &Access, faults: &mut Faults) -> NewApiKey {
    let name = object.optional("name").and_then(|value| name(&value, faults));
    let given = object.required("scopes", faults);
    let scopes = given.and_then(|value| read_scopes(&value, faults));
    let given = object.optional("projects");
    let projects = given.and_then(|value| projects(&value, access, faults));
    let expires_at = object.optional("expires_at").and_then(|value| value.parsed(faults));
    object.finish(faults);
    // Unreadable scopes are recorded as faults; a scope without special meaning stands in for them.
    let scopes = scopes.unwrap_or_else(|| BTreeSet::from([scopes::WEBHOOKS_READ]));
    NewApiKey { name, access: Access { scopes, projects }, expires_at }
}

fn name(value: &Value<'_>, faults: &mut Faults) -> Option<String> {
    let text = value.string(faults)?;
    if (1..=MAX_NAME).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        Some(text)
    } else {
        value.refuse(
            faults,
            format_args!("must be 1 to {MAX_NAME} characters long, without control characters"),
        )
    }
}

/// Returns the scopes that could be read; `None` if there are some and none could be read.
fn read_scopes(value: &Value<'_>, faults: &mut Faults) -> Option<BTreeSet<Scope>> {
    let elements = value.array(MAX_SCOPES, faults)?;
    if elements.len() > MAX_SCOPES {
        return value.refuse(faults, format_args!("must contain at most {MAX_SCOPES} scopes"));
    }
    let read: BTreeSet<Scope> = elements.iter().filter_map(|element| read_scope(element, faults)).collect();
    Some(read).filter(|read| elements.is_empty() || !read.is_empty())
}

fn read_scope(value: &Value<'_>, faults: &mut Faults) -> Option<Scope> {
    let text = value.string(faults)?;
    match scopes::ALL.into_iter().find(|scope| scope.as_str() == text) {
        Some(scope) => Some(scope),
        None => {
            let names = scopes::ALL.map(|scope| scope.to_string()).join(", ");
            value.refuse(faults, format_args!("must be one of {names}"))
        }
    }
}
