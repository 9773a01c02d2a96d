//! Made, started, ended, given up.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use barque_monitor::protocol::FailureClass;
use barque_monitor::runtime::Stdio;
use rustix::process::{Pid, Signal, kill_process, pidfd_send_signal};

use crate::container::{Plan, read_all, read_until, reap};
use crate::scene::Base;
use crate::tests;

tests![
    output_and_exit_code_come_out,
    standard_input_is_a_pipe_or_the_null_device,
    nothing_runs_before_it_is_started,
    auto_start_needs_no_go,
    a_container_that_is_never_started_leaves_nothing,
    a_command_that_is_not_there_is_named_in_dockers_words,
    a_file_that_cannot_be_executed_is_named,
    the_environment_is_exactly_the_specifications,
    a_missing_working_directory_is_made,
    the_reaper_passes_signals_on_and_reaps,
    the_reapers_command_reports_its_failure,
    the_container_dies_with_its_monitor,
    signals_are_back_at_their_defaults,
    only_the_standard_streams_are_open,
    a_failed_set_up_leaves_nothing,
];

fn output_and_exit_code_come_out(base: &Base) {
    let scene = base.scene();
    let outcome = Plan::new(&scene, "echo out; echo err >&2; exit 37").run().unwrap();
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("out\n", "err\n"));
    assert_eq!(outcome.code, 37);
    let outcome = Plan::new(&scene, "kill -9 $$").run().unwrap();
    // Process 1 cannot kill itself.
    assert_eq!(outcome.code, 0);
}

fn standard_input_is_a_pipe_or_the_null_device(base: &Base) {
    let scene = base.scene();
    let mut plan = Plan::new(&scene, "cat; readlink /proc/self/fd/0");
    assert_eq!(plan.output(), "/dev/null\n");
    plan.stdin = Some(b"hello\n".to_vec());
    let output = plan.output();
    assert!(output.starts_with("hello\npipe:"), "{output}");
}

fn nothing_runs_before_it_is_started(base: &Base) {
    let scene = base.scene();
    let plan = Plan::new(&scene, "touch /ran");
    let mut container = plan.begin().unwrap().finish().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert!(!scene.upper("ran").exists());
    container.start().unwrap();
    assert_eq!(reap(&container), 0);
    assert!(scene.upper("ran").exists());
}

fn auto_start_needs_no_go(base: &Base) {
    let scene = base.scene();
    let mut plan = Plan::new(&scene, "echo hi");
    plan.auto_start = true;
    assert_eq!(plan.output(), "hi\n");
}

fn a_container_that_is_never_started_leaves_nothing(base: &Base) {
    let scene = base.scene();
    let plan = Plan::new(&scene, "touch /ran");
    drop(plan.begin().unwrap());
    let container = plan.begin().unwrap().finish().unwrap();
    let place = format!("/proc/{}", container.pid);
    assert!(fs::exists(&place).unwrap());
    drop(container);
    assert!(!fs::exists(&place).unwrap());
    assert!(!scene.upper("ran").exists());
}

