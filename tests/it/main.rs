//! Tests of the whole workspace: its dependencies, and its behaviour from end to end.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and prints the figures that it is about"
)]

mod access;
mod all_in_one;
mod architecture;
mod client_verbs;
mod clients;
mod command_line;
mod console;
mod crashes;
mod deploy;
mod description;
mod feed_consumers;
mod formats;
mod limits;
mod listen;
mod logs;
mod long_transactions;
mod metrics;
mod modules;
mod operating;
mod operational;
mod plaintext;
mod postgres;
mod races;
mod rdev;
mod rdev_run;
mod receivers;
mod replays;
mod rotation;
mod separate_processes;
mod streams;
mod templates;
mod tutorial;
mod waits;
