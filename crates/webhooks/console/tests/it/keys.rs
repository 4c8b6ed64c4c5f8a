//! API keys.

use http::StatusCode;

use crate::scene::Scene;

#[tokio::test]
async fn a_key_is_created_shown_once_used_and_deleted() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    browser.open("/console/api-keys").await.shows("no API key besides");
    browser.open("/console/api-keys/new").await.shows("value=\"webhooks:write\"").hides("commands:read");
    let wrong = browser
        .post("/console/api-keys/new", &[("name", "shop"), ("scope", "admin"), ("projects", "a")])
        .await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    wrong.shows("cannot be combined with the scope admin").shows("value=\"shop\"");
    browser.post("/console/api-keys/new", &[("name", "shop")]).await.shows("must contain at least one scope");

    let form = [("name", "shop"), ("scope", "webhooks:read"), ("projects", "a\r\nb")];
    let page = browser.submit("/console/api-keys/new", &form).await;
    page.shows("The API key was created.").shows("shop").shows("never");
    let start = page.text.find("value=\"rdev_").unwrap() + "value=\"".len();
    let key = page.text[start..start + 44].to_owned();
    browser.open("/console/api-keys").await.hides(&key);

    let mut holder = scene.browser();
    holder.sign_in(&key).await;
    holder.open("/console/webhooks").await.shows("shop").shows("projects: a, b");
    let list = browser.open("/console/api-keys").await.text;
    let start = list.find("/console/api-keys/key_").unwrap();
    let address = list[start..].split('"').next().unwrap().to_owned();
    browser.open(&address).await.shows("Delete this API key?");
    browser.submit(&address, &[]).await.shows("The API key was deleted.");
    assert_eq!(holder.get("/console/webhooks").await.status, StatusCode::SEE_OTHER);
}
