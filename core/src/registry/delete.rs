//! Deleting at a registry (distribution-spec, "Content Management"): a tag, or a manifest with all its tags. Blobs that nothing names any
//! more are the registry's to collect.

use ureq::http::{Method, StatusCode};

use super::repository::{Access, Repository};
use super::{Login, Registries, Settings, failure};
use crate::api::{AuthConfig, RegistryDelete};
use crate::error::{Error, Result};
use crate::image::Reference;

impl Registries<'_> {
    /// Delete a tag from a registry, or by digest a manifest with all its tags. What is stored here stays.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is none,
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) when the registry lets nobody delete, or no tag by itself.
    pub fn delete(&self, request: &RegistryDelete) -> Result<()> {
        let about = |error: Error| error.about("image", &request.name);
        let reference = Reference::parse(&request.name)?;
        let what = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => digest.as_str(),
            (None, Some(tag)) => tag,
            // What goes for good is named in full.
            (None, None) => return Err(about(Error::invalid("name a tag or a digest to delete"))),
        };
        let repository = self.repository(&reference, Access::Delete, request.auth.as_ref());
        repository.and_then(|repository| repository.delete(what)).map_err(about)
    }

    /// A repository at its own registry, not at a mirror.
    pub(super) fn repository(
        &self,
        reference: &Reference,
        access: Access,
        auth: Option<&AuthConfig>,
    ) -> Result<Repository> {
        let canceller = self.engine.canceller();
        let settings = Settings::read(self.engine)?;
        let login = |registry: &str| Login::given_or_stored(auth, registry, canceller);
        let places = Repository::places(canceller, &settings, reference, access, &login)?;
        let place = places.last().ok_or_else(|| Error::internal("no place to ask"))?;
        Ok(Repository::at(place, canceller, &settings, reference))
    }
}

impl Repository {
    fn delete(&self, what: &str) -> Result<()> {
        let url = self.session().url(format!("/v2/{}/manifests/{what}", self.path()));
        let scope = self.scope(Access::Delete);
        let answer = self.session().ask(&Method::DELETE, &url, &[], None, &scope)?;
        let is_tag = !what.contains(':');
        match answer.status {
            status if status.is_success() => Ok(()),
            // The reference implementation takes a tag for a digest that is none.
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::BAD_REQUEST if is_tag => {
                Err(Error::unsupported(format!(
                    "{} cannot delete a tag by itself; delete the image by its digest, with all its tags",
                    self.registry()
                ))
                .with_reason("no_tag_deletion"))
            }
            _ => Err(failure::of(answer)),
        }
    }
}
