use rdev_webhooks_domain::WebhookId;

use super::*;

const SLOTS: usize = 320;

/// Returns so many flights that begin now, each of another webhook.
fn crowd(count: usize, max_parked: usize, now: Instant) -> (Flights, FairShares) {
    let mut flights = Flights::new(max_parked);
    let mut shares = FairShares::new(32, SLOTS, max_parked);
    for n in 0..count {
        let webhook = WebhookId::from_uuid(uuid::Uuid::from_u128(n as u128));
        shares.claimed(webhook);
        flights.begin(Flight { webhook, task: 0, begun: now });
    }
    (flights, shares)
}

#[tokio::test]
async fn early_parking_goes_by_pages_and_by_periods() {
    let begun = Instant::now();
    let (mut flights, mut shares) = crowd(SLOTS, 4_096, begun);
    let mut park = |at: Duration| flights.park_early(SLOTS, true, begun + at, &mut shares);
    assert_eq!(park(PARKED_EARLY_AFTER - Duration::from_millis(1)), 0, "none is old enough");
    let mut pages: Vec<_> = (0..7).map(|n| park(PARKED_EARLY_AFTER + Duration::from_millis(n))).collect();
    assert_eq!(pages, [12, 12, 12, 12, 12, 4, 0], "a page gets 12, a period 64");
    pages = (0..2).map(|n| park(PARKED_EARLY_AFTER * 2 + Duration::from_millis(n))).collect();
    assert_eq!(pages, [12, 12], "the next period starts at zero");
}

#[tokio::test]
async fn no_more_attempts_are_parked_than_there_is_room_for() {
    let begun = Instant::now();
    let (mut flights, mut shares) = crowd(40, 30, begun);
    flights.sweep(begun + PARKED_AFTER, &mut shares);
    assert_eq!((flights.in_slots(), flights.parked()), (10, 30));
    assert_eq!(flights.slot_at(true), None, "no further attempt can be parked");
}
