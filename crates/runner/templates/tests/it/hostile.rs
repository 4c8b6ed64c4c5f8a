//! Hostile templates and values. None of them writes anything, and each gets an error that says what is wrong.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;

use rdev_runner_domain::{TemplateError, VariableValue};

use crate::scene::{MANIFEST, Scene, text, values};

type Values = BTreeMap<String, VariableValue>;

/// Renders the template and writes it, as a caller does. Checks that it fails with this text and changes nothing.
fn refuse(scene: &Scene, values: Values, expected: &str) {
    let before = scene.contents();
    let result = scene.render(values).and_then(|files| scene.write(&files, true));
    let error = result.expect_err(expected).to_string();
    assert!(error.contains(expected), "expected {expected:?}: {error}");
    assert!(error.len() < 4_096, "{expected}: an error of {} bytes", error.len());
    assert_eq!(scene.contents(), before, "{expected}");
}

#[test]
fn paths_stay_in_the_workspace() {
    let long = "a".repeat(300);
    for (path, value, expected) in [
        ("{{ text }}", "..", "the name \"..\""),
        ("{{ text }}/passwd", "..", "the name \"..\""),
        ("a/{{ text }}", "../../neighbour/secret", "the name \"../../neighbour/secret\""),
        ("{{ text }}", "/etc/passwd", "the name \"/etc/passwd\""),
        ("{{ text }}", "a/b", "the name \"a/b\""),
        ("{{ text }}/a", ".", "the name \".\""),
        ("{{ text }}", "", "the name \"\""),
        ("{{ text }}/hooks", ".git", "the name \".git\""),
        ("sub/{{ text }}/config", ".GIT", "the name \".GIT\""),
        ("{{ text }}", "a\\b", "the name \"a\\\\b\""),
        ("{{ text }}", &long, "which no file can have"),
        ("{{ name }}{{ missing }}", "a", "uses the variable missing, which is undefined"),
        ("{% include text %}", "secret", "unknown statement include"),
        ("{{ text", "a", "syntax error"),
    ] {
        refuse(&Scene::with_files(&[(path, "x")]), values([("text", text(value))]), expected);
    }
}

#[test]
fn the_files_of_a_rendering_fit_together() {
    let same: Values = values([("text", text("a"))]);
    refuse(
        &Scene::with_files(&[("{{ text }}", "1"), ("a", "2")]),
        same.clone(),
        "is rendered to a, like another file",
    );
    refuse(&Scene::with_files(&[("{{ text }}", "1"), ("a.jinja", "2")]), same.clone(), "like another file");
    refuse(&Scene::with_files(&[("{{ text }}", "1"), ("a/b", "2")]), same, "a: is a file and a folder");
    let deep = "a/".repeat(17) + "b";
    refuse(&Scene::with_files(&[(&deep, "x")]), values([]), "is nested deeper than 16 folders");
    let folders: Vec<_> = (0..65).map(|number| format!("{number}/file")).collect();
    let folders: Vec<_> = folders.iter().map(|path| (path.as_str(), "x")).collect();
    refuse(&Scene::with_files(&folders), values([]), "are in more than 64 folders");
}

