//! Encryption keys.

use rdev_webhooks_domain::ports::{Clock, DeliveryQueue, WebhookRepository};
use rdev_webhooks_keyring::Keyring;
use rdev_webhooks_store_sqlite::OpenError;
use rdev_webhooks_testkit::samples;
use secrecy::ExposeSecret;

use crate::harness::{SqliteHarness, key};

fn keys(numbers: [u8; 2]) -> Keyring {
    let texts = numbers.map(|number| key(number).expose_base64().expose_secret().to_owned());
    texts.join(",").parse().unwrap()
}

#[tokio::test]
async fn another_key_is_refused_at_open() {
    let harness = SqliteHarness::new().await;
    harness.store.close().await.unwrap();
    let refused = harness.open_again(key(2).into()).await.err().unwrap();
    assert!(matches!(refused, OpenError::WrongKey { needed, .. } if needed == key(1).id()), "{refused:?}");
    assert!(refused.to_string().contains("was made with another encryption key"), "{refused}");
    harness.open_again(key(1).into()).await.unwrap();
}

#[tokio::test]
async fn after_a_rotation_the_old_key_can_be_dropped() {
    let harness = SqliteHarness::new().await;
    let mut webhook = samples::webhook(&harness.entropy, harness.clock.now());
    webhook.headers.insert("x-token", "sesame").unwrap();
    let mut secrets = samples::secrets(&harness.entropy);
    let previous = samples::secrets(&harness.entropy).current;
    secrets.previous = Some((previous, webhook.created_at));
    harness.create(&webhook, &secrets).await;
    harness.publish(webhook.id).await;
    harness.store.close().await.unwrap();

    harness.open_again(keys([2, 1])).await.unwrap().close().await.unwrap();
    let refused = harness.open_again(key(1).into()).await.err().unwrap();
    assert!(matches!(refused, OpenError::WrongKey { needed, .. } if needed == key(2).id()), "{refused:?}");

    let store = harness.open_again(key(2).into()).await.unwrap();
    assert_eq!(WebhookRepository::get(&store, webhook.id).await.unwrap(), Some(webhook.clone()));
    let claim = harness.claim_of(webhook.id);
    let leased = store.claim(&claim).await.unwrap();
    let target = &leased[0].target;
    assert_eq!(target.headers, webhook.headers);
    assert_eq!(target.secrets.current, secrets.current);
    assert_eq!(target.secrets.previous, secrets.previous);
}
