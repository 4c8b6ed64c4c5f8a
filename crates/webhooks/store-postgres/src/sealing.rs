//! Sealing of secrets and header values.

use std::{fmt, str};

use rdev_keyring::Keyring;
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::signing::SigningSecret;
use rdev_webhooks_domain::{CustomHeaders, WebhookId};
use secrecy::ExposeSecret;

use crate::error::corrupt;

const TABLE: &str = "webhooks";

/// The sealed columns of `webhooks`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sealed {
    Headers,
    Secret,
    PreviousSecret,
}

impl Sealed {
    pub(crate) const fn column(self) -> &'static str {
        match self {
            Self::Headers => "headers",
            Self::Secret => "secret",
            Self::PreviousSecret => "previous_secret",
        }
    }

    /// Returns the associated data of a sealed value, which lets it open only in its own row and column.
    pub(crate) fn place(self, id: WebhookId) -> String {
        place(TABLE, self.column(), &id)
    }
}

/// Returns the associated data of a sealed value in any column.
pub(crate) fn place(table: &str, column: &str, id: &dyn fmt::Display) -> String {
    format!("{table}.{column} {id}")
}

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
    seal(keyring, Sealed::Headers, id, lines.expose_secret()).map(Some)
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
    open(keyring, Sealed::Headers, id, sealed, |lines| CustomHeaders::from_lines(lines).map_err(Into::into))
}

/// Seals a signing secret.
pub(crate) fn seal_secret(
    keyring: &Keyring,
    column: Sealed,
    id: WebhookId,
    secret: &SigningSecret,
) -> Result<Vec<u8>, StoreError> {
    seal(keyring, column, id, secret.expose().expose_secret())
}

/// Reverses [`seal_secret`].
pub(crate) fn open_secret(
    keyring: &Keyring,
    column: Sealed,
    id: WebhookId,
    sealed: &[u8],
) -> Result<SigningSecret, StoreError> {
    open(keyring, column, id, sealed, |text| text.parse().map_err(Into::into))
}

fn seal(keyring: &Keyring, column: Sealed, id: WebhookId, text: &str) -> Result<Vec<u8>, StoreError> {
    keyring
        .seal(text.as_bytes(), column.place(id).as_bytes())
        .map_err(|error| StoreError::Internal(error.into()))
}

type Unreadable = Box<dyn std::error::Error + Send + Sync>;

fn open<T>(
    keyring: &Keyring,
    column: Sealed,
    id: WebhookId,
    sealed: &[u8],
    read: impl FnOnce(&str) -> Result<T, Unreadable>,
) -> Result<T, StoreError> {
    let unreadable = |source: Unreadable| corrupt(TABLE, column.column(), id, source);
    let opened =
        keyring.open(sealed, column.place(id).as_bytes()).map_err(|error| unreadable(error.into()))?;
    // This error says only where the text stops being UTF-8.
    let text = str::from_utf8(&opened).map_err(|error| unreadable(error.into()))?;
    read(text).map_err(unreadable)
}
