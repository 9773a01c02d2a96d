//! Places that are in the writable layer only because something was mounted there.
//!
//! They are taken away afterwards, by the jail that has that layer as its root: no link that the command left leads out
//! (CVE-2024-23652).

use super::solver::Site;
use crate::container::files::tree::{self, Target};
use crate::error::{Error, ErrorKind, Result};

/// Such places, deepest first.
pub(super) struct Stubs(Vec<String>);

impl Stubs {
    /// Find out which there will be.
    pub(super) fn of<'a>(
        site: &Site<'_>,
        lower: &[String],
        mounts: impl Iterator<Item = &'a str>,
    ) -> Result<Stubs> {
        let mut places = Vec::new();
        for destination in mounts {
            let above = destination.match_indices('/').skip(1);
            places.extend(above.map(|(at, _)| destination[..at].to_owned()));
            places.push(destination.to_owned());
        }
        // What is in a directory sorts behind it.
        places.sort_unstable();
        places.dedup();
        let mut missing = Vec::new();
        for place in places.into_iter().rev() {
            if !tree::exists(site.engine, lower.to_vec(), &place)? {
                missing.push(place);
            }
        }
        Ok(Stubs(missing))
    }

    /// Take them away, unless something is in them.
    pub(super) fn clear(&self, site: &Site<'_>, target: &dyn Fn() -> Result<Target>) -> Result<()> {
        let may_stay = |error: &Error| {
            error.errno() == Some(libc::ENOTEMPTY) || error.kind() == ErrorKind::NotFound
        };
        for place in &self.0 {
            match tree::remove(site.engine, target()?, place) {
                Err(error) if may_stay(&error) => {}
                removed => removed?,
            }
        }
        Ok(())
    }
}
