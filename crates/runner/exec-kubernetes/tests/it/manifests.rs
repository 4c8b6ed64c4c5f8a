//! The manifests in `deploy/kubernetes` are what a cluster takes, and have the rights that the backend uses.

use std::collections::BTreeSet;
use std::fmt::Debug;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Service, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use rdev_runner_testkit::ClusterOptions;
use rdev_runner_testkit::exec::start;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Scene;

const RUNNER: &str = include_str!("../../../../../deploy/kubernetes/runner.yaml");
const DEPLOYMENT: &str = include_str!("../../../../../deploy/kubernetes/rdev.yaml");
const PROJECT: &str = include_str!("../../../../../deploy/kubernetes/project.yaml");

/// Returns the objects of a kind. Each of their members is one that the kind has.
fn objects<T: DeserializeOwned + Serialize + Debug>(manifest: &str, kind: &str) -> Vec<T> {
    let documents = manifest.split("\n---\n").map(|text| serde_saphyr::from_str::<Value>(text).unwrap());
    let of_kind = documents.filter(|document| document["kind"] == kind);
    let read = |document: Value| {
        let object: T = serde_json::from_value(document.clone()).unwrap();
        assert_eq!(serde_json::to_value(&object).unwrap(), document);
        object
    };
    of_kind.map(read).collect()
}

/// Returns the only object of a kind.
fn object<T: DeserializeOwned + Serialize + Debug>(manifest: &str, kind: &str) -> T {
    let [object] = objects(manifest, kind).try_into().expect("one object of the kind");
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

#[test]
fn the_deployments_are_whole_and_only_runners_have_rights() {
    let account: ServiceAccount = object(RUNNER, "ServiceAccount");
    let service: Service = object(DEPLOYMENT, "Service");
    let deployments: Vec<Deployment> = objects(DEPLOYMENT, "Deployment");
    assert_eq!(deployments.len(), 3);
    let mut served = 0;
    for deployment in deployments {
        let (name, spec) = (deployment.metadata.name.unwrap(), deployment.spec.unwrap());
        assert_eq!(deployment.metadata.namespace, account.metadata.namespace, "{name}");
        let labels = spec.template.metadata.unwrap().labels;
        assert_eq!(spec.selector.match_labels, labels, "{name}");
        served += usize::from(service.spec.as_ref().unwrap().selector == labels);
        let pod = spec.template.spec.unwrap();
        match pod.service_account_name {
            Some(used) => assert_eq!((&*name, Some(used)), ("rdev-runner", account.metadata.name.clone())),
            None => assert_eq!(pod.automount_service_account_token, Some(false), "{name}"),
        }
        let volumes: BTreeSet<_> = pod.volumes.unwrap().into_iter().map(|volume| volume.name).collect();
        for container in pod.init_containers.into_iter().flatten().chain(pod.containers) {
            let mounts = container.volume_mounts.unwrap().into_iter().map(|mount| mount.name);
            assert_eq!(mounts.collect::<BTreeSet<_>>(), volumes, "{name}");
            assert_eq!(container.security_context.unwrap().read_only_root_filesystem, Some(true), "{name}");
        }
    }
    assert_eq!(served, 1);
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
