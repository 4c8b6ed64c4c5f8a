//! `providers`.

use rdev_cli::table::Column;
use rdev_cli::{Outcome, Session};
use rdev_client::Reply;
use rdev_runner_client::Client;

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("DEFAULT", "default"),
    ("AVAILABLE", "available"),
    ("VERSION", "version"),
    ("REASON", "unavailable_reason"),
];

pub(crate) async fn run(session: Session) -> Outcome {
    let client: Client = session.client()?;
    let providers = session.done(client.list_providers().await)?;
    let items: Vec<_> = providers.data.iter().map(Reply::json).collect();
    session.printer.list(COLUMNS, &items)
}
