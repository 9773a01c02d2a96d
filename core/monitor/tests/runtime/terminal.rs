//! Containers with a terminal.

use std::io::Write;

use barque_monitor::oci::ConsoleSize;
use barque_monitor::runtime::Stdio;

use crate::container::{Plan, read_until, reap};
use crate::scene::Base;
use crate::tests;

tests![
    the_streams_are_a_terminal_of_the_containers_own,
    the_user_owns_the_terminal,
    signals_of_the_terminal_reach_the_command,
];

fn plan(base: &crate::scene::Scene, script: &str) -> Plan {
    let _ = base;
    Plan::new(base, script).with(|spec| {
        spec.process.terminal = true;
        spec.process.console_size = Some(ConsoleSize { height: 33, width: 77 });
    })
}

fn the_streams_are_a_terminal_of_the_containers_own(base: &Base) {
    let scene = base.scene();
    let script = "tty; stty size; ls -1 /dev/pts; stat -c %t:%T /dev/console; echo hi > /dev/console; \
                  echo err >&2; echo controlling > /dev/tty; for n in 0 1 2; do readlink /proc/self/fd/$n; done";
    for init in [false, true] {
        let mut plan = plan(&scene, script);
        plan.init = init;
        let output = plan.run().unwrap().stdout.replace("\r\n", "\n");
        let expected = "/dev/pts/0\n33 77\n0\nptmx\n88:0\nhi\nerr\ncontrolling\n/dev/pts/0\n/dev/pts/0\n/dev/pts/0\n";
        assert_eq!(output, expected);
    }
}

fn the_user_owns_the_terminal(base: &Base) {
    let scene = base.scene();
    let plan = plan(&scene, "stat -c %u:%g:%a /dev/pts/0; echo x > /dev/pts/0").user("user");
    assert_eq!(plan.run().unwrap().stdout, "1000:5:620\r\nx\r\n");
}

fn signals_of_the_terminal_reach_the_command(base: &Base) {
    let scene = base.scene();
    for init in [false, true] {
        let mut plan =
            plan(&scene, "trap 'echo got; exit 3' INT; echo up; while :; do sleep 0.05; done");
        plan.init = init;
        let mut container = plan.start().unwrap();
        let Some(Stdio::Terminal(master)) = container.stdio.take() else { panic!() };
        read_until(&master, "up");
        let mut file = std::fs::File::from(master);
        file.write_all(b"\x03").unwrap();
        read_until(&file, "got");
        assert_eq!(reap(&container), 3);
    }
}
