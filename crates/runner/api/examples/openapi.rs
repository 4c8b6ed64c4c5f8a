//! Prints the API description.

use std::io::Write;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(rdev_runner_api::openapi_json().as_bytes())
}
