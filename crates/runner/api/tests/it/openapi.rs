//! The API description is complete and true.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jsonschema::Validator;
use rdev_http::ProblemCode;
use rdev_runner_api::{codes, openapi_json, route_paths};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::scene::Scene;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(openapi_json()).unwrap());

/// Returns a name as a token of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Returns the value at a pointer, or what it refers to.
fn at(pointer: &str) -> &'static Value {
    let value = DOCUMENT.pointer(pointer).unwrap_or_else(|| panic!("{pointer}"));
    value["$ref"].as_str().map_or(value, |target| at(target.strip_prefix('#').unwrap()))
}

fn validator(pointer: &str) -> Validator {
    let mut schema = DOCUMENT.clone();
    schema["$ref"] = json!(format!("#{}", pointer.replace('{', "%7B").replace('}', "%7D")));
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    let validator = jsonschema::options().should_validate_formats(true).build(&schema);
    validator.unwrap_or_else(|fault| panic!("{pointer}: {fault}"))
}

fn expect_valid(pointer: &str, value: &Value) {
    let faults: Vec<_> = validator(pointer).iter_errors(value).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{pointer}: {value}: {faults:?}");
}

fn operations() -> Vec<(String, String, &'static Value)> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let each = paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().unwrap().iter();
        item.map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation))
    });
    each.collect()
}

#[tokio::test]
async fn every_route_is_described_and_nothing_else() {
    let scene = Scene::new();
    let mut routed = BTreeSet::new();
    for path in route_paths() {
        let refused = scene.call("OPTIONS", path, &[]).await.expect(405);
        for method in refused.header("allow").split(',').filter(|method| *method != "HEAD") {
            routed.insert((method.to_owned(), path.to_owned()));
        }
    }
    let described: BTreeSet<_> = operations().into_iter().map(|(method, path, _)| (method, path)).collect();
    assert_eq!(described, routed);
}

#[test]
fn every_operation_is_documented() {
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations() {
        let text = |member: &str| operation[member].as_str().unwrap_or_default();
        assert!(ids.insert(text("operationId")), "{method} {path}: duplicate operationId");
        assert!(!text("summary").is_empty() && !text("summary").ends_with('.'), "{method} {path}");
        let sentence = match operation["x-required-scope"].as_str() {
            Some(scope) => format!("Requires an API key with the scope `{scope}`."),
            None => "Requires no API key.".to_owned(),
        };
        assert!(text("description").ends_with(&sentence), "{method} {path}");
    }
}

#[test]
fn every_code_is_described_where_it_may_occur() {
    let text = openapi_json();
    for code in codes::ALL.iter().chain(ProblemCode::GENERAL) {
        assert!(text.contains(&format!("`{}`", code.as_str())), "{}", code.as_str());
        let is_everywhere = code.as_str() == "method_not_allowed";
        assert!(is_everywhere || text.contains(&format!("\"{}\": {{", code.as_str())), "{}", code.as_str());
    }
}

