//! The default system call filter as the kernel would see it, and profiles of the caller's.

use barque_monitor::seccomp::{Action, Filter, Seccomp};
use serde_json::{Value, json};

use super::super::capabilities::Capabilities;
use super::super::seccomp::{Circumstances, custom, default, default_rules};
use super::super::security::read_profiles;
use super::{TestHost, image, invalid, plan_with, spec_of};
use crate::api::HostConfig;

/// The default rules for a container with these capabilities added, on an image of an architecture.
fn document(cap_add: &[&str], image_architecture: &str) -> Seccomp {
    in_circumstances(cap_add, image_architecture, default_rules)
}

fn in_circumstances(
    cap_add: &[&str],
    image_architecture: &str,
    make: fn(&Circumstances) -> crate::Result<Seccomp>,
) -> Seccomp {
    let host = TestHost::default();
    let cap_add = cap_add.iter().map(|name| (*name).to_owned()).collect();
    let capabilities =
        Capabilities::of(&HostConfig { cap_add, ..HostConfig::default() }, u64::MAX).unwrap();
    make(&Circumstances::new(&host.facts, image_architecture, capabilities)).unwrap()
}

/// Whether some rule allows a call, whatever its arguments are.
fn allowed(document: &Seccomp, name: &str) -> bool {
    let of_call =
        |rule: &&barque_monitor::seccomp::Rule| rule.names.iter().any(|listed| listed == name);
    document
        .syscalls
        .iter()
        .filter(of_call)
        .any(|rule| rule.action == Action::Allow && rule.args.is_empty())
}

// SEC-029.
#[test]
fn calls_that_reach_deep_into_the_kernel_need_a_capability() {
    let plain = document(&[], "amd64");
    for name in [
        "bpf",
        "perf_event_open",
        "mount",
        "umount2",
        "unshare",
        "setns",
        "fsopen",
        "fsmount",
        "move_mount",
        "open_tree",
        "mount_setattr",
        "keyctl",
        "add_key",
        "request_key",
        "userfaultfd",
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "open_by_handle_at",
        "kexec_load",
        "kexec_file_load",
        "init_module",
        "finit_module",
        "delete_module",
        "pivot_root",
        "swapon",
        "reboot",
        "iopl",
        "clock_settime",
        "quotactl",
        "acct",
        "syslog",
        "socket",
        "clone",
        "clone3",
        "personality",
    ] {
        assert!(!allowed(&plain, name), "{name}");
    }
    for (capability, names) in [
        ("SYS_ADMIN", &["mount", "unshare", "setns", "clone", "clone3", "bpf", "fsopen"][..]),
        ("DAC_READ_SEARCH", &["open_by_handle_at"]),
        ("SYS_BOOT", &["reboot"]),
        ("SYS_MODULE", &["init_module", "finit_module", "delete_module"]),
        ("SYS_TIME", &["clock_settime", "settimeofday"]),
        ("SYS_PTRACE", &["kcmp", "pidfd_getfd", "process_madvise"]),
        ("SYS_RAWIO", &["iopl", "ioperm"]),
        ("SYS_NICE", &["mbind", "set_mempolicy"]),
        ("SYSLOG", &["syslog"]),
        ("BPF", &["bpf"]),
        ("PERFMON", &["perf_event_open"]),
        ("SYS_PACCT", &["acct"]),
        ("SYS_TTY_CONFIG", &["vhangup"]),
    ] {
        let document = document(&[capability], "amd64");
        for name in names {
            assert!(!allowed(&plain, name) && allowed(&document, name), "{name} with {capability}");
        }
    }
    for name in [
        "read",
        "openat2",
        "execve",
        "ptrace",
        "chroot",
        "arch_prctl",
        "statx",
        "rseq",
        "futex_waitv",
    ] {
        assert!(allowed(&plain, name), "{name}");
    }
}

#[test]
fn only_images_that_are_32_bit_have_the_call_that_hides_address_families() {
    assert!(!allowed(&document(&[], "amd64"), "socketcall"));
    assert!(allowed(&document(&[], "386"), "socketcall"));
}

#[test]
fn the_default_profile_names_only_calls_that_exist_and_compiles_to_a_small_filter() {
    let document = document(&[], "386");
    assert_eq!(document.architectures, ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]);
    let filter = Filter::compile(&document).unwrap();
    assert_eq!(filter.unknown_names(), [""; 0]);
    assert!(filter.program().len() < 1000, "{}", filter.program().len());
}

