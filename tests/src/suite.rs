//! Runs the tests of one suite, in a pid and mount namespace of their own.
//!
//! A namespace of their own has three uses: what a test leaves behind is found (nothing but the suite may be in it at the
//! end); nothing that a test does can reach the host's processes or mounts; and orphans are reaped at once by an init of
//! ours, where the host's process 1 may take its time, which would look like a leak.
//!
//! Every test is counted under its own name, also those made from data (a scenario and a face, a failpoint). A test that
//! can't run here is skipped by [`skip`] with the reason, and counted as that; never silently.

mod init;
mod leaks;

use std::any::Any;
use std::io::Write;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use init::{kill_everything_else, own_network};
pub(crate) use leaks::cgroups_named;
pub use leaks::is_frozen;
pub use leaks::register_instance;

/// How long one test may take before everything in the namespace is killed and it has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// A test: its name and what it does. It fails by panicking.
pub struct Trial {
    name: String,
    patience: Duration,
    body: Box<dyn FnOnce() + Send>,
}

/// A suite of tests.
#[derive(Default)]
pub struct Suite {
    trials: Vec<Trial>,
    beginning: Option<fn()>,
}

/// The payload of the panic that skips a test.
struct Skipped(String);

/// End this test here, not as passed nor failed: it cannot run for this reason.
pub fn skip(reason: impl Into<String>) -> ! {
    panic::panic_any(Skipped(reason.into()))
}

/// Run something that is no suite in the same namespaces; its exit code.
pub fn in_namespaces(body: impl FnOnce() -> std::process::ExitCode) -> std::process::ExitCode {
    match init::enter() {
        Ok(init::Place::Outside(code)) => code,
        Ok(init::Place::Inside) => body(),
        Err(why) => {
            print(&format!("{why}\n"));
            std::process::ExitCode::FAILURE
        }
    }
}

/// Print a line among the results: a count that a reader should see.
pub fn note(text: &str) {
    print(&format!("note: {text}\n"));
}

/// `suite!(first_test, second_test)`: the `main` of a test program.
#[macro_export]
macro_rules! suite {
    ($($test:ident),* $(,)?) => {
        fn main() -> std::process::ExitCode {
            let mut suite = $crate::suite::Suite::default();
            $(suite.add(stringify!($test), $test);)*
            suite.run()
        }
    };
}

impl Suite {
    /// Do this before the first test, in the suite's namespaces: what it leaves open is no test's.
    pub fn begin_with(&mut self, beginning: fn()) {
        self.beginning = Some(beginning);
    }

    /// Add a test.
    pub fn add(&mut self, name: impl Into<String>, body: impl FnOnce() + Send + 'static) {
        self.add_patient(name, PATIENCE, body);
    }

    /// Add a test that may take longer than others.
    pub fn add_patient(
        &mut self,
        name: impl Into<String>,
        patience: Duration,
        body: impl FnOnce() + Send + 'static,
    ) {
        self.trials.push(Trial { name: name.into(), patience, body: Box::new(body) });
    }

    /// Run those whose names contain one of the program's arguments (all without arguments), print as `cargo test` does,
    /// and give the exit code.
    pub fn run(self) -> std::process::ExitCode {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        if arguments.iter().any(|argument| argument == "--list") {
            for trial in &self.trials {
                print(&format!("{}: test\n", trial.name));
            }
            return std::process::ExitCode::SUCCESS;
        }
        match init::enter() {
            Ok(init::Place::Outside(code)) => return code,
            Ok(init::Place::Inside) => {}
            Err(why) => {
                print(&format!("\nrunning {} tests\n", self.trials.len()));
                for trial in &self.trials {
                    print(&format!("test {} ... ignored, {why}\n", trial.name));
                }
                print(&result(0, 0, self.trials.len(), 0, Duration::ZERO));
                return std::process::ExitCode::SUCCESS;
            }
        }
        self.run_here(&arguments)
    }

