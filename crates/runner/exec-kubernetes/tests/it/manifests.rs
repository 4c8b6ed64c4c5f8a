//! The manifests in `deploy/kubernetes` are what a cluster takes, and have the rights that the backend uses.

use std::collections::BTreeSet;
use std::fmt::Debug;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use rdev_runner_testkit::ClusterOptions;
use rdev_runner_testkit::exec::start;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Scene;

const RUNNER: &str = include_str!("../../../../../deploy/kubernetes/runner.yaml");
const PROJECT: &str = include_str!("../../../../../deploy/kubernetes/project.yaml");

/// Returns the object of a kind. Each of its members is one that the kind has.
fn object<T: DeserializeOwned + Serialize + Debug>(manifest: &str, kind: &str) -> T {
    let documents = manifest.split("\n---\n").map(|text| serde_saphyr::from_str::<Value>(text).unwrap());
    let of_kind: Vec<_> = documents.filter(|document| document["kind"] == kind).collect();
    let [document] = of_kind.try_into().expect("one object of the kind");
    let object: T = serde_json::from_value(document.clone()).unwrap();
    assert_eq!(serde_json::to_value(&object).unwrap(), document);
    object
}

#[test]
fn the_manifests_are_whole() {
    let account: ServiceAccount = object(RUNNER, "ServiceAccount");
    let role: Role = object(RUNNER, "Role");
    let binding: RoleBinding = object(RUNNER, "RoleBinding");
    assert_eq!(binding.role_ref.name, role.metadata.name.unwrap());
    assert_eq!(binding.metadata.namespace, role.metadata.namespace);
    let subject = binding.subjects.unwrap().pop().unwrap();
    assert_eq!((Some(subject.name), subject.namespace), (account.metadata.name, account.metadata.namespace));
    let project: StatefulSet = object(PROJECT, "StatefulSet");
    let spec = project.spec.unwrap();
    assert_eq!(spec.selector.match_labels, spec.template.metadata.unwrap().labels);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_role_has_the_rights_that_are_used() {
    let scene = Scene::new(ClusterOptions::default());
    start(&scene, "one", "true").await.end().await;
    let uses = |line: &str| {
        let request: Value = serde_json::from_str(line).unwrap();
        let path = request["path"].as_str().unwrap().split('?').next().unwrap().to_owned();
        let parts: Vec<_> = path.split('/').skip(6).collect();
        match parts[..] {
            [] => ("pods", "list"),
            [_] => ("pods", "get"),
            [_, "exec"] => ("pods/exec", "get"),
            _ => panic!("{path}"),
        }
    };
    let requests = scene.cluster.requests();
    let used: BTreeSet<_> = requests.lines().map(uses).collect();
    let role: Role = object(RUNNER, "Role");
    let rules = role.rules.unwrap();
    let granted: BTreeSet<_> = rules
        .iter()
        .flat_map(|rule| {
            let resources = rule.resources.iter().flatten();
            resources
                .flat_map(|resource| rule.verbs.iter().map(move |verb| (resource.as_str(), verb.as_str())))
        })
        .collect();
    let needed = used.into_iter().chain([("pods/exec", "create")]).collect();
    assert_eq!(granted, needed);
}
