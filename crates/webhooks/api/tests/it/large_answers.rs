//! Large items in lists.

use serde_json::{Value, json};

use crate::scene::Scene;

#[tokio::test]
async fn a_list_of_events_shows_no_large_data() {
    let scene = Scene::new();
    let mut ids = Vec::new();
    for len in [8_000, 9_000] {
        let event = json!({"event": "command.started", "data": {"a": "x".repeat(len)}});
        let accepted = scene.post("/events", event.to_string()).await.expect(202).json();
        ids.push((accepted["id"].as_str().unwrap().to_owned(), event["data"].clone()));
    }
    let listed = scene.get("/events").await.expect(200).json();
    let (small, large) = (&listed["data"][1], &listed["data"][0]);
    assert_eq!(small["data"], ids[0].1);
    assert_eq!(large["data"], Value::Null);
    for (id, data) in ids {
        assert_eq!(scene.get(&format!("/events/{id}")).await.expect(200).json()["data"], data);
    }
}

#[tokio::test]
async fn a_page_of_large_items_ends_early_and_the_next_one_continues() {
    let scene = Scene::new();
    let schema = json!({"description": "x".repeat(60_000)});
    let names: Vec<String> = (0..40).map(|number| format!("large.number{number:02}")).collect();
    for name in &names {
        let body = json!({"schema": schema}).to_string();
        scene.json("PUT", &format!("/event-types/{name}"), body).await.expect(201);
    }
    let (mut listed, mut pages, mut path) = (Vec::new(), 0, "/event-types?limit=100".to_owned());
    loop {
        let answer = scene.get(&path).await.expect(200);
        assert!(answer.body.len() < 1_200_000, "{} bytes", answer.body.len());
        let page = answer.json();
        let types = page["data"].as_array().unwrap();
        listed.extend(types.iter().map(|one| one["name"].as_str().unwrap().to_owned()));
        pages += 1;
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/event-types?limit=100&cursor={cursor}"),
            None => break,
        }
    }
    assert!(pages > 2, "{pages} pages");
    listed.retain(|name| name.starts_with("large."));
    assert_eq!(listed, names);
}
