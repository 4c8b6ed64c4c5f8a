//! The names of the options.

use clap::CommandFactory;
use rdev_cli::collisions::{collisions, members_with_reserved_names};

use super::*;

#[test]
fn no_verb_has_an_option_of_the_connection_or_the_output() {
    Cli::command().debug_assert();
    assert_eq!(collisions(&Cli::command()), [""; 0]);
}

#[test]
fn the_url_of_a_webhook_has_an_option_of_its_own() {
    let description = serde_json::from_str(include_str!("../../../docs/openapi.json")).unwrap();
    let members = members_with_reserved_names(&description);
    assert_eq!(members.iter().collect::<Vec<_>>(), ["url"]);
    let command = Cli::command();
    let update = command.find_subcommand("webhooks").and_then(|group| group.find_subcommand("update"));
    assert!(update.unwrap().get_arguments().any(|arg| arg.get_long() == Some("endpoint")));
}
