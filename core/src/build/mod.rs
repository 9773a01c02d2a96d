//! Building images from Dockerfiles.
//!
//! [`dockerfile`] reads the text; [`plan`] finds the stages that the target needs; [`solver`] carries them out side by side; a
//! [`stage`] carries out its instructions one after the other, each on the files that the one before has left. Steps that make
//! files ([`run`], [`copy`], [`add`]) are looked up in the cache first: a step's key is the digest of the files below it and of all that
//! it depends on, so the same step on the same files is never done twice, by whichever process. What steps have made is below a
//! lease until the end, when all of it goes into the store at once, also that of a build that failed.

mod add;
mod archive;
mod bind;
mod cache;
mod check;
mod context;
mod copy;
pub(crate) mod dockerfile;
mod epoch;
mod git;
mod mounts;
mod named;
mod origin;
mod output;
mod plan;
mod remote;
mod request;
mod run;
mod secret;
mod shared;
mod solver;
mod ssh;
mod stage;
mod state;
mod stubs;
mod tell;
#[cfg(test)]
mod tests;
mod variables;
mod writable;

pub(crate) use secret::sweep as sweep_secrets;

use crate::api::{ImageBuild, ImageBuilt};
use crate::error::Result;
use crate::image::{Build, Images};
use crate::progress;
use crate::store::lease::Lease;
use crate::stream::Stream;

use context::Context;
use named::Contexts;
use request::Request;
use solver::Solver;

impl Images<'_> {
    /// Build an image. The stream tells how it goes ([`Progress`](crate::api::Progress) documents with a `step`) and at last an
    /// [`ImageBuilt`]. Dropping it ends the build.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for a name, argument or Dockerfile that cannot be; from the
    /// stream also what a step failed of.
    pub fn build(&self, request: &ImageBuild) -> Result<Stream> {
        let engine = self.engine();
        let request = Request::check(request)?;
        // Opened here: the caller's descriptor is the caller's again when this returns.
        let (input, named) = (request.open()?, named::open(&request.contexts)?);
        progress::stream(engine, move |engine, progress| {
            let lease = Lease::take(engine.layout())?;
            let mut context = Context::open(engine, &lease, "context", input)?;
            let dockerfile = context.dockerfile(&request)?;
            let contexts = Contexts::new(engine, &lease, &request.contexts, named)?;
            let build = Build::begin(engine)?;
            let solver =
                Solver::new(engine, &request, (&context, &contexts), &dockerfile, progress)?;
            if request.check {
                return solver.check();
            }
            let solved = solver.solve(&lease, &build);
            let ended = build.end(engine);
            let built: ImageBuilt = solved?;
            ended.map(|()| built)
        })
    }
}
