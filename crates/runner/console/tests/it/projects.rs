//! Projects: the list, the form, one project, a conflict while editing, and the deletion.

use http::StatusCode;
use rdev_access::scopes;
use rdev_runner_domain::Outcome;

use crate::scene::{Scene, ended};

const FORM: &str = "/console/projects/new";

#[tokio::test]
async fn a_project_is_created_shown_and_changed() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    browser.open("/console/projects").await.shows("my-project");
    let form = browser.open(FORM).await.form(FORM);
    let faulty = [
        ("name", "shop"),
        ("permissions", "edit"),
        ("max_running", "0"),
        ("wall", "soon"),
        ("allowed_tools", "Bash(cargo *)\n(x)"),
        ("environment", "PATH=/x\nno value"),
        ("workspace", "relative"),
        ("model", "a b"),
        ("repository", "billing"),
    ];
    let page = browser.post(&form, &faulty).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    for field in ["wall", "allowed_tools", "environment", "workspace", "model", "repository"] {
        page.shows(&format!("id=\"{field}-fault\""));
    }
    page.shows(">\nPATH=/x\nno value</textarea>");
    let page = browser.post(&form, &[("name", "shop"), ("permissions", "edit"), ("max_running", "0")]).await;
    page.shows("must be a number from 1 to 1000").shows("id=\"max_running-fault\"");
    let named = [("name", "Shop & Co"), ("permissions", "edit"), ("max_running", "1")];
    let page = browser.post(&form, &named).await;
    page.shows("id=\"name-fault\"").shows("such as `shop-co`").shows("value=\"Shop &#38; Co\"");
    let taken = browser.post(&form, &[("name", "my-project"), ("permissions", "edit")]).await;
    taken.shows("is that of a project that exists");

    let fields = [
        ("name", "shop-2"),
        ("description", "Sells <b>things</b>"),
        ("provider", "opencode"),
        ("permissions", "read-only"),
        ("max_running", "3"),
        ("wall", "2h"),
        ("turns", "20"),
        ("budget", "1.5"),
        ("allowed_tools", "Bash(cargo *)\nWebFetch"),
        ("environment", "RUST_LOG=debug\nGREETING=two\\nlines"),
        ("repository", "acme/billing"),
    ];
    let page = browser.submit(&form, &fields).await;
    page.shows("The project was created.").shows("Sells &lt;b&gt;things").shows("Bash(cargo *), WebFetch");
    page.shows("2h in all").shows("two\nlines").shows("No command was queued yet.").shows("opencode");
    page.shows("<dt>Repository</dt><dd>acme/billing</dd>");
    assert!(scene.root.join("shop-2").is_dir());
    let path = "/console/projects/shop-2";
    let edit = browser.open(&format!("{path}/edit")).await;
    edit.shows("value=\"acme/billing\"");
    edit.shows("GREETING=two\\nlines").shows("value=\"2h\"").shows("name=\"version\" value=\"1\"");
    let form = edit.form(&format!("{path}/edit"));
    let mut changed = fields.to_vec();
    changed.extend([("version", "1"), ("archived", "on")]);
    changed.retain(|(name, _)| !["name", "environment"].contains(name));
    let page = browser.submit(&form, &changed).await;
    page.shows("The project was saved.").shows("It is archived").hides("New command").hides("GREETING");
    browser.open("/console/projects").await.hides("shop-2");
    browser.open("/console/projects?archived=yes").await.shows("shop-2").hides("my-project");
    browser.open("/console/projects?archived=all").await.shows("shop-2").shows("my-project");
    // It takes no commands.
    browser.open("/console/commands/new").await.hides("shop-2");
    let form = browser.open("/console/commands/new").await.form("/console/commands/new");
    browser.post(&form, &[("project", "shop-2"), ("prompt", "x")]).await.shows("the project is archived");

    // Another has changed it meanwhile: nothing is overwritten, and nothing typed is lost.
    let form = edit.form(&format!("{path}/edit"));
    let conflict = browser.post(&form, &[("version", "1"), ("permissions", "full"), ("model", "mine")]).await;
    assert_eq!(conflict.status, StatusCode::CONFLICT);
    conflict.shows("Someone changed this project").shows("value=\"mine\"").shows("Save what I typed");
    conflict.shows("<th scope=\"row\">Permissions</th><td>full</td><td>read-only</td>");
    conflict.shows("name=\"version\" value=\"2\"");
}