#[test]
fn profiles_say_when_their_rules_hold() {
    let host = TestHost::default();
    let capabilities = Capabilities::of(&HostConfig::default(), u64::MAX).unwrap();
    let circumstances = Circumstances::new(&host.facts, "amd64", capabilities);
    let holds = |condition: Value| {
        let mut rule = json!({"names": ["mount"], "action": "SCMP_ACT_ALLOW", "args": null});
        rule.as_object_mut().unwrap().extend(condition.as_object().unwrap().clone());
        let profile = json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]});
        allowed(&custom(&profile.to_string(), &circumstances).unwrap().0, "mount")
    };
    for (condition, expected) in [
        (json!({}), true),
        (json!({"includes": null, "excludes": {}}), true),
        (json!({"includes": {"caps": ["CAP_CHOWN", "CAP_KILL"]}}), true),
        (json!({"includes": {"caps": ["CAP_CHOWN", "CAP_SYS_ADMIN"]}}), false),
        (json!({"includes": {"caps": ["CAP_UNHEARD_OF"]}}), false),
        (json!({"excludes": {"caps": ["CAP_SYS_ADMIN", "CAP_CHOWN"]}}), false),
        (json!({"excludes": {"caps": ["CAP_SYS_ADMIN"]}}), true),
        (json!({"includes": {"arches": ["arm64", "amd64"]}}), true),
        (json!({"includes": {"arches": ["arm64", "x86"]}}), false),
        (json!({"excludes": {"arches": ["amd64"]}}), false),
        (json!({"includes": {"minKernel": "4.8"}}), true),
        (json!({"includes": {"minKernel": "6.1"}}), true),
        (json!({"includes": {"minKernel": "6.2"}}), false),
        (json!({"includes": {"minKernel": "10.0"}}), false),
        (json!({"excludes": {"minKernel": "4.8"}}), false),
    ] {
        assert_eq!(holds(condition.clone()), expected, "{condition}");
    }
}

