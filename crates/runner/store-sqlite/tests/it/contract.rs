//! The contract.

use crate::harness::SqliteHarness;

rdev_runner_testkit::store_contract_tests!(SqliteHarness::new().await);
