//! A verb's connection and output.

use std::io::IsTerminal;

use clap::Args;
use rdev_webhooks_client::{Client, Error, Page, PageRequest, Reply, random_key};
use secrecy::SecretString;

use super::output::{self, Printer, say};
use super::settings::{Settings, Source};
use super::table::Column;
use super::{ConnectionArgs, Failure, Outcome};

/// The maximum number of items of a page.
const MAX_PAGE: u32 = 100;

/// What a verb works with.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) printer: Printer,
    pub(crate) settings: Settings,
    args: ConnectionArgs,
    key: String,
}

// The part of a list.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListArgs {
    /// Maximum number of items
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,

    /// All items
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

impl Session {
    pub(crate) fn open(args: &ConnectionArgs) -> Outcome<Self> {
        let settings = Settings::find(args)?;
        let key = match &args.idempotency_key {
            Some(key) => key.clone(),
            None => random_key().map_err(|error| Failure::failed(error.to_string()))?,
        };
        Ok(Self { printer: Printer::new(args.output), settings, args: args.clone(), key })
    }

    /// Returns the client with its key. Without a key it asks for it on a terminal.
    pub(crate) fn client(&self) -> Outcome<Client> {
        let key = match &self.settings.api_key {
            Some(key) => key.value.clone(),
            None => self.prompt()?,
        };
        self.build(Some(key))
    }

    /// Returns a client for what needs no key; it has the key if there is one.
    pub(crate) fn keyless_client(&self) -> Outcome<Client> {
        self.build(self.settings.api_key.as_ref().map(|key| key.value.clone()))
    }

    /// Checks that the URL of the option `--url` is a service, before the API key is sent there. For verbs whose own
    /// object has a URL: it is easily given by this option. `help` is the command that sets it.
    pub(crate) async fn check_given_url(&self, help: &str) -> Outcome {
        let url = &self.settings.url;
        if !matches!(url.source, Source::Flag(_)) {
            return Ok(());
        }
        let failure = match self.build(None)?.check_liveness().await {
            Ok(_) => return Ok(()),
            Err(Error::Foreign { .. }) => Failure::usage(format!(
                "--url is the URL of the service, and {} is none. Nothing was changed, and no key was sent",
                url.value
            )),
            Err(error) => Failure::unavailable(error.to_string()),
        };
        Err(failure.with_help(help))
    }

    fn build(&self, key: Option<SecretString>) -> Outcome<Client> {
        let mut builder = Client::builder(&self.settings.url.value).timeout(self.args.request_timeout);
        if let Some(key) = key {
            builder = builder.api_key(key);
        }
        if self.args.trace {
            builder = builder.trace(say);
        }
        Ok(self.done(builder.build())?.with_idempotency_key(&self.key))
    }

    fn prompt(&self) -> Outcome<SecretString> {
        let url = &self.settings.url.value;
        let missing = || {
            let help = "RDEV_API_KEY=… in the environment, --api-key-file FILE, or rdev-webhooks config set --profile NAME --url URL";
            Failure::usage(format!("there is no API key for {url}")).with_help(help)
        };
        if !std::io::stdin().is_terminal() || !output::is_heard() {
            return Err(missing());
        }
        let key = rpassword::prompt_password(format!("API key for {url}: ")).map_err(|_| missing())?;
        match key.trim() {
            "" => Err(missing()),
            key => Ok(key.into()),
        }
    }

    /// Turns an error of the client into the end of the verb.
    pub(crate) fn done<T>(&self, result: Result<T, Error>) -> Outcome<T> {
        result.map_err(|error| Failure::from_client(&error, &self.settings.url.value, &self.key))
    }

    /// Prints one object.
    pub(crate) fn show<T>(&self, result: Result<Reply<T>, Error>) -> Outcome {
        let reply = self.done(result)?;
        self.printer.one(reply.json())
    }

    /// Reads as many pages as the arguments want, and prints the items.
    pub(crate) async fn list<T>(
        &self,
        args: &ListArgs,
        columns: &[Column],
        fetch: impl AsyncFn(PageRequest) -> Result<Reply<Page<T>>, Error>,
    ) -> Outcome {
        let (items, has_more) = self.collect(args, fetch).await?;
        let items: Vec<_> = items.iter().map(Reply::json).collect();
        self.printer.list(columns, &items)?;
        if has_more && output::is_heard() {
            say(&format!("There are more than {}: use --limit N or --all.", items.len()));
        }
        Ok(())
    }

    async fn collect<T>(
        &self,
        args: &ListArgs,
        fetch: impl AsyncFn(PageRequest) -> Result<Reply<Page<T>>, Error>,
    ) -> Outcome<(Vec<Reply<T>>, bool)> {
        let wanted = if args.all { usize::MAX } else { args.limit as usize };
        let mut items = Vec::new();
        let mut cursor = None;
        loop {
            let left = u32::try_from(wanted - items.len()).unwrap_or(MAX_PAGE).min(MAX_PAGE);
            let page = self.done(fetch(PageRequest { limit: Some(left), cursor }).await)?.into_value();
            if !page.damaged.is_empty() {
                say(&format!("warning: damaged in the database and left out: {}", page.damaged.join(", ")));
            }
            items.extend(page.data);
            cursor = page.next_cursor;
            if !page.has_more || items.len() >= wanted || cursor.is_none() {
                return Ok((items, page.has_more));
            }
        }
    }
}
