//! What a container sees of the host, and what it may do.

use std::fs;

use barque_monitor::cgroup::Cgroup;
use barque_monitor::oci::{NamespaceKind, Pids, Resources, Rlimit, Root};
use barque_monitor::protocol::FailureClass;
use barque_monitor::seccomp::{Action, Rule, Seccomp};

use rustix::process::{Signal, pidfd_send_signal};

use crate::container::{CAPABILITIES, Plan, reap};
use crate::scene::Base;
use crate::tests;

tests![
    namespaces_are_its_own,
    a_namespace_that_is_not_listed_is_shared,
    namespaces_of_another_container_are_joined,
    only_the_loopback_link_is_there_and_it_is_up,
    host_and_domain_name_are_set,
    capabilities_are_those_asked_for,
    a_user_who_is_not_root_has_no_capabilities,
    a_capability_that_barque_lacks_is_refused,
    no_new_privileges_is_set_when_asked_for,
    the_filter_is_installed_with_and_without_privileges,
    masked_paths_cannot_be_read,
    protected_paths_cannot_be_written,
    the_root_can_be_read_only,
    kernel_parameters_are_set_in_its_own_namespaces,
    kernel_parameters_of_the_host_are_refused,
    resource_limits_are_set,
    a_hard_limit_that_cannot_be_raised_is_refused_by_name,
    the_oom_score_is_set_or_refused,
    it_runs_in_its_cgroups_and_sees_only_them,
    the_session_keyring_is_its_own,
    nothing_of_the_host_is_mounted,
];

const NAMESPACES: &str = "for n in cgroup ipc mnt net pid uts; do readlink /proc/self/ns/$n; done";

fn namespaces_are_its_own(base: &Base) {
    let scene = base.scene();
    let output = Plan::new(&scene, NAMESPACES).output();
    let inside: Vec<&str> = output.lines().collect();
    assert_eq!(inside.len(), 6);
    for (name, inside) in ["cgroup", "ipc", "mnt", "net", "pid", "uts"].iter().zip(inside) {
        let outside = fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        assert_ne!(outside.to_str().unwrap(), inside);
    }
    assert_eq!(Plan::new(&scene, "echo $$; ls -d /proc/[0-9]*; true").output(), "1\n/proc/1\n");
}

fn a_namespace_that_is_not_listed_is_shared(base: &Base) {
    let scene = base.scene();
    let plan = [NamespaceKind::Network, NamespaceKind::Pid, NamespaceKind::Ipc]
        .into_iter()
        .fold(Plan::new(&scene, NAMESPACES), Plan::without_namespace);
    let output = plan.output();
    for name in ["net", "pid", "ipc"] {
        let outside = fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        assert!(output.contains(outside.to_str().unwrap()), "{name}: {output}");
    }
    let failure = Plan::new(&scene, "").without_namespace(NamespaceKind::Uts).failure();
    assert!(failure.message.contains("uts namespace"), "{failure:?}");
}

fn namespaces_of_another_container_are_joined(base: &Base) {
    let scene = base.scene();
    let mut first = Plan::new(&scene, "sleep 60");
    first.init = true;
    let first = first.start().unwrap();
    let other = base.scene();
    let path = |name: &str| format!("/proc/{}/ns/{name}", first.pid);
    let mut plan = Plan::new(&other, &format!("{NAMESPACES}; hostname; ps -o comm"))
        .join(NamespaceKind::Network, path("net"))
        .join(NamespaceKind::Ipc, path("ipc"))
        .join(NamespaceKind::Uts, path("uts"))
        .join(NamespaceKind::Pid, path("pid"))
        .with(|spec| spec.hostname.clear());
    for (user, init) in [("", false), ("user", false), ("user", true)] {
        plan.user = user.to_owned();
        plan.init = init;
        let output = plan.output();
        for name in ["net", "ipc", "uts", "pid"] {
            let inside = fs::read_link(path(name)).unwrap();
            assert!(output.contains(inside.to_str().unwrap()), "{name}: {output}");
        }
        assert!(output.contains("box\n") && output.contains("sleep"), "{output}");
    }
    let mut waiting = plan.begin().unwrap().finish().unwrap();
    let inside = fs::read_link(format!("/proc/{}/ns/pid", waiting.pid)).unwrap();
    assert_eq!(inside, fs::read_link(path("pid")).unwrap());
    waiting.start().unwrap();
    assert_eq!(reap(&waiting), 0);
    let plan = plan.arguments(&["nothere"]);
    assert_eq!(plan.failure().class, FailureClass::CommandNotFound);
    pidfd_send_signal(&first.pidfd, Signal::KILL).unwrap();
    reap(&first);
    let plan = Plan::new(&other, "true").join(NamespaceKind::Network, "/proc/self/ns/uts".into());
    assert!(plan.failure().message.starts_with("join the network namespace"));
}

