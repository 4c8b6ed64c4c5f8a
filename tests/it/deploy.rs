//! Checks the files in deploy/ against the binaries. scripts/check-deploy checks them with the tools that
//! read them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rdev_webhooks_tests::{Client, Deployment, binary};
use tokio::process::Command;

const RULES: &str = "prometheus/rdev-webhooks.rules.yml";

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(file)
}

fn read(file: &str) -> String {
    std::fs::read_to_string(deploy(file)).unwrap()
}

/// Returns the words of a text that begin with `start`.
fn words(text: &str, start: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with(start)).map(str::to_owned).collect()
}

#[tokio::test]
async fn every_variable_that_a_deployment_sets_is_an_option() {
    let mut known = BTreeSet::new();
    for call in ["rdev-webhooks", "rdev-webhooks-api", "rdev-webhooks-worker", "rdev", "rdev runner"] {
        let mut parts = call.split(' ').chain(["--help"]);
        let program = binary(parts.next().unwrap());
        let help = Command::new(program).args(parts).output().await.unwrap();
        known.extend(words(&String::from_utf8(help.stdout).unwrap(), "RDEV_"));
    }
    // An input of compose.yaml itself.
    known.insert("RDEV_USER".to_owned());
    for file in [
        "Dockerfile",
        "compose.yaml",
        "kubernetes/rdev.yaml",
        "systemd/rdev-webhooks.service",
        "systemd/rdev-webhooks-api.service",
        "systemd/rdev-webhooks-worker.service",
    ] {
        let set = words(&read(file), "RDEV_");
        // The bare prefix stands in the units' comments.
        let unknown: Vec<_> = set.difference(&known).filter(|name| *name != "RDEV_").collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_show_every_series_that_an_alert_uses() {
    let deployment = Deployment::start().await;
    let (api, client) = deployment.further_api().await;
    let worker = deployment.worker().await;
    let admin = Client::new(&worker.base(), "no key is needed here");
    client.get("/webhooks").await;
    let mut shown = BTreeSet::new();
    for client in [&client, &admin] {
        let metrics = client.until_metrics(|metrics| metrics.contains_key("rdev_webhooks_ready")).await;
        shown.extend(metrics.into_keys().map(|series| series.split('{').next().unwrap().to_owned()));
    }
    let rules = read(RULES);
    let used: BTreeSet<_> =
        words(&rules, "rdev_webhooks_").into_iter().chain(words(&rules, "process_")).collect();
    assert!(used.len() > 10, "{used:?}");
    let missing: Vec<_> = used.difference(&shown).collect();
    assert!(missing.is_empty(), "{missing:?} are not in {shown:?}");
    // Without a worker the API shows the queue's series.
    let alone = client.metrics().await;
    for series in
        ["rdev_webhooks_queue_oldest_due_seconds", "rdev_webhooks_queue_deliveries", "rdev_webhooks_ready"]
    {
        assert!(alone.contains_key(series), "{series}");
    }
    assert!(worker.stop().await.success() && api.stop().await.success());
}
