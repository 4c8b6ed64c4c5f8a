//! The contract.

use crate::harness::PostgresHarness;

rdev_runner_testkit::store_contract_tests!(PostgresHarness::new().await);