#[tokio::test]
async fn a_project_is_deleted_once_nothing_of_it_runs_or_by_force() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    scene.command(&mut browser, "Fix it").await;
    let leased = scene.claim().await;
    let path = "/console/projects/my-project";
    let page = browser.open(path).await;
    page.shows("Starting")
        .shows("/console/commands?project=my-project")
        .shows("/console/commands/new?project=my-project");
    let confirm = browser.open(&format!("{path}/delete")).await;
    let form = confirm.form(&format!("{path}/delete"));
    let refused = browser.post(&form, &[("version", "1")]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    refused.shows("Nothing was deleted: 1 command has not ended.");
    let page = browser.submit(&form, &[("version", "1"), ("force", "on")]).await;
    page.shows("is deleted once its commands").shows("It is being deleted").hides("New command");
    scene.report(&leased, 0, Vec::new(), ended(Outcome::Cancelled)).await;
    let mut other = scene.administrator().await;
    scene.project("other").await;
    let confirm = other.open("/console/projects/other/delete").await;
    let form = confirm.form("/console/projects/other/delete");
    assert_eq!(other.post(&form, &[("version", "7")]).await.status, StatusCode::CONFLICT);
    other.submit(&form, &[("version", "1")]).await.shows("The project was deleted.");
    assert_eq!(other.get("/console/projects/other").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn projects_are_shown_and_changed_by_those_who_may() {
    let scene = Scene::new().await;
    scene.project("other").await;
    let mut reader = scene.holder(&[scopes::COMMANDS_READ], None).await;
    reader.open("/console/projects").await.shows("other").hides("New project");
    reader.open("/console/projects/other").await.hides(">Edit<").hides(">Delete<").hides("New command");
    for address in [FORM, "/console/projects/other/edit", "/console/projects/other/delete"] {
        assert_eq!(reader.get(address).await.status, StatusCode::FORBIDDEN, "{address}");
        assert_eq!(reader.post(address, &[]).await.status, StatusCode::FORBIDDEN, "{address}");
    }
    let mut scoped = scene.holder(&[scopes::COMMANDS_READ, scopes::PROJECTS_WRITE], Some(&["mine"])).await;
    scoped.open("/console/projects").await.hides("other");
    for page in ["", "/edit", "/delete"] {
        let address = format!("/console/projects/other{page}");
        assert_eq!(scoped.get(&address).await.status, StatusCode::NOT_FOUND, "{address}");
    }
    let form = scoped.open(FORM).await.form(FORM);
    let refused = scoped.post(&form, &[("name", "theirs"), ("permissions", "edit")]).await;
    refused.shows("is not one of the projects that the API key is restricted to");
    // Otherwise it could set the secrets of another project's repository.
    let fields = [("name", "mine"), ("permissions", "edit"), ("repository", "acme/other")];
    scoped.post(&form, &fields).await.shows("id=\"repository-fault\"");
    scoped
        .submit(&form, &[("name", "mine"), ("permissions", "edit")])
        .await
        .shows("The project was created.");
}

#[tokio::test]
async fn a_project_shows_the_statistics_of_its_commands() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    let path = "/console/projects/my-project";
    browser.open(path).await.shows("No command waits, runs or has ended in this time.");
    for outcome in [Outcome::Completed, Outcome::Completed, Outcome::Lost] {
        scene.command(&mut browser, "Fix it").await;
        let leased = scene.claim().await;
        scene.report(&leased, 0, Vec::new(), ended(outcome)).await;
    }
    scene.command(&mut browser, "Fix it").await;
    let page = browser.open(path).await;
    for (label, value) in [
        ("Completed", "2"),
        ("Lost", "1"),
        ("Queued", "1"),
        ("Success rate", "67 %"),
        ("Cost", "$0.75"),
        ("Tokens read", "3,900"),
        ("Tokens written", "123"),
        ("Read from cache", "0"),
        ("Written to cache", "0"),
    ] {
        page.shows(&format!("<dt>{label}</dt><dd>{value}</dd>"));
    }
    page.shows("<dt>Median run</dt>").shows("<dt>95 % of runs within</dt>").hides("<dt>Failed</dt>");
    page.shows("/my-project?window=30d\" aria-current=\"page\">Month");
    scene.advance(std::time::Duration::from_secs(2 * 24 * 60 * 60));
    let day = browser.open(&format!("{path}?window=24h")).await;
    day.shows("?window=24h\" aria-current=\"page\">Day").hides("<dt>Completed</dt>").shows("<dt>Queued</dt>");
    browser.open(&format!("{path}?window=7d")).await.shows("<dt>Completed</dt><dd>2</dd>");
    browser.open(&format!("{path}?window=never")).await.shows("aria-current=\"page\">Month");
}
