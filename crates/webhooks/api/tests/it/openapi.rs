//! The API description is complete and true.

use std::collections::BTreeSet;

use rdev_webhooks_domain::scopes;
use rdev_webhooks_http_api::{ProblemCode, codes, openapi_json, route_paths};
use serde_json::{Map, Value, json};

use crate::conformance::{DOCUMENT, escaped, expect_valid, resolve};
use crate::scene::Scene;

/// Returns every operation by its method and path.
fn operations() -> Vec<(String, &'static Value)> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let named = paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().unwrap();
        item.iter().map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
    });
    named.collect()
}

#[tokio::test]
async fn every_route_is_described_and_nothing_else() {
    let scene = Scene::new();
    let mut routed = BTreeSet::new();
    for path in route_paths() {
        let refused = scene.call("OPTIONS", path, &[]).await.expect(405);
        for method in refused.header("allow").split(',').filter(|method| *method != "HEAD") {
            routed.insert(format!("{method} {path}"));
        }
    }
    let described: BTreeSet<_> = operations().into_iter().map(|(name, _)| name).collect();
    let undescribed: Vec<_> = routed.difference(&described).collect();
    assert!(undescribed.is_empty(), "not described: {undescribed:?}");
    assert!(
        described.is_subset(&routed),
        "described, but no such route: {:?}",
        described.difference(&routed)
    );
}

