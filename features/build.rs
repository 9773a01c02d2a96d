//! Nothing to do: there for the build-dependencies, whose features it names.

fn main() {}
