//! `status` and `version`.

use std::collections::BTreeMap;

use rdev_webhooks_client::{Client, PageRequest, WebhookFilter};
use serde::Serialize;

use rdev_cli::output::say;
use rdev_cli::{Failure, Format, Outcome, Session};

/// What `status` shows.
#[derive(Debug, Serialize)]
struct Status {
    url: String,
    version: Option<String>,
    ready: bool,
    not_ready_reason: Option<String>,
    key: &'static str,
    webhooks: Option<Webhooks>,
    queue: BTreeMap<&'static str, serde_json::Value>,
}

/// The webhooks that the key sees, up to a hundred.
#[derive(Debug, Default, Serialize)]
struct Webhooks {
    enabled: usize,
    disabled: usize,
    circuit_open: usize,
    has_more: bool,
}

/// Metrics that say how the service is doing, with their names here.
const METRICS: &[(&str, &str)] = &[
    ("rdev_webhooks_queue_deliveries", "deliveries"),
    ("rdev_webhooks_queue_oldest_due_seconds", "oldest_due_seconds"),
    ("rdev_webhooks_in_flight", "in_flight"),
    ("rdev_webhooks_deliveries_held", "held"),
];

/// Shows what the service is and how it is doing. Fails if it is not ready.
pub(crate) async fn status(session: Session) -> Outcome {
    let client: Client = session.keyless_client()?;
    let described = session.done(client.description().await)?;
    let readiness = client.check_readiness().await;
    let (key, webhooks) = of_key(&session, &client).await;
    let status = Status {
        url: session.settings.url.value.clone(),
        version: Some(described.info.version.clone()),
        ready: readiness.is_ok(),
        not_ready_reason: readiness.as_ref().err().map(ToString::to_string),
        key,
        webhooks,
        queue: client.metrics().await.map(|text| queue(&text)).unwrap_or_default(),
    };
    let json = serde_json::to_string(&status).map_err(|error| Failure::failed(error.to_string()))?;
    session.printer.one(&json)?;
    match readiness {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::unavailable(format!("the service is not ready: {error}"))),
    }
}

/// Returns whether the key is valid, and the webhooks that it sees.
async fn of_key(session: &Session, client: &Client) -> (&'static str, Option<Webhooks>) {
    if session.settings.api_key.is_none() {
        return ("none", None);
    }
    let page = PageRequest { limit: Some(100), cursor: None };
    match client.list_webhooks(&WebhookFilter::default(), &page).await {
        Ok(page) => {
            let mut counts = Webhooks { has_more: page.has_more, ..Webhooks::default() };
            for webhook in &page.data {
                *(if webhook.enabled { &mut counts.enabled } else { &mut counts.disabled }) += 1;
                counts.circuit_open += usize::from(webhook.circuit.state != "closed");
            }
            ("valid", Some(counts))
        }
        Err(error) => match error.problem().map(|problem| problem.status) {
            Some(401) => ("invalid", None),
            Some(403) => ("valid, without the scope webhooks:read", None),
            _ => ("unknown", None),
        },
    }
}

/// Returns the metrics of the queue; those with labels are added up.
fn queue(text: &str) -> BTreeMap<&'static str, serde_json::Value> {
    let mut found: BTreeMap<_, f64> = BTreeMap::new();
    for (series, value) in text.lines().filter_map(|line| line.rsplit_once(' ')) {
        let name = series.split('{').next().unwrap_or_default();
        if let Some((_, shown)) = METRICS.iter().find(|(metric, _)| *metric == name) {
            *found.entry(*shown).or_insert(0.0) += value.parse().unwrap_or(0.0);
        }
    }
    let shown = |value: f64| match value.to_string().parse::<u64>() {
        Ok(whole) => whole.into(),
        Err(_) => value.into(),
    };
    found.into_iter().map(|(name, value)| (name, shown(value))).collect()
}

/// Shows the versions of this program and of the service.
pub(crate) async fn version(session: Session) -> Outcome {
    let described = match session.keyless_client::<Client>()?.description().await {
        Ok(described) => Some(described.info.version.clone()),
        Err(error) => {
            say(&format!("The server's version is unknown: {error}"));
            None
        }
    };
    let own = env!("CARGO_PKG_VERSION");
    if session.printer.format == Format::Table {
        let server = described.unwrap_or_else(|| "unknown".to_owned());
        return session.printer.print(&format!("{} {own}\nserver {server}", session.program().name));
    }
    let json = serde_json::json!({"client": own, "server": described, "url": session.settings.url.value});
    session.printer.one(&json.to_string())
}
