//! The Woodpecker server of projects.

use std::error::Error;
use std::sync::Arc;

use clap::Args;
use rdev_process::options::{FromFile, secret, secret_file};
use rdev_runner_domain::Pipeline;
use rdev_runner_domain::ports::CiServer;
use rdev_runner_woodpecker::Woodpecker;
use rdev_webhooks::domain::EventType;
use rdev_webhooks::{NewEventType, RdevWebhooks};
use secrecy::SecretString;

// The Woodpecker server of projects.
#[derive(Debug, Clone, Args)]
pub(crate) struct WoodpeckerArgs {
    /// URL of the Woodpecker server in which projects have pipelines
    #[arg(long, env = "RDEV_WOODPECKER_URL", value_name = "URL")]
    woodpecker_url: Option<String>,

    /// Token of the Woodpecker account that administers the repositories
    #[arg(long, env = "RDEV_WOODPECKER_TOKEN", value_name = "TOKEN", hide_env_values = true,
          value_parser = secret(token))]
    woodpecker_token: Option<SecretString>,

    /// File that contains the Woodpecker token
    #[arg(long, env = "RDEV_WOODPECKER_TOKEN_FILE", value_name = "FILE", conflicts_with = "woodpecker_token",
          value_parser = secret_file(token))]
    woodpecker_token_file: Option<FromFile<SecretString>>,
}

impl WoodpeckerArgs {
    /// Returns the server, if the options name one.
    ///
    /// # Errors
    ///
    /// Fails if one of the two options is missing, or if the URL is invalid.
    pub(crate) fn server(&self) -> Result<Option<Arc<dyn CiServer>>, String> {
        let token = self.woodpecker_token.clone();
        let token = token.or_else(|| self.woodpecker_token_file.clone().map(FromFile::into_value));
        match (&self.woodpecker_url, token) {
            (None, None) => Ok(None),
            (Some(url), Some(token)) => match Woodpecker::new(url, token) {
                Ok(server) => Ok(Some(Arc::new(server))),
                Err(error) => Err(format!("cannot use --woodpecker-url: {error}")),
            },
            (Some(_), None) => {
                Err("--woodpecker-url needs --woodpecker-token or --woodpecker-token-file (or \
                                    RDEV_WOODPECKER_TOKEN or RDEV_WOODPECKER_TOKEN_FILE)"
                    .to_owned())
            }
            (None, Some(_)) => {
                Err("a Woodpecker token needs --woodpecker-url (or RDEV_WOODPECKER_URL)".to_owned())
            }
        }
    }
}

fn token(text: &str) -> Result<SecretString, &'static str> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("must consist of visible ASCII characters");
    }
    Ok(text.into())
}

/// Registers the event that reports the end of a pipeline, unless it is registered.
///
/// # Errors
///
/// Fails if the database fails.
pub(crate) async fn register_event(system: &RdevWebhooks) -> Result<(), Box<dyn Error>> {
    let name: EventType = Pipeline::COMPLETED.parse()?;
    if system.event_types().get(&name).is_none() {
        let new = NewEventType {
            description: Some("A pipeline of a project has ended.".to_owned()),
            schema: Some(Pipeline::COMPLETED_SCHEMA.to_owned()),
            ..Default::default()
        };
        system.event_types().put(name, new).await?;
    }
    Ok(())
}
