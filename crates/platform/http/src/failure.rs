//! The errors of handlers.

/// Defines the error of an API's handlers, as `pub(crate) struct Failure;`: a [`Problem`](crate::Problem) in a type of the
/// API's own, so that its crate can implement `From` for the errors of its use cases. [`Faults`](crate::Faults) and the
/// errors of stores are converted already.
#[macro_export]
macro_rules! failure {
    ($(#[doc = $doc:literal])+ $visibility:vis struct $name:ident;) => {
        $(#[doc = $doc])+
        #[derive(Debug)]
        $visibility struct $name($crate::Problem);

        impl $crate::failure::IntoResponse for $name {
            fn into_response(self) -> $crate::failure::Response {
                self.0.into_response()
            }
        }

        impl From<$name> for $crate::Problem {
            fn from(failure: $name) -> Self {
                failure.0
            }
        }

        impl From<$crate::Problem> for $name {
            fn from(problem: $crate::Problem) -> Self {
                Self(problem)
            }
        }

        impl From<$crate::Faults> for $name {
            fn from(faults: $crate::Faults) -> Self {
                Self(faults.into())
            }
        }

        impl From<$crate::failure::StoreError> for $name {
            fn from(error: $crate::failure::StoreError) -> Self {
                Self(error.into())
            }
        }
    };
}

pub use axum::response::{IntoResponse, Response};
pub use rdev_core::StoreError;
