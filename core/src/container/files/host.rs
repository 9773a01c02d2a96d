//! The host's end of a copy: the caller's own paths, looked at as the docker command looks at them.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::error::{Error, ErrorKind, Result};

/// What is copied from the host.
#[derive(Debug)]
pub(super) struct Source {
    /// The directory it is in, or with [`Source::content_only`] the directory itself.
    pub(super) above: OwnedFd,
    /// Its name there.
    pub(super) base: CString,
    /// The name it has for whoever copies it.
    pub(super) name: String,
    pub(super) is_directory: bool,
    /// Only what is in it: `/.` at the end of the path.
    pub(super) content_only: bool,
}

/// Where something is copied to on the host.
#[derive(Debug)]
pub(super) struct Destination {
    /// The path, with a last symbolic link followed.
    pub(super) path: String,
    /// What is there: whether a directory.
    pub(super) found: Option<bool>,
}

impl Source {
    /// Look at a path.
    pub(super) fn look(path: &str, follow_link: bool) -> Result<Source> {
        let content_only = path == "." || path.ends_with("/.");
        let asserts_directory = content_only || path.ends_with('/');
        let metadata = fs::symlink_metadata(path).map_err(|error| failed("lstat", path, error))?;
        // With a slash behind it a link is followed by the kernel, and this is what it leads to.
        if asserts_directory && !metadata.is_dir() {
            return Err(not_a_directory(path));
        }
        let name = super::copy::base(path.trim_end_matches("/.")).to_owned();
        let resolved = match follow_link || asserts_directory {
            true => fs::canonicalize(path).map_err(|error| failed("lstat", path, error))?,
            false => {
                let (above, base) = (parent(path), super::copy::base(path));
                let above =
                    fs::canonicalize(above).map_err(|error| failed("lstat", path, error))?;
                if base == ".." {
                    fs::canonicalize(path).map_err(|error| failed("lstat", path, error))?
                } else {
                    above.join(base)
                }
            }
        };
        let metadata =
            fs::symlink_metadata(&resolved).map_err(|error| failed("lstat", path, error))?;
        let is_directory = metadata.is_dir();
        let (above, base) = match (resolved.parent(), resolved.file_name()) {
            (Some(above), Some(base)) if !content_only => (above, base.as_bytes()),
            _ => (resolved.as_path(), &b"."[..]),
        };
        let name = match name.as_str() {
            // Called by what it is, where the path says nothing.
            "." | ".." | "" | "/" => resolved
                .file_name()
                .map_or_else(|| ".".to_owned(), |name| name.to_string_lossy().into_owned()),
            _ => name,
        };
        Ok(Source {
            above: open(above).map_err(|error| failed("open", path, error))?,
            base: CString::new(base).map_err(|_| Error::invalid("a path with a NUL in it"))?,
            name,
            is_directory,
            content_only,
        })
    }
}

impl Destination {
    /// Look at a path, which need not be there; its parent must.
    pub(super) fn look(path: &str) -> Result<Destination> {
        let above = parent(path.trim_end_matches("/.").trim_end_matches('/'));
        if let Err(error) = fs::metadata(&above) {
            if error.kind() == io::ErrorKind::NotFound {
                let message = format!(
                    "invalid output path: directory {:?} does not exist",
                    above.display().to_string()
                );
                return Err(Error::new(ErrorKind::NotFound, message).about("path", path));
            }
            return Err(failed("stat", path, error));
        }
        let mut here = path.to_owned();
        for _ in 0..40 {
            let Ok(metadata) = fs::symlink_metadata(here.trim_end_matches('/')) else {
                return Ok(Destination { path: here, found: None });
            };
            if !metadata.is_symlink() {
                if !metadata.is_dir() && !metadata.is_file() {
                    let message = format!(
                        "invalid output path: {path:?} must be a directory or a regular file"
                    );
                    return Err(Error::invalid(message).about("path", path));
                }
                return Ok(Destination { path: here, found: Some(metadata.is_dir()) });
            }
            let link = here.trim_end_matches('/');
            let target = fs::read_link(link).map_err(|error| failed("readlink", path, error))?;
            let target = parent(link).join(target);
            here = target.into_os_string().into_string().map_err(|_| {
                Error::unsupported(format!("{path} leads to a name that is not UTF-8"))
            })?;
        }
        Err(failed("stat", path, io::Error::from_raw_os_error(libc::ELOOP)))
    }
}

/// Open a directory of the caller's.
pub(super) fn open(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

/// The directory that a path's last component is in.
pub(super) fn parent(path: &str) -> PathBuf {
    match path.rfind('/') {
        Some(0) => PathBuf::from("/"),
        Some(slash) => PathBuf::from(&path[..slash]),
        None => PathBuf::from("."),
    }
}

fn not_a_directory(path: &str) -> Error {
    Error::invalid(format!("{path}: not a directory")).about("path", path)
}

/// Go's words: `lstat /nope: no such file or directory`.
fn failed(call: &str, path: &str, error: io::Error) -> Error {
    let missing = error.kind() == io::ErrorKind::NotFound;
    let not_directory = error.raw_os_error() == Some(libc::ENOTDIR);
    let error = Error::system(format!("{call} {path}"), error).about("path", path);
    if missing {
        return Error::new(ErrorKind::NotFound, error.message().to_owned()).about("path", path);
    }
    if not_directory {
        Error::invalid(error.message().to_owned()).about("path", path)
    } else {
        error
    }
}
