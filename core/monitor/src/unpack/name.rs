//! Names of entries: from bytes in an archive to a parent and a last component.
//!
//! What a name may be is decided here, where it leads is decided by the kernel (`parent.rs`). A leading slash and `.` mean
//! nothing; `..` is refused in every place, since no program that packs a tree writes it and every escape does.

use crate::tar::quoted;

/// Longest path that one system call takes (PATH_MAX, without its NUL).
const LONGEST: usize = 4095;
const LONGEST_COMPONENT: usize = 255;

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// aufs kept its own files under such names; they mean nothing to anybody else.
const AUFS: &[u8] = b".wh..wh.";

/// A name in a layer, normalised: no empty components, no `.`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    path: Vec<u8>,
    /// Where the last component begins.
    base: usize,
}

/// What an entry's name asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The layer's root itself.
    Root,
    /// This entry.
    Entry(Name),
    /// That this name of the layers below is hidden.
    Whiteout(Name),
    /// That all names of the layers below in this directory are hidden.
    Opaque(Vec<u8>),
    /// Nothing.
    Ignored,
}

impl Name {
    /// The directory it is in; empty for the root.
    pub(super) fn parent(&self) -> &[u8] {
        &self.path[..self.base.saturating_sub(1)]
    }

    /// The last component.
    pub(super) fn base(&self) -> &[u8] {
        &self.path[self.base..]
    }

    /// Read a name; `None` stands for the root.
    pub(super) fn parse(raw: &[u8]) -> Result<Option<Name>, String> {
        let refused = |why: &str| Err(format!("{}: {why}", quoted(raw)));
        let mut path = Vec::with_capacity(raw.len());
        let mut base = 0;
        for component in raw.split(|byte| *byte == b'/') {
            match component {
                b"" | b"." => continue,
                b".." => return refused("a name with .. in it"),
                _ if component.len() > LONGEST_COMPONENT => {
                    return refused("a name that is longer than 255 bytes");
                }
                _ if component.contains(&0) => return refused("a name with a NUL in it"),
                _ => {}
            }
            if !path.is_empty() {
                path.push(b'/');
            }
            base = path.len();
            path.extend_from_slice(component);
        }
        if path.len() > LONGEST {
            return refused("a path that is longer than 4095 bytes");
        }
        Ok((!path.is_empty()).then_some(Name { path, base }))
    }
}

impl Target {
    /// What an entry of this name asks for; `whiteouts`: in a layer, where `.wh.` has its meaning.
    pub(super) fn parse(raw: &[u8], whiteouts: bool) -> Result<Target, String> {
        let Some(name) = Name::parse(raw)? else { return Ok(Target::Root) };
        if !whiteouts {
            return Ok(Target::Entry(name));
        }
        let mut parents = name.parent().split(|byte| *byte == b'/');
        match parents.find(|component| component.starts_with(WHITEOUT)) {
            Some(component) if component.starts_with(AUFS) => return Ok(Target::Ignored),
            Some(_) => {
                return Err(format!("{}: a directory named as a whiteout", quoted(raw)));
            }
            None => {}
        }
        let Some(hidden) = name.base().strip_prefix(WHITEOUT) else {
            return Ok(Target::Entry(name));
        };
        match hidden {
            _ if name.base() == OPAQUE => Ok(Target::Opaque(name.parent().to_vec())),
            _ if name.base().starts_with(AUFS) => Ok(Target::Ignored),
            b"" | b"." | b".." => Err(format!("{}: a whiteout of what is no name", quoted(raw))),
            hidden => {
                let mut path = name.path[..name.base].to_vec();
                path.extend_from_slice(hidden);
                Ok(Target::Whiteout(Name { path, base: name.base }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(raw: &str) -> Option<(String, String)> {
        let name = Name::parse(raw.as_bytes()).unwrap()?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Some((text(name.parent()), text(name.base())))
    }

    #[test]
    fn slashes_and_dots_mean_nothing() {
        for raw in ["a/b", "/a/b", "./a/b", "a//b", "a/./b/", "/./a/b/."] {
            assert_eq!(split(raw), Some(("a".into(), "b".into())), "{raw}");
        }
        assert_eq!(split("a"), Some((String::new(), "a".into())));
        for raw in ["", ".", "./", "/", "//."] {
            assert_eq!(split(raw), None, "{raw}");
        }
    }

    #[test]
    fn names_that_lead_elsewhere_or_are_too_long_are_refused() {
        let long = "n".repeat(256);
        let deep = "d/".repeat(2049);
        for raw in ["..", "../x", "a/../b", "a/..", "/..", "a\0b", &long, &deep] {
            assert!(Name::parse(raw.as_bytes()).is_err(), "{raw:?}");
        }
        assert!(split("...").is_some());
        assert!(split(&"d/".repeat(2000)).is_some());
    }

    #[test]
    fn whiteouts_are_told_from_names() {
        let target = |raw: &str| Target::parse(raw.as_bytes(), true);
        let name = |raw: &str| Name::parse(raw.as_bytes()).unwrap().unwrap();
        assert_eq!(target("a/.wh.b"), Ok(Target::Whiteout(name("a/b"))));
        assert_eq!(target(".wh.b"), Ok(Target::Whiteout(name("b"))));
        assert_eq!(target("a/.wh..wh..opq"), Ok(Target::Opaque(b"a".to_vec())));
        assert_eq!(target(".wh..wh..opq"), Ok(Target::Opaque(Vec::new())));
        assert_eq!(target(".wh..wh.plnk/1.2"), Ok(Target::Ignored));
        assert_eq!(target(".wh..wh.aufs"), Ok(Target::Ignored));
        assert_eq!(target(".wh..hidden"), Ok(Target::Whiteout(name(".hidden"))));
        for wrong in [".wh.", "a/.wh.", ".wh..", "a/.wh...", ".wh.a/b"] {
            assert!(target(wrong).is_err(), "{wrong}");
        }
        let plain = Target::parse(b"a/.wh.b", false);
        assert_eq!(plain, Ok(Target::Entry(name("a/.wh.b"))));
    }
}
