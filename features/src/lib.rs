//! No code. Cargo compiles a dependency with the features that the packages of one command ask for, so that the command,
//! the C library, the two bindings, the example and the tests had each compiled the library anew. They all depend on
//! this, which asks for what any of them does, and the library is compiled once. Who depends on `barque` does not.
