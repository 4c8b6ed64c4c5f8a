//! Commands.

use std::time::Duration;

use rdev_runner_domain::{FailureReason, Outcome, Progress, Timeout};
use serde_json::json;

use crate::scene::{Scene, ended, message};

#[tokio::test]
async fn a_command_has_what_was_asked_for_and_the_rest_of_its_project() {
    let scene = Scene::new();
    let project = json!({
        "name": "p", "provider": "opencode", "limits": { "wall_ms": 5_000, "idle_ms": 6_000 },
        "permissions": "read-only", "allowed_tools": ["Read"], "denied_tools": ["Edit"], "secrets": ["A"]
    });
    scene.post("/projects", project).await.expect(201);
    let queued = scene.post("/projects/p/commands", json!({ "prompt": "x" })).await.expect(202);
    let id = queued.member("id");
    assert_eq!(queued.header("location"), format!("/commands/{id}"));
    let shown = scene.shown(&id).await;
    assert_eq!((&shown["type"], &shown["status"]), (&json!("opencode"), &json!("queued")));
    assert_eq!((&shown["waiting_for"], &shown["position"]), (&json!("runner"), &json!(1)));
    let request = &shown["request"];
    assert_eq!(request["limits"]["wall_ms"], 5_000);
    assert_eq!((&request["permissions"], &request["session"]), (&json!("read-only"), &json!(null)));
    assert_eq!((&request["allowed_tools"], &request["secrets"]), (&json!(["Read"]), &json!(["A"])));

    let own = json!({
        "type": "claude", "prompt": " fix it\n", "session": { "resume": "ses-7" }, "model": "sonnet",
        "limits": { "idle_ms": null, "max_turns": 3, "max_budget_usd": 0.5 }, "permissions": "full",
        "allowed_tools": [], "denied_tools": ["Bash(rm *)"], "secrets": []
    });
    let id = scene.post("/projects/p/commands", &own).await.expect(202).member("id");
    let shown = scene.shown(&id).await;
    assert_eq!((&shown["type"], &shown["session"]), (&json!("claude"), &json!("ses-7")));
    for member in ["prompt", "session", "model", "permissions", "allowed_tools", "denied_tools", "secrets"] {
        assert_eq!(shown["request"][member], own[member], "{member}");
    }
    let limits = json!({
        "wall_ms": 5_000, "idle_ms": 300_000, "tool_idle_ms": 1_800_000, "start_ms": 30_000,
        "max_turns": 3, "max_budget_usd": 0.5
    });
    assert_eq!(shown["request"]["limits"], limits);
}

#[tokio::test]
async fn a_command_is_shown_through_its_life() {
    let scene = Scene::with_project().await;
    let id = scene.command("x").await;
    let second = scene.command("y").await;
    let leased = scene.claim().await;
    assert_eq!(scene.shown(&id).await["status"], "starting");
    let waits = scene.shown(&second).await;
    assert_eq!((&waits["waiting_for"], &waits["position"]), (&json!("project"), &json!(1)));
    scene.report(&leased, 0, vec![message("hi")], Progress::Running).await;
    let running = scene.shown(&id).await;
    assert_eq!((&running["status"], &running["last_seq"]), (&json!("running"), &json!(1)));
    assert_eq!((&running["waiting_for"], &running["result"]), (&json!(null), &json!(null)));
    scene.complete(&leased, 1).await;
    let done = scene.shown(&id).await;
    let result = json!({
        "text": "Done.", "reason": null, "detail": null, "exit_code": 0, "duration_ms": 5_432, "session": "ses-1",
        "usage": { "input_tokens": 3, "output_tokens": 4, "cache_read_tokens": 0, "cache_write_tokens": 0 },
        "cost_usd": 0.25, "denials": [], "changes": null
    });
    assert_eq!(
        (&done["status"], &done["result"], &done["session"]),
        (&json!("completed"), &result, &json!("ses-1"))
    );
    assert!(done["created_at"].is_string() && done["started_at"].is_string() && done["ended_at"].is_string());
}

#[tokio::test]
async fn every_end_has_its_reason_and_exit_code() {
    let scene = Scene::with_project().await;
    for (outcome, status, reason, exit_code) in [
        (Outcome::Failed(FailureReason::ApiError), "failed", "api_error", 1),
        (Outcome::Cancelled, "cancelled", "cancelled", 130),
        (Outcome::TimedOut(Timeout::Idle), "timed_out", "idle", 124),
    ] {
        let id = scene.command("x").await;
        let leased = scene.claim().await;
        scene.report(&leased, 0, Vec::new(), ended(outcome)).await;
        let shown = scene.shown(&id).await;
        assert_eq!(shown["status"], status);
        assert_eq!(
            (&shown["result"]["reason"], &shown["result"]["exit_code"]),
            (&json!(reason), &json!(exit_code))
        );
    }
}

