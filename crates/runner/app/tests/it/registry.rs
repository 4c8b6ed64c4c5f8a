//! The registry of agents.

use std::sync::Arc;

use rdev_runner_app::{AgentRegistry, DemoAgent, DuplicateAgent};
use rdev_runner_domain::{AgentProvider, AgentRequestError, PermissionProfile, RequestDraft, Session};
use rdev_runner_testkit::draft;

fn provider(name: &str) -> AgentProvider {
    name.parse().unwrap()
}

fn registry(names: &[&str]) -> AgentRegistry {
    let registry = AgentRegistry::new();
    for name in names {
        registry.register(Arc::new(DemoAgent::new(provider(name)))).unwrap();
    }
    registry
}

fn names(registry: &AgentRegistry) -> Vec<String> {
    registry.agents().iter().map(|agent| agent.provider().to_string()).collect()
}

#[test]
fn the_first_registered_agent_is_the_default() {
    let registry = registry(&["one", "two"]);
    assert_eq!(registry.default_agent().unwrap().provider(), &provider("one"));
    assert_eq!(registry.get(&provider("two")).unwrap().provider(), &provider("two"));
    assert_eq!(names(&registry), ["one", "two"]);
}

#[test]
fn a_duplicate_is_refused_and_replaces_nothing() {
    let registry = registry(&["one", "two"]);
    let first = registry.get(&provider("one")).unwrap();
    let duplicate = registry.register(Arc::new(DemoAgent::new(provider("one"))));
    assert_eq!(duplicate, Err(DuplicateAgent(provider("one"))));
    assert!(Arc::ptr_eq(&first, &registry.get(&provider("one")).unwrap()));
    assert_eq!(names(&registry), ["one", "two"]);
}

#[test]
fn a_removed_default_promotes_the_next() {
    let registry = registry(&["one", "two", "three"]);
    assert!(registry.remove(&provider("two")).is_some());
    assert_eq!(registry.default_agent().unwrap().provider(), &provider("one"));
    assert!(registry.remove(&provider("one")).is_some());
    assert_eq!(registry.default_agent().unwrap().provider(), &provider("three"));
    assert!(registry.remove(&provider("one")).is_none());
    // The name is free again, and its next agent comes last.
    registry.register(Arc::new(DemoAgent::new(provider("one")))).unwrap();
    assert_eq!(names(&registry), ["three", "one"]);
}

#[test]
fn an_empty_registry_has_no_default() {
    assert_eq!(AgentRegistry::new().default_agent().err(), Some(AgentRequestError::NoProvider));
}

#[test]
fn a_request_is_checked_for_its_provider() {
    let registry = registry(&["demo"]);
    let known = RequestDraft { provider: provider("demo"), ..draft(1, "Hello.") };
    assert!(registry.check(known.clone()).is_ok());
    let resume = RequestDraft { session: Session::Resume("ses_1".parse().unwrap()), ..known };
    assert_eq!(registry.check(resume), Err(vec![AgentRequestError::ResumeUnsupported(provider("demo"))]));
}

#[test]
fn an_unknown_provider_is_reported_with_the_faults_of_any_provider() {
    let unknown = RequestDraft {
        provider: provider("unknown"),
        session: Session::Resume("ses_1".parse().unwrap()),
        permissions: PermissionProfile::Full,
        ..draft(1, " ")
    };
    let faults = registry(&["demo"]).check(unknown).unwrap_err();
    let expected =
        [AgentRequestError::UnknownProvider(provider("unknown")), AgentRequestError::PromptRequired];
    assert_eq!(faults, expected);
    assert_eq!(faults[0].pointer(), "/type");
}

#[test]
fn threads_that_register_one_name_succeed_once() {
    let registry = AgentRegistry::new();
    let registered: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let own = format!("agent-{:?}", std::thread::current().id());
                    let own: String = own.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
                    let agents = [own.to_lowercase(), "shared".to_owned()];
                    let agents = agents.map(|name| Arc::new(DemoAgent::new(provider(&name))));
                    agents.map(|agent| usize::from(registry.register(agent).is_ok())).iter().sum::<usize>()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(registered, 9);
    assert_eq!(names(&registry).iter().filter(|name| *name == "shared").count(), 1);
}
