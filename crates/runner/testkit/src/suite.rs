//! What the contract suites of ports share.

use std::time::Duration;

/// The deadline of one test.
const DEADLINE: Duration = Duration::from_secs(120);

/// Runs one test of a suite within its deadline.
///
/// # Panics
///
/// Panics if the test takes longer.
pub async fn run_test(test: impl Future<Output = ()>) {
    tokio::time::timeout(DEADLINE, test).await.expect("the test ends within its deadline");
}

/// Defines `NAMES` and the macro that runs the suite of a module.
macro_rules! suite {
    ($dollar:tt $(#[$doc:meta])* $tests:ident of $module:ident: $($name:ident)+) => {
        /// The names of all tests of the suite.
        pub const NAMES: &[&str] = &[$(stringify!($name)),+];

        $(#[$doc])*
        #[macro_export]
        macro_rules! $tests {
            ($dollar harness:expr) => {
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $name() {
                        let harness = $dollar harness;
                        $crate::run_test($crate::$module::$name(&harness)).await;
                    }
                )+
            };
        }
    };
}

pub(crate) use suite;