fn only_the_loopback_link_is_there_and_it_is_up(base: &Base) {
    let scene = base.scene();
    let output =
        Plan::new(&scene, "ls /sys/class/net; ip -o addr show lo; ping -c1 127.0.0.1").output();
    assert!(output.starts_with("lo\n"), "{output}");
    assert!(
        output.contains("inet 127.0.0.1/8") && output.contains("1 packets received"),
        "{output}"
    );
}

fn host_and_domain_name_are_set(base: &Base) {
    let scene = base.scene();
    let plan = Plan::new(&scene, "hostname; cat /proc/sys/kernel/domainname");
    assert_eq!(plan.output(), "box\n(none)\n");
    assert_eq!(plan.with(|spec| spec.domainname = "d.test".into()).output(), "box\nd.test\n");
}

const SETS: &str = "grep Cap /proc/self/status";

fn capabilities_are_those_asked_for(base: &Base) {
    let scene = base.scene();
    let sets = |bits: &str| {
        let none = "0000000000000000";
        format!(
            "CapInh:\t{none}\nCapPrm:\t{bits}\nCapEff:\t{bits}\nCapBnd:\t{bits}\nCapAmb:\t{none}\n"
        )
    };
    let plan = Plan::new(&scene, SETS);
    assert_eq!(CAPABILITIES.len(), 14);
    assert_eq!(plan.output(), sets("00000000a80425fb"));
    let plan = plan.with(|spec| {
        // Asked for and not given.
        let document = r#"{"bounding":["CAP_KILL"],"effective":["CAP_KILL"],"permitted":["CAP_KILL"],
            "inheritable":["CAP_KILL"],"ambient":["CAP_KILL"]}"#;
        spec.process.capabilities = Some(serde_json::from_str(document).unwrap());
    });
    assert_eq!(plan.output(), sets("0000000000000020"));
    let plan = plan.with(|spec| spec.process.capabilities = None);
    assert_eq!(plan.output(), sets("0000000000000000"));
}

fn a_user_who_is_not_root_has_no_capabilities(base: &Base) {
    let scene = base.scene();
    let output = Plan::new(&scene, SETS).user("user").output();
    let none = "0000000000000000";
    assert_eq!(
        output,
        format!(
            "CapInh:\t{none}\nCapPrm:\t{none}\nCapEff:\t{none}\nCapBnd:\t00000000a80425fb\nCapAmb:\t{none}\n"
        )
    );
}

fn a_capability_that_barque_lacks_is_refused(base: &Base) {
    let scene = base.scene();
    let mine = fs::read_to_string("/proc/self/status").unwrap();
    let permitted = mine.lines().find_map(|l| l.strip_prefix("CapPrm:\t")).unwrap();
    let resource = u64::from_str_radix(permitted, 16).unwrap() & 1 << 24 != 0;
    let plan = Plan::new(&scene, "true").with(|spec| {
        let capabilities = spec.process.capabilities.as_mut().unwrap();
        for set in [&mut capabilities.bounding, &mut capabilities.permitted] {
            set.push("CAP_SYS_RESOURCE".into());
        }
    });
    match plan.run() {
        Ok(_) => assert!(resource),
        Err(failure) => {
            assert!(!resource && failure.message.contains("CAP_SYS_RESOURCE"), "{failure:?}");
        }
    }
}

fn no_new_privileges_is_set_when_asked_for(base: &Base) {
    let scene = base.scene();
    let plan = Plan::new(&scene, "grep NoNewPrivs /proc/self/status");
    assert_eq!(plan.output(), "NoNewPrivs:\t0\n");
    let plan = plan.with(|spec| spec.process.no_new_privileges = true);
    assert_eq!(plan.output(), "NoNewPrivs:\t1\n");
}

