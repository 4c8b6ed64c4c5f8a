//! The test kit's own tests: its store meets the contract, its list of names is complete, and its tools work
//! as documented.

#![allow(clippy::unwrap_used, reason = "the tests' helpers fail tests too")]

mod contract_names;
mod determinism;
mod memory;
mod receiver;
