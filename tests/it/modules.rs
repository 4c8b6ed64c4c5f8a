//! Within a crate, the modules have no cycles: each can be understood, and moved, without those that use it.
//!
//! A module here is a top module of a crate with everything beneath it. Unit tests do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a `mod tests` at the end of a file.
const MAX_INLINE_TESTS: usize = 100;

type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn modules_of_a_crate_have_no_cycles() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let packages = folders(&crates).into_iter().flat_map(|group| folders(&group));
    for package in packages {
        let cycles = cycles(&graph(&package.join("src")));
        assert!(cycles.is_empty(), "modules of {} with a cycle: {cycles:?}", package.display());
    }
}

#[test]
fn a_cycle_is_found() {
    let uses = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let graph = Graph::from([
        ("a".to_owned(), uses(&["b"])),
        ("b".to_owned(), uses(&["c"])),
        ("c".to_owned(), uses(&["b"])),
        ("d".to_owned(), uses(&["a", "d"])),
    ]);
    assert_eq!(cycles(&graph), BTreeSet::from([uses(&["b", "c"])]));
    let source = "use crate::{one::{A, B}, two};\nfn f() { crate::three::g() } // crate::four\n";
    let source = format!("{source}#[cfg(test)]\nmod tests {{ use crate::five; }}");
    assert_eq!(mentioned(&source), uses(&["one", "three", "two"]));
}

#[test]
fn long_unit_tests_have_a_file_of_their_own() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for file in ["crates", "bins"].iter().flat_map(|folder| files(&root.join(folder))) {
        let tests = fs::read_to_string(&file).unwrap();
        let inline = tests.split_once("\nmod tests {\n").map_or(0, |(_, tests)| tests.lines().count());
        assert!(inline <= MAX_INLINE_TESTS, "{}: move its {inline} lines of tests to a file", file.display());
        let path = file.strip_prefix(&root).unwrap().to_str().unwrap();
        assert!(!(path.contains("/src/") && path.contains("/tests")), "{path}: name it NAME_tests.rs");
    }
}

/// Returns which modules of a crate use which.
fn graph(source: &Path) -> Graph {
    let mut graph = Graph::new();
    for file in files(source) {
        let path = file.strip_prefix(source).unwrap().with_extension("");
        let module = path.iter().next().unwrap().to_str().unwrap().to_owned();
        let is_test = path.to_str().unwrap().ends_with("tests");
        if !is_test && !["lib", "main"].contains(&&*module) {
            graph.entry(module).or_default().extend(mentioned(&fs::read_to_string(file).unwrap()));
        }
    }
    let modules: BTreeSet<_> = graph.keys().cloned().collect();
    graph.values_mut().for_each(|uses| uses.retain(|used| modules.contains(used)));
    graph
}

/// Returns what a source mentions directly beneath `crate`, outside of comments and unit tests.
fn mentioned(source: &str) -> BTreeSet<String> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let code: String = code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let mut names = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => drop(names.insert(first_name(rest))),
            Some(list) => names.extend(top_items(list).iter().map(|item| first_name(item.trim()))),
        }
    }
    names
}

fn first_name(path: &str) -> String {
    path.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
}

/// Returns the items of a `use` list, up to its closing brace.
fn top_items(list: &str) -> Vec<String> {
    let (mut depth, mut items) = (0, vec![String::new()]);
    for character in list.chars() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => items.push(String::new()),
            _ => items.last_mut().unwrap().push(character),
        }
    }
    items
}

/// Returns the groups of modules that reach one another.
fn cycles(graph: &Graph) -> BTreeSet<BTreeSet<String>> {
    let reach: BTreeMap<_, _> = graph.keys().map(|module| (module, reachable(graph, module))).collect();
    let group = |module: &String| -> BTreeSet<String> {
        reach[module].iter().filter(|other| reach[other].contains(module)).cloned().collect()
    };
    graph.keys().map(group).filter(|group| group.len() > 1).collect()
}

fn reachable(graph: &Graph, from: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<_> = graph[from].iter().cloned().collect();
    while let Some(module) = next.pop() {
        if reached.insert(module.clone()) {
            next.extend(graph[&module].iter().cloned());
        }
    }
    reached
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).collect()
}

/// Returns the Rust files beneath a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(path);
        }
    }
    all
}
