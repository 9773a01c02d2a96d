//! Named places where a test build can stop, kill or delay the process.
//!
//! Without the feature `failpoints` [`failpoint`] is nothing at all, so a release cannot be told to fail. With it the
//! process obeys a list such as `cgroup-made=kill,exit-written=sleep(200)`: from [`configure`] (a monitor, whose
//! environment is empty, gets it in its launch document) or else from the variable `BARQUE_FAILPOINTS`. An entry `mark=PATH`
//! names a file that is made when a place acts, so that a test can tell a place that was passed from one that was not;
//! `trace=DIRECTORY` a directory that gets a file of the name of every place that is passed.

/// Pass the place called `name`.
///
/// # Errors
/// Only in test builds: the list says `name=error`.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn failpoint(_name: &str) -> std::io::Result<()> {
    Ok(())
}

#[cfg(feature = "failpoints")]
pub use armed::{configure, failpoint};

#[cfg(feature = "failpoints")]
mod armed {
    use std::io;
    use std::sync::OnceLock;
    use std::time::Duration;

    static ACTIONS: OnceLock<Vec<(String, Action)>> = OnceLock::new();

    #[derive(Clone, Debug, PartialEq, Eq)]
    enum Action {
        Mark(std::path::PathBuf),
        Kill,
        Exit,
        Panic,
        Sleep(u64),
        Error,
    }

    /// Obey `list` from now on. Only the first list counts.
    ///
    /// # Errors
    /// An entry is not `name=kill`, `exit`, `panic`, `sleep(MILLISECONDS)` or `error`.
    pub fn configure(list: &str) -> Result<(), String> {
        let actions = parse(list)?;
        // A second list is refused by the cell, which is what the doc comment says.
        let _ = ACTIONS.set(actions);
        Ok(())
    }

    /// Pass the place called `name`.
    ///
    /// # Errors
    /// The list says `name=error`.
    pub fn failpoint(name: &str) -> io::Result<()> {
        let actions = ACTIONS.get_or_init(|| {
            let list = std::env::var("BARQUE_FAILPOINTS").unwrap_or_default();
            // A list that cannot be read must stop the test, not let it pass unharmed.
            parse(&list).unwrap_or_else(|e| panic!("BARQUE_FAILPOINTS: {e}"))
        });
        if let Some((_, Action::Mark(directory))) = actions.iter().find(|(n, _)| n == "trace") {
            let _ = std::fs::write(directory.join(name), name);
        }
        let Some((_, action)) = actions.iter().find(|(n, _)| n == name) else { return Ok(()) };
        if let Some((_, Action::Mark(path))) = actions.iter().find(|(n, _)| n == "mark") {
            // A process that has another root by now cannot leave it, and acts all the same.
            let _ = std::fs::write(path, name);
        }
        match *action {
            Action::Mark(_) => Ok(()),
            Action::Kill => {
                // SAFETY: raise takes a number; SIGKILL does not return.
                unsafe { libc::raise(libc::SIGKILL) };
                Ok(())
            }
            // SAFETY: _exit ends the process without running anything of ours.
            Action::Exit => unsafe { libc::_exit(3) },
            Action::Panic => panic!("failpoint {name}"),
            Action::Sleep(ms) => {
                std::thread::sleep(Duration::from_millis(ms));
                Ok(())
            }
            Action::Error => Err(io::Error::other(format!("failpoint {name}"))),
        }
    }

    fn parse(list: &str) -> Result<Vec<(String, Action)>, String> {
        list.split(',').map(str::trim).filter(|e| !e.is_empty()).map(parse_entry).collect()
    }

    fn parse_entry(entry: &str) -> Result<(String, Action), String> {
        let wrong = || format!("not a failpoint: {entry:?}");
        let (name, action) = entry.split_once('=').ok_or_else(wrong)?;
        let action = match action {
            path if name == "mark" || name == "trace" => Action::Mark(path.into()),
            "kill" => Action::Kill,
            "exit" => Action::Exit,
            "panic" => Action::Panic,
            "error" => Action::Error,
            _ => {
                let ms = action.strip_prefix("sleep(").and_then(|a| a.strip_suffix(')'));
                Action::Sleep(ms.and_then(|ms| ms.parse().ok()).ok_or_else(wrong)?)
            }
        };
        Ok((name.to_owned(), action))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_list_names_places_and_actions() {
            let list = parse("a=kill, b=sleep(20),c=error,").unwrap();
            assert_eq!(
                list,
                [
                    ("a".to_owned(), Action::Kill),
                    ("b".to_owned(), Action::Sleep(20)),
                    ("c".to_owned(), Action::Error)
                ]
            );
        }

        #[test]
        fn a_list_that_cannot_be_read_is_refused() {
            for list in ["a", "a=stop", "a=sleep", "a=sleep(x)", "a=sleep(1"] {
                assert!(parse(list).is_err(), "{list}");
            }
        }
    }
}
