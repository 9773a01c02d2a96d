//! What Node asks of an addon's linking.

fn main() {
    napi_build::setup();
    // Node unloads an addon when the last worker that uses it ends (dlclose). The runtime's threads would go on in code
    // that is no longer there.
    println!("cargo:rustc-link-arg-cdylib=-Wl,-z,nodelete");
}
