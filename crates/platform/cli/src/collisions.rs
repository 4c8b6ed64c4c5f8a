//! Options of verbs that have a name of the connection or of the output. For the tests of programs.

use std::collections::BTreeSet;

use clap::{Arg, Args, Command};

use crate::ConnectionArgs;

/// Returns the arguments of a program's verbs that have a name of the connection or of the output: the name of an
/// option, a letter, a variable, or an id, through which clap hands over values.
#[must_use]
pub fn collisions(program: &Command) -> Vec<String> {
    let mut found = Vec::new();
    collect(program, "", false, &reserved(), &mut found);
    found
}

/// Returns the members of request bodies in an API's description that have the name of an option of the connection or
/// of the output, as `timeout_ms` has of `--timeout`. Verbs set them by an option with another name.
#[must_use]
pub fn members_with_reserved_names(description: &serde_json::Value) -> BTreeSet<String> {
    let operations = description["paths"].as_object().into_iter().flat_map(|paths| paths.values());
    let bodies = operations
        .flat_map(|path| path.as_object().into_iter().flat_map(|methods| methods.values()))
        .flat_map(|operation| operation["requestBody"]["content"].as_object().into_iter().flatten());
    let schemas = bodies.map(|(_, content)| {
        let reference = content["schema"]["$ref"].as_str().and_then(|reference| reference.get(1..));
        reference.and_then(|pointer| description.pointer(pointer)).unwrap_or(&content["schema"])
    });
    let members = schemas.flat_map(|schema| schema["properties"].as_object().into_iter().flatten());
    let reserved = reserved();
    let is_reserved = |member: &String| {
        let name = member.trim_end_matches("_ms").trim_end_matches("_seconds").replace('_', "-");
        reserved.contains(&format!("--{name}"))
    };
    members.map(|(member, _)| member.clone()).filter(is_reserved).collect()
}

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

/// Returns the names of the connection and of the output, including the variables that their help names.
fn reserved() -> BTreeSet<String> {
    let mut reserved = BTreeSet::new();
    for arg in ConnectionArgs::augment_args(Command::new("connection")).get_arguments() {
        reserved.extend(names(arg));
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let words = help.split(|char: char| !(char.is_ascii_uppercase() || char == '_'));
        reserved.extend(words.filter(|word| word.starts_with("RDEV_")).map(str::to_owned));
    }
    reserved
}

fn collect(
    command: &Command,
    path: &str,
    is_client: bool,
    reserved: &BTreeSet<String>,
    found: &mut Vec<String>,
) {
    let path = format!("{path} {}", command.get_name());
    let connects = command.get_arguments().any(|arg| arg.get_id() == "client_url");
    for arg in command.get_arguments() {
        let is_own = connects && !is_client && reserved.contains(&format!("id {}", arg.get_id()));
        let taken: Vec<_> = names(arg).intersection(reserved).cloned().collect();
        let counts = match connects || is_client {
            true => !is_own && !taken.is_empty(),
            // The value of a global option is also visible in the commands above, by its id.
            false => taken.iter().any(|name| name.starts_with("id ")),
        };
        if counts {
            found.push(format!("{}: {}", path.trim_start(), taken.join(", ")));
        }
    }
    for verb in command.get_subcommands() {
        collect(verb, &path, connects || is_client, reserved, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_of_the_connection_in_a_verb_is_found() {
        let verb = Command::new("verb").args([
            Arg::new("a").long("url"),
            Arg::new("b").short('o'),
            Arg::new("client_profile").long("other"),
            Arg::new("d").long("hook").env("RDEV_URL"),
            Arg::new("e").long("fine").alias("trace"),
            Arg::new("f").long("endpoint"),
        ]);
        let group = ConnectionArgs::augment_args(Command::new("group")).subcommand(verb);
        let program = Command::new("x").arg(Arg::new("output").long("log")).subcommand(group);
        let expected = [
            "x: id output",
            "x group verb: --url",
            "x group verb: -o",
            "x group verb: id client_profile",
            "x group verb: RDEV_URL",
            "x group verb: --trace",
        ];
        assert_eq!(collisions(&program), expected);
    }

    #[test]
    fn members_with_the_name_of_an_option_are_found() {
        let schema = serde_json::json!({"properties": {"url": {}, "request_timeout_ms": {}, "name": {}}});
        let operation = |schema: serde_json::Value| serde_json::json!({"requestBody": {"content": {"application/json": {"schema": schema}}}});
        let reference = serde_json::json!({"$ref": "#/components/schemas/Thing"});
        let document = serde_json::json!({
            "paths": {
                "/a": {"post": operation(reference), "get": {}},
                "/b": {"post": operation(serde_json::json!({"properties": {"trace": {}}}))},
            },
            "components": {"schemas": {"Thing": schema}},
        });
        let found = members_with_reserved_names(&document);
        assert_eq!(found.iter().collect::<Vec<_>>(), ["request_timeout_ms", "trace", "url"]);
    }
}
