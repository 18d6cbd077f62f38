//! The `anchorline` command.
fn main() {}
