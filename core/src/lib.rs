//! barque runs containers from inside your program. There is no daemon: open a directory, start a container.
//!
//! ```no_run
//! use barque::{Deadline, Engine, EngineOptions, Item, Next, api};
//!
//! let engine = Engine::open(EngineOptions::default())?;
//! let mut run = engine.containers().run(&api::ContainerRun {
//!     create: api::ContainerCreate {
//!         image: "hello".into(),
//!         host_config: api::HostConfig { auto_remove: true, ..Default::default() },
//!         ..Default::default()
//!     },
//!     ..Default::default()
//! })?;
//! while let Next::Item(item) = run.next(Deadline::never())? {
//!     match item {
//!         Item::Chunk(chunk) => print!("{}", String::from_utf8_lossy(&chunk.data)),
//!         Item::Document(exit) => println!("{exit}"),
//!     }
//! }
//! # Ok::<(), barque::Error>(())
//! ```
//!
//! An [`Engine`] is an engine root opened by this process; any number of processes may have the same root open. Verbs take
//! ids and documents ([`api`]) in the words of the Docker Engine API. Every call is synchronous and may be made from any
//! thread; what can take long is a [`Stream`] or can be cancelled by a [`Canceller`].
//!
//! The library is a guest in your process: it changes no signal handler, no working directory, no environment, prints
//! nothing, starts no thread that outlives a call or the stream it works for, and never forks without an exec.

pub mod api;
pub mod container;
pub mod human;
pub mod image;
pub mod network;
pub mod registry;
pub mod shorthand;
pub mod volume;

mod build;
mod collect;
mod engine;
mod error;
mod events;
mod failpoint;
mod filters;
mod id;
mod layout;
mod monitor_image;
mod percent;
mod progress;
mod reconcile;
mod store;
mod stream;
mod sys;

pub use collect::{Captured, Collected};
pub use engine::{Engine, EngineOptions};
pub use error::{Error, ErrorKind, Result, Subject};
pub use stream::{Canceller, Chunk, Deadline, Item, Next, Output, Stream};

/// barque's version: that of every package made from this repository.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
