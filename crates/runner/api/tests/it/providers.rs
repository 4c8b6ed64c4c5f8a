//! `GET /providers`.

use std::sync::atomic::Ordering;

use serde_json::json;

use crate::scene::Scene;

#[tokio::test(start_paused = true)]
async fn providers_are_listed_with_what_they_can_do() {
    let scene = Scene::new();
    let list = scene.get("/providers").await.expect(200).json();
    let claude = json!({
        "name": "claude", "default": true, "available": true, "unavailable_reason": null, "version": "2.1.0",
        "capabilities":
            { "resume": true, "fork": true, "max_turns": true, "max_budget": true, "full_permissions": true }
    });
    assert_eq!(list["data"][0], claude);
    let opencode = &list["data"][1];
    assert_eq!((&opencode["default"], &opencode["available"]), (&json!(false), &json!(false)));
    assert!(opencode["unavailable_reason"].as_str().unwrap().contains("npm install"));
    assert_eq!(opencode["capabilities"]["max_budget"], json!(false));
    let slow = &list["data"][2];
    assert!(slow["unavailable_reason"].as_str().unwrap().contains("5 s"), "{slow}");
    assert_eq!(list["has_more"], json!(false));
    let refused = scene.get("/providers?limit=1").await.refused(422, "validation_failed");
    assert_eq!(refused.places(), ["?limit"]);
}

#[tokio::test(start_paused = true)]
async fn an_agent_is_probed_once_in_a_while() {
    let scene = Scene::new();
    let probes = || scene.agents.iter().map(|agent| agent.probes.load(Ordering::SeqCst)).collect::<Vec<_>>();
    let lists = futures_util::future::join_all((0..50).map(|_| scene.get("/providers"))).await;
    assert!(lists.iter().all(|list| list.status == 200 && list.body == lists[0].body));
    assert_eq!(probes(), [1, 1, 1]);
    tokio::time::advance(std::time::Duration::from_secs(31)).await;
    scene.get("/providers").await.expect(200);
    assert_eq!(probes(), [2, 2, 2]);
}
