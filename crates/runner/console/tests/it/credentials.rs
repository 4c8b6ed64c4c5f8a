//! Credentials: what is shown of them, and what never is.

use http::StatusCode;
use rdev_access::scopes;

use crate::scene::Scene;

const VALUE: &str = "very-secret-value-1";
const OTHER: &str = "very-secret-value-2";
const FORM: &str = "/console/credentials/new";

#[tokio::test]
async fn a_credential_is_stored_changed_and_deleted_and_its_value_is_on_no_page() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    let mut seen = String::new();
    let list = browser.open("/console/credentials").await;
    list.shows("There is no credential yet.");
    let form = browser.open(FORM).await.form(FORM);
    // What was typed as the value is gone if something else is wrong.
    let faulty =
        [("name", "1 x"), ("kind", "env"), ("value", VALUE), ("expires_at", "soon"), ("projects", "a\n b")];
    let page = browser.post(&form, &faulty).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("Nothing was stored.").shows("id=\"name-fault\"").shows("id=\"expires_at-fault\"");
    page.shows("Enter it again: a page does not keep it.").shows("value=\"1 x\"");
    seen += &page.text;
    let short = browser.post(&form, &[("name", "NPM_TOKEN"), ("kind", "env"), ("value", "abc")]).await;
    short.shows("must be at least 4 characters");
    seen += &short.text;

    let fields = [("name", "NPM_TOKEN"), ("kind", "env"), ("value", VALUE), ("projects", "my-project")];
    let page = browser.submit(&form, &fields).await;
    page.shows("The credential was stored.").shows("env: a variable of the environment").shows("my-project");
    page.shows("No run has got it yet.");
    seen += &page.text;
    // Another one of that name is no new version of it.
    let taken = browser.post(&form, &[("name", "NPM_TOKEN"), ("kind", "env"), ("value", OTHER)]).await;
    taken.shows("is that of a credential that exists");
    seen += &taken.text;

    let path = "/console/credentials/NPM_TOKEN";
    let edit = browser.open(&format!("{path}/edit")).await;
    edit.shows(">\nmy-project</textarea>").shows("Empty to keep the present one.");
    seen += &edit.text;
    let edit = edit.form(&format!("{path}/edit"));
    let fields = [("kind", "env"), ("value", OTHER), ("overlap", "90d"), ("projects", "")];
    let page = browser.post(&edit, &fields).await;
    page.shows("must be at most 30d");
    seen += &page.text;
    let fields = [("kind", "env"), ("value", OTHER), ("overlap", "2h"), ("projects", "")];
    let page = browser.submit(&edit, &fields).await;
    page.shows("<dt>Projects</dt><dd>all</dd>")
        .shows("<th scope=\"row\">2 ")
        .shows("<th scope=\"row\">1</th>");
    seen += &page.text;
    // Without a value the version stays.
    let page = browser
        .submit(&edit, &[("kind", "env"), ("value", ""), ("expires_at", "2090-01-31T00:00:00Z")])
        .await;
    page.hides("<th scope=\"row\">3").shows("2090-01-31");
    seen += &page.text;
    let other_kind = browser.post(&edit, &[("kind", "file"), ("value", "")]).await;
    other_kind.shows("a credential of another kind needs a new value");
    seen += &other_kind.text;
    seen += &browser.open("/console/credentials").await.text;
    for value in [VALUE, OTHER] {
        assert!(!seen.contains(value), "{value} is on a page:\n{seen}");
    }
    let confirm = browser.open(&format!("{path}/delete")).await;
    browser.submit(&confirm.form(&format!("{path}/delete")), &[]).await.shows("There is no credential yet.");
    assert_eq!(browser.get(path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn credentials_are_shown_and_changed_by_those_who_may() {
    let scene = Scene::new().await;
    scene.project("other").await;
    let mut browser = scene.administrator().await;
    for (name, projects) in [("OF_ALL", ""), ("OF_OTHER", "other"), ("OF_MINE", "my-project")] {
        let form = browser.open(FORM).await.form(FORM);
        let fields = [("name", name), ("kind", "env"), ("value", VALUE), ("projects", projects)];
        browser.submit(&form, &fields).await;
    }
    let mut reader = scene.holder(&[scopes::CREDENTIALS_READ], None).await;
    reader.open("/console/credentials").await.shows("OF_ALL").hides("New credential");
    reader.open("/console/credentials/OF_ALL").await.hides(">Change<").hides(">Delete<");
    for address in [FORM, "/console/credentials/OF_ALL/edit", "/console/credentials/OF_ALL/delete"] {
        assert_eq!(reader.get(address).await.status, StatusCode::FORBIDDEN, "{address}");
    }
    // A project-scoped key sees those that only its projects may use, and cannot store others.
    let mut scoped = scene.holder(&[scopes::CREDENTIALS_WRITE], Some(&["my-project"])).await;
    scoped.open("/console/credentials").await.shows("OF_MINE").hides("OF_ALL").hides("OF_OTHER");
    assert_eq!(scoped.get("/console/credentials/OF_ALL").await.status, StatusCode::NOT_FOUND);
    let form = scoped.open(FORM).await.form(FORM);
    let refused = |projects: &'static str, name: &'static str| {
        [("name", name), ("kind", "env"), ("value", VALUE), ("projects", projects)]
    };
    scoped.post(&form, &refused("", "NEW")).await.shows("is required because the API key is restricted");
    scoped.post(&form, &refused("other", "NEW")).await.shows("is not one of the projects");
    scoped
        .post(&form, &refused("my-project", "OF_ALL"))
        .await
        .shows("is taken by a credential of other projects");
    scene.holder(&[scopes::COMMANDS_READ], None).await.open("/console/commands").await.hides(">Credentials<");
}
