//! Compiles anew when a migration is added: `migrate!` alone only sees changes of those it knows.

fn main() {
    println!("cargo:rerun-if-changed=../../../migrations/webhooks/sqlite");
}
