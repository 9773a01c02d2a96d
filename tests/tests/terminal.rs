//! Programs that fill a screen, in a container and in tmux: what a user sees who sits at a terminal.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use barque_tests::suite::skip;
use barque_tests::{Sandbox, invariants, programs, sandbox, suite};

suite!(
    a_shell_vi_and_top_work_and_follow_the_size,
    a_shell_of_an_exec_works_beside_it,
    a_build_is_shown_in_place,
    without_a_terminal_a_build_is_shown_line_by_line,
);

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

fn context(sandbox: &Sandbox, dockerfile: &str) -> String {
    let context = sandbox.work().join("context");
    std::fs::create_dir(&context).expect("make a directory");
    std::fs::write(context.join("Dockerfile"), dockerfile).expect("write a Dockerfile");
    context.to_string_lossy().into_owned()
}

fn a_build_is_shown_in_place() {
    let sandbox = Sandbox::with_busybox();
    let text = "FROM busybox\nRUN echo first\nRUN for i in 1 2 3 4 5 6 7 8; do echo line $i; done; sleep 2\n";
    let path = context(&sandbox, text);
    let screen = Screen::new(&sandbox, &["build", "--network", "none", "--tag", "x", &path]);
    screen.shows(" => => # line 8");
    let seen = screen.tmux(&["capture-pane", "-p"]);
    assert!(seen.contains(" => => # line 3") && !seen.contains("# line 2"), "{seen}");
    assert!(seen.contains("(2/3)\n"), "{seen}");
    screen.ends(0);
    // That a command has ended moves its first line out of the window.
    let seen = screen.tmux(&["capture-pane", "-p", "-S", "-"]);
    assert!(seen.contains("(4/4) FINISHED\n") && !seen.contains("line 8"), "{seen}");
    for once in ["[+] Building ", "=> [2/3] RUN echo first ", "=> [3/3] RUN for i in "] {
        assert_eq!(seen.matches(once).count(), 1, "{once} in\n{seen}");
    }
    drop(screen);
    // From the cache, and on a step that fails.
    std::fs::write(
        PathBuf::from(&path).join("Dockerfile"),
        "FROM busybox\nRUN echo first\nRUN echo why; exit 7\n",
    )
    .expect("write a Dockerfile");
    let screen = Screen::new(&sandbox, &["build", "--network", "none", &path]);
    screen.ends(1);
    let seen = screen.tmux(&["capture-pane", "-p", "-S", "-"]);
    for part in [
        " => CACHED [2/3] RUN echo first ",
        " => ERROR [3/3] RUN echo why; exit 7 ",
        "\n > [3/3] RUN echo why; exit 7:\nwhy\n------\n",
        "   3 | >>> RUN echo why; exit 7\n",
    ] {
        assert!(seen.contains(part), "{part:?} is not in\n{seen}");
    }
    assert!(!seen.contains("FINISHED"), "{seen}");
    drop(screen);
    invariants::hold(&sandbox, "builds on a terminal");
}

fn without_a_terminal_a_build_is_shown_line_by_line() {
    let sandbox = Sandbox::with_busybox();
    let path = context(&sandbox, "FROM busybox\nRUN echo first\n");
    let build = |progress: &str| {
        sandbox.barque(&["build", "--network", "none", "--progress", progress, &path])
    };
    let done = build("tty");
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("needs a terminal"), "{}", done.stderr);
    let done = build("auto");
    assert!(done.stderr.contains("#2 [2/2] RUN echo first\n"), "{}", done.stderr);
    assert!(!done.stderr.contains('\x1b'), "{}", done.stderr);
    let done = build("plain");
    assert!(done.stderr.contains("#2 CACHED\n"), "{}", done.stderr);
    let done = build("quiet");
    assert!(done.stdout.starts_with("sha256:") && done.stderr.is_empty(), "{done:?}");
}
