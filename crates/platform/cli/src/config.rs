//! The verbs of `config`: the settings and the profiles.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use secrecy::ExposeSecret;
use serde::Serialize;

use crate::config_file::{self, Config};
use crate::output::say;
use crate::settings::{Setting, read_key};
use crate::{ConnectionArgs, Failure, Group, Outcome, Program, Session, run_without_session};

/// The number of characters of a key that are shown.
const SHOWN_CHARS: usize = 9;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Show the settings and where each comes from
    Show,
    /// Make or change a profile: --url, and the key from --api-key-file, or asked for on a terminal
    Set(SetArgs),
    /// Choose the profile that is used if none is named; `none` for none
    Use {
        /// Name of the profile
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Remove a profile
    Remove {
        /// Name of the profile
        #[arg(value_name = "NAME")]
        name: String,
    },
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it as the description of the verb")]
pub struct SetArgs {
    /// Use it if no profile is named
    #[arg(long = "default")]
    is_default: bool,
}

/// A setting as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    name: &'static str,
    value: String,
    source: String,
}

/// Runs a verb.
#[must_use]
pub fn run(program: &'static Program, group: Group<ConfigVerb>) -> ExitCode {
    run_without_session(program, async move { execute(program, &group.connection, group.verb) })
}

fn execute(program: &'static Program, connection: &ConnectionArgs, verb: ConfigVerb) -> Outcome {
    match verb {
        ConfigVerb::Show => show(program, connection),
        ConfigVerb::Set(args) => set(program, connection, &args),
        ConfigVerb::Use { name } => change(program, |config, file| {
            config.profile = match name.as_str() {
                "none" => None,
                name => {
                    config.profile_named(name, file)?;
                    Some(name.to_owned())
                }
            };
            Ok(format!("The default profile is {name}."))
        }),
        ConfigVerb::Remove { name } => change(program, |config, file| {
            config.profile_named(&name, file)?;
            config.profiles.remove(&name);
            config.profile.take_if(|default| *default == name);
            Ok(format!("Profile {name} is removed."))
        }),
    }
}

fn show(program: &'static Program, connection: &ConnectionArgs) -> Outcome {
    let session = Session::open(program, connection)?;
    let settings = &session.settings;
    let none = |name: &'static str| Shown { name, value: "-".to_owned(), source: "-".to_owned() };
    let key = settings
        .api_key
        .as_ref()
        .map(|key| Setting { value: hint(key.value.expose_secret()), source: key.source.clone() });
    let shown = [
        settings.profile.as_ref().map_or_else(|| none("profile"), |profile| shown("profile", profile)),
        shown("url", &settings.url),
        key.as_ref().map_or_else(|| none("api_key"), |key| shown("api_key", key)),
        Shown {
            name: "data_dir",
            value: settings.data_dir.value.display().to_string(),
            source: settings.data_dir.source.to_string(),
        },
        Shown {
            name: "config_file",
            value: settings.config_file.display().to_string(),
            source: if settings.config_file.exists() { "found" } else { "does not exist" }.to_owned(),
        },
    ];
    let items = shown.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>();
    let items = items.map_err(|error| Failure::failed(error.to_string()))?;
    let items: Vec<_> = items.iter().map(String::as_str).collect();
    session.printer.list(&[("SETTING", "name"), ("VALUE", "value"), ("SOURCE", "source")], &items)
}

fn shown(name: &'static str, setting: &Setting<String>) -> Shown {
    Shown { name, value: setting.value.clone(), source: setting.source.to_string() }
}

/// Returns the beginning of a key, by which people recognise it.
fn hint(key: &str) -> String {
    let start: String = key.chars().take(SHOWN_CHARS).collect();
    format!("{start}…")
}

fn set(program: &Program, connection: &ConnectionArgs, args: &SetArgs) -> Outcome {
    let named = connection.profile.clone().or_else(|| std::env::var("RDEV_PROFILE").ok());
    let name = named.filter(|name| !name.is_empty()).unwrap_or_else(|| "default".to_owned());
    let key = match &connection.api_key_file {
        Some(file) => Some(read_key(file)?),
        None if std::io::stdin().is_terminal() => {
            let prompt = format!("API key for profile {name} (empty to leave it as it is): ");
            let typed = rpassword::prompt_password(prompt).map_err(Failure::from)?;
            Some(typed.trim().to_owned()).filter(|typed| !typed.is_empty()).map(Into::into)
        }
        None => None,
    };
    if connection.url.is_none() && key.is_none() && !args.is_default {
        let command = format!("config set --profile {name} --url URL --api-key-file FILE");
        return Err(Failure::usage("there is nothing to set").with_command(command));
    }
    change(program, |config, _| {
        let is_first = config.profiles.is_empty();
        let profile = config.profiles.entry(name.clone()).or_default();
        if let Some(url) = &connection.url {
            profile.url = Some(url.clone());
        }
        if let Some(key) = key {
            profile.api_key = Some(key.expose_secret().to_owned());
        }
        if args.is_default || is_first {
            config.profile = Some(name.clone());
        }
        Ok(format!("Profile {name} is stored."))
    })
}

/// Changes the file and says what was done.
fn change(
    program: &Program,
    apply: impl FnOnce(&mut Config, &std::path::Path) -> Outcome<String>,
) -> Outcome {
    let file = config_file::path(program)?;
    let mut config = Config::load(&file)?;
    let done = apply(&mut config, &file)?;
    config.store(&file)?;
    say(&format!("{done} ({})", file.display()));
    Ok(())
}