fn the_filter_is_installed_with_and_without_privileges(base: &Base) {
    let scene = base.scene();
    for (user, no_new_privileges, init) in [
        ("", false, false),
        ("user", false, false),
        ("", true, false),
        ("user", true, false),
        ("user", false, true),
    ] {
        // What the runtime itself does after it must be little: these are the calls that it has to do without.
        let names = ["sethostname", "mount", "setgroups", "setresuid", "prctl", "setsid", "mkdir"];
        let filter = Seccomp {
            default_action: Action::Allow,
            syscalls: vec![Rule {
                names: names.iter().map(|n| (*n).to_owned()).collect(),
                action: Action::Errno,
                errno_ret: Some(libc::EXDEV as u32),
                args: Vec::new(),
            }],
            ..Seccomp::default()
        };
        let mut plan = Plan::new(&scene, "grep '^Seccomp:' /proc/self/status; mkdir /tmp/x 2>&1; grep '^Seccomp:' /proc/1/status")
            .user(user)
            .with(|spec| {
                spec.linux.seccomp = Some(filter);
                spec.process.no_new_privileges = no_new_privileges;
            });
        plan.init = init;
        let output = plan.output();
        let expected = "Seccomp:\t2\nmkdir: can't create directory '/tmp/x': Invalid cross-device link\nSeccomp:\t2\n";
        assert_eq!(output, expected, "{user:?} {no_new_privileges} {init}");
    }
}

fn masked_paths_cannot_be_read(base: &Base) {
    let scene = base.scene();
    let script = "for p in kcore keys interrupts timer_list; do \
                    [ -e /proc/$p ] && { wc -c < /proc/$p; stat -c %t:%T /proc/$p; }; done; \
                  for d in /proc/acpi /proc/asound /proc/scsi /sys/firmware /secret; do \
                    [ -e $d ] && { ls -A $d; touch $d/x 2>/dev/null && echo touched $d; }; done; true";
    scene.write("secret/file", "x");
    let plan = Plan::new(&scene, script).with(|spec| {
        spec.linux.masked_paths.push("/secret".into());
        spec.linux.masked_paths.push("/not/there".into());
    });
    let output = plan.output();
    let lines: Vec<&str> = output.lines().collect();
    assert!(lines.len() >= 4 && lines.chunks(2).all(|l| l == ["0", "1:3"]), "{output}");
    let plan = plan.with(|spec| spec.linux.masked_paths = vec!["/etc/passwd/x".into()]);
    assert!(plan.failure().message.starts_with("protect /etc/passwd/x"));
}

fn protected_paths_cannot_be_written(base: &Base) {
    let scene = base.scene();
    let script = "for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/irq/default_smp_affinity; do \
                    [ -e $f ] && { (echo x > $f) 2>&1; }; done; cat /proc/sys/kernel/ostype; \
                  (echo x > /sys/kernel/uevent_helper) 2>/dev/null || echo no";
    let output = Plan::new(&scene, script).output();
    let (refusals, rest) = output.split_once("Linux\n").unwrap();
    assert!(refusals.lines().count() >= 2, "{output}");
    assert!(refusals.lines().all(|l| l.ends_with("Read-only file system")), "{output}");
    assert_eq!(rest, "no\n");
}

fn the_root_can_be_read_only(base: &Base) {
    let scene = base.scene();
    let script = "touch /x 2>&1; touch /dev/shm/x && echo shm; touch /tmp/x && echo tmp";
    let plan = Plan::new(&scene, script)
        .with(|spec| {
            spec.root = Some(Root { path: String::new(), readonly: true });
            spec.process.cwd = "/new".into();
        })
        .mount("tmpfs", "tmpfs", "/tmp", "mode=1777");
    assert_eq!(plan.output(), "touch: /x: Read-only file system\nshm\ntmp\n");
}

fn kernel_parameters_are_set_in_its_own_namespaces(base: &Base) {
    let scene = base.scene();
    let outside = fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap();
    let script =
        "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni /proc/sys/fs/mqueue/msg_max";
    let plan = Plan::new(&scene, script).with(|spec| {
        for (name, value) in
            [("net.ipv4.ip_forward", "1"), ("kernel.shmmni", "77"), ("fs/mqueue/msg_max", "5")]
        {
            spec.linux.sysctl.insert(name.into(), value.into());
        }
    });
    assert_eq!(plan.output(), "1\n77\n5\n");
    assert_eq!(fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap(), outside);
    // Even where the container's own /proc could not be written to.
    let plan = plan.with(|spec| spec.mounts[0].options.push("ro".into()));
    assert_eq!(plan.output(), "1\n77\n5\n");
}

