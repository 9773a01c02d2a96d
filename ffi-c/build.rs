//! What rustc does not say to the linker about a C library.

fn main() {
    // rustc sets no SONAME (rust-lang/cargo#5045), and without one every program records the file name it was linked with.
    // 0 is the ABI's number: it changes when the ABI breaks, and only then.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libbarque.so.0");
    // dlclose(3) would unmap code that thread-local destructors still point to.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo:rerun-if-changed=build.rs");
}
