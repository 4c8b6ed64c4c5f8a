//! `replay`.

use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use rdev_webhooks_client::{Client, NewReplay, Replay, Reply};

use rdev_cli::output::say;
use rdev_cli::times::past;
use rdev_cli::{Failure, Outcome, Session};

/// The time between two looks at a replay.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Id of the webhook
    #[arg(value_name = "WEBHOOK")]
    webhook: String,
    /// Beginning of the range: 2h, yesterday, 2025-01-15T10:30:00Z
    #[arg(long, value_name = "TIME", value_parser = past)]
    since: String,
    /// End of the range [default: now]
    #[arg(long, value_name = "TIME", value_parser = past)]
    until: Option<String>,
    /// Which deliveries: failed, succeeded or cancelled; or missing, for events that the webhook never got
    #[arg(long, value_name = "STATUS", default_value = "failed")]
    status: String,
    /// Only count
    #[arg(long)]
    dry_run: bool,
    /// Wait until all deliveries have ended; exit code 1 if one has not succeeded
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
}

pub(crate) async fn run(session: Session, args: ReplayArgs) -> Outcome {
    let client: Client = session.client()?;
    let replay = NewReplay { since: args.since, until: args.until, status: Some(args.status) };
    if args.dry_run {
        return session.show(client.count_replay(&args.webhook, &replay).await);
    }
    let begun = session.done(client.begin_replay(&args.webhook, &replay).await)?;
    if !args.wait {
        return session.printer.one(begun.json());
    }
    say(&format!("Replay {} goes on if this command is interrupted.", begun.id));
    let bar = ProgressBar::new(begun.count);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} ended, {msg} [{elapsed}]") {
        bar.set_style(style);
    }
    let ended = loop {
        let now = session.done(client.get_replay(&args.webhook, &begun.id).await)?;
        bar.set_length(now.count.max(now.queued));
        bar.set_position(ended(&now));
        bar.set_message(format!("{} succeeded, {} failed", now.succeeded, now.failed));
        if now.state != "running" && now.waiting == 0 {
            break now;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    };
    bar.finish_and_clear();
    report(&session, &ended)
}

fn ended(replay: &Replay) -> u64 {
    replay.succeeded + replay.failed + replay.cancelled
}

fn report(session: &Session, replay: &Reply<Replay>) -> Outcome {
    session.printer.one(replay.json())?;
    let others = replay.failed + replay.cancelled;
    match (replay.state.as_str(), others) {
        ("completed", 0) => Ok(()),
        ("completed", _) => {
            let message = format!("{others} of {} deliveries did not succeed", replay.queued);
            let command = format!("deliveries list --webhook {} --status failed", replay.webhook_id);
            Err(Failure::failed(message).with_command(command))
        }
        (state, _) => Err(Failure::failed(format!("the replay is {state}"))),
    }
}