#[tokio::test]
async fn every_operation_requires_the_described_scope() {
    let scene = Scene::new();
    for scope in scopes::ALL {
        let body = json!({ "scopes": [scope.as_str()] }).to_string();
        let key = scene.post("/api-keys", body).await.expect(201).json()["key"].clone();
        let authorization = format!("Bearer {}", key.as_str().unwrap());
        for (name, operation) in operations() {
            let Some(needed) = operation["x-required-scope"].as_str() else {
                continue;
            };
            let (method, path) = name.split_once(' ').unwrap();
            // An invalid `Last-Event-ID`, because a stream would not end.
            let headers = [("authorization", authorization.as_str()), ("last-event-id", "none")];
            let answer = scene.call(method, path, &headers).await;
            let is_enough = scope.includes(&needed.parse().unwrap());
            assert_eq!(answer.status != 403, is_enough, "{name} with {scope}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn an_operation_requires_a_key_as_described() {
    let scene = Scene::new();
    let mut public = BTreeSet::new();
    for (name, operation) in operations() {
        let (method, path) = name.split_once(' ').unwrap();
        let is_public = operation["security"] == json!([]);
        let answer = scene.call(method, path, &[("authorization", "none")]).await;
        assert_eq!(answer.status != 401, is_public, "{name}: {answer:?}");
        public.extend(is_public.then(|| path.to_owned()));
    }
    let introduction = DOCUMENT["info"]["description"].as_str().unwrap();
    let keys = introduction.split("\n\n").find(|paragraph| paragraph.starts_with("**Keys.**")).unwrap();
    let named = keys.split('`').filter(|word| word.starts_with('/')).map(str::to_owned);
    assert_eq!(
        named.collect::<BTreeSet<_>>(),
        public,
        "the introduction names the operations that require no key"
    );
}

#[tokio::test]
async fn the_example_of_a_delivery_has_its_members_in_the_promised_order() {
    let scene = Scene::new();
    let page = scene.call("GET", "/docs", &[]).await.expect(200).text().replace("&quot;", "\"");
    let events = DOCUMENT["webhooks"].as_object().unwrap().keys();
    assert!(events.len() > 3);
    for event in events {
        let start = format!("{{\n  \"event\": \"{event}\",\n  \"timestamp\": \"");
        let in_page = page.split("<pre>").find_map(|example| example.strip_prefix(&start));
        let rest = in_page.unwrap_or_else(|| panic!("no example of {event} begins like a delivery"));
        assert!(rest.split_once("\",\n").unwrap().1.starts_with("  \"data\": {"), "{event}: {rest}");
        let from = openapi_json().find(&format!("\"operationId\": \"receive.{event}\"")).unwrap();
        let example = &openapi_json()[from..].split_once("\"example\": {").unwrap().1;
        let order = ["\"event\":", "\"timestamp\":", "\"data\":"].map(|member| example.find(member).unwrap());
        assert!(order.is_sorted(), "{event}: {order:?}");
    }
}

#[tokio::test]
async fn the_description_is_served_without_a_key_and_has_an_etag() {
    let scene = Scene::new();
    let anybody = [("authorization", "none")];
    let served = scene.call("GET", "/openapi.json", &anybody).await.expect(200);
    assert_eq!(served.text(), openapi_json());
    assert_eq!(served.json()["servers"][0]["url"], "/");
    let tag = served.header("etag").to_owned();
    let again = [("authorization", "none"), ("if-none-match", tag.as_str())];
    scene.call("GET", "/openapi.json", &again).await.expect(304);
}

#[test]
fn the_committed_copy_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/openapi.json");
    let copy = std::fs::read_to_string(path).unwrap();
    if copy != openapi_json() {
        let current = concat!(env!("CARGO_TARGET_TMPDIR"), "/openapi.json");
        std::fs::write(current, openapi_json()).unwrap();
        panic!("docs/openapi.json is not current: run `just openapi`, or copy {current} there");
    }
}

#[tokio::test]
async fn the_page_loads_nothing_and_has_every_operation_and_schema() {
    let scene = Scene::new();
    let served = scene.call("GET", "/docs", &[("authorization", "none")]).await.expect(200);
    let policy = served.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    let page = served.text();
    for loading in ["<script", "<link", "<img", "<iframe", "src=", "@import", "url(", "http-equiv", "style="]
    {
        assert!(!page.contains(loading), "{loading}");
    }
    let names = DOCUMENT["components"]["schemas"].as_object().unwrap().keys();
    let anchors = operations()
        .into_iter()
        .map(|(_, operation)| operation["operationId"].as_str().unwrap().to_owned())
        .chain(names.map(|name| format!("schema-{name}")));
    for anchor in anchors {
        assert!(page.contains(&format!("id=\"{anchor}\"")), "{anchor}");
    }
    for (_, rest) in page.match_indices("href=\"#").map(|(place, found)| page.split_at(place + found.len())) {
        let anchor = rest.split('"').next().unwrap();
        assert!(page.contains(&format!("id=\"{anchor}\"")), "{anchor} has no target");
    }
}

#[tokio::test]
async fn the_page_has_a_command_for_every_operation() {
    let scene = Scene::new();
    let page = scene.call("GET", "/docs", &[]).await.expect(200);
    let commands =
        page.text().split("<pre class=\"curl\">").skip(1).map(|rest| rest.split('<').next().unwrap());
    let commands: Vec<_> = commands.collect();
    assert_eq!(commands.len(), operations().len());
    for expected in [
        "curl -sS &quot;$RDEV/healthz&quot;",
        "curl -sS -H @authorization &quot;$RDEV/webhooks/$ID/replays/$REPLAY_ID&quot;",
        "curl -sS -X POST -H @authorization &quot;$RDEV/deliveries/$ID/cancel&quot;",
        "curl -sS -X PATCH -H @authorization -H 'Content-Type: application/json' -d \
         '{&quot;enabled&quot;:false}' &quot;$RDEV/webhooks/$ID&quot;",
    ] {
        assert!(commands.contains(&expected), "{expected} is not in {commands:#?}");
    }
}

#[test]
fn every_operation_is_documented() {
    let mut ids = BTreeSet::new();
    for (name, operation) in operations() {
        let text = |member: &str| operation[member].as_str().unwrap_or_default();
        assert!(ids.insert(text("operationId")), "{name}: duplicate operationId");
        assert!(!text("summary").is_empty() && !text("summary").ends_with('.'), "{name}");
        assert_eq!(operation["tags"].as_array().unwrap().len(), 1, "{name}");
        let is_open = ["description", "health"].iter().any(|tag| operation["tags"][0] == *tag)
            || name.ends_with("/jwks.json");
        let expected = if is_open { json!([]) } else { json!([{ "api_key": [] }]) };
        assert_eq!(operation["security"], expected, "{name}: the required key");
        // Reading the registry requires any key.
        let has_scope = !is_open && !name.starts_with("GET /event-types");
        let scope = operation["x-required-scope"].as_str();
        assert_eq!(scope.is_some(), has_scope, "{name}: the required scope");
        let sentence = match scope {
            Some(scope) => format!("Requires an API key with the scope `{scope}`."),
            None if is_open => "Requires no API key.".to_owned(),
            None => "Requires an API key with any scope.".to_owned(),
        };
        assert!(text("description").ends_with(&sentence), "{name}");
        assert!(operation.get("x-problems").is_none(), "{name}");
        let answers = operation["responses"].as_object().unwrap();
        assert!(answers.keys().any(|status| status.starts_with('2')), "{name}");
    }
}

#[test]
fn every_code_is_described_where_it_may_occur() {
    let mut codes = BTreeSet::new();
    for (_, operation) in operations() {
        for answer in operation["responses"].as_object().unwrap().values() {
            let answer = answer.get("$ref").map_or(answer, |target| resolve(target).1);
            let problem = &answer["content"]["application/problem+json"];
            codes.extend(problem["examples"].as_object().into_iter().flat_map(Map::keys));
        }
    }
    // A method that a path does not support belongs to no operation.
    let everywhere = "method_not_allowed";
    assert!(DOCUMENT["info"]["description"].as_str().unwrap().contains(everywhere));
    let all = codes::ALL.iter().chain(ProblemCode::GENERAL).map(|code| code.as_str());
    let missing: Vec<_> =
        all.filter(|code| *code != everywhere && !codes.contains(&(*code).to_owned())).collect();
    assert!(missing.is_empty(), "described nowhere: {missing:?}");
}

#[test]
fn every_body_and_answer_has_an_example_and_every_example_is_valid() {
    let mut contents = Vec::new();
    find(&DOCUMENT, "", "content", &mut contents);
    assert!(contents.len() > 40, "{}", contents.len());
    for (place, content) in contents {
        for (media_type, content) in content.as_object().unwrap() {
            let place = format!("{place}/{}", escaped(media_type));
            let several = content["examples"].as_object().into_iter().flat_map(|all| all.values());
            let examples: Vec<_> =
                several.map(|example| &example["value"]).chain(content.get("example")).collect();
            // The document itself would be its own example.
            assert!(!examples.is_empty() || place.contains("openapi.json"), "{place} has no example");
            examples.into_iter().for_each(|example| expect_valid(&format!("{place}/schema"), example));
        }
    }
}

#[test]
fn every_reference_resolves_and_every_component_is_referenced() {
    let mut references = Vec::new();
    find(&DOCUMENT, "", "$ref", &mut references);
    let targets: BTreeSet<_> = references.iter().map(|(_, target)| resolve(target).0).collect();
    for (kind, components) in DOCUMENT["components"].as_object().unwrap() {
        let names = components.as_object().unwrap().keys().filter(|_| kind != "securitySchemes");
        for name in names {
            let place = format!("/components/{kind}/{name}");
            assert!(targets.contains(&place), "nothing refers to {place}");
        }
    }
}

/// Finds every member with that name, and its place.
fn find<'a>(value: &'a Value, place: &str, name: &str, found: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                let place = format!("{place}/{}", escaped(member));
                match member.as_str() {
                    _ if member == name => found.push((place, value)),
                    "example" | "examples" | "value" => {}
                    _ => find(value, &place, name, found),
                }
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                find(element, &format!("{place}/{index}"), name, found);
            }
        }
        _ => {}
    }
}
