//! Files that the library makes: with exactly the mode that was meant, whatever the host's umask is.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Error, Result};

/// Write a file, whole or not at all: under another name first.
pub(crate) fn replace(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    write(path, content, mode, false)
}

/// The same, so that after a power cut the file has the old content or the new and nothing else.
pub(crate) fn replace_durably(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    write(path, content, mode, true)
}

/// Have a file of the caller's written, with the mode that new ones have; it is there when it is whole.
pub(crate) fn replace_with(path: &Path, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    let failed = |error| Error::system(format!("write {}", path.display()), error);
    beside(path, |temporary| File::create(temporary).map_err(failed), fill)
}

fn write(path: &Path, content: &[u8], mode: u32, durably: bool) -> Result<()> {
    let failed = |error| Error::system(format!("write {}", path.display()), error);
    let make = |temporary: &Path| create(temporary, mode);
    beside(path, make, |file| {
        file.write_all(content).map_err(failed)?;
        if durably { file.sync_data().map_err(failed) } else { Ok(()) }
    })
}

/// Make a file under another name, and give it this one when it is filled.
fn beside(
    path: &Path,
    make: impl FnOnce(&Path) -> Result<File>,
    fill: impl FnOnce(&mut File) -> Result<()>,
) -> Result<()> {
    let failed = |error| Error::system(format!("write {}", path.display()), error);
    // A name of its own for every writer: several threads of several processes may be at it.
    static WRITERS: AtomicU32 = AtomicU32::new(0);
    let mut temporary = path.as_os_str().to_owned();
    let number = WRITERS.fetch_add(1, Ordering::Relaxed);
    temporary.push(format!(".{}-{number}", std::process::id()));
    let temporary = Path::new(&temporary);
    let made = make(temporary).and_then(|mut file| {
        fill(&mut file)?;
        std::fs::rename(temporary, path).map_err(failed)
    });
    if made.is_err() {
        // What cannot be removed now is in nobody's way.
        let _ = std::fs::remove_file(temporary);
    }
    made
}

/// Open a file for writing, empty.
pub(crate) fn create(path: &Path, mode: u32) -> Result<File> {
    let failed = |error| Error::system(format!("create {}", path.display()), error);
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
        .map_err(failed)?;
    file.set_permissions(Permissions::from_mode(mode)).map_err(failed)?;
    Ok(file)
}

/// Make a file that is appended to, if it is not there.
pub(crate) fn append(path: &Path, mode: u32) -> Result<()> {
    let made = File::options()
        .append(true)
        .create_new(true)
        .mode(mode)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path);
    match made {
        Ok(file) => file.set_permissions(Permissions::from_mode(mode)),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
    .map_err(|error| Error::system(format!("create {}", path.display()), error))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::replace;

    #[test]
    fn a_file_is_replaced_whole_and_never_through_a_link() {
        let directory = std::env::temp_dir().join(format!("barque-file-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (path, victim) = (directory.join("f"), directory.join("victim"));
        std::fs::write(&victim, "kept").unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        replace(&path, b"new", 0o640).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(path.symlink_metadata().unwrap().mode() & 0o7777, 0o640);
        assert_eq!(std::fs::read(&victim).unwrap(), b"kept");
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 2);
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
