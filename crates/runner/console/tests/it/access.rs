//! Who sees and may do what.

use http::StatusCode;
use rdev_access::scopes;
use rdev_core::Scope;

use crate::scene::Scene;

#[tokio::test]
async fn what_a_key_may_not_do_is_not_shown() {
    let scene = Scene::new().await;
    let mut administrator = scene.administrator().await;
    let id = scene.command(&mut administrator, "Fix it").await;
    let path = format!("/console/commands/{id}");

    let mut reader = scene.holder(&[scopes::COMMANDS_READ], None).await;
    // The first page is the first section that the key has a scope for.
    let home = reader.get("/console").await;
    assert_eq!(home.location(), "/console/commands");
    reader.open("/console/commands").await.shows(&id).hides("New command").hides(">Webhooks<");
    let page = reader.open(&path).await;
    page.hides("Cancel").hides("Run again").hides("/events?command=");
    for address in ["/console/commands/new", &format!("{path}/delete")] {
        assert_eq!(reader.get(address).await.status, StatusCode::FORBIDDEN, "{address}");
    }
    for address in ["cancel", "run-again", "delete"] {
        let refused = reader.post(&format!("{path}/{address}"), &[]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{address}");
    }
    let mut other = scene.holder(&[Scope::new("webhooks:read")], None).await;
    other.open("/console/webhooks").await.hides(">Commands<");
    assert_eq!(other.get("/console/commands").await.status, StatusCode::FORBIDDEN);
    let mut no_one = scene.browser();
    assert_eq!(no_one.get(&path).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_project_scoped_key_sees_what_belongs_to_its_projects() {
    let scene = Scene::new().await;
    scene.project("other").await;
    let mut administrator = scene.administrator().await;
    let id = scene.command(&mut administrator, "Fix it").await;
    let mut holder = scene.holder(&[scopes::COMMANDS_WRITE], Some(&["other"])).await;
    holder.open("/console/commands").await.hides(&id);
    let path = format!("/console/commands/{id}");
    for address in
        [path.clone(), format!("{path}/prompt"), format!("{path}/live"), format!("{path}/events/1")]
    {
        assert_eq!(holder.get(&address).await.status, StatusCode::NOT_FOUND, "{address}");
    }
    assert_eq!(holder.post(&format!("{path}/cancel"), &[]).await.status, StatusCode::NOT_FOUND);
    let form = holder.open("/console/commands/new").await;
    form.shows("value=\"other\"").hides("my-project");
    let form = form.form("/console/commands/new");
    let refused = holder.post(&form, &[("project", "my-project"), ("prompt", "x")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_key_is_created_with_scopes_of_the_runner() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    let form = browser.open("/console/api-keys/new").await;
    for scope in scopes::ALL {
        form.shows(&format!("name=\"scope\" value=\"{scope}\""));
    }
    assert_eq!(form.text.matches("name=\"scope\"").count(), scopes::ALL.len() + 4, "{}", form.text);
    let form = form.form("/console/api-keys/new");
    let fields = [("name", "ci"), ("scope", "commands:write"), ("scope", "credentials:read")];
    let faulty = browser.post(&form, &[&fields[..], &[("expires_at", "soon")]].concat()).await;
    faulty.shows("value=\"commands:write\" checked").shows("value=\"credentials:read\" checked");
    let page = browser.submit(&form, &fields).await;
    page.shows("The API key was created.").shows("commands:write").shows("credentials:read");
    let start = page.text.find("value=\"rdev_").unwrap() + "value=\"".len();
    let mut holder = scene.browser();
    holder.sign_in(&page.text[start..start + 44]).await;
    holder.open("/console/commands").await.shows("New command").shows(">Credentials<").hides(">Webhooks<");
}
