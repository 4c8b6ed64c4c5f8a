//! Woodpecker pipelines in templates.

use rdev_runner_domain::Rendering;

use crate::scene::{Scene, values};

fn render(pipeline: &str) -> Result<Rendering, String> {
    let scene = Scene::with_files(&[(".woodpecker.yaml", pipeline), ("a", "x")]);
    let before = scene.contents();
    let result = scene.render(values([])).map_err(|error| error.to_string());
    assert_eq!(scene.contents(), before);
    result
}

/// Returns a valid pipeline whose only step has these lines besides its name and image.
fn step(lines: &str) -> String {
    format!("when:\n  - event: push\nsteps:\n  - name: build\n    image: rust:1.95\n{lines}")
}

#[test]
fn an_invalid_pipeline_is_refused() {
    let anchors: String = (1..30)
        .map(|n| format!("  a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", ")))
        .collect();
    let laughs = format!("variables:\n  a0: &a0 [x]\n{anchors}{}", step("    commands: [true]\n"));
    let merges: String =
        (1..30).map(|n| format!("  a{n}: &a{n}\n    <<: [*a{0}, *a{0}]\n    k{n}: v\n", n - 1)).collect();
    let merges = format!("variables:\n  a0: &a0 {{k: v}}\n{merges}{}", step("    commands: [true]\n"));
    let deep =
        format!("variables: {}{}\n{}", "[".repeat(5_000), "]".repeat(5_000), step("    commands: [x]\n"));
    let many = format!("variables: [{}]\n{}", "x, ".repeat(60_000), step("    commands: [x]\n"));
    for (pipeline, expected) in [
        ("steps: [", "is no valid YAML"),
        ("steps:\n\t- name: a", "is no valid YAML"),
        ("%YAML 9.9\n---\n\"", "is no valid YAML"),
        ("steps: *nothing", "is no valid YAML"),
        ("a: &a [*a]\nsteps: []", "is no valid YAML"),
        ("steps: []\nsteps: []", "is no valid YAML"),
        (laughs.as_str(), "is no valid YAML"),
        (&merges, "is no valid YAML"),
        (&deep, "is no valid YAML"),
        (&many, "is no valid YAML"),
        ("steps: []\n---\nsteps: []", "is no valid YAML"),
        ("", "/steps: must have a step"),
        ("[]", "/steps: must have a step"),
        ("42", "/steps: must have a step"),
        ("skip_clone: true", "\"steps\" is a required property"),
        ("steps: []", "/steps: must have a step"),
        ("steps: {}", "/steps: must have a step"),
        ("steps: [1]", "/steps"),
        (&(step("    commands: [x]\n") + "run: [x]\n"), "'run' was unexpected"),
        (
            &step("    commands: [x]\n    settings: {a: b}\n"),
            "/steps/0: cannot have both commands and settings",
        ),
        (
            &step("    entrypoint: [x]\n    settings: {a: b}\n"),
            "/steps/0: cannot have both entrypoint and settings",
        ),
        (&step("    commands: []\n"), "/steps/0/commands: must have a command"),
        (&step("    commands: [x]\n    depends_on: [test]\n"), "/steps/0/depends_on: no step is named test"),
        (
            "when: {event: push}\nsteps:\n  a: {image: i, commands: [x], depends_on: [c]}\n  \
             b: {image: i, commands: [x], depends_on: a}\n  \
             c: {image: i, commands: [x], depends_on: [{name: b, optional: true}]}\n  \
             d: {image: i, commands: [x]}\n",
            "/steps/a/depends_on: the step waits for a cycle of steps",
        ),
        (&step("    commands: [x]\n    failure: maybe\n"), "/steps/0/failure: "),
        (&step("    commands: [x]\n").replace("rust:1.95", "''"), "/steps/0/image: is required"),
        (&step("    commands: [x]\n").replace("push", "pushed"), "/when"),
    ] {
        let error = render(pipeline).expect_err(expected);
        assert!(error.starts_with("the template is invalid: .woodpecker.yaml: "), "{error}");
        assert!(error.contains(expected), "expected {expected:?}: {error}");
        assert!(error.len() < 8_192, "an error of {} bytes", error.len());
    }
}

#[test]
fn a_likely_mistake_is_a_warning() {
    for (pipeline, expected) in [
        (
            "steps: {build: {image: a, commands: [x]}}".to_owned(),
            "/steps/build/when: should select events, else the step runs for every one",
        ),
        (
            step("    commands: [x]\n").replace("event: push", "branch: main"),
            "/steps/0/when: should select events",
        ),
        (
            step("    settings: {a: b}\n    environment: {A: b}\n"),
            "/steps/0: should not have both environment",
        ),
        (
            step("    commands: [x]\n    privileged: true\n"),
            "/steps/0/privileged: works in a trusted repository only",
        ),
    ] {
        match render(&pipeline) {
            Ok(rendering) => {
                let [warning] = rendering.warnings.as_slice() else { panic!("{:?}", rendering.warnings) };
                assert!(warning.starts_with(&format!(".woodpecker.yaml: {expected}")), "{warning}");
            }
            // The schema does not allow a plugin to have an environment at all.
            Err(error) => assert!(expected.contains("environment") && error.contains("/steps/0"), "{error}"),
        }
    }
}

#[test]
fn anchors_are_what_they_stand_for() {
    let pipeline = step("    commands: &c [x]\n    when: &w {event: push}\n")
        + "  - {name: b, image: a, commands: *c, when: *w}\n";
    assert_eq!(render(&pipeline).unwrap().warnings, Vec::<String>::new());
    let dependencies =
        "    commands: [x]\n    depends_on:\n      - {name: later, optional: true}\n      - test\n";
    let pipeline = step(dependencies) + "  - {name: test, image: a, settings: {}}\n";
    assert_eq!(render(&pipeline).unwrap().warnings, Vec::<String>::new());
}

#[test]
fn a_template_renders_its_pipeline_before_it_is_checked() {
    let source = "{% for item in items %}{% endfor %}steps:\n{% if public %}\n  - {image: a, commands: [x]}\n{% endif %}\n";
    let scene = Scene::with_files(&[(".woodpecker/{{ name }}.yml.jinja", source)]);
    let error = scene.render(values([])).unwrap_err().to_string();
    assert!(error.contains(".woodpecker/billing.yml: /steps: must have a step"), "{error}");
    let public = rdev_runner_domain::VariableValue::Boolean(true);
    assert_eq!(scene.render(values([("public", public)])).unwrap().files.len(), 1);
}
