//! What the suites in `tests/tests` share: a place for an engine ([`sandbox`]), images made without a registry ([`image`]), a
//! checker of what must be true that shares no code with the engine ([`invariants`]), the faces as child processes
//! ([`faces`]), directory trees ([`files`]), a registry that misbehaves on request ([`registry`]), scenarios as data ([`scenario`]), the runner of a suite ([`suite`]), and the reader of core's documents from
//! which pages and types are generated ([`schema`]).

pub mod faces;
pub mod files;
pub mod image;
pub mod invariants;
pub mod programs;
pub mod registry;
pub mod sandbox;
pub mod scenario;
pub mod schema;
pub mod suite;

pub use sandbox::Sandbox;
