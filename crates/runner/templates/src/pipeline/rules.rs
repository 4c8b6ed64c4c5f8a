//! The rules of Woodpecker's linter besides its schema.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What the rules find in a pipeline.
#[derive(Default)]
pub(super) struct Found {
    /// What Woodpecker refuses.
    pub(super) faults: Vec<String>,
    /// What Woodpecker runs, and is most likely a mistake.
    pub(super) warnings: Vec<String>,
}

/// What a container may have in a repository that its administrator trusts alone.
const TRUSTED: [&str; 5] = ["privileged", "volumes", "dns", "dns_search", "devices"];

/// Checks a pipeline that may not match the schema.
pub(super) fn check(pipeline: &Value) -> Found {
    let mut found = Found::default();
    let steps = containers(pipeline, "steps");
    if steps.is_empty() {
        found.faults.push("/steps: must have a step".to_owned());
    }
    for section in ["clone", "steps", "services"] {
        for container in containers(pipeline, section) {
            found.container(&container);
        }
    }
    for step in &steps {
        found.dependencies(step, &steps);
    }
    found.cycles(&steps);
    found.events(pipeline, &steps);
    found
}

/// A step or a service.
struct Container<'a> {
    /// Its name; empty for a step of a list that has none.
    name: &'a str,
    /// Its place, as messages have it.
    pointer: String,
    members: &'a Map<String, Value>,
}

impl<'a> Container<'a> {
    /// Returns the names of the steps that it waits for, and whether they may be missing.
    fn dependencies(&self) -> impl Iterator<Item = (&'a str, bool)> {
        let named = match self.members.get("depends_on") {
            Some(Value::Array(list)) => list.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        named.iter().filter_map(|dependency| match dependency {
            Value::Object(members) => {
                let is_optional = members.get("optional").and_then(Value::as_bool).unwrap_or(false);
                Some((members.get("name")?.as_str()?, is_optional))
            }
            other => Some((other.as_str()?, false)),
        })
    }
}

/// Returns the containers of a section, which is a map by name or a list.
fn containers<'a>(pipeline: &'a Value, section: &str) -> Vec<Container<'a>> {
    match pipeline.get(section) {
        Some(Value::Object(by_name)) => {
            let container = |(name, value): (&'a String, &'a Value)| {
                let members = value.as_object()?;
                Some(Container { name, pointer: format!("/{section}/{name}"), members })
            };
            by_name.iter().filter_map(container).collect()
        }
        Some(Value::Array(list)) => {
            let container = |(at, value): (usize, &'a Value)| {
                let members = value.as_object()?;
                let name = members.get("name").and_then(Value::as_str).unwrap_or_default();
                Some(Container { name, pointer: format!("/{section}/{at}"), members })
            };
            list.iter().enumerate().filter_map(container).collect()
        }
        _ => Vec::new(),
    }
}

impl Found {
    fn container(&mut self, container: &Container<'_>) {
        let Container { pointer, members, .. } = container;
        let has = |member: &str| members.get(member).is_some_and(|value| !is_empty(value));
        if !has("image") {
            self.faults.push(format!("{pointer}/image: is required"));
        }
        if has("settings") {
            for other in ["commands", "entrypoint"] {
                if has(other) {
                    self.faults.push(format!("{pointer}: cannot have both {other} and settings"));
                }
            }
            if has("environment") {
                self.warnings.push(format!("{pointer}: should not have both environment and settings"));
            }
        } else if members.get("commands").is_some_and(is_empty) && !has("entrypoint") {
            self.faults.push(format!("{pointer}/commands: must have a command"));
        }
        for member in TRUSTED.into_iter().filter(|member| has(member)) {
            self.warnings.push(format!("{pointer}/{member}: works in a trusted repository only"));
        }
    }

    fn dependencies(&mut self, step: &Container<'_>, steps: &[Container<'_>]) {
        for (name, is_optional) in step.dependencies() {
            if !is_optional && steps.iter().all(|step| step.name != name) {
                self.faults.push(format!("{}/depends_on: no step is named {name}", step.pointer));
            }
        }
    }

    /// Finds steps that can never begin because they wait for each other.
    fn cycles(&mut self, steps: &[Container<'_>]) {
        // The number of steps of a name that have not run yet, and who waits for them.
        let mut unfinished: BTreeMap<&str, (usize, Vec<usize>)> = BTreeMap::new();
        for step in steps {
            unfinished.entry(step.name).or_default().0 += 1;
        }
        let mut waits: Vec<usize> = vec![0; steps.len()];
        for (at, step) in steps.iter().enumerate() {
            for (name, _) in step.dependencies() {
                if let Some((_, waiting)) = unfinished.get_mut(name) {
                    waiting.push(at);
                    waits[at] += 1;
                }
            }
        }
        let mut ready: Vec<_> = (0..steps.len()).filter(|at| waits[*at] == 0).collect();
        while let Some(at) = ready.pop() {
            let Some((left, waiting)) = unfinished.get_mut(steps[at].name) else { continue };
            *left -= 1;
            if *left == 0 {
                for waiting in std::mem::take(waiting) {
                    waits[waiting] -= 1;
                    ready.extend((waits[waiting] == 0).then_some(waiting));
                }
            }
        }
        for (step, _) in steps.iter().zip(&waits).filter(|(_, waits)| **waits > 0) {
            self.faults.push(format!("{}/depends_on: the step waits for a cycle of steps", step.pointer));
        }
    }

    /// Warns of steps that run for every event because neither they nor the pipeline select some.
    fn events(&mut self, pipeline: &Value, steps: &[Container<'_>]) {
        if selects_events(pipeline.get("when")) {
            return;
        }
        for step in steps.iter().filter(|step| !selects_events(step.members.get("when"))) {
            self.warnings.push(format!(
                "{}/when: should select events, else the step runs for every one",
                step.pointer
            ));
        }
    }
}

/// Returns whether every condition names events.
fn selects_events(when: Option<&Value>) -> bool {
    let names = |condition: &Value| condition.get("event").is_some_and(|event| !is_empty(event));
    match when {
        Some(Value::Array(conditions)) => !conditions.is_empty() && conditions.iter().all(names),
        Some(condition) => names(condition),
        None => false,
    }
}

/// Returns whether Woodpecker reads a member as if it were missing.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}
