//! A verb's connection and output.

use std::io::IsTerminal;

use clap::Args;
use rdev_client::{Connection, Error, Live, Page, PageRequest, Reply, Signal, random_key};
use secrecy::SecretString;
use serde::de::DeserializeOwned;

use crate::output::{self, Printer, say};
use crate::settings::{Setting, Settings, Source};
use crate::table::Column;
use crate::{ConnectionArgs, Failure, Outcome, Program};

/// The maximum number of items of a page.
const MAX_PAGE: u32 = 100;

/// What a verb works with.
#[derive(Debug)]
pub struct Session {
    /// The output.
    pub printer: Printer,
    /// The settings of the connection.
    pub settings: Settings,
    program: &'static Program,
    args: ConnectionArgs,
    key: String,
}

// The part of a list.
#[derive(Debug, Clone, Args)]
#[expect(missing_docs, reason = "clap would show it as the description of the verb")]
pub struct ListArgs {
    /// Maximum number of items
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,

    /// All items
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

impl Session {
    /// Finds the settings. It connects to nothing.
    ///
    /// # Errors
    /// Fails if the settings cannot be read.
    pub fn open(program: &'static Program, args: &ConnectionArgs) -> Outcome<Self> {
        let settings = Settings::find(program, args)?;
        let key = match &args.idempotency_key {
            Some(key) => key.clone(),
            None => random_key().map_err(|error| Failure::failed(error.to_string()))?,
        };
        Ok(Self { printer: Printer::new(args.output), settings, program, args: args.clone(), key })
    }

    /// Returns the program.
    #[must_use]
    pub const fn program(&self) -> &'static Program {
        self.program
    }

    /// Returns the idempotency key of the command.
    #[must_use]
    pub fn idempotency_key(&self) -> &str {
        &self.key
    }

    /// Returns a client with its key. Without a key it asks for it on a terminal.
    ///
    /// # Errors
    /// Fails if the URL or the key is invalid, or if there is no key.
    pub fn client<C: From<Connection>>(&self) -> Outcome<C> {
        let key = match &self.settings.api_key {
            Some(key) => key.value.clone(),
            None => self.prompt()?,
        };
        self.build(Some(key))
    }

    /// Returns a client for what needs no key; it has the key if there is one.
    ///
    /// # Errors
    /// Fails if the URL or the key is invalid.
    pub fn keyless_client<C: From<Connection>>(&self) -> Outcome<C> {
        self.build(self.settings.api_key.as_ref().map(|key| key.value.clone()))
    }

    /// Checks that the URL of the option `--url` is a service, before the API key is sent there. For verbs whose own
    /// object has a URL: it is easily given by this option. `command` sets that URL, and `probe` asks for something
    /// that needs no key.
    ///
    /// # Errors
    /// Fails if it is not a service.
    pub async fn check_given_url<C: From<Connection>, T>(
        &self,
        command: &str,
        probe: impl AsyncFn(C) -> Result<T, Error>,
    ) -> Outcome {
        let url = &self.settings.url;
        if !matches!(url.source, Source::Flag(_)) {
            return Ok(());
        }
        let failure = match probe(self.build(None)?).await {
            Ok(_) => return Ok(()),
            Err(Error::Foreign { .. }) => Failure::usage(format!(
                "--url is the URL of the service, and {} is none. Nothing was changed, and no key was sent",
                url.value
            )),
            Err(error) => Failure::unavailable(error.to_string()),
        };
        Err(failure.with_command(command))
    }

    fn build<C: From<Connection>>(&self, key: Option<SecretString>) -> Outcome<C> {
        let mut builder = Connection::builder::<Connection>(self.program.agent, &self.settings.url.value)
            .timeout(self.args.request_timeout);
        if let Some(key) = key {
            builder = builder.api_key(key);
        }
        if self.args.trace {
            builder = builder.trace(say);
        }
        Ok(C::from(self.done(builder.build())?.with_idempotency_key(&self.key)))
    }

    fn prompt(&self) -> Outcome<SecretString> {
        let Setting { value: url, source } = &self.settings.url;
        if *source == Source::Default {
            let data_dir = self.settings.data_dir.value.display();
            let start = self.program.command("serve   (in another terminal and this folder)");
            let message = format!("no server has been started in {data_dir}, and none is named");
            return Err(
                Failure::usage(message).with_advice(format!("{start}, or --data-dir DIR, or --url URL"))
            );
        }
        let missing = || {
            let set = self.program.command("config set --profile NAME --url URL");
            let advice = format!("RDEV_API_KEY=… in the environment, --api-key-file FILE, or {set}");
            Failure::usage(format!("there is no API key for {url}")).with_advice(advice)
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
    ///
    /// # Errors
    /// Fails with that error.
    pub fn done<T>(&self, result: Result<T, Error>) -> Outcome<T> {
        result
            .map_err(|error| Failure::from_client(self.program, &error, &self.settings.url.value, &self.key))
    }

    /// Prints one object.
    ///
    /// # Errors
    /// Fails with the error of the client, or if the output cannot be written.
    pub fn show<T>(&self, result: Result<Reply<T>, Error>) -> Outcome {
        let reply = self.done(result)?;
        self.printer.one(reply.json())
    }

    /// Prints the result of a call that returns one object, and in a table the text at this path with its line breaks.
    ///
    /// # Errors
    /// Fails with the error of the client, or if the output cannot be written.
    pub fn show_with_text<T>(&self, result: Result<Reply<T>, Error>, path: &str) -> Outcome {
        let reply = self.done(result)?;
        self.printer.one_with_text(reply.json(), path)
    }

    /// Reads as many pages as the arguments want, and prints the items.
    ///
    /// # Errors
    /// Fails with the error of the client, or if the output cannot be written.
    pub async fn list<T>(
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

    /// Carries out a call for each id, and prints each result as soon as it is there.
    ///
    /// # Errors
    /// Fails with the first error of the client, or if the output cannot be written.
    pub async fn show_each<T>(
        &self,
        ids: &[String],
        columns: &[Column],
        call: impl AsyncFn(&str) -> Result<Reply<T>, Error>,
    ) -> Outcome {
        for id in ids {
            self.printer.streamed(columns, self.done(call(id).await)?.json())?;
        }
        Ok(())
    }

    /// Deletes what the ids name, and says so for each.
    ///
    /// # Errors
    /// Fails with the first error of the client.
    pub async fn delete_each(
        &self,
        ids: &[String],
        call: impl AsyncFn(&str) -> Result<(), Error>,
    ) -> Outcome {
        for id in ids {
            self.done(call(id).await)?;
            say(&format!("{id} is deleted."));
        }
        Ok(())
    }

    /// Prints the items of an endless stream as they come.
    ///
    /// # Errors
    /// Fails with the error that ends the stream, or if the output cannot be written.
    pub async fn follow<T: DeserializeOwned>(&self, mut live: Live<T>, columns: &[Column]) -> Outcome {
        loop {
            match self.done(live.next().await)? {
                Signal::Item(item) => self.printer.streamed(columns, item.json())?,
                Signal::Lost(error) => say(&format!("{error}; reconnecting")),
                Signal::Connected | Signal::Moved | Signal::Other(..) => {}
            }
        }
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
