//! `search`: repositories of a registry by what they are about.

use super::Images;
use super::reference::{OFFICIAL, split_domain};
use crate::api::{ImageSearch, SearchResult};
use crate::error::{Error, Result};
use crate::filters;
use crate::registry::{self, Settings};

/// How many results are asked for by default, and at most: Docker's numbers.
const LIMIT: u32 = 25;
const MOST: u32 = 100;

/// What a result must be.
#[derive(Default)]
struct Wanted {
    is_automated: Option<bool>,
    is_official: Option<bool>,
    stars: i64,
}

impl Images<'_> {
    /// Repositories of a registry that have to do with a term, as the registry orders them.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for a limit or a filter that there is none of,
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) of a registry that cannot be searched.
    pub fn search(&self, request: &ImageSearch) -> Result<Vec<SearchResult>> {
        let wanted = Wanted::parse(&request.filters)?;
        let limit = match u32::try_from(request.limit) {
            Ok(0) => LIMIT,
            Ok(limit) if limit <= MOST => limit,
            _ => {
                let why = format!("limit {} is outside the range of [1, {MOST}]", request.limit);
                return Err(Error::invalid(why).about("field", "Limit"));
            }
        };
        let (registry, term) = split(&request.term)?;
        let mut found = registry::search(
            self.engine.canceller(),
            Settings::read(self.engine)?,
            &registry,
            request.auth.as_ref(),
            term,
            limit,
        )?;
        // A registry may not care for the number.
        found.truncate(limit as usize);
        found.retain(|result| wanted.admits(result));
        Ok(found)
    }
}

impl Wanted {
    fn parse(filters: &filters::Filters) -> Result<Wanted> {
        let mut wanted = Wanted::default();
        for (name, values) in filters {
            match name.as_str() {
                "is-automated" => wanted.is_automated = filters::truth(name, values)?,
                "is-official" => wanted.is_official = filters::truth(name, values)?,
                "stars" => {
                    for value in values {
                        let stars: u32 = value.parse().map_err(|_| {
                            Error::invalid(format!("invalid filter 'stars={value}'"))
                                .about("field", "Filters.stars")
                        })?;
                        wanted.stars = wanted.stars.max(stars.into());
                    }
                }
                _ => return Err(filters::unknown(name)),
            }
        }
        Ok(wanted)
    }

    fn admits(&self, result: &SearchResult) -> bool {
        self.is_automated.is_none_or(|wanted| wanted == result.is_automated)
            && self.is_official.is_none_or(|wanted| wanted == result.is_official)
            && result.star_count >= self.stars
    }
}

/// The registry that is searched, and for what: `registry.example/term`, without a registry Docker Hub.
fn split(text: &str) -> Result<(String, &str)> {
    let invalid = |why: &str| Error::invalid(format!("invalid search term {text:?}: {why}"));
    if text.contains("://") {
        return Err(invalid("begin with the registry's name, without http:// or https://"));
    }
    let (registry, term) = split_domain(text);
    // Docker Hub's own images are found by their short names.
    let term = term.strip_prefix(OFFICIAL).unwrap_or(term);
    if term.is_empty() {
        return Err(invalid("it is empty"));
    }
    Ok((registry.to_owned(), term))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_may_begin_with_its_registry() {
        for (text, registry, term) in [
            ("debian", "docker.io", "debian"),
            ("library/debian", "docker.io", "debian"),
            ("user/app", "docker.io", "user/app"),
            ("docker.io/web server", "docker.io", "web server"),
            ("localhost:5000/app", "localhost:5000", "app"),
            ("registry.example/a/b", "registry.example", "a/b"),
        ] {
            assert_eq!(split(text).unwrap(), (registry.to_owned(), term), "{text}");
        }
        for wrong in ["", "https://registry.example/app", "registry.example/", "library/"] {
            assert!(split(wrong).is_err(), "{wrong}");
        }
    }
}
