//! Tests of `WebhookRepository::rotate_secret`.

use rdev_webhooks_domain::ports::{Rotated, Updated};
use rdev_webhooks_domain::signing::{SigningScheme, SigningSecret};
use rdev_webhooks_domain::{
    Access, PreviousSecret, SecretRotation, SigningSecrets, Timestamp, Webhook, WebhookFilter, WebhookId,
};
use tokio::task::JoinSet;

use super::Harness;
use super::scene::{DAY, HOUR, Scene, first};
use crate::samples;

/// Stores a webhook of this scheme and returns it with its secret.
async fn webhook(scene: &Scene<'_>, signing: SigningScheme) -> (Webhook, SigningSecret) {
    let secrets = SigningSecrets::new(samples::secret(&scene.entropy, signing));
    let mut webhook =
        samples::with_settings(scene.new_webhook().await, |settings| settings.signing = signing);
    webhook.set_public_keys(&secrets);
    scene.webhooks.create(&webhook, &secrets).await.unwrap();
    (webhook, secrets.current)
}

/// Returns a rotation to a new secret, for any version of the webhook.
async fn rotation(scene: &Scene<'_>, signing: SigningScheme, until: Option<Timestamp>) -> SecretRotation {
    SecretRotation {
        secret: samples::secret(&scene.entropy, signing),
        previous_until: until,
        at: scene.moment().await,
        versions: None,
    }
}

/// Rotates a secret that can be rotated. Returns the answered webhook after comparing it with the stored one.
async fn rotate(scene: &Scene<'_>, id: WebhookId, rotation: &SecretRotation) -> Webhook {
    let answer = scene.webhooks.rotate_secret(Access::everything(), id, rotation).await.unwrap();
    let Rotated::Applied(webhook) = answer else {
        panic!("a rotation was answered with {answer:?}");
    };
    assert_eq!(scene.webhooks.get(Access::everything(), id).await.unwrap().as_ref(), Some(&*webhook));
    let listed =
        scene.webhooks.list(Access::everything(), &WebhookFilter::default(), first(100)).await.unwrap();
    assert!(listed.items.contains(&webhook), "a list shows the same webhook");
    *webhook
}

/// Returns the secrets that sign a delivery published and claimed now.
async fn signing(scene: &Scene<'_>, id: WebhookId) -> SigningSecrets {
    scene.publish_to(id).await;
    scene.claim_one(id).await.target.secrets.clone()
}

/// A delivery that waits during a rotation is signed with both the new secret and the previous one, even by a
/// store that has just used the previous one alone.
pub async fn a_rotation_applies_to_what_is_claimed_after_it(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    for scheme in [SigningScheme::HmacSha256, SigningScheme::Ed25519] {
        let (webhook, old) = webhook(&scene, scheme).await;
        let before = signing(&scene, webhook.id).await;
        assert_eq!((&before.current, &before.previous), (&old, &None));

        scene.publish_to(webhook.id).await;
        let until = scene.now().await + DAY;
        let rotation = rotation(&scene, scheme, Some(until)).await;
        rotate(&scene, webhook.id, &rotation).await;
        let leased = scene.claim_one(webhook.id).await;
        assert_eq!(leased.target.version, 2);
        assert_eq!(leased.target.secrets.current, rotation.secret);
        assert_eq!(leased.target.secrets.previous, Some((old, until)));
    }
}

/// The secrets that sign are those of the next claim, for callers who see the webhook.
pub async fn the_secrets_of_a_webhook_are_those_that_sign(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let scheme = SigningScheme::Ed25519;
    let (webhook, old) = webhook(&scene, scheme).await;
    let until = scene.now().await + DAY;
    let rotation = rotation(&scene, scheme, Some(until)).await;
    rotate(&scene, webhook.id, &rotation).await;
    let known = scene.webhooks.secrets(Access::everything(), webhook.id).await.unwrap().unwrap();
    assert_eq!((known.current, known.previous), (rotation.secret, Some((old, until))));
    scene.change(webhook.id, |webhook| webhook.settings.projects = samples::projects(["a"])).await;
    for (project, is_visible) in [("a", true), ("b", false)] {
        let access = samples::access(samples::projects([project]));
        let found = scene.webhooks.secrets(&access, webhook.id).await.unwrap();
        assert_eq!(found.is_some(), is_visible, "{project}");
    }
    scene.delete(webhook.id).await;
    assert!(scene.webhooks.secrets(Access::everything(), webhook.id).await.unwrap().is_none());
}

/// A second rotation during the overlap keeps the newer of the old secrets. A rotation without an overlap
/// keeps none.
pub async fn a_rotation_drops_the_oldest_secret(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let scheme = SigningScheme::HmacSha256;
    let (webhook, _) = webhook(&scene, scheme).await;
    let until = scene.now().await + DAY;
    let first = rotation(&scene, scheme, Some(until)).await;
    rotate(&scene, webhook.id, &first).await;
    let second = rotation(&scene, scheme, Some(until + HOUR)).await;
    rotate(&scene, webhook.id, &second).await;
    let secrets = signing(&scene, webhook.id).await;
    assert_eq!(secrets.current, second.secret);
    assert_eq!(secrets.previous, Some((first.secret, until + HOUR)));

    let third = rotation(&scene, scheme, None).await;
    assert_eq!(rotate(&scene, webhook.id, &third).await.previous_secret, None);
    let secrets = signing(&scene, webhook.id).await;
    assert_eq!((secrets.current, secrets.previous), (third.secret, None));
}