#[tokio::test]
async fn commands_are_listed_newest_first_and_filtered() {
    let scene = Scene::with_project().await;
    scene.post("/projects", r#"{"name":"other","provider":"opencode"}"#).await.expect(201);
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(scene.command(&n.to_string()).await);
    }
    scene.clock.advance(Duration::from_millis(1));
    let other = scene.post("/projects/other/commands", r#"{"prompt":"x"}"#).await.expect(202).member("id");
    let list = async |query: &str| {
        let list = scene.get(&format!("/commands{query}")).await.expect(200).json();
        let data = list["data"].as_array().unwrap().iter();
        (data.map(|command| command["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>(), list)
    };
    let all: Vec<_> = ids.iter().chain([&other]).rev().cloned().collect();
    assert_eq!(list("").await.0, all);
    let (first, page) = list("?limit=4").await;
    let cursor = page["next_cursor"].as_str().unwrap();
    let (rest, page) = list(&format!("?limit=4&cursor={cursor}")).await;
    assert_eq!([first, rest].concat(), all);
    assert_eq!(page["next_cursor"], json!(null));
    for query in ["?project=other", "?type=opencode", "?type=opencode&status=queued&project=other"] {
        assert_eq!(list(query).await.0, std::slice::from_ref(&other), "{query}");
    }
    for query in ["?status=running", "?project=none", "?type=none"] {
        assert!(list(query).await.0.is_empty(), "{query}");
    }
    let waiting = list("?project=other").await.1;
    assert_eq!(waiting["data"][0]["waiting_for"], "runner");
}

#[tokio::test]
async fn a_command_is_cancelled_until_it_has_ended() {
    let scene = Scene::with_project().await;
    let queued = scene.command("x").await;
    let cancelled = scene.post(&format!("/commands/{queued}/cancel"), "").await.expect(202);
    assert_eq!(cancelled.member("status"), "cancelled");
    scene.post(&format!("/commands/{queued}/cancel"), "{}").await.refused(409, "command_ended");

    let started = scene.command("y").await;
    let leased = scene.claim().await;
    for _ in 0..2 {
        let cancelling = scene.post(&format!("/commands/{started}/cancel"), "").await.expect(202);
        assert_eq!(cancelling.member("status"), "cancelling");
    }
    scene.report(&leased, 0, Vec::new(), ended(Outcome::Cancelled)).await;
    scene.post(&format!("/commands/{started}/cancel"), "").await.refused(409, "command_ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancellation_that_races_with_the_end_gets_one_answer() {
    let scene = Scene::with_project().await;
    for _ in 0..50 {
        let id = scene.command("x").await;
        let leased = scene.claim().await;
        let path = format!("/commands/{id}/cancel");
        let (first, second, ()) =
            tokio::join!(scene.post(&path, ""), scene.post(&path, ""), scene.complete(&leased, 0));
        for answer in [first, second] {
            match answer.status.as_u16() {
                202 => assert!(["cancelling", "completed"].contains(&answer.member("status").as_str())),
                _ => drop(answer.refused(409, "command_ended")),
            }
        }
        assert_eq!(scene.shown(&id).await["status"], "completed");
    }
}

#[tokio::test]
async fn a_command_runs_again_as_a_new_one() {
    let scene = Scene::with_project().await;
    let body = json!({ "prompt": "x", "type": "opencode", "permissions": "read-only" });
    let id = scene.post("/projects/my-project/commands", body).await.expect(202).member("id");
    scene.json("PATCH", "/projects/my-project", json!({ "secrets": ["A"] })).await.expect(200);
    let again = scene.post(&format!("/commands/{id}/run-again"), "").await.expect(202);
    let new = again.member("id");
    assert_eq!(again.header("location"), format!("/commands/{new}"));
    assert_ne!(new, id);
    assert_eq!(scene.shown(&new).await["request"], scene.shown(&id).await["request"]);
    scene.registry.remove(&"opencode".parse().unwrap());
    let refused = scene.post(&format!("/commands/{id}/run-again"), "").await;
    let refused = refused.refused(409, "command_not_repeatable");
    assert!(refused.member("detail").contains("no provider is named `opencode`"), "{refused:?}");
}

#[tokio::test]
async fn only_an_ended_command_is_deleted() {
    let scene = Scene::with_project().await;
    let id = scene.command("x").await;
    let path = format!("/commands/{id}");
    scene.call("DELETE", &path, &[]).await.refused(409, "command_not_ended");
    let leased = scene.claim().await;
    scene.call("DELETE", &path, &[]).await.refused(409, "command_not_ended");
    scene.complete(&leased, 0).await;
    scene.call("DELETE", &path, &[]).await.expect(204);
    scene.call("DELETE", &path, &[]).await.refused(404, "not_found");
    scene.get(&path).await.refused(404, "not_found");
    scene.get(&format!("{path}/events")).await.refused(404, "not_found");
}
