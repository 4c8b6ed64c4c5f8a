//! Templates: the form of their variables, the preview, and the files that are written.

use http::StatusCode;
use rdev_access::scopes;
use url::form_urlencoded::Serializer;

use crate::scene::Scene;

const PATH: &str = "/console/templates/rust-service";
const URL: &str = "https://rdev.example";

/// Returns the address of a page with these parameters.
fn query(fields: &[(&str, &str)]) -> String {
    format!("{PATH}?{}", Serializer::new(String::new()).extend_pairs(fields).finish())
}

#[tokio::test]
async fn a_template_is_previewed_and_written_into_a_workspace() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    browser.open("/console/templates").await.shows("rust-service").shows("node-service");
    let page = browser.open(PATH).await;
    page.shows("name=\"var-name\"").shows("<option value=\"my-project\">").hides("Write the files");
    // All faults at their fields, and nothing but them.
    let faulty =
        [("preview", "1"), ("var-name", "Not A Slug"), ("var-rdev_url", URL), ("project", "nothing")];
    let page = browser.get(&query(&faulty)).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("id=\"var-name-fault\"").shows("id=\"project-fault\"").hides("id=\"var-rdev_url-fault\"");
    page.shows("value=\"Not A Slug\"").hides("files</h2>");
    let without = browser
        .open(&query(&[("preview", "1"), ("var-name", "billing"), ("var-rdev_url", URL), ("project", "")]))
        .await;
    without.shows("src/main.rs").shows(".woodpecker.yaml").hides("Write the files");

    let asked = [("preview", "1"), ("var-name", "billing"), ("var-rdev_url", URL), ("project", "my-project")];
    let page = browser.open(&query(&asked)).await;
    page.shows("New</span>").shows("name = &quot;billing&quot;").hides("Replace the files");
    let apply = format!("{PATH}/apply");
    let form = page.form(&apply);
    browser.submit(&form, &asked).await.shows("files were written into the workspace of my-project.");
    let workspace = scene.root.join("my-project");
    let cargo = std::fs::read_to_string(workspace.join("Cargo.toml")).unwrap();
    assert!(cargo.contains("name = \"billing\""), "{cargo}");
    browser.open(&query(&asked)).await.shows("has all of these files already").hides("Write the files");

    // A file with other content is replaced only if the box is checked.
    std::fs::write(workspace.join("Cargo.toml"), "mine").unwrap();
    let page = browser.open(&query(&asked)).await;
    page.shows("Other content").shows("Replace the files that have other content");
    let refused = browser.post(&page.form(&apply), &asked).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    refused.shows("exist with other content: Cargo.toml");
    assert_eq!(std::fs::read_to_string(workspace.join("Cargo.toml")).unwrap(), "mine");
    let mut fields = asked.to_vec();
    fields.push(("overwrite", "on"));
    browser.submit(&refused.form(&apply), &fields).await.shows("1 file was written");
    assert_eq!(std::fs::read_to_string(workspace.join("Cargo.toml")).unwrap(), cargo);

    // Nothing follows a link out of the workspace.
    std::fs::remove_file(workspace.join("Cargo.toml")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", workspace.join("Cargo.toml")).unwrap();
    let page = browser.get(&query(&asked)).await;
    page.shows("is a symbolic link").hides("Write the files");
    assert_eq!(browser.get("/console/templates/nothing").await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.get("/console/templates/..%2Fx").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn files_are_written_by_those_who_may() {
    let scene = Scene::new().await;
    scene.project("other").await;
    let asked = [("preview", "1"), ("var-name", "billing"), ("var-rdev_url", URL), ("project", "my-project")];
    let mut reader = scene.holder(&[scopes::COMMANDS_READ], None).await;
    reader.open(&query(&asked)).await.shows("Cargo.toml").hides("Write the files");
    assert_eq!(reader.post(&format!("{PATH}/apply"), &asked).await.status, StatusCode::FORBIDDEN);
    let mut scoped = scene.holder(&[scopes::COMMANDS_READ, scopes::PROJECTS_WRITE], Some(&["other"])).await;
    scoped.open(PATH).await.shows("value=\"other\"").hides("my-project");
    let refused = scoped.post(&format!("{PATH}/apply"), &asked).await;
    refused.shows("is none of the projects that you see");
    assert!(!scene.root.join("my-project/Cargo.toml").exists());
}
