//! Tests of the test kit: the in-memory store passes the contract, and the contract is whole.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod contract_names;
mod memory;