#[test]
fn every_body_and_answer_has_an_example_and_every_example_is_valid() {
    let mut checked = 0;
    for (method, path, operation) in operations() {
        let place = format!("/paths/{}/{}", escaped(&path), method.to_lowercase());
        let statuses = operation["responses"].as_object().unwrap().keys();
        let responses = statuses.map(|status| format!("{place}/responses/{status}"));
        let body = operation.get("requestBody").map(|_| format!("{place}/requestBody"));
        for holder in responses.chain(body) {
            let Some(content) = at(&holder)["content"].as_object() else { continue };
            for (media_type, content) in content {
                let several = content["examples"].as_object().into_iter().flat_map(|all| all.values());
                let examples: Vec<_> =
                    several.map(|example| &example["value"]).chain(content.get("example")).collect();
                assert!(!examples.is_empty() || path.contains("openapi"), "{holder} has no example");
                let holder = match DOCUMENT.pointer(&holder).unwrap()["$ref"].as_str() {
                    Some(target) => target.strip_prefix('#').unwrap().to_owned(),
                    None => holder.clone(),
                };
                for example in examples {
                    expect_valid(&format!("{holder}/content/{}/schema", escaped(media_type)), example);
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 50, "{checked}");
}

#[tokio::test]
async fn responses_are_as_described() {
    let scene = Scene::with_project().await;
    let check = |schema: &str, answer: &Answer| {
        expect_valid(&format!("/components/schemas/{schema}"), &answer.json());
        // Every described member that is required is there, and no other.
        let described = at(&format!("/components/schemas/{schema}"));
        if let Some(properties) = described["properties"].as_object() {
            let answer = answer.json();
            let unknown = answer.as_object().unwrap().keys().find(|name| !properties.contains_key(*name));
            assert_eq!(unknown, None, "{schema}");
        }
    };
    check("Project", &scene.get("/projects/my-project").await.expect(200));
    check("ProjectList", &scene.get("/projects").await.expect(200));
    let id = scene.command("x").await;
    check("CommandDetail", &scene.get(&format!("/commands/{id}")).await.expect(200));
    let leased = scene.claim().await;
    scene.say(&leased, 0, &["hi".to_owned()]).await;
    scene.complete(&leased, 1).await;
    check("CommandDetail", &scene.get(&format!("/commands/{id}")).await.expect(200));
    check("CommandList", &scene.get("/commands").await.expect(200));
    check("CommandEventList", &scene.get(&format!("/commands/{id}/events")).await.expect(200));
    let stored = scene.json("PUT", "/credentials/A", json!({ "kind": "env", "value": "a value" })).await;
    check("Credential", &stored.expect(201));
    check("CredentialList", &scene.get("/credentials").await.expect(200));
    scene
        .store
        .grant(&"A".parse().unwrap(), leased.lease.command, &"my-project".parse().unwrap())
        .await
        .unwrap();
    check("CredentialUseList", &scene.get("/credentials/A/uses").await.expect(200));
    check("TemplateList", &scene.get("/templates").await.expect(200));
    check("Template", &scene.get("/templates/node-service").await.expect(200));
    let variables = json!({ "name": "billing", "rdev_url": "https://rdev.example" });
    let rendered = scene.post("/templates/node-service/render", json!({ "variables": variables })).await;
    check("RenderedTemplate", &rendered.expect(200));
    let body = json!({ "template": "node-service", "variables": variables });
    check("AppliedTemplate", &scene.post("/projects/my-project/apply-template", body).await.expect(200));
    check("Problem", &scene.get("/commands/x").await.expect(404));
}

#[test]
fn every_component_is_referenced() {
    let text = openapi_json();
    for (kind, components) in DOCUMENT["components"].as_object().unwrap() {
        for name in components.as_object().unwrap().keys().filter(|_| kind != "securitySchemes") {
            assert!(
                text.contains(&format!("\"#/components/{kind}/{name}\"")),
                "nothing refers to {kind}/{name}"
            );
        }
    }
}

#[tokio::test]
async fn the_description_is_served_without_a_key_and_has_an_etag() {
    let scene = Scene::new();
    let served = scene.call("GET", "/openapi-runner.json", &[("authorization", "none")]).await.expect(200);
    assert_eq!(served.body, openapi_json().as_bytes());
    let tag = served.header("etag").to_owned();
    scene.call("GET", "/openapi-runner.json", &[("if-none-match", &tag)]).await.expect(304);
}

#[test]
fn the_committed_copy_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/openapi-runner.json");
    let copy = std::fs::read_to_string(path).unwrap_or_default();
    if copy != openapi_json() {
        let current = concat!(env!("CARGO_TARGET_TMPDIR"), "/openapi-runner.json");
        std::fs::write(current, openapi_json()).unwrap();
        panic!("docs/openapi-runner.json is not current: copy {current} there");
    }
}
