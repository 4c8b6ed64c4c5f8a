//! Ids that both the database and the domain derive.

use rdev_webhooks_domain::ports::Entropy;
use rdev_webhooks_domain::{DeliveryId, EventId, Timestamp, WebhookId};
use rdev_webhooks_testkit::SeededEntropy;
use uuid::Uuid;

use crate::store::Scene;

#[tokio::test]
async fn the_database_derives_the_same_delivery_ids_as_the_domain() {
    let scene = Scene::new().await;
    let entropy: &dyn Entropy = &SeededEntropy::new(42);
    let mut pairs = vec![(Uuid::nil(), Uuid::nil()), (Uuid::max(), Uuid::max())];
    pairs.extend((0..500).map(|_| (Uuid::from_bytes(entropy.bytes()), Uuid::from_bytes(entropy.bytes()))));
    let (events, webhooks): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
    let derived: Vec<Uuid> = sqlx::query_scalar(
        "SELECT rdev_webhooks.delivery_id(e, w)
         FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS p(e, w, n) ORDER BY n",
    )
    .bind(&events)
    .bind(&webhooks)
    .fetch_all(&mut scene.database.connect().await)
    .await
    .unwrap();
    let expected = pairs.iter().map(|(event, webhook)| {
        DeliveryId::derive(EventId::from_uuid(*event), WebhookId::from_uuid(*webhook))
    });
    assert_eq!(derived, expected.map(|id| id.as_uuid()).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_database_bounds_times_by_the_same_ids_as_the_domain() {
    let scene = Scene::new().await;
    let mut conn = scene.database.connect().await;
    for micros in [-5_000_000, 0, 999, 1_000, 1_736_937_000_123_456, 253_402_300_799_999_999] {
        let floor: Uuid = sqlx::query_scalar(
            "SELECT rdev_webhooks.id_floor('epoch'::timestamptz + $1::int8 / 1000000 * interval '1 second'
                 + $1::int8 % 1000000 * interval '1 microsecond')",
        )
        .bind(micros)
        .fetch_one(&mut conn)
        .await
        .unwrap();
        assert_eq!(floor, EventId::floor(Timestamp::from_micros(micros)).as_uuid(), "{micros}");
    }
}
