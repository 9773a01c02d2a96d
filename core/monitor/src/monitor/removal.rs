//! Empties a directory that a container has written to.
//!
//! Its writable layer may hold anything, symbolic links to elsewhere and directories nested without end included. So each
//! step is from a descriptor to a name in it, links are removed and never followed, nothing that is mounted is entered,
//! and a directory's own directories are first moved up to the top: depth then costs neither descriptors nor stack.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RawDir, RenameFlags, ResolveFlags, SeekFrom, openat, openat2,
    renameat_with, seek, statat, unlinkat,
};
use rustix::io::Errno;

/// Remove everything in `directory`, as far as it goes; the first failure is told.
pub(super) fn empty(directory: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut pass = Pass {
        top: openat(directory, ".", READ, Mode::empty())?,
        moved: 0,
        removed: 0,
        failure: None,
    };
    loop {
        pass.removed = 0;
        let found = pass.run()?;
        if found == 0 {
            return Ok(());
        }
        // What was moved up meanwhile is found by the next pass. One that achieves nothing never will.
        if let (0, Some(errno)) = (pass.removed, pass.failure) {
            return Err(errno);
        }
    }
}

const READ: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

struct Pass {
    top: OwnedFd,
    /// Names given to directories that were moved up.
    moved: u64,
    removed: u64,
    failure: Option<Errno>,
}

impl Pass {
    /// Remove the entries of the top directory; how many there were.
    fn run(&mut self) -> Result<u64, Errno> {
        let top =
            self.top.try_clone().map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?;
        seek(&top, SeekFrom::Start(0))?;
        let mut found = 0;
        each_entry(top.as_fd(), |name, kind| {
            found += 1;
            let removed = match kind {
                FileType::Directory => self.remove_directory(name),
                _ => unlinkat(&top, name, AtFlags::empty()),
            };
            match removed {
                Ok(()) => self.removed += 1,
                Err(errno) => self.failure = self.failure.or(Some(errno)),
            }
        })?;
        Ok(found)
    }

    /// Remove a directory of the top directory, moving those in it up.
    fn remove_directory(&mut self, name: &CStr) -> Result<(), Errno> {
        let within = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
        let directory = openat2(&self.top, name, READ, Mode::empty(), within)?;
        let mut result = Ok(());
        each_entry(directory.as_fd(), |name, kind| {
            let gone = match kind {
                FileType::Directory => self.move_up(directory.as_fd(), name),
                _ => unlinkat(&directory, name, AtFlags::empty()),
            };
            result = result.and(gone);
        })?;
        result?;
        unlinkat(&self.top, name, AtFlags::REMOVEDIR)
    }

    fn move_up(&mut self, from: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
        // An empty one is sooner removed than moved.
        if unlinkat(from, name, AtFlags::REMOVEDIR).is_ok() {
            return Ok(());
        }
        loop {
            self.moved += 1;
            let to = format!(".barque-removed-{}", self.moved);
            match renameat_with(from, name, &self.top, to, RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => {}
                result => return result,
            }
        }
    }
}

/// Call `each` with the name and type of every entry of an open directory but `.` and `..`.
fn each_entry(
    directory: BorrowedFd<'_>,
    mut each: impl FnMut(&CStr, FileType),
) -> Result<(), Errno> {
    let mut buffer = [MaybeUninit::<u8>::uninit(); 8192];
    let mut entries = RawDir::new(directory, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => {
                let stat = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(stat.st_mode)
            }
            known => known,
        };
        each(name, kind);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, mkdirat};
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            let path =
                std::env::temp_dir().join(format!("barque-removal-{name}-{}", std::process::id()));
            std::fs::create_dir(&path).unwrap();
            Scratch(path)
        }

        fn empty(&self, below: &str) -> Result<(), Errno> {
            empty(std::fs::File::open(self.0.join(below)).unwrap().as_fd())
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn everything_goes_and_links_are_not_followed() {
        let scratch = Scratch::new("links");
        let (inside, outside) = (scratch.0.join("in"), scratch.0.join("out"));
        std::fs::create_dir_all(inside.join("a/b/c")).unwrap();
        std::fs::create_dir_all(inside.join("a/b2")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("precious"), "x").unwrap();
        std::fs::write(inside.join("a/b/c/file"), "x").unwrap();
        symlink(&outside, inside.join("a/link")).unwrap();
        symlink("../../out", inside.join("top-link")).unwrap();
        scratch.empty("in").unwrap();
        assert_eq!(std::fs::read_dir(&inside).unwrap().count(), 0);
        assert!(outside.join("precious").exists());
    }

    #[test]
    fn depth_and_number_do_not_matter() {
        let scratch = Scratch::new("deep");
        let mut at = openat(CWD, &scratch.0, READ, Mode::empty()).unwrap();
        for _ in 0..5000 {
            mkdirat(&at, "d", Mode::from(0o755)).unwrap();
            std::fs::File::create(format!(
                "/proc/self/fd/{}/f",
                std::os::fd::AsRawFd::as_raw_fd(&at)
            ))
            .unwrap();
            at = openat(&at, "d", READ, Mode::empty()).unwrap();
        }
        for n in 0..3000 {
            std::fs::write(scratch.0.join(format!("file-{n}")), "").unwrap();
        }
        scratch.empty("").unwrap();
        assert_eq!(std::fs::read_dir(&scratch.0).unwrap().count(), 0);
    }

    #[test]
    fn what_cannot_be_removed_is_told_and_the_rest_goes() {
        let scratch = Scratch::new("busy");
        std::fs::create_dir_all(scratch.0.join("a/mounted")).unwrap();
        std::fs::write(scratch.0.join("file"), "").unwrap();
        let mount = |args: &[&str]| {
            std::process::Command::new("mount").args(args).status().unwrap().success()
        };
        let target = scratch.0.join("a/mounted");
        if !rustix::process::geteuid().is_root()
            || !mount(&["-t", "tmpfs", "barque", target.to_str().unwrap()])
        {
            eprintln!("skipped: cannot mount");
            return;
        }
        std::fs::write(target.join("precious"), "x").unwrap();
        let result = scratch.empty("");
        let kept = target.join("precious").exists();
        assert!(std::process::Command::new("umount").arg(&target).status().unwrap().success());
        assert!(result.is_err() && kept && !scratch.0.join("file").exists(), "{result:?}");
    }
}