fn kernel_parameters_of_the_host_are_refused(base: &Base) {
    let scene = base.scene();
    for (name, value) in [
        ("kernel.core_pattern", "|/x"),
        ("net.ipv4.ip_forward=1+kernel.core_pattern", "|/x"),
        ("net.ipv4.../../kernel.core_pattern", "x"),
        ("vm.swappiness", "1"),
    ] {
        let plan = Plan::new(&scene, "true")
            .with(|spec| drop(spec.linux.sysctl.insert(name.into(), value.into())));
        assert_eq!(plan.failure().class, FailureClass::Invalid, "{name}");
    }
    let shared = Plan::new(&scene, "true")
        .without_namespace(NamespaceKind::Ipc)
        .with(|spec| drop(spec.linux.sysctl.insert("kernel.shmmni".into(), "77".into())));
    assert!(shared.failure().message.contains("shares the host's namespace"));
}

fn limit(kind: &str, soft: u64, hard: u64) -> Rlimit {
    Rlimit { kind: kind.into(), soft, hard }
}

fn resource_limits_are_set(base: &Base) {
    let scene = base.scene();
    let plan =
        Plan::new(&scene, "ulimit -n; ulimit -Hn; ulimit -c; ulimit -Hu; ulimit -v").with(|spec| {
            spec.process.rlimits = vec![
                limit("RLIMIT_NOFILE", 33, 44),
                limit("RLIMIT_CORE", 0, 0),
                limit("RLIMIT_NPROC", 50, 60),
                // Less than the set-up has mapped.
                limit("RLIMIT_AS", 4 << 20, 4 << 20),
            ];
        });
    assert_eq!(plan.output(), "33\n44\n0\n60\n4096\n");
    let files = |soft: u64| {
        let plan = Plan::new(&scene, "ulimit -n; ulimit -Hn").with(|spec| {
            // The room for these has to be made, and given back.
            spec.mounts.extend(
                (0..40).map(|i| crate::container::mount("tmpfs", "", &format!("/m{i}"), "")),
            );
        });
        let old = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let low = rustix::process::Rlimit { current: Some(soft), maximum: old.maximum };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, low).unwrap();
        let output = plan.output();
        rustix::process::setrlimit(rustix::process::Resource::Nofile, old).unwrap();
        (output, old.maximum.map_or("unlimited".to_owned(), |m| m.to_string()))
    };
    let (output, hard) = files(32);
    assert_eq!(output, format!("32\n{hard}\n"));
}

fn a_hard_limit_that_cannot_be_raised_is_refused_by_name(base: &Base) {
    let scene = base.scene();
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum.unwrap();
    let plan = Plan::new(&scene, "true")
        .with(|spec| spec.process.rlimits = vec![limit("RLIMIT_NOFILE", 10, most + 1)]);
    match plan.run() {
        // With CAP_SYS_RESOURCE it can be raised.
        Ok(outcome) => assert_eq!(outcome.code, 0),
        Err(failure) => {
            let start = format!("rlimit nofile 10:{}: the hard limit here is {most}", most + 1);
            assert!(failure.message.starts_with(&start), "{failure:?}");
        }
    }
}

fn the_oom_score_is_set_or_refused(base: &Base) {
    let scene = base.scene();
    let plan = Plan::new(&scene, "cat /proc/self/oom_score_adj");
    let mine = fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    assert_eq!(plan.output(), mine);
    let plan = plan.with(|spec| spec.process.oom_score_adj = Some(500));
    assert_eq!(plan.output(), "500\n");
    let plan = plan.with(|spec| spec.process.oom_score_adj = Some(-500));
    match plan.run() {
        Ok(outcome) => assert_eq!(outcome.stdout, "-500\n"),
        Err(failure) => {
            assert!(failure.message.starts_with("set oom_score_adj -500"), "{failure:?}")
        }
    }
}

/// Removed with the test, however that ends.
struct OwnCgroup {
    name: String,
    cgroup: Cgroup,
}

impl OwnCgroup {
    fn new(resources: &Resources) -> OwnCgroup {
        let name = format!("/barque-runtime-{}", std::process::id());
        let cgroup = Cgroup::create(&name, resources).unwrap();
        OwnCgroup { name, cgroup }
    }
}

impl Drop for OwnCgroup {
    fn drop(&mut self) {
        crate::scene::kill_children();
        self.cgroup.remove(std::time::Duration::from_secs(2)).unwrap();
    }
}

