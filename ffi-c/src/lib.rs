//! The C face: `libbarque.so`, `libbarque.a`, `barque.h`.
//!
//! Every function here checks its pointers, calls core and translates the answer; none decides anything. What a C program
//! sees is `include/barque.h`, which is generated from these files: their comments are written for its reader. The rules of
//! the ABI are in `docs/c-api.md`.
//!
//! The exported functions are not marked `unsafe` although C can pass them anything: only C calls them, and there every
//! call is. Raw pointers are read in `text.rs`, `out.rs` and `handle.rs`, nowhere else.

#![expect(non_camel_case_types, reason = "the types have the names that C knows them by")]

pub mod cancel;
pub mod container;
pub mod doc;
pub mod engine;
pub mod error;
pub mod exec;
pub mod file;
pub mod image;
pub mod network;
pub mod output;
pub mod registry;
pub mod stream;
pub mod system;
pub mod text;
pub mod version;
pub mod volume;

mod boundary;
mod call;
mod handle;
mod out;
mod path;
