//! Rotation of a webhook's signing secret, from the API to the receiver's verification.

use std::time::Duration;

use rdev_webhooks::Ambient;
use rdev_webhooks_testkit::receiver::{Receiver, verify_text};
use rdev_webhooks_tests::AllInOne;

const EVENT: &str = r#"{"event":"command.completed","data":{}}"#;
const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn receivers_verify_with_the_old_key_or_the_new_one_while_both_sign() {
    let folder = tempfile::tempdir().unwrap();
    let server = AllInOne::start(folder.path()).await;
    for (scheme, version) in [("hmac-sha256", "v1,"), ("ed25519", "v1a,")] {
        let receiver = Receiver::accepting().await;
        let url = receiver.url("/");
        let body = format!(r#"{{"url":"{url}","events":["command.completed"],"signing":"{scheme}"}}"#);
        let webhook = server.client.post("/webhooks", &body).await.expect(201);
        let path = format!("/webhooks/{}", webhook["id"].as_str().unwrap());
        // The receiver's key: the secret, or the public key, which can be read at any time.
        let key = if scheme == "ed25519" { "public_key" } else { "secret" };
        let old = webhook[key].as_str().unwrap().to_owned();
        // The worker has already signed with the old secret alone, and must not continue to.
        server.client.post("/events", EVENT).await.expect(202);
        let before = receiver.wait_for(1, SOON).await.remove(0);
        let rotated = server.client.post(&format!("{path}/secret/rotate"), "").await.expect(200);
        let new = rotated[key].as_str().unwrap().to_owned();
        server.client.post("/events", EVENT).await.expect(202);
        let during = receiver.wait_for(2, SOON).await.remove(1);
        let at_once = r#"{"overlap_seconds":0}"#;
        let rotated = server.client.post(&format!("{path}/secret/rotate"), at_once).await.expect(200);
        let newest = rotated[key].as_str().unwrap().to_owned();
        server.client.post("/events", EVENT).await.expect(202);
        let after = receiver.wait_for(3, SOON).await.remove(2);

        let now = Ambient::system().clock.now();
        let verified = [&old, &new, &newest]
            .map(|key| [&before, &during, &after].map(|request| verify_text(request, key, now).is_ok()));
        assert_eq!(verified, [[true, true, false], [false, true, false], [false, false, true]], "{scheme}");
        let signature = during.header("webhook-signature");
        assert_eq!(signature.split(' ').filter(|entry| entry.starts_with(version)).count(), 2, "{signature}");
        assert!(!after.header("webhook-signature").contains(' '));
        let shown = server.client.get(&path).await;
        assert_eq!((&shown["public_key"], shown.get("secret")), (&rotated["public_key"], None), "{shown}");
        server.client.request(http::Method::DELETE, &path, None).await.unwrap().expect(204);
    }
}
