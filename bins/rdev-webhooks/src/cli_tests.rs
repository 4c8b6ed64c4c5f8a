//! The names of the options.

use std::collections::BTreeSet;

use clap::{Arg, CommandFactory};

use super::*;

/// Members of request bodies that have the name of an option of the connection, with the option that sets them.
const RENAMED_MEMBERS: &[(&str, &str)] = &[("url", "--endpoint")];

/// Returns every name by which an argument is set or read.
fn names(arg: &Arg) -> BTreeSet<String> {
    let longs = arg.get_long().into_iter().chain(arg.get_all_aliases().unwrap_or_default());
    let shorts = arg.get_short().into_iter().chain(arg.get_all_short_aliases().unwrap_or_default());
    let variable = arg.get_env().map(|name| name.to_string_lossy().into_owned());
    longs
        .map(|long| format!("--{long}"))
        .chain(shorts.map(|short| format!("-{short}")))
        .chain(variable)
        .chain([format!("id {}", arg.get_id())])
        .collect()
}

/// Returns the names that the connection and the output have, including the variables that their help names.
fn reserved() -> BTreeSet<String> {
    let mut reserved = BTreeSet::new();
    for arg in ConnectionArgs::augment_args(clap::Command::new("x")).get_arguments() {
        reserved.extend(names(arg));
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let words = help.split(|char: char| !(char.is_ascii_uppercase() || char == '_'));
        reserved.extend(words.filter(|word| word.starts_with("RDEV_")).map(str::to_owned));
    }
    reserved
}

/// Collects the arguments of `command` and its subcommands that have a reserved name.
fn collect(command: &clap::Command, path: &str, is_client: bool, found: &mut Vec<String>) {
    let path = format!("{path} {}", command.get_name());
    let connects = command.get_arguments().any(|arg| arg.get_id() == "client_url");
    for arg in command.get_arguments() {
        let is_own = connects && !is_client && reserved().contains(&format!("id {}", arg.get_id()));
        let taken: Vec<_> = names(arg).intersection(&reserved()).cloned().collect();
        let counts = match connects || is_client {
            true => !is_own && !taken.is_empty(),
            // The value of a global option is also visible in the commands above, by its id.
            false => taken.iter().any(|name| name.starts_with("id ")),
        };
        if counts {
            found.push(format!("{path}: {}", taken.join(", ")));
        }
    }
    for verb in command.get_subcommands() {
        collect(verb, &path, connects || is_client, found);
    }
}

#[test]
fn no_verb_has_an_option_of_the_connection_or_the_output() {
    Cli::command().debug_assert();
    let mut found = Vec::new();
    collect(&Cli::command(), "", false, &mut found);
    assert!(found.is_empty(), "{found:#?}");
    assert!(reserved().contains("RDEV_API_KEY_FILE") && reserved().contains("-o"), "{:?}", reserved());
}

#[test]
fn an_option_of_the_connection_in_a_verb_is_found() {
    let verb = clap::Command::new("verb").args([
        Arg::new("a").long("url"),
        Arg::new("b").short('o'),
        Arg::new("client_profile").long("other"),
        Arg::new("d").long("hook").env("RDEV_URL"),
        Arg::new("e").long("fine").alias("trace"),
        Arg::new("f").long("endpoint"),
    ]);
    let group = ConnectionArgs::augment_args(clap::Command::new("group")).subcommand(verb);
    let program = clap::Command::new("x").arg(Arg::new("output").long("log")).subcommand(group);
    let mut found = Vec::new();
    collect(&program, "", false, &mut found);
    let expected = [
        " x: id output",
        " x group verb: --url",
        " x group verb: -o",
        " x group verb: id client_profile",
        " x group verb: RDEV_URL",
        " x group verb: --trace",
    ];
    assert_eq!(found, expected);
}

#[test]
fn members_of_bodies_with_the_name_of_such_an_option_have_another_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let text = std::fs::read_to_string(path).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut members = BTreeSet::new();
    let operations = document["paths"].as_object().unwrap().values();
    for operation in operations.flat_map(|path| path.as_object().unwrap().values()) {
        let media_types = operation["requestBody"]["content"].as_object().into_iter().flatten();
        for (_, content) in media_types {
            let schema = content["schema"]["$ref"].as_str().map(|reference| &reference[1..]);
            let schema = schema.and_then(|pointer| document.pointer(pointer)).unwrap_or(&content["schema"]);
            members.extend(schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name));
        }
    }
    assert!(members.len() > 10, "{members:?}");
    let option = |member: &str| {
        let name = member.trim_end_matches("_ms").trim_end_matches("_seconds");
        format!("--{}", name.replace('_', "-"))
    };
    let taken = members.into_iter().filter(|member| reserved().contains(&option(member)));
    assert_eq!(taken.collect::<Vec<_>>(), RENAMED_MEMBERS.iter().map(|(name, _)| name).collect::<Vec<_>>());
    let mut program = Cli::command();
    program.build();
    for (_, option) in RENAMED_MEMBERS {
        let update = program.find_subcommand("webhooks").and_then(|group| group.find_subcommand("update"));
        assert!(update.unwrap().get_arguments().any(|arg| names(arg).contains(*option)), "{option}");
    }
}
