//! No secret is written in plain text.

use std::fs;

use rdev_webhooks_domain::ports::{Clock, WebhookRepository};
use rdev_webhooks_domain::signing::SigningScheme;
use rdev_webhooks_testkit::samples;
use secrecy::ExposeSecret;

use crate::harness::SqliteHarness;

#[tokio::test]
async fn the_files_hold_no_plaintext_secret_or_header_value() {
    let harness = SqliteHarness::new().await;
    let now = harness.clock.now();
    let (first_value, second_value) = (harness.needle(), harness.needle());
    let mut webhook = samples::webhook(&harness.entropy, now);
    let description = harness.needle();
    webhook.settings.description = Some(description.clone());
    webhook.settings.headers.insert("authorization", &first_value).unwrap();
    let mut secrets = samples::secrets(&harness.entropy);
    let previous = samples::secret(&harness.entropy, SigningScheme::Ed25519);
    secrets.previous = Some((previous.clone(), now));
    harness.create(&webhook, &secrets).await;
    webhook.settings.headers.insert("x-token", &second_value).unwrap();
    webhook.version += 1;
    harness.store.update(&webhook).await.unwrap();
    harness.publish(webhook.id).await;
    assert_eq!(harness.claim(webhook.id).await.len(), 1);

    // First with the log beside the database, then with everything in the database.
    for closed in [false, true] {
        if closed {
            harness.store.close().await.unwrap();
        }
        let folder = harness.path().parent().unwrap().to_owned();
        let files = folder.read_dir().unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
        let written: Vec<u8> = files.flatten().collect();
        assert!(holds(&written, description.as_bytes()), "the description is in the files");
        for secret in [&secrets.current, &previous] {
            let text = secret.expose();
            let key = text.expose_secret().split_once('_').unwrap().1;
            assert!(!holds(&written, key.as_bytes()), "a secret is in plain text");
        }
        for value in [&first_value, &second_value] {
            assert!(!holds(&written, value.as_bytes()), "a header's value is in plain text");
        }
    }
}

fn holds(written: &[u8], needle: &[u8]) -> bool {
    written.windows(needle.len()).any(|window| window == needle)
}
