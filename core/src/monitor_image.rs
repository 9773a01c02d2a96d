//! The monitor program that the library carries inside itself.
//!
//! It is written once into the engine root, under the digest of its bytes, and executed from there: a file's pages are shared
//! by all monitors, a memfd's for each would not be. It is executed through a read-only mount of that file that is in no
//! namespace, so that even a container process that gets hold of `/proc/PID/exe` cannot open it for writing (CVE-2019-5736).

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::Mode;

use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::sys;

/// The program.
pub(crate) const BYTES: &[u8] = include_bytes!(env!("BARQUE_MONITOR_BIN"));

/// Its SHA-256, 64 hexadecimal digits, computed when it was built.
pub(crate) const SHA256: &str = env!("BARQUE_MONITOR_SHA256");

const MODE: u32 = 0o500;

/// The program, to be executed through `/proc/self/fd`. It is written out if it is not there, or not as it should be.
pub(crate) fn open(layout: &Layout) -> Result<OwnedFd> {
    let directory = layout.programs();
    let path = directory.join(format!("barque-monitor-{}", &SHA256[..16]));
    let file = match verified(&path)? {
        Some(file) => file,
        None => {
            sys::directory::make(&directory, Mode::RWXU)?;
            sys::file::replace(&path, BYTES, MODE)?;
            verified(&path)?.ok_or_else(|| {
                Error::internal(format!("{} is not what was written to it", path.display()))
            })?
        }
    };
    sys::mount::read_only_view(file.as_fd())
}

/// The file, if it is there and byte for byte the program. Comparing costs less than a digest would, and a file that a crash
/// left half written, or that somebody changed, is found out every time, so that none of it needs an fsync.
fn verified(path: &Path) -> Result<Option<File>> {
    let failed = |error| Error::system(format!("read {}", path.display()), error);
    let opened = File::options().read(true).custom_flags(libc::O_NOFOLLOW).open(path);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ELOOP)) => {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file()
        || metadata.mode() & 0o7777 != MODE
        || metadata.len() != BYTES.len() as u64
    {
        return Ok(None);
    }
    let mut buffer = [0; 32 << 10];
    let mut rest = BYTES;
    while !rest.is_empty() {
        let read = file.read(&mut buffer).map_err(failed)?;
        match rest.split_at_checked(read) {
            Some((expected, more)) if read > 0 && *expected == buffer[..read] => rest = more,
            _ => return Ok(None),
        }
    }
    Ok(Some(file))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::fs::PermissionsExt;

    use super::{BYTES, SHA256, open};
    use crate::layout::Layout;
    use crate::sys::spawn::{Ended, spawn};

    #[test]
    fn the_program_is_written_once_and_again_when_it_was_changed() {
        let root = std::env::temp_dir().join(format!("barque-image-{}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        let layout = Layout::of(&root, &root.join("run")).unwrap();
        let run = |program: &std::os::fd::OwnedFd| {
            spawn(program.as_fd(), &[c"barque-monitor", c"true"], &[]).unwrap().wait()
        };
        assert_eq!(run(&open(&layout).unwrap()), Ended::Exited(0));
        let path = layout.programs().join(format!("barque-monitor-{}", &SHA256[..16]));
        let first = path.metadata().unwrap().modified().unwrap();
        drop(open(&layout).unwrap());
        assert_eq!(path.metadata().unwrap().modified().unwrap(), first);

        let mut changed = BYTES.to_vec();
        changed[BYTES.len() / 2] ^= 1;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
        std::fs::write(&path, changed).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o500)).unwrap();
        let program = open(&layout).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), BYTES);
        assert_eq!(run(&program), Ended::Exited(0));
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(run(&program), Ended::Exited(0), "the view outlives the name");
    }

    #[test]
    fn nobody_can_write_through_the_view() {
        let root = std::env::temp_dir().join(format!("barque-view-{}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        let program = open(&Layout::of(&root, &root.join("run")).unwrap()).unwrap();
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&program));
        let error = std::fs::OpenOptions::new().write(true).open(path).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EROFS));
        std::fs::remove_dir_all(&root).unwrap();
    }
}