#[test]
fn a_profile_is_given_as_text() {
    let with = |option: &str| spec_of(json!({"SecurityOpt": [option]}));
    let given = with(r#"seccomp={"defaultAction": "SCMP_ACT_LOG"}"#);
    assert_eq!(given["linux"]["seccomp"], json!({"defaultAction": "SCMP_ACT_LOG"}));
    let builtin = with("seccomp=builtin");
    assert_eq!(builtin["linux"]["seccomp"]["defaultAction"], "SCMP_ACT_ERRNO");
    assert!(builtin["linux"]["seccomp"]["barqueProgram"].as_array().unwrap().len() > 100);
    let privileged = spec_of(json!({"Privileged": true, "SecurityOpt": ["seccomp=builtin"]}));
    assert_ne!(privileged["linux"]["seccomp"], builtin["linux"]["seccomp"]);
}

#[test]
fn a_profile_that_is_given_by_its_path_is_read_once() {
    let read = |option: &str| {
        let mut host_config =
            HostConfig { security_opt: vec![option.to_owned()], ..HostConfig::default() };
        read_profiles(&mut host_config, &TestHost::default()).map(|()| host_config.security_opt)
    };
    for option in ["seccomp=/profile.json", "seccomp:/profile.json"] {
        assert_eq!(read(option).unwrap(), [r#"seccomp={"defaultAction": "SCMP_ACT_ALLOW"}"#]);
    }
    for kept in ["seccomp=unconfined", "seccomp=builtin", "seccomp= {}", "apparmor=/profile.json"] {
        assert_eq!(read(kept).unwrap(), [kept]);
    }
    let missing = read("seccomp=/missing.json").unwrap_err().to_string();
    assert!(missing.starts_with("opening seccomp profile (/missing.json) failed"), "{missing}");
}

#[test]
fn the_default_profile_is_sent_compiled_and_for_the_container_at_hand() {
    for (cap_add, architecture) in
        [(&[][..], "amd64"), (&["SYS_ADMIN"], "amd64"), (&[], "386"), (&[], "amd64")]
    {
        let sent = in_circumstances(cap_add, architecture, default);
        let rules = in_circumstances(cap_add, architecture, default_rules);
        assert_eq!(sent.syscalls, []);
        assert_eq!(sent.program, Filter::compile(&rules).unwrap().numbers());
    }
}

#[test]
fn a_wrong_profile_is_refused_and_a_misspelt_name_told() {
    let refused = |profile: Value| {
        invalid(json!({"HostConfig": {"SecurityOpt": [format!("seccomp={profile}")]}}))
    };
    assert!(
        refused(json!({}))
            .starts_with("decoding seccomp profile failed: missing field `defaultAction`")
    );
    assert!(refused(json!({"defaultAction": "ALLOW"})).contains("ALLOW"));
    assert!(
        refused(json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86"],
                       "archMap": [{"architecture": "SCMP_ARCH_X86_64"}]}))
        .contains("use either 'architectures' or 'archMap'")
    );
    assert!(
        refused(json!({"defaultAction": "SCMP_ACT_ALLOW",
                       "syscalls": [{"name": "a", "names": ["b"], "action": "SCMP_ACT_ALLOW"}]}))
        .contains("use either 'name' or 'names'")
    );
    assert!(refused(json!({"defaultAction": "SCMP_ACT_NOTIFY"})).contains("SCMP_ACT_NOTIFY"));
    let profile = json!({"defaultAction": "SCMP_ACT_ALLOW",
                         "syscalls": [{"name": "moutn", "action": "SCMP_ACT_ERRNO", "args": []}]});
    let request = json!({"HostConfig": {"SecurityOpt": [format!("seccomp={profile}")]}});
    let warnings = plan_with(request, &image(), &TestHost::default()).unwrap().warnings;
    assert_eq!(warnings, ["seccomp profile: no system call is called moutn: no effect"]);
}

// What Filter::compile says about calls is tested where it is made. This is the default profile in the kernel: a thread
// of this program lives under it.
#[cfg(target_arch = "x86_64")]
#[test]
fn under_the_default_profile_forbidden_address_families_and_namespaces_are_refused() {
    let filter = Filter::compile(&document(&[], "amd64")).unwrap();
    let answers = std::thread::spawn(move || {
        // SAFETY: changes a flag of this thread.
        assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
        filter.install().unwrap();
        let call = |number: libc::c_long, args: [libc::c_long; 3]| {
            // SAFETY: the calls below take numbers, or a null pointer that the kernel refuses.
            match unsafe { libc::syscall(number, args[0], args[1], args[2]) } {
                -1 => std::io::Error::last_os_error().raw_os_error().unwrap(),
                _ => 0,
            }
        };
        let stream = libc::c_long::from(libc::SOCK_STREAM);
        [
            ("AF_UNIX", call(libc::SYS_socket, [1, stream, 0]), 0),
            ("AF_NETLINK", call(libc::SYS_socket, [16, 3, 0]), 0),
            ("AF_ALG", call(libc::SYS_socket, [38, 5, 0]), libc::EPERM),
            ("AF_VSOCK", call(libc::SYS_socket, [40, stream, 0]), libc::EPERM),
            ("AF_ALG with high bits", call(libc::SYS_socket, [1 << 32 | 38, 5, 0]), libc::EPERM),
            ("unshare", call(libc::SYS_unshare, [0x1000_0000, 0, 0]), libc::EPERM),
            ("clone", call(libc::SYS_clone, [0x1000_0000, 0, 0]), libc::EPERM),
            ("clone3", call(libc::SYS_clone3, [0, 0, 0]), libc::ENOSYS),
            ("keyctl", call(libc::SYS_keyctl, [0, -3, 0]), libc::EPERM),
            ("bpf", call(libc::SYS_bpf, [0, 0, 0]), libc::EPERM),
            ("io_uring_setup", call(libc::SYS_io_uring_setup, [0, 0, 0]), libc::EPERM),
            ("personality", call(libc::SYS_personality, [0xffff_ffff, 0, 0]), 0),
            ("ADDR_NO_RANDOMIZE", call(libc::SYS_personality, [0x4_0000, 0, 0]), libc::EPERM),
            ("a call of the future", call(600, [0, 0, 0]), libc::ENOSYS),
        ]
    });
    for (name, answer, expected) in answers.join().unwrap() {
        assert_eq!(answer, expected, "{name}");
    }
}