#[test]
fn a_template_reads_nothing_but_its_files() {
    let link = |target: &str, name: &str| {
        let scene = Scene::with_files(&[("a", "x")]);
        let _ = fs::remove_file(scene.template().join(name));
        symlink(target, scene.template().join(name)).unwrap();
        scene
    };
    refuse(&link("/etc/passwd", "files/link"), values([]), "link: is a symbolic link");
    refuse(
        &link("../../../neighbour/secret", "files/link.jinja"),
        values([]),
        "link.jinja: is a symbolic link",
    );
    refuse(&link("/etc", "files/folder"), values([]), "folder: is a symbolic link");
    refuse(&link("/etc/passwd", "template.toml"), values([]), "template.toml: ");

    let scene = Scene::new();
    fs::remove_dir(scene.template().join("files")).unwrap();
    symlink(scene.neighbour(), scene.template().join("files")).unwrap();
    refuse(&scene, values([]), "files: ");

    let scene = Scene::new();
    fs::rename(scene.template(), scene.template().with_file_name("moved")).unwrap();
    symlink(scene.template().with_file_name("moved"), scene.template()).unwrap();
    refuse(&scene, values([]), "the template was not found");

    let scene = Scene::new();
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, scene.template().join("files/fifo"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    refuse(&scene, values([]), "fifo: is neither a file nor a folder");

    refuse(
        &Scene::with_files(&[(".git/hooks/pre-commit", "x")]),
        values([]),
        "whose name \".git\" cannot be written",
    );
    let scene = Scene::new();
    scene.put("files/binary", [0xff, 0xfe]);
    refuse(&scene, values([]), "binary: must be text in UTF-8");
}

#[test]
fn sizes_are_bounded() {
    let long = "x".repeat(256 * 1024 + 1);
    refuse(&Scene::with_files(&[("a", &long)]), values([]), "a: must be a file of at most 262144 bytes");
    let paths: Vec<_> = (0..257).map(|number| number.to_string()).collect();
    let many: Vec<_> = paths.iter().map(|path| (path.as_str(), "x")).collect();
    refuse(&Scene::with_files(&many), values([]), "has more than 256 entries");
    let paths: Vec<_> = (0..257).map(|number| format!("{}/{number}", number % 3)).collect();
    let many: Vec<_> = paths.iter().map(|path| (path.as_str(), "x")).collect();
    refuse(&Scene::with_files(&many), values([]), "has more than 256 files");
    let big: Vec<_> = paths[..9].iter().map(|path| (path.as_str(), &long[1..])).collect();
    refuse(&Scene::with_files(&big), values([]), "have more than 2097152 bytes in all");
    refuse(&Scene::new(), values([]), "must have 1 to 256 files");
}

#[test]
fn a_manifest_is_checked() {
    let nested = format!("description = {}", "[".repeat(20_000));
    let long = format!("description = \"{}\"", "a".repeat(70_000));
    let twice = MANIFEST.replace("name = \"text\"", "name = \"name\"");
    let bad_default = MANIFEST.replace("default = 8080", "default = 0");
    let unknown = MANIFEST.replace("type = \"slug\"", "type = \"slug\"\nfile = \"/etc/passwd\"");
    for (manifest, expected) in [
        ("", "missing field `description`"),
        ("description", "template.toml, line 1: "),
        (nested.as_str(), "template.toml, line 1: "),
        (&long, "template.toml: must be a file of at most 65536 bytes"),
        (&twice, "variable name: is defined twice"),
        (&bad_default, "variable port: default must be a whole number from 1 to 65535"),
        (&unknown, "unknown field `file`"),
    ] {
        let scene = Scene::with_files(&[("a", "x")]);
        scene.put("template.toml", manifest);
        refuse(&scene, values([]), expected);
    }
}

#[test]
fn an_undefined_variable_is_an_error() {
    for (source, expected) in [
        ("a\n{{ missing }}", "a.jinja, line 2: uses the variable missing, which is undefined"),
        ("{% if public %}{{ missing }}{% endif %}", "uses the variable missing"),
        ("{% for item in items %}{% endfor %}{{ item }}", "uses the variable item"),
        ("{% for item in missing %}{% endfor %}", "uses the variable missing"),
        ("{{ loop.index }}", "uses the variable loop"),
        ("{{ self }}", "uses the variable self"),
        (
            "{% for item in items %}{{ loop.nothing }}{% endfor %}",
            "uses loop.nothing: a loop has first, index",
        ),
        ("{{ 'a' if public }}", "uses a value with `if` and without `else`"),
    ] {
        refuse(&Scene::with_files(&[("a.jinja", source)]), values([]), expected);
    }
}

#[test]
fn the_language_has_no_way_out() {
    for (source, expected) in [
        ("{% include '/etc/passwd' %}", "unknown statement include"),
        ("{% include 'a.jinja' %}", "unknown statement include"),
        ("{% import '../b' as b %}", "unknown statement import"),
        ("{% extends 'b' %}", "unknown statement extends"),
        ("{% block b %}{% endblock %}", "unknown statement block"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "unknown statement macro"),
        ("{% call m() %}{% endcall %}", "unknown statement call"),
        ("{% do m() %}", "uses a tag"),
        ("{{ debug() }}", "uses a call"),
        ("{{ text.upper() }}", "uses a call"),
        ("{{ text.__class__ }}", "uses an attribute of a value"),
        ("{{ text[0] }}", "uses an item of a value"),
        ("{{ items }}", "a list is written with the filter json"),
        ("{{ text[0:1] }}", "uses a slice"),
        ("{{ text is defined }}", "uses a test with `is`"),
        (
            "{{ text | replace('a', 'b') }}",
            "uses the filter replace: the filters are json, lower, snake_case, upper",
        ),
        ("{{ text | upper('a') }}", "gives arguments to the filter upper"),
        ("{{ items | upper }}", "the filter is for texts alone"),
        ("{{ port | snake_case }}", "the filter is for texts alone"),
        ("{% autoescape true %}{{ text }}{% endautoescape %}", "uses `autoescape`"),
        ("{% for a, b in items %}{% endfor %}", "uses a loop over more than one name"),
        ("{% for a in port %}{% endfor %}", "invalid operation"),
        ("{{ }}", "syntax error"),
        ("{{ text ", "syntax error"),
        ("{% if public %}", "syntax error"),
        ("{% nonsense %}", "unknown statement nonsense"),
    ] {
        refuse(&Scene::with_files(&[("a.jinja", source)]), values([]), expected);
    }
}

#[test]
fn bombs_are_refused() {
    let items = VariableValue::List(vec!["x".repeat(256); 64]);
    let values = || values([("items", items.clone())]);
    let loops = |depth: usize, body: &str| {
        let begin: String = (0..depth).map(|n| format!("{{% for i{n} in items %}}")).collect();
        begin + body + &"{% endfor %}".repeat(depth)
    };
    let doubled = "{% set text = text ~ text %}".repeat(64);
    for (source, expected) in [
        ("{{ range(1000000000) }}", "uses a call"),
        ("{{ 'a' * 1000000000 }}", "uses arithmetic"),
        ("{{ 9 ** 9 ** 9 }}", "uses arithmetic"),
        ("{{ -port }}", "uses arithmetic"),
        ("{{ text ~ text }}", "uses `~`"),
        (doubled.as_str(), "uses `set`"),
        (&"{% set text %}{{ text }}{{ text }}{% endset %}".repeat(64), "uses `set`"),
        ("{% with a = text %}{{ a }}{% endwith %}", "uses `with`"),
        ("{% filter upper %}{{ text }}{% endfilter %}", "uses a block with a filter"),
        ("{{ [items, items] }}", "uses a list"),
        ("{{ {'a': items} }}", "uses a map"),
        ("{% for a in items recursive %}{{ loop(items) }}{% endfor %}", "uses a recursive loop"),
        ("{% for a in items %}{{ loop(items) }}{% endfor %}", "uses a call"),
        (&loops(6, ""), "takes more than 200000 steps"),
        (&loops(4, "{{ items | json }}"), "is rendered to more than 262144 bytes"),
        (&loops(2, &"x".repeat(100_000)), "is rendered to more than 262144 bytes"),
        (&loops(1, &"{{ items | json }}".repeat(20)), "is rendered to more than 262144 bytes"),
        (
            &format!("{{{{ {}text{} }}}}", "(".repeat(10_000), ")".repeat(10_000)),
            "has an expression of more than 128 parts",
        ),
        (&format!("{{{{ text{} }}}}", "|lower".repeat(20_000)), "has an expression of more than 128 parts"),
        (&format!("{{{{ text{} }}}}", " or text".repeat(20_000)), "has an expression of more than 128 parts"),
        (&format!("{{{{ {}text }}}}", "not ".repeat(20_000)), "has an expression of more than 128 parts"),
        (
            &format!("{{% if public %}}{}{{% endif %}}", "{% elif public %}".repeat(5_000)),
            "has more than 256 tags",
        ),
        (&("{% if public %}".repeat(5_000) + &"{% endif %}".repeat(5_000)), "has more than 256 tags"),
        (&loops(120, ""), "takes more than 200000 steps"),
    ] {
        refuse(&Scene::with_files(&[("a.jinja", source)]), values(), expected);
    }
    let text = loops(1, &"x".repeat(3_900));
    let paths: Vec<_> = (0..9).map(|number| format!("{number}.jinja")).collect();
    let files: Vec<_> = paths.iter().map(|path| (path.as_str(), text.as_str())).collect();
    refuse(&Scene::with_files(&files), values(), "the rendered files have more than 2097152 bytes in all");
}

#[test]
fn the_largest_expressions_and_nestings_render() {
    let nested = "{% if not public %}".repeat(100) + "x" + &"{% endif %}".repeat(100);
    let alternatives =
        format!("{{% if public %}}{}{{% else %}}x{{% endif %}}", "{% elif public %}".repeat(250));
    let filters = format!("{{{{ text{} }}}}", "|lower".repeat(60));
    let scene = Scene::with_files(&[("a.jinja", &nested), ("b.jinja", &alternatives), ("c.jinja", &filters)]);
    let rendering = scene.render(values([])).unwrap();
    let contents: Vec<_> = rendering.files.iter().map(|file| file.content.as_str()).collect();
    assert_eq!(contents, ["x", "x", "text"]);
}

#[test]
fn values_are_checked() {
    for (name, value, expected) in [
        ("name", text("../billing"), "name must be 1 to 64 lower-case letters"),
        ("name", text(""), "name must be 1 to 64"),
        ("name", VariableValue::Integer(1), "name must be 1 to 64"),
        ("text", text("a\nsteps: []"), "text must be a text"),
        ("text", text("\u{1b}[2J"), "text must be a text"),
        ("text", text(&"a".repeat(100_000)), "text must be a text of at most 1024 characters"),
        ("url", text("https://rdev.example/$(id)"), "url must be a URL"),
        ("url", text("file:///etc/passwd"), "url must be a URL"),
        ("port", VariableValue::Integer(0), "port must be a whole number from 1 to 65535"),
        ("port", text("8080"), "port must be a whole number"),
        ("public", text("true"), "public must be true or false"),
        ("edition", text("2018"), "edition must be one of 2021, 2024"),
        ("items", VariableValue::List(vec!["a".to_owned(); 65]), "items must be a list of at most 64 texts"),
        ("items", text("a"), "items must be a list"),
        ("missing", text("a"), "missing is no variable of the template own"),
        ("__proto__", text("a"), "__proto__ is no variable"),
    ] {
        refuse(&Scene::with_files(&[("a", "x")]), values([(name, value)]), expected);
    }
    refuse(&Scene::with_files(&[("a", "x")]), BTreeMap::new(), "name is required");
}

#[test]
fn a_value_is_never_read_as_a_template() {
    let source = "{{ text }} {{ text | json }} {{ items | json }} {{ port | json }} {{ public | json }} {{ public }} {% for item in items %}{{ item }}{% if not loop.last %}, {% endif %}{% endfor %}";
    let scene = Scene::with_files(&[("{{ name }}.md.jinja", source), ("copied", "{{ text }}")]);
    let value = "{{ name }} {% include 'x' %} \"é\"";
    let rendering = scene.render(values([("text", text(value))])).unwrap();
    let found: Vec<_> =
        rendering.files.iter().map(|file| (file.path.as_str(), file.content.as_str())).collect();
    let expected = format!(
        "{value} {} [\"one\", \"two\"] 8080 false false one, two",
        serde_json::to_string(value).unwrap()
    );
    assert_eq!(found, [("billing.md", expected.as_str()), ("copied", "{{ text }}")]);
}

#[test]
fn all_faults_are_reported_at_once() {
    let scene = Scene::with_files(&[("a.jinja", "{{ x }}"), ("b.jinja", "{{ y }}"), ("c", "z")]);
    let Err(TemplateError::Invalid(faults)) = scene.render(values([])) else { panic!("it is invalid") };
    let files: Vec<_> = faults.iter().map(|fault| fault.file.as_str()).collect();
    assert_eq!(files, ["a.jinja", "b.jinja"]);
}
