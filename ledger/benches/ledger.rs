//! Costs of the ledger, each beside the floor of a plain file append with fdatasync.

fn main() {
    divan::main();
}
