//! The body of `POST /api-keys`.

use std::collections::BTreeSet;

use rdev_access::{ApiKeys, Ids, NewApiKey};
use rdev_webhooks_domain::{Access, Scope, scopes};

use crate::failure::place_of;
use crate::routes::projects::{MAX_PROJECTS, visible};
use crate::schema_types as types;
use rdev_http::body::Document;
use rdev_http::kind::{self, Kind, List};
use rdev_http::{Faults, Problem};

const MAX_NAME: usize = 100;

rdev_http::members! {
    /// A new API key. `null` means that an optional member is absent.
    pub(super) struct NewApiKeyBody as NewApiKey {
        /// A name without control characters.
        name: Option<Name>,
        scopes: List<types::Scope, 1, 100>,
        /// Restricts the key to these projects: nothing else exists for it. Absent for no restriction. A key with the
        /// scope `admin` cannot be restricted.
        projects: Option<List<types::ProjectName, 1, MAX_PROJECTS>>,
        /// When the key expires; absent for never.
        expires_at: Option<types::Timestamp>,
    }
}

/// Reads the whole body. Returns the new key, or all faults of the body.
pub(super) fn read(
    document: &Document,
    api_keys: &ApiKeys,
    access: &Access,
    ids: Ids,
) -> Result<NewApiKey, Problem> {
    let mut faults = Faults::default();
    let body = NewApiKeyBody::read(&document.root(), &mut faults);
    let new = body.map(|NewApiKeyBody { name, scopes, projects, expires_at }| {
        let projects = projects.map(|projects| visible(projects, access, &mut faults));
        // Unreadable scopes are recorded as faults; a scope without special meaning stands in for them.
        let scopes = scopes.map(|scopes| scopes.into_iter().map(|(_, scope)| scope).collect());
        let scopes: BTreeSet<Scope> = scopes.unwrap_or_else(|| BTreeSet::from([scopes::WEBHOOKS_READ]));
        NewApiKey { name, access: Access { scopes, projects }, expires_at }
    });
    for fault in new.iter().flat_map(|new| api_keys.validate(new, ids)) {
        faults.at(place_of(fault), fault);
    }
    Ok(faults.or(new)?)
}

rdev_http::kind! {
    /// The name of an API key.
    pub(super) Name: String = kind::string().min_length(Some(1)).max_length(Some(MAX_NAME)), |value, faults| {
        let text = value.string(faults)?;
        if (1..=MAX_NAME).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
            return Some(text);
        }
        let detail = format!("must be 1 to {MAX_NAME} characters long, without control characters");
        value.refuse(faults, detail)
    }
}