/// The result contains the new version, and for public-key schemes the public keys of both secrets.
pub async fn a_rotation_updates_the_public_keys(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    for scheme in [SigningScheme::HmacSha256, SigningScheme::Ed25519] {
        let (before, old) = webhook(&scene, scheme).await;
        assert_eq!(
            scene.webhooks.get(Access::everything(), before.id).await.unwrap().as_ref(),
            Some(&before)
        );
        let until = scene.now().await + DAY;
        let rotation = rotation(&scene, scheme, Some(until)).await;
        let previous = PreviousSecret { until, public_key: old.public_key() };
        let expected = Webhook {
            public_key: rotation.secret.public_key(),
            previous_secret: Some(previous),
            version: 2,
            updated_at: rotation.at,
            ..before.clone()
        };
        assert_eq!(rotate(&scene, before.id, &rotation).await, expected);
    }
}

/// An update does not change the secrets, whatever it contains about them.
pub async fn an_update_leaves_the_secrets_alone(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let scheme = SigningScheme::Ed25519;
    let (before, old) = webhook(&scene, scheme).await;
    let until = scene.now().await + DAY;
    let rotation = rotation(&scene, scheme, Some(until)).await;
    let rotated = rotate(&scene, before.id, &rotation).await;
    let update = samples::with_settings(Webhook { version: 3, ..before }, |settings| {
        settings.description = Some("changed".to_owned());
    });
    assert_eq!(scene.webhooks.update(&update).await.unwrap(), Updated::Applied);
    let stored = scene.webhooks.get(Access::everything(), update.id).await.unwrap().unwrap();
    assert_eq!(stored.public_key, rotated.public_key);
    assert_eq!(stored.previous_secret, rotated.previous_secret);
    assert_eq!(stored.settings.description, update.settings.description);
    let secrets = signing(&scene, update.id).await;
    assert_eq!((secrets.current, secrets.previous), (rotation.secret, Some((old, until))));
}

/// A rotation for versions other than the stored one changes nothing. A rotation for a missing webhook
/// changes nothing either.
pub async fn a_rotation_of_another_version_is_refused(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let scheme = SigningScheme::HmacSha256;
    let (webhook, old) = webhook(&scene, scheme).await;
    for versions in [vec![], vec![2], vec![0, 2, 3]] {
        let rotation = SecretRotation { versions: Some(versions), ..rotation(&scene, scheme, None).await };
        let refused =
            scene.webhooks.rotate_secret(Access::everything(), webhook.id, &rotation).await.unwrap();
        assert_eq!(refused, Rotated::VersionMismatch);
    }
    assert_eq!(scene.webhooks.get(Access::everything(), webhook.id).await.unwrap().as_ref(), Some(&webhook));
    assert_eq!(signing(&scene, webhook.id).await.current, old);
    let meant = SecretRotation { versions: Some(vec![7, 1]), ..rotation(&scene, scheme, None).await };
    assert_eq!(rotate(&scene, webhook.id, &meant).await.version, 2);

    let other = scene.new_webhook().await;
    let rotation = rotation(&scene, scheme, None).await;
    let answer = scene.webhooks.rotate_secret(Access::everything(), other.id, &rotation).await.unwrap();
    assert_eq!(answer, Rotated::NotFound);
    scene.delete(webhook.id).await;
    let answer = scene.webhooks.rotate_secret(Access::everything(), webhook.id, &rotation).await.unwrap();
    assert_eq!(answer, Rotated::NotFound);
}

/// Of many concurrent rotations for one version, one is made. Without a version, all are made, one after
/// another.
pub async fn concurrent_rotations_of_a_version_apply_once(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let scheme = SigningScheme::HmacSha256;
    let (webhook, _) = webhook(&scene, scheme).await;
    let id = webhook.id;
    let until = Some(scene.now().await + DAY);
    let at_once = async |versions: Option<Vec<u64>>, count: usize| {
        let mut rotations = JoinSet::new();
        for _ in 0..count {
            let rotation =
                SecretRotation { versions: versions.clone(), ..rotation(&scene, scheme, until).await };
            let webhooks = harness.webhooks();
            rotations.spawn(async move {
                (webhooks.rotate_secret(Access::everything(), id, &rotation).await, rotation)
            });
        }
        rotations.join_all().await
    };
    let answers = at_once(Some(vec![1]), 8).await;
    let (applied, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|(answer, _)| matches!(answer, Ok(Rotated::Applied(_))));
    assert_eq!(applied.len(), 1);
    assert!(refused.iter().all(|(answer, _)| matches!(answer, Ok(Rotated::VersionMismatch))));
    assert_eq!(signing(&scene, id).await.current, applied[0].1.secret);

    let mut versions = Vec::new();
    for (answer, _) in at_once(None, 4).await {
        let Ok(Rotated::Applied(webhook)) = answer else {
            panic!("a rotation was answered with {answer:?}");
        };
        versions.push(webhook.version);
    }
    versions.sort_unstable();
    assert_eq!(versions, [3, 4, 5, 6]);
}

/// A repeated rotation has no further effect if the first answer was lost, whatever version it was for.
pub async fn a_rotation_can_be_repeated(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    for scheme in [SigningScheme::HmacSha256, SigningScheme::Ed25519] {
        let (webhook, old) = webhook(&scene, scheme).await;
        let until = scene.now().await + DAY;
        let once = SecretRotation { versions: Some(vec![1]), ..rotation(&scene, scheme, Some(until)).await };
        let rotated = rotate(&scene, webhook.id, &once).await;
        let again = SecretRotation { at: scene.moment().await, previous_until: None, ..once };
        assert_eq!(rotate(&scene, webhook.id, &again).await, rotated);
        let secrets = signing(&scene, webhook.id).await;
        assert_eq!((secrets.current, secrets.previous), (again.secret, Some((old, until))));
    }
}
