//! `rdev-webhooks demo`: one delivery from the subscription to its success, reported as it happens.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use rdev_process::program;
use rdev_webhooks::access::Ids;
use rdev_webhooks::domain::{
    Access, DeliveryId, DeliveryState, DestinationPolicy, PageRequest, WebhookSettings,
};
use rdev_webhooks::keyring::{EncryptionKey, Keyring};
use rdev_webhooks::{Ambient, Database, Event, RdevWebhooks, WorkerOptions};
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::receiver::{Receiver, Seen};

mod receiver;

/// Three attempts with the default policy take 15.0 to 16.6 s.
const DEADLINE: Duration = Duration::from_secs(19);
const DATA: &str =
    r#"{"command_id":"cmd-123","project":"my-project","type":"claude","exit_code":0,"duration_ms":5432}"#;

/// Runs the demonstration. The exit code is 0 if everything went as described.
pub(crate) fn run() -> ExitCode {
    program::run(run_demo())
}

async fn run_demo() -> ExitCode {
    match tokio::time::timeout(DEADLINE, demonstrate()).await {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            say(&format!("The demo failed: {error}"));
            ExitCode::FAILURE
        }
        Err(_) => {
            say("The demo failed: the delivery took too long.");
            ExitCode::FAILURE
        }
    }
}

async fn demonstrate() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let ambient = Ambient::system();
    let keyring = Keyring::new(EncryptionKey::generate(ambient.entropy.bytes()));
    let database = Database::sqlite(folder.path().join("rdev.db"));
    let system = RdevWebhooks::builder(database, keyring)
        .destinations(DestinationPolicy::new(vec!["127.0.0.0/8".parse()?]))
        .open()
        .await?;
    system.start_worker(WorkerOptions::default());

    let (seen, mut requests) = mpsc::channel(16);
    let receiver = Receiver::listen(seen).await?;
    say(&format!("A receiver listens on {}. It responds with 500, 500 and then 200.", receiver.url()));
    let events = ["command.completed".parse()?, "command.failed".parse()?];
    let created = system
        .webhooks()
        .create(WebhookSettings::new(receiver.url().parse()?, events), None, true, Ids::fresh())
        .await?;
    receiver.trust(&created.secret);
    say(&format!("Webhook {} subscribes to command.completed and command.failed.", created.webhook.id));

    let published = system.publisher().publish(event()?).await?;
    let started = Instant::now();
    let delivery = DeliveryId::derive(published.id, created.webhook.id);
    say(&format!("Event {} is stored with delivery {delivery}.\n", published.id));

    let mut all_verified = true;
    for number in 1..=3 {
        let request = requests.recv().await.ok_or("the receiver stopped")?;
        all_verified &= request.verified.is_ok();
        say(&account(number, started.elapsed(), &request));
        say(&waiting(&system, &ambient, delivery).await?);
    }
    tell_history(&system, delivery).await?;
    system.stop(Duration::from_secs(1)).await?;
    if all_verified { Ok(()) } else { Err("a signature did not verify".into()) }
}

fn event() -> Result<Event, Box<dyn Error>> {
    Ok(Event::new("command.completed").occurred_at("2025-01-15T10:30:00Z".parse()?).data(DATA))
}

/// Describes a request that the receiver got.
fn account(number: u32, after: Duration, request: &Seen) -> String {
    let signature = match &request.verified {
        Ok(()) => "its signature verifies".to_owned(),
        Err(error) => format!("its signature does NOT verify: {error}"),
    };
    format!(
        "{:>5.1} s  attempt {number}: POST of {} bytes, {signature}; response {}",
        after.as_secs_f64(),
        request.body_len,
        request.answered
    )
}

/// Waits until the attempt is recorded, and describes the next step.
async fn waiting(system: &RdevWebhooks, ambient: &Ambient, id: DeliveryId) -> Result<String, Box<dyn Error>> {
    loop {
        let found = system.history().get(Access::everything(), id).await?;
        let record = found.ok_or("the delivery was not found")?;
        match record.delivery.state {
            DeliveryState::Pending { .. } | DeliveryState::InFlight { .. } => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            DeliveryState::Retrying { due_at } => {
                let wait = due_at.since(ambient.clock.now()).as_secs_f64();
                return Ok(format!("         retrying in {wait:.1} s"));
            }
            other => return Ok(format!("         status: {}\n", other.status().as_str())),
        }
    }
}

async fn tell_history(system: &RdevWebhooks, id: DeliveryId) -> Result<(), Box<dyn Error>> {
    say("The recorded history:");
    let page = PageRequest { limit: 10, before: None };
    for attempt in system.history().attempts(id, page).await?.items.iter().rev() {
        let result = match &attempt.outcome.failure {
            None => "delivered".to_owned(),
            Some(failure) => failure.detail.clone(),
        };
        let took = attempt.duration.as_secs_f64() * 1_000.0;
        say(&format!("  attempt {} at {} took {took:.1} ms: {result}", attempt.number, attempt.started_at));
    }
    Ok(())
}

/// Prints a line. A closed standard output ends the report, not the demonstration.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
