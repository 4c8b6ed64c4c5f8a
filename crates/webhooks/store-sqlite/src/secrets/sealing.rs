//! Sealing and opening of secrets.

use rdev_keyring::{Keyring, SealedColumn};
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::signing::SigningSecret;
use rdev_webhooks_domain::{CustomHeaders, SigningSecrets, Timestamp, WebhookId};
use secrecy::ExposeSecret;

use crate::error::{self, Row};

pub(crate) const HEADERS: SealedColumn = SealedColumn::new("webhooks", "headers");
pub(crate) const SECRET: SealedColumn = SealedColumn::new("webhooks", "secret");
pub(crate) const PREVIOUS_SECRET: SealedColumn = SealedColumn::new("webhooks", "previous_secret");

/// A webhook's signing secrets as they are stored, with their public parts.
#[derive(Default)]
pub(crate) struct SealedSecrets {
    pub(crate) current: Vec<u8>,
    pub(crate) public_key: Option<String>,
    pub(crate) previous: Option<Vec<u8>>,
    pub(crate) previous_until: Option<i64>,
    pub(crate) previous_public_key: Option<String>,
}

fn seal(
    keyring: &Keyring,
    column: SealedColumn,
    id: WebhookId,
    plaintext: &str,
) -> Result<Vec<u8>, StoreError> {
    column.seal(keyring, &id, plaintext.as_bytes()).map_err(error::internal)
}

fn open<T>(
    keyring: &Keyring,
    column: SealedColumn,
    id: WebhookId,
    sealed: &[u8],
    parse: impl FnOnce(&str) -> Result<T, Box<dyn std::error::Error + Send + Sync>>,
) -> Result<T, StoreError> {
    let row = Row { table: column.table, id: &id };
    let plaintext = column.open(keyring, &id, sealed).map_err(|error| row.corrupt(column.column, error))?;
    let text = std::str::from_utf8(&plaintext).map_err(|error| row.corrupt(column.column, error))?;
    parse(text).map_err(|error| row.corrupt(column.column, error))
}

/// Seals a webhook's custom headers, names included.
pub(crate) fn seal_headers(
    keyring: &Keyring,
    id: WebhookId,
    headers: &CustomHeaders,
) -> Result<Vec<u8>, StoreError> {
    seal(keyring, HEADERS, id, headers.to_lines().expose_secret())
}

/// Reverses [`seal_headers`].
pub(crate) fn open_headers(
    keyring: &Keyring,
    id: WebhookId,
    sealed: &[u8],
) -> Result<CustomHeaders, StoreError> {
    open(keyring, HEADERS, id, sealed, |lines| Ok(CustomHeaders::from_lines(lines)?))
}

/// Returns the public key of a secret, as its column stores it.
pub(crate) fn public_key(secret: &SigningSecret) -> Option<String> {
    secret.public_key().map(|key| key.to_string())
}

/// Seals a webhook's secrets.
pub(crate) fn seal_secrets(
    keyring: &Keyring,
    id: WebhookId,
    secrets: &SigningSecrets,
) -> Result<SealedSecrets, StoreError> {
    let current = secrets.current.expose();
    let previous = secrets.previous.as_ref().map(|(secret, until)| {
        let sealed = seal(keyring, PREVIOUS_SECRET, id, secret.expose().expose_secret());
        (sealed, until.as_micros())
    });
    let (previous, previous_until) = previous.unzip();
    Ok(SealedSecrets {
        current: seal(keyring, SECRET, id, current.expose_secret())?,
        public_key: public_key(&secrets.current),
        previous: previous.transpose()?,
        previous_until,
        previous_public_key: secrets.previous.as_ref().and_then(|(secret, _)| public_key(secret)),
    })
}

/// Reverses [`seal_secrets`].
pub(crate) fn open_secrets(
    keyring: &Keyring,
    id: WebhookId,
    sealed: &SealedSecrets,
) -> Result<SigningSecrets, StoreError> {
    let mut secrets =
        SigningSecrets::new(open(keyring, SECRET, id, &sealed.current, |text| Ok(text.parse()?))?);
    if let (Some(previous), Some(until)) = (&sealed.previous, sealed.previous_until) {
        let secret = open(keyring, PREVIOUS_SECRET, id, previous, |text| Ok(text.parse()?))?;
        secrets.previous = Some((secret, Timestamp::from_micros(until)));
    }
    Ok(secrets)
}
