//! A system on SQLite with its console.

use rdev_webhooks::access::{Ids, NewApiKey};
use rdev_webhooks::console::{ConsoleOptions, Router};
use rdev_webhooks::domain::{
    Access, Delivery, DeliveryId, DestinationPolicy, EventId, Scope, Webhook, WebhookSettings,
};
use rdev_webhooks::keyring::{EncryptionKey, Keyring};
use rdev_webhooks::{Ambient, Database, Event, RdevWebhooks, WorkerOptions};
use rdev_webhooks_testkit::eventually;
use secrecy::ExposeSecret;
use tempfile::TempDir;

use rdev_pages::browser::{Browser, Page};

/// The administrator key.
pub(crate) const KEY: &str = "rdev_0123456789abcdefghijklmnopqrstuvwxyz";

pub(crate) struct Scene {
    pub(crate) system: RdevWebhooks,
    folder: TempDir,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::sqlite(folder.path().join("rdev.db"));
        let keyring = Keyring::new(EncryptionKey::generate(Ambient::system().entropy.bytes()));
        let policy = DestinationPolicy::new(vec!["127.0.0.0/8".parse().unwrap()]);
        let system = RdevWebhooks::builder(database, keyring).destinations(policy).open().await.unwrap();
        Self { system, folder }
    }

    /// Returns the folder of the database.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Returns the console with these options, mounted as the binaries do.
    pub(crate) fn mounted(&self, options: ConsoleOptions) -> Router {
        Router::new().nest_service("/console", self.system.console::<()>(options))
    }

    /// Returns a browser in which no one is signed in.
    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.mounted(ConsoleOptions::new(KEY.into())))
    }

    /// Returns a browser in which the administrator is signed in.
    pub(crate) async fn administrator(&self) -> Browser {
        let mut browser = self.browser();
        browser.sign_in(KEY).await;
        browser
    }

    /// Creates a key.
    pub(crate) async fn key(&self, name: &str, scopes: &[Scope], projects: Option<&[&str]>) -> String {
        let access = Access {
            scopes: scopes.iter().cloned().collect(),
            projects: projects.map(|names| names.iter().map(|name| name.parse().unwrap()).collect()),
        };
        let new = NewApiKey { name: Some(name.to_owned()), access, expires_at: None };
        let created = self.system.api_keys().create(new, Ids::fresh()).await.unwrap();
        created.secret.expose().expose_secret().to_owned()
    }

    /// Returns a browser in which a new key with these scopes is signed in.
    pub(crate) async fn holder(&self, scopes: &[Scope], projects: Option<&[&str]>) -> Browser {
        let key = self.key("holder", scopes, projects).await;
        let mut browser = self.browser();
        browser.sign_in(&key).await;
        browser
    }

    /// Publishes an event, and returns its id.
    pub(crate) async fn publish(&self, event_type: &str, data: &str) -> EventId {
        let draft = Event::new(event_type).data(data);
        self.system.publisher().publish(draft).await.unwrap().id
    }

    /// Starts to deliver.
    pub(crate) fn deliver(&self) {
        self.system.start_worker(WorkerOptions::default());
    }

    /// Waits until a delivery has ended, and returns it.
    pub(crate) async fn ended(&self, id: DeliveryId) -> Delivery {
        let ended = async || {
            let found = self.system.history().get(Access::everything(), id).await.unwrap().unwrap();
            found.delivery.state.finished_at().map(|_| found.delivery)
        };
        eventually("the end of a delivery", ended).await
    }

    /// Opens an address until its page has a text.
    pub(crate) async fn eventually(&self, browser: &mut Browser, address: &str, text: &str) -> Page {
        let shown = async || {
            let page = browser.open(address).await;
            page.text.contains(text).then_some(page)
        };
        eventually(&format!("{text} on {address}"), shown).await
    }

    /// Creates a webhook for every event.
    pub(crate) async fn webhook(&self, url: &str, change: impl FnOnce(&mut WebhookSettings)) -> Webhook {
        let mut settings = WebhookSettings::new(url.parse().unwrap(), ["*".parse().unwrap()]);
        change(&mut settings);
        self.system.webhooks().create(settings, None, true, Ids::fresh()).await.unwrap().webhook
    }
}