    fn run_here(self, arguments: &[String]) -> std::process::ExitCode {
        let filters: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
        let exact = arguments.iter().any(|argument| argument == "--exact");
        let wanted = |name: &str| {
            filters.is_empty()
                || filters.iter().any(|f| if exact { name == *f } else { name.contains(*f) })
        };
        let begin = Instant::now();
        let all = self.trials.len();
        let trials: Vec<Trial> = self.trials.into_iter().filter(|t| wanted(&t.name)).collect();
        let filtered = all - trials.len();
        print(&format!("\nrunning {} tests\n", trials.len() + 1));

        quiet_panics();
        if let Some(beginning) = self.beginning {
            beginning();
        }
        let before = leaks::Baseline::take();
        let (mut passed, mut skipped, mut failures) = (0, 0, Vec::new());
        let mut note = |name: String, outcome: Outcome, took: Duration| {
            let word = match &outcome {
                Outcome::Passed => "ok".to_owned(),
                Outcome::Skipped(why) => format!("ignored, {why}"),
                Outcome::Failed(_) => "FAILED".to_owned(),
            };
            let slow = if took > Duration::from_secs(5) {
                format!(" ({:.1} s)", took.as_secs_f64())
            } else {
                String::new()
            };
            print(&format!("test {name} ... {word}{slow}\n"));
            match outcome {
                Outcome::Passed => passed += 1,
                Outcome::Skipped(_) => skipped += 1,
                Outcome::Failed(message) => failures.push((name, message)),
            }
        };
        for trial in trials {
            let since = Instant::now();
            let open = leaks::descriptors();
            let outcome = match attempt(trial.body, trial.patience) {
                Outcome::Passed => no_new_descriptors(&open),
                other => other,
            };
            note(trial.name, outcome, since.elapsed());
        }
        let left = leaks::Baseline::take().since(&before);
        let outcome =
            if left.is_empty() { Outcome::Passed } else { Outcome::Failed(left.join("\n")) };
        note("nothing_is_left_behind".to_owned(), outcome, Duration::ZERO);

        if !failures.is_empty() {
            print("\nfailures:\n");
            for (name, message) in &failures {
                print(&format!("\n---- {name} ----\n{message}\n"));
            }
            print("\nfailures:\n");
            for (name, _) in &failures {
                print(&format!("    {name}\n"));
            }
        }
        print(&result(passed, failures.len(), skipped, filtered, begin.elapsed()));
        if failures.is_empty() {
            std::process::ExitCode::SUCCESS
        } else {
            std::process::ExitCode::from(101)
        }
    }
}

enum Outcome {
    Passed,
    Skipped(String),
    Failed(String),
}

/// A test that used the library in this process has let go of everything.
fn no_new_descriptors(before: &std::collections::BTreeSet<String>) -> Outcome {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let now = leaks::descriptors();
        let left: Vec<&String> = now.difference(before).collect();
        if left.is_empty() {
            return Outcome::Passed;
        }
        if Instant::now() > until {
            return Outcome::Failed(format!("descriptors are left open: {left:?}"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Run one test in a thread, at most for `patience`.
fn attempt(body: Box<dyn FnOnce() + Send>, patience: Duration) -> Outcome {
    let (send, receive) = mpsc::channel();
    let builder = std::thread::Builder::new().name("trial".into());
    let started = builder.spawn(move || {
        let ended = panic::catch_unwind(AssertUnwindSafe(body));
        // Nobody listens any more when the patience ran out.
        let _ = send.send(ended.err());
    });
    if let Err(error) = started {
        return Outcome::Failed(format!("start a thread: {error}"));
    }
    match receive.recv_timeout(patience) {
        Ok(None) => Outcome::Passed,
        Ok(Some(payload)) => explain(&*payload),
        Err(_) => {
            let seen = leaks::processes_and_stacks().join("\n  ");
            init::kill_everything_else();
            let _ = receive.recv_timeout(Duration::from_secs(5));
            Outcome::Failed(format!(
                "still not done after {} s; processes then:\n  {seen}",
                patience.as_secs()
            ))
        }
    }
}

static LAST_PANIC: Mutex<String> = Mutex::new(String::new());

/// Keep a panic's place and text for the report instead of printing it between the results.
fn quiet_panics() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let text = message(info.payload());
        let mut last = LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner);
        // The first one is the cause; others may follow from it in other threads.
        if last.is_empty() {
            *last = format!("{place}: {text}");
        }
    }));
}

fn explain(payload: &(dyn Any + Send)) -> Outcome {
    let told = std::mem::take(&mut *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner));
    if let Some(Skipped(reason)) = payload.downcast_ref() {
        return Outcome::Skipped(reason.clone());
    }
    Outcome::Failed(if told.is_empty() { message(payload) } else { told })
}

fn message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

fn result(passed: usize, failed: usize, skipped: usize, filtered: usize, took: Duration) -> String {
    let word = if failed == 0 { "ok" } else { "FAILED" };
    format!(
        "\ntest result: {word}. {passed} passed; {failed} failed; {skipped} ignored; 0 measured; \
         {filtered} filtered out; finished in {:.2}s\n\n",
        took.as_secs_f64()
    )
}

/// Print at once: a suite that is killed has told how far it came.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    // Without a standard output there is nobody to tell.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
