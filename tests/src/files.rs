//! Directory trees, as tests look at them.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// All that is below a directory, directories among it; links are not followed. What goes while this looks is left out.
pub fn below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        let entries = match path.read_dir() {
            Err(error) if error.kind() == ErrorKind::NotFound && path != directory => continue,
            entries => entries.unwrap_or_else(|error| panic!("read {}: {error}", path.display())),
        };
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                left.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_found_and_no_link_is_followed() {
        let here = std::env::temp_dir().join(format!("barque-below-{}", std::process::id()));
        std::fs::create_dir_all(here.join("a/b")).unwrap();
        std::fs::write(here.join("a/b/file"), "").unwrap();
        std::os::unix::fs::symlink(&here, here.join("link")).unwrap();
        let mut found = below(&here);
        found.sort();
        let wanted = ["a", "a/b", "a/b/file", "link"].map(|name| here.join(name));
        std::fs::remove_dir_all(&here).unwrap();
        assert_eq!(found, wanted);
    }
}
