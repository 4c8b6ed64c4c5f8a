//! The API over the databases.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use rdev_app::SystemClock;
use rdev_webhooks::Publisher;
use rdev_webhooks::keyring::{EncryptionKey, Keyring};
use rdev_webhooks_testkit::postgres::PostgresServer;
use serde_json::json;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};

use crate::scene::{Scene, request};

/// Returns a keyring of one key, always the same.
fn keyring() -> Keyring {
    Keyring::new(EncryptionKey::generate([7; 32]))
}

/// Runs a command through its life, with many clients at once.
async fn a_command_lives(scene: Scene) {
    let key = scene.key(&[&rdev_access::scopes::COMMANDS_WRITE], &["my-project"]).await;
    let body = json!({ "prompt": "x".repeat(100_000), "limits": { "max_budget_usd": 0.1 } }).to_string();
    let once = async || {
        let headers =
            [("content-type", "application/json"), ("idempotency-key", "k"), ("authorization", key.as_str())];
        scene.send(request("POST", "/projects/my-project/commands", &headers, body.clone())).await
    };
    let answers = join_all((0..50).map(|_| once())).await;
    assert!(answers.iter().all(|answer| matches!(answer.status.as_u16(), 202 | 409)), "{answers:?}");
    let id = once().await.expect(202).member("id");
    let list = scene.get("/commands?project=my-project&status=queued").await.expect(200).json();
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    assert_eq!((&list["data"][0]["id"], &list["data"][0]["waiting_for"]), (&json!(id), &json!("runner")));

    let before = scene.counting.calls();
    let streams = join_all((0..1_000).map(|_| scene.stream(&id, &[]))).await;
    let joined = scene.counting.calls() - before;
    let leased = scene.claim().await;
    for number in 1..=100 {
        scene.say(&leased, number - 1, &[number.to_string()]).await;
    }
    scene.complete(&leased, 100).await;
    for (numbers, (event, _, command)) in
        join_all(streams.into_iter().map(|stream| stream.read_to_end())).await
    {
        assert_eq!(numbers, (1..=100).collect::<Vec<_>>());
        assert_eq!((event.as_str(), &command["status"]), ("end", &json!("completed")));
    }
    // Joining costs one look at the command; the reader may look meanwhile.
    assert!(joined < 100, "{joined} statements for 1,000 streams that join");
    assert!(scene.counting.calls() - before < 500, "{} statements", scene.counting.calls() - before);

    let page = scene.get(&format!("/commands/{id}/events?limit=100")).await.expect(200).json();
    assert_eq!(page["data"][99]["text"], "100");
    let stale = [("if-match", "\"7\"")];
    scene.call("DELETE", "/projects/my-project", &stale).await.refused(412, "version_mismatch");
    scene.post(&format!("/commands/{id}/cancel"), "").await.refused(409, "command_ended");
    let again = scene.post(&format!("/commands/{id}/run-again"), "").await.expect(202).member("id");
    scene.call("DELETE", "/projects/my-project", &[]).await.refused(409, "project_in_use");
    let stream = scene.stream(&again, &[]).await;
    let cancel = format!("/commands/{again}/cancel");
    let cancels = join_all((0..10).map(|_| scene.post(&cancel, ""))).await;
    assert_eq!(cancels.iter().filter(|answer| answer.status == 202).count(), 1);
    assert_eq!(stream.read_to_end().await.1.2["status"], "cancelled");
    scene.call("DELETE", &format!("/commands/{id}"), &[]).await.expect(204);
    scene.call("DELETE", "/projects/my-project", &[]).await.expect(204);
    assert_eq!(scene.shown(&again).await["status"], "cancelled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_lives_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rdev.db");
    rdev_webhooks::migrate(format!("sqlite://{}", path.display())).await.unwrap();
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(Duration::from_secs(20));
    let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await.unwrap();
    rdev_runner_store_sqlite::migrate(&pool).await.unwrap();
    let publisher = Publisher::open(&pool).await.unwrap();
    let store =
        rdev_runner_store_sqlite::SqliteCommands::new(pool, publisher, Arc::new(SystemClock), keyring());
    a_command_lives(Scene::over(Arc::new(store)).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_lives_on_postgres() {
    let server = PostgresServer::shared().await;
    let database = server.database(async |url| rdev_webhooks::migrate(url).await).await;
    let pool = PgPoolOptions::new().max_connections(4).connect(&database.url()).await.unwrap();
    rdev_runner_store_postgres::migrate(&pool).await.unwrap();
    let publisher = Publisher::open(&pool).await.unwrap();
    let store = rdev_runner_store_postgres::PostgresCommands::new(pool, publisher, keyring());
    a_command_lives(Scene::over(Arc::new(store)).await).await;
}
