//! Recompiles when a migration is added: `migrate!` alone only sees changes of existing ones.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
