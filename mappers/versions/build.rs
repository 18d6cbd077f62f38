//! Tells cargo that the packages are part of the library: new files among them too, which `include_dir!` does not see.

fn main() {
    println!("cargo::rerun-if-changed=packages");
    println!("cargo::rerun-if-changed=build.rs");
}
