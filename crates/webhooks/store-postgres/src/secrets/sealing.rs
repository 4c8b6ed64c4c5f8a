//! Sealing of secrets and header values.

use std::str;

use rdev_keyring::{Keyring, SealedColumn};
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::signing::SigningSecret;
use rdev_webhooks_domain::{CustomHeaders, WebhookId};
use secrecy::ExposeSecret;

use crate::error::corrupt;

const TABLE: &str = "webhooks";

pub(crate) const HEADERS: SealedColumn = SealedColumn::new(TABLE, "headers");
pub(crate) const SECRET: SealedColumn = SealedColumn::new(TABLE, "secret");
pub(crate) const PREVIOUS_SECRET: SealedColumn = SealedColumn::new(TABLE, "previous_secret");

/// Seals header values; returns `None` if there are no headers.
pub(crate) fn seal_headers(
    keyring: &Keyring,
    id: WebhookId,
    headers: &CustomHeaders,
) -> Result<Option<Vec<u8>>, StoreError> {
    if headers.is_empty() {
        return Ok(None);
    }
    let lines = headers.to_lines();
    seal(keyring, HEADERS, id, lines.expose_secret()).map(Some)
}

/// Reverses [`seal_headers`].
pub(crate) fn open_headers(
    keyring: &Keyring,
    id: WebhookId,
    sealed: Option<&[u8]>,
) -> Result<CustomHeaders, StoreError> {
    let Some(sealed) = sealed else {
        return Ok(CustomHeaders::default());
    };
    open(keyring, HEADERS, id, sealed, |lines| CustomHeaders::from_lines(lines).map_err(Into::into))
}

/// Seals a signing secret.
pub(crate) fn seal_secret(
    keyring: &Keyring,
    column: SealedColumn,
    id: WebhookId,
    secret: &SigningSecret,
) -> Result<Vec<u8>, StoreError> {
    seal(keyring, column, id, secret.expose().expose_secret())
}

/// Reverses [`seal_secret`].
pub(crate) fn open_secret(
    keyring: &Keyring,
    column: SealedColumn,
    id: WebhookId,
    sealed: &[u8],
) -> Result<SigningSecret, StoreError> {
    open(keyring, column, id, sealed, |text| text.parse().map_err(Into::into))
}

fn seal(keyring: &Keyring, column: SealedColumn, id: WebhookId, text: &str) -> Result<Vec<u8>, StoreError> {
    column.seal(keyring, &id, text.as_bytes()).map_err(|error| StoreError::Internal(error.into()))
}

type Unreadable = Box<dyn std::error::Error + Send + Sync>;

fn open<T>(
    keyring: &Keyring,
    column: SealedColumn,
    id: WebhookId,
    sealed: &[u8],
    parse: impl FnOnce(&str) -> Result<T, Unreadable>,
) -> Result<T, StoreError> {
    let unreadable = |source: Unreadable| corrupt(TABLE, column.column, id, source);
    let opened = column.open(keyring, &id, sealed).map_err(|error| unreadable(error.into()))?;
    // This error says only where the text stops being UTF-8.
    let text = str::from_utf8(&opened).map_err(|error| unreadable(error.into()))?;
    parse(text).map_err(unreadable)
}
