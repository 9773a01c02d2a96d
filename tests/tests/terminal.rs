//! Programs that fill a screen, in a container and in tmux: what a user sees who sits at a terminal.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use barque_tests::suite::skip;
use barque_tests::{Sandbox, invariants, programs, sandbox, suite};

suite!(a_shell_vi_and_top_work_and_follow_the_size, a_shell_of_an_exec_works_beside_it);

/// A tmux of its own.
struct Screen<'a> {
    sandbox: &'a Sandbox,
    tmux: PathBuf,
    socket: PathBuf,
}

impl<'a> Screen<'a> {
    /// Ninety columns and thirty rows, with this command in them.
    fn new(sandbox: &'a Sandbox, command: &[&str]) -> Screen<'a> {
        let Some(tmux) = programs::find_tool("tmux") else { skip("tmux is not installed") };
        // A socket's path has at most 108 bytes.
        let socket = PathBuf::from(format!("/tmp/barque-tests-{}.tmux", sandbox.instance()));
        let screen = Screen { sandbox, tmux, socket };
        let configuration = sandbox.work().join("tmux.conf");
        let lines = "set -g status off\nset -g remain-on-exit on\nset -g default-terminal screen\n";
        std::fs::write(&configuration, lines).expect("write a configuration");
        let configuration = configuration.to_string_lossy().into_owned();
        let mut words = vec!["-f", &configuration, "new-session", "-d", "-x", "90", "-y", "30"];
        let program = programs::barque().to_string_lossy().into_owned();
        // tmux 3.3 may notice a command's last output and miss its status.
        words.extend(["sh", "-c", "\"$0\" \"$@\"; echo ended=$?."]);
        words.push(&program);
        words.extend(command);
        screen.tmux(&words);
        screen
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.sandbox.command_of(&self.tmux, &["-S"]);
        command.arg(&self.socket).args(words).env("TERM", "screen").env("LANG", "C.UTF-8");
        command
    }

    #[track_caller]
    fn tmux(&self, words: &[&str]) -> String {
        let done = sandbox::finish(self.command(words), b"");
        assert_eq!(done.code, 0, "tmux {words:?}: {}", done.stderr);
        done.stdout
    }

    /// Type the text, and then the keys.
    fn enter(&self, text: &str, keys: &[&str]) {
        if !text.is_empty() {
            self.tmux(&["send-keys", "-l", text]);
        }
        if !keys.is_empty() {
            let mut words = vec!["send-keys"];
            words.extend(keys);
            self.tmux(&words);
        }
    }

    /// Wait until it is to be seen.
    #[track_caller]
    fn shows(&self, text: &str) {
        let until = std::time::Instant::now() + Duration::from_secs(20);
        loop {
            let seen = self.tmux(&["capture-pane", "-p"]);
            if seen.contains(text) {
                return;
            }
            assert!(std::time::Instant::now() < until, "{text:?} is not in\n{seen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Wait until the command has ended with this status.
    fn ends(&self, status: u8) {
        self.shows(&format!("ended={status}."));
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        // Its server ends with the last session.
        sandbox::finish(self.command(&["kill-server"]), b"");
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn a_shell_vi_and_top_work_and_follow_the_size() {
    let sandbox = Sandbox::with_busybox();
    let screen = Screen::new(
        &sandbox,
        &["run", "-it", "--rm", "--network", "none", "--env", "PS1=at> ", "busybox", "sh"],
    );
    screen.shows("at>");
    screen.enter("echo sum=$((40+2))", &["Enter"]);
    screen.shows("sum=42");
    screen.enter("echo size=$(stty size)", &["Enter"]);
    screen.shows("size=30 90");
    screen.tmux(&["resize-window", "-x", "101", "-y", "37"]);
    screen.enter("sleep 1; echo size=$(stty size)", &["Enter"]);
    screen.shows("size=37 101");
    screen.enter("vi /tmp/letter", &["Enter"]);
    screen.shows("~");
    screen.enter("iahoy", &["Enter"]);
    screen.enter("from vi", &["Escape"]);
    // What follows an escape at once is part of a key.
    std::thread::sleep(Duration::from_millis(500));
    screen.enter(":wq", &["Enter"]);
    screen.shows("at>");
    screen.enter("echo; cat /tmp/letter; echo read", &["Enter"]);
    screen.shows("ahoy\nfrom vi\nread");
    screen.enter("top -d 1", &["Enter"]);
    screen.shows("COMMAND");
    screen.shows("top -d 1");
    screen.enter("q", &[]);
    screen.enter("echo back=$?", &["Enter"]);
    screen.shows("back=0");
    // Ctrl-C is the container's.
    screen.enter("sleep 1000", &["Enter"]);
    screen.enter("", &["C-c"]);
    screen.enter("echo interrupted=$?", &["Enter"]);
    screen.shows("interrupted=130");
    screen.enter("exit 7", &["Enter"]);
    screen.ends(7);
    drop(screen);
    invariants::hold(&sandbox, "a session");
}

fn a_shell_of_an_exec_works_beside_it() {
    let sandbox = Sandbox::with_busybox();
    let run = ["run", "-d", "--name", "c", "--network", "none", "busybox", "sleep", "1000"];
    sandbox.ok(&run);
    let screen = Screen::new(&sandbox, &["exec", "-it", "--env", "PS1=at> ", "c", "sh"]);
    screen.shows("at>");
    screen.enter("echo size=$(stty size)", &["Enter"]);
    screen.shows("size=30 90");
    screen.tmux(&["resize-window", "-x", "101", "-y", "37"]);
    screen.enter("sleep 1; echo size=$(stty size)", &["Enter"]);
    screen.shows("size=37 101");
    screen.enter("exit 5", &["Enter"]);
    screen.ends(5);
    drop(screen);
    assert_eq!(sandbox.inspect("c")["State"]["Status"], "running");
    sandbox.ok(&["rm", "--force", "c"]);
    invariants::hold(&sandbox, "a session of an exec");
}
