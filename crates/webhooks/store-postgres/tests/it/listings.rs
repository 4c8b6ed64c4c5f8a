//! Long listings do not delay other calls.

use std::time::Duration;

use rdev_access::ApiKeyHash;
use rdev_access::ports::ApiKeyRepository;
use rdev_webhooks_domain::ports::{DeliveryHistory, DeliveryQueue, EventRepository, WebhookRepository};
use rdev_webhooks_domain::{Access, DeliveryFilter, EventFilter, PageRequest, WebhookFilter};
use tokio::time::timeout;

use crate::store::Scene;

const LONG: Duration = Duration::from_secs(3_600);

/// Returns a store with one connection for listings, without a time limit.
async fn scene() -> Scene {
    Scene::with(|options| {
        options.pools.listing = 1;
        options.listing_timeout = LONG;
        options.acquire_timeout = LONG;
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abandoned_listing_leaves_its_connection_free() {
    let scene = scene().await;
    let _held = scene.holding("LOCK TABLE rdev_webhooks.deliveries IN ACCESS EXCLUSIVE MODE").await;
    for _ in 0..2 {
        let page = PageRequest { limit: 9, before: None };
        let store = scene.store.clone();
        let listing = tokio::spawn(async move {
            DeliveryHistory::list(&store, Access::everything(), &DeliveryFilter::default(), page).await
        });
        scene.something_waits().await;
        listing.abort();
        let page = PageRequest { limit: 9, before: None };
        let all = WebhookFilter::default();
        let other = WebhookRepository::list(&scene.store, Access::everything(), &all, page);
        let found = timeout(Duration::from_secs(20), other).await.expect("the connection is still busy");
        assert!(found.unwrap().items.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_listings_wait_for_listings() {
    let scene = scene().await;
    let _held = scene.holding("LOCK TABLE rdev_webhooks.deliveries IN ACCESS EXCLUSIVE MODE").await;
    let page = PageRequest { limit: 9, before: None };
    let store = scene.store.clone();
    let listing = tokio::spawn(async move {
        EventRepository::list(&store, Access::everything(), &EventFilter::default(), page).await
    });
    scene.something_waits().await;
    let work = async {
        let webhook = scene.webhook().await;
        scene.publish(1).await;
        assert!(scene.store.find(&ApiKeyHash::of(b"unknown")).await.unwrap().is_none());
        scene.store.claim(&scene.claim(webhook.id, 1)).await
    };
    timeout(Duration::from_secs(20), work).await.expect("the call waits for the listing").unwrap();
    listing.abort();
}