fn a_command_that_is_not_there_is_named_in_dockers_words(base: &Base) {
    let scene = base.scene();
    let failure = Plan::new(&scene, "").arguments(&["nothere"]).failure();
    assert_eq!(failure.message, r#"exec: "nothere": executable file not found in $PATH"#);
    assert_eq!(failure.class, FailureClass::CommandNotFound);
    let failure = Plan::new(&scene, "").arguments(&["/nothere"]).failure();
    assert_eq!(failure.message, r#"exec: "/nothere": stat /nothere: no such file or directory"#);
    assert_eq!(failure.class, FailureClass::CommandNotFound);
    scene.write("script", "#!/nointerpreter\n");
    fs::set_permissions(scene.image("script"), PermissionsExt::from_mode(0o755)).unwrap();
    let failure = Plan::new(&scene, "").arguments(&["/script"]).failure();
    assert_eq!(failure.class, FailureClass::CommandNotFound);
    assert!(failure.message.contains("interpreter"), "{failure:?}");
}

fn a_file_that_cannot_be_executed_is_named(base: &Base) {
    let scene = base.scene();
    scene.write("plain", "echo hi\n");
    scene.write("empty", "\0\0\0\0");
    fs::set_permissions(scene.image("empty"), PermissionsExt::from_mode(0o755)).unwrap();
    for (command, message) in [
        ("/plain", r#"exec: "/plain": permission denied"#),
        ("/etc", r#"exec: "/etc": is a directory: permission denied"#),
        ("/empty", r#"exec: "/empty": exec format error"#),
    ] {
        let failure = Plan::new(&scene, "").arguments(&[command]).failure();
        assert_eq!(failure.message, message);
        assert_eq!(failure.class, FailureClass::CommandNotExecutable);
    }
    let long = "x".repeat(3 << 20);
    let failure = Plan::new(&scene, "").arguments(&["true", &long]).failure();
    assert_eq!(failure.class, FailureClass::CommandNotExecutable);
}

fn the_environment_is_exactly_the_specifications(base: &Base) {
    let scene = base.scene();
    let plan = Plan::new(&scene, "").arguments(&["/bin/env"]);
    assert_eq!(plan.output(), "PATH=/usr/sbin:/usr/bin:/sbin:/bin\nHOME=/root\n");
    let plan = plan.with(|spec| spec.process.env = vec!["A=B=C".into(), "HOME=/x".into()]);
    assert_eq!(plan.output(), "A=B=C\nHOME=/x\n");
}

fn a_missing_working_directory_is_made(base: &Base) {
    let scene = base.scene();
    let plan = Plan::new(&scene, "pwd; stat -c %a .; umask");
    let plan = plan.with(|spec| spec.process.cwd = "/srv/new/place".into());
    assert_eq!(plan.output(), "/srv/new/place\n755\n0022\n");
    assert!(scene.upper("srv/new/place").is_dir());
}

fn the_reaper_passes_signals_on_and_reaps(base: &Base) {
    let scene = base.scene();
    let script = "trap 'echo got; exit 9' USR1; (sleep 0.05 & exec true); echo up; \
                  while :; do sleep 0.05; done";
    let mut plan = Plan::new(&scene, script);
    plan.init = true;
    let mut container = plan.start().unwrap();
    let Some(Stdio::Pipes { stdout, stderr, .. }) = container.stdio.take() else { panic!() };
    read_until(&stdout, "up\n");
    pidfd_send_signal(&container.pidfd, Signal::USR1).unwrap();
    assert_eq!(read_all(&[stdout, stderr]), ["got\n", ""]);
    assert_eq!(reap(&container), 9);

    plan.spec.process.args[2] = "echo $$; cat /proc/1/comm; ls /proc/1/fd; kill -TERM $$".into();
    let outcome = plan.run().unwrap();
    assert_eq!(outcome.stdout, "2\nbarque-init\n", "{outcome:?}");
    assert_eq!(outcome.code, 128 + 15);

    // The orphan is reaped: no zombie is left beside process 1, the shell and ps.
    plan.spec.process.args[2] =
        "(sleep 0.05 & exec true); sleep 0.2; ps -o stat | grep -c Z".into();
    assert_eq!(plan.run().unwrap().stdout, "0\n");
}

fn the_reapers_command_reports_its_failure(base: &Base) {
    let scene = base.scene();
    let mut plan = Plan::new(&scene, "").arguments(&["nothere"]);
    plan.init = true;
    assert_eq!(plan.failure().class, FailureClass::CommandNotFound);
}

fn the_container_dies_with_its_monitor(base: &Base) {
    let scene = base.scene();
    for (init, user) in [(false, ""), (false, "user"), (true, "user")] {
        let mut plan = Plan::new(&scene, "echo up; sleep 60").user(user);
        plan.init = init;
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        // A monitor: starts the container, says so, and is killed.
        // SAFETY: this process has one thread.
        let monitor = unsafe { libc::fork() };
        if monitor == 0 {
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let mut container = plan.start().unwrap();
                let Some(Stdio::Pipes { stdout, .. }) = container.stdio.take() else { panic!() };
                read_until(&stdout, "up\n");
                rustix::io::write(&writer, &container.pid.to_ne_bytes()).unwrap();
                std::thread::sleep(Duration::from_secs(60));
            }));
            // SAFETY: has no preconditions.
            unsafe { libc::_exit(1) };
        }
        drop(writer);
        let mut pid = [0; 4];
        rustix::io::read(&reader, &mut pid).unwrap();
        let place = format!("/proc/{}", i32::from_ne_bytes(pid));
        assert!(fs::exists(&place).unwrap());
        let monitor = Pid::from_raw(monitor).unwrap();
        kill_process(monitor, Signal::KILL).unwrap();
        rustix::process::waitpid(Some(monitor), rustix::process::WaitOptions::empty()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while alive(&place) {
            assert!(Instant::now() < deadline, "init {init}, user {user:?}: it lives on");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// A process that is there and no zombie (whoever inherits those may be slow).
fn alive(place: &str) -> bool {
    fs::read_to_string(format!("{place}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().starts_with(" Z"))
}

fn signals_are_back_at_their_defaults(base: &Base) {
    let scene = base.scene();
    // SAFETY: ignoring and blocking signals has no preconditions.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        libc::signal(libc::SIGUSR1, libc::SIG_IGN);
        let mut set = std::mem::zeroed();
        libc::sigaddset(&mut set, libc::SIGUSR2);
        libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
    }
    let output = Plan::new(&scene, "")
        .arguments(&["grep", "-E", "Sig(Blk|Ign|Cgt)", "/proc/self/status"])
        .output();
    // SAFETY: as above.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigaddset(&mut set, libc::SIGUSR2);
        libc::sigprocmask(libc::SIG_UNBLOCK, &set, std::ptr::null_mut());
    }
    let zero = "0000000000000000";
    assert_eq!(output, format!("SigBlk:\t{zero}\nSigIgn:\t{zero}\nSigCgt:\t{zero}\n"));
}

fn only_the_standard_streams_are_open(base: &Base) {
    let scene = base.scene();
    // SAFETY: duplicating a descriptor has no preconditions.
    let leaked: Vec<i32> = (0..100).map(|_| unsafe { libc::dup(2) }).collect();
    let mut plan = Plan::new(&scene, "").arguments(&["ls", "/proc/self/fd"]);
    let outputs = [false, true].map(|init| {
        plan.init = init;
        plan.output()
    });
    for fd in leaked {
        // SAFETY: opened above.
        unsafe { libc::close(fd) };
    }
    // 3 is the directory itself.
    assert_eq!(outputs, ["0\n1\n2\n3\n"; 2]);
}

fn a_failed_set_up_leaves_nothing(base: &Base) {
    let scene = base.scene();
    let plan = Plan::new(&scene, "true").mount("bind", "/nowhere", "/x", "rbind");
    let failure = plan.failure();
    assert_eq!(failure.message, "mount /nowhere on /x: no such file or directory");
    assert_eq!(failure.errno, Some(libc::ENOENT));
    assert!(!scene.upper("x").exists());
    let failure = Plan::new(&scene, "").mount("tmpfs", "", "/x", "nonsense").failure();
    assert!(failure.message.starts_with("mount /x: invalid argument (tmpfs"), "{failure:?}");
    let failure = Plan::new(&scene, "").mount("nosuchfs", "", "/x", "").failure();
    assert_eq!(failure.class, FailureClass::Unsupported);
}
