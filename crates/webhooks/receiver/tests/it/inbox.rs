use std::time::Duration;

use rdev_webhooks_receiver::{Inbox, InboxConnection, PRUNE_BATCH};
use rdev_webhooks_testkit::postgres::{PostgresServer, TestDatabase};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{Connection, PgPool, SqlitePool};
use tempfile::TempDir;
use tokio::sync::oneshot;

async fn postgres() -> (TestDatabase, PgPool) {
    let create = async |url: String| {
        let mut conn = sqlx::PgConnection::connect(&url).await?;
        // It can be repeated.
        Inbox::create_table(&mut conn).await?;
        Inbox::create_table(&mut conn).await?;
        conn.close().await
    };
    let database = PostgresServer::shared().await.database(create).await;
    let pool = PgPool::connect(&database.url()).await.unwrap();
    (database, pool)
}

async fn sqlite() -> (TempDir, SqlitePool) {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new().filename(folder.path().join("app.db")).create_if_missing(true);
    let pool = SqlitePool::connect_with(options.journal_mode(SqliteJournalMode::Wal)).await.unwrap();
    Inbox::create_table(&mut pool.acquire().await.unwrap()).await.unwrap();
    (folder, pool)
}

/// Each webhook is new once, on one connection.
async fn is_new_once(conn: &mut impl InboxConnection) {
    for (source, id, first) in [
        ("rdev", "evt_1", true),
        ("rdev", "evt_1", false),
        ("rdev", "evt_2", true),
        ("other", "evt_1", true),
        ("other", "evt_1", false),
    ] {
        assert_eq!(Inbox::first_time(conn, source, id).await.unwrap(), first, "{source} {id}");
    }
}

/// Old ids are deleted and new ones kept.
async fn is_pruned(conn: &mut impl InboxConnection) {
    assert_eq!(Inbox::prune(conn, Duration::MAX).await.unwrap(), 0);
    assert_eq!(Inbox::prune(conn, Duration::from_secs(3_600)).await.unwrap(), 0);
    assert_eq!(Inbox::prune(conn, Duration::ZERO).await.unwrap(), 3);
    assert!(Inbox::first_time(conn, "rdev", "evt_1").await.unwrap());
}

#[tokio::test]
async fn a_webhook_is_new_once_on_postgres() {
    let (_database, pool) = postgres().await;
    let mut conn = pool.acquire().await.unwrap();
    is_new_once(&mut conn).await;
    is_pruned(&mut conn).await;
}

#[tokio::test]
async fn a_webhook_is_new_once_on_sqlite() {
    let (_folder, pool) = sqlite().await;
    let mut conn = pool.acquire().await.unwrap();
    is_new_once(&mut conn).await;
    is_pruned(&mut conn).await;
}

#[tokio::test]
async fn a_rollback_forgets_the_webhook() {
    let (_database, postgres) = postgres().await;
    let mut tx = postgres.begin().await.unwrap();
    assert!(Inbox::first_time(&mut tx, "rdev", "evt_1").await.unwrap());
    tx.rollback().await.unwrap();
    assert!(Inbox::first_time(&mut postgres.acquire().await.unwrap(), "rdev", "evt_1").await.unwrap());

    let (_folder, sqlite) = sqlite().await;
    let mut tx = sqlite.begin().await.unwrap();
    assert!(Inbox::first_time(&mut tx, "rdev", "evt_1").await.unwrap());
    tx.rollback().await.unwrap();
    assert!(Inbox::first_time(&mut sqlite.acquire().await.unwrap(), "rdev", "evt_1").await.unwrap());
}

#[tokio::test]
async fn a_concurrent_repetition_waits_for_the_first() {
    let (_database, pool) = postgres().await;
    for commits in [true, false] {
        let id = format!("evt_{commits}");
        let mut first = pool.begin().await.unwrap();
        assert!(Inbox::first_time(&mut first, "rdev", &id).await.unwrap());
        let (sender, receiver) = oneshot::channel();
        let mut second = pool.begin().await.unwrap();
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *second).await.unwrap();
        let repeated = id.clone();
        let waiting = tokio::spawn(async move {
            sender.send(Inbox::first_time(&mut second, "rdev", &repeated).await.unwrap()).unwrap();
        });
        let is_waiting = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1";
        while !sqlx::query_scalar::<_, Option<bool>>(is_waiting)
            .bind(pid)
            .fetch_one(&pool)
            .await
            .unwrap()
            .unwrap_or(false)
        {}
        if commits {
            first.commit().await.unwrap();
        } else {
            first.rollback().await.unwrap();
        }
        assert_eq!(receiver.await.unwrap(), !commits);
        waiting.await.unwrap();
    }
}

#[tokio::test]
async fn a_prune_is_bounded() {
    let (_database, pool) = postgres().await;
    let many = i64::from(PRUNE_BATCH) + 5;
    sqlx::query("INSERT INTO webhook_inbox SELECT 'rdev', 'evt_' || n FROM generate_series(1, $1) n")
        .bind(many)
        .execute(&pool)
        .await
        .unwrap();
    let mut conn = pool.acquire().await.unwrap();
    assert_eq!(Inbox::prune(&mut conn, Duration::ZERO).await.unwrap(), u64::from(PRUNE_BATCH));
    assert_eq!(Inbox::prune(&mut conn, Duration::ZERO).await.unwrap(), 5);
}

#[tokio::test]
async fn the_statements_of_the_documentation_are_an_inbox() {
    let page = include_str!("../../../../../docs/RECEIVING.md");
    let block = page.split("```sql\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let [create, insert, prune] =
        block.split(";\n").filter(|text| !text.trim().is_empty()).collect::<Vec<_>>()[..]
    else {
        panic!("{block}")
    };
    let (_database, pool) = postgres().await;
    let mut conn = pool.acquire().await.unwrap();
    sqlx::raw_sql("DROP TABLE webhook_inbox").execute(&mut *conn).await.unwrap();
    sqlx::raw_sql(create).execute(&mut *conn).await.unwrap();
    for inserted in [1, 0] {
        let done = sqlx::query(insert).bind("evt_1").execute(&mut *conn).await.unwrap();
        assert_eq!(done.rows_affected(), inserted);
    }
    assert!(
        !Inbox::first_time(&mut conn, "rdev", "evt_1").await.unwrap(),
        "the table is that of the library"
    );
    sqlx::query("UPDATE webhook_inbox SET received_at = now() - interval '41 days'")
        .execute(&mut *conn)
        .await
        .unwrap();
    assert_eq!(sqlx::query(prune).execute(&mut *conn).await.unwrap().rows_affected(), 1);
}