fn it_runs_in_its_cgroups_and_sees_only_them(base: &Base) {
    let scene = base.scene();
    let resources = Resources { pids: Some(Pids { limit: 17 }), ..Resources::default() };
    let cgroup = OwnCgroup::new(&resources);
    let script = "cat /proc/self/cgroup; echo --; cd /sys/fs/cgroup; \
                  cat pids/pids.max pids.max 2>/dev/null; find . -name cgroup.procs | wc -l; \
                  for f in cgroup.procs pids/cgroup.procs; do \
                    [ -e $f ] && (echo 1 > $f) 2>/dev/null && echo written; done; true";
    let mut plan = Plan::new(&scene, script).mount(
        "cgroup",
        "cgroup",
        "/sys/fs/cgroup",
        "ro,nosuid,noexec,nodev",
    );
    plan.cgroups = cgroup.cgroup.in_hierarchies();
    let output = plan.output();
    let (paths, seen) = output.split_once("--\n").unwrap();
    let expected = format!("17\n{}\n", plan.cgroups.len());
    assert_eq!(seen, expected, "{output}");
    // Hierarchies that the container has no cgroup in show the host's root.
    let hidden = paths.lines().filter(|line| line.ends_with(":/")).count();
    assert!(hidden >= plan.cgroups.len(), "{paths}");
    assert!(!paths.contains("barque"), "{paths}");

    let writable = plan.with(|spec| spec.mounts.last_mut().unwrap().options[0] = "rw".into());
    let output = writable.output();
    assert!(output.contains("written\n"), "{output}");
    let mut plan = writable.without_namespace(NamespaceKind::Cgroup);
    assert!(plan.failure().message.contains("only in a cgroup namespace"));
    plan.spec.mounts.last_mut().unwrap().options[0] = "ro".into();

    // Without a namespace the paths can be seen, but what is mounted is the same on cgroup v1.
    let output = plan.output();
    let inside = output.lines().filter(|line| line.ends_with(&cgroup.name)).count();
    assert_eq!(inside, plan.cgroups.len(), "{output}");
    drop(cgroup);

    let mut plan = Plan::new(&scene, "true").mount("cgroup", "cgroup", "/sys/fs/cgroup", "ro");
    assert_eq!(plan.failure().class, FailureClass::Unsupported);
    plan.cgroups = vec![barque_monitor::runtime::Cgroup {
        name: "pids".into(),
        path: "/sys/fs/cgroup/pids/not/there".into(),
        unified: false,
    }];
    assert!(plan.failure().message.starts_with("join the cgroup"));
}

fn the_session_keyring_is_its_own(base: &Base) {
    let scene = base.scene();
    let keyrings = |keys: &str| -> Vec<String> {
        let sessions = keys.lines().filter(|line| line.contains("keyring   _ses"));
        sessions.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    };
    let before = keyrings(&fs::read_to_string("/proc/keys").unwrap());
    let plan = Plan::new(&scene, "cat /proc/keys").with(|spec| spec.linux.masked_paths.clear());
    let inside = keyrings(&plan.output());
    assert!(inside.iter().any(|id| !before.contains(id)), "{inside:?} {before:?}");
}

fn nothing_of_the_host_is_mounted(base: &Base) {
    let scene = base.scene();
    let output = Plan::new(&scene, "cut -d' ' -f5 /proc/self/mountinfo | sort | uniq").output();
    let expected = [
        "/",
        "/dev",
        "/dev/mqueue",
        "/dev/pts",
        "/dev/shm",
        "/proc",
        "/proc/acpi",
        "/proc/asound",
        "/proc/bus",
        "/proc/fs",
        "/proc/interrupts",
        "/proc/irq",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/proc/sys",
        "/proc/sysrq-trigger",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/sys",
        "/sys/devices/virtual/powercap",
        "/sys/firmware",
    ];
    assert!(output.lines().all(|line| expected.contains(&line)), "{output}");
    assert!(output.lines().count() > 10, "{output}");
    let output = Plan::new(&scene, "grep ' / / ' /proc/self/mountinfo").output();
    assert_eq!(output.lines().count(), 1);
    assert!(!output.contains("shared:") && !output.contains("master:"), "{output}");
    let scene_path = scene.place("").to_str().unwrap().to_owned();
    assert!(!output.contains(&scene_path), "the host's paths are shown: {output}");
}
