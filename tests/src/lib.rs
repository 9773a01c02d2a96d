//! What the suites of this package share.

pub mod schema;
