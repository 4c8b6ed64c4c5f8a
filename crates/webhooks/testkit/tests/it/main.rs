//! The testkit's own tests: its store keeps the contract, its list of names is whole, and what it
//! gives to other tests does as it says.

#![allow(clippy::unwrap_used, reason = "the tests' helpers fail tests too")]

mod contract_names;
mod determinism;
mod memory;
mod receiver;
