//! The compiler against a plain reading of the rules, and filters against the kernel.

mod agreement;
mod interpreter;
mod kernel;
#[cfg(target_arch = "x86_64")]
mod numbers;

use super::arch::Abi;
use super::syscalls::{self, Call};
use super::{Action, Condition, Error, Filter, Operator, Rule, Seccomp};

fn allow(names: &[&str]) -> Rule {
    Rule {
        names: names.iter().map(|&name| name.to_owned()).collect(),
        action: Action::Allow,
        ..Rule::default()
    }
}

fn condition(index: u32, op: Operator, value: u64) -> Condition {
    Condition { index, value, value_two: 0, op }
}

fn run(filter: &Filter, abi: Abi, nr: u32, args: [u64; 6]) -> u32 {
    let data = interpreter::Data { nr, arch: abi.audit_number(), args };
    interpreter::run(filter.program(), &data).0
}

fn number(name: &str, abi: Abi) -> u32 {
    Call::named(name).unwrap().number(abi).unwrap()
}

const ERRNO: u32 = libc::SECCOMP_RET_ERRNO;
const EPERM: u32 = ERRNO | libc::EPERM as u32;
const ENOSYS: u32 = ERRNO | libc::ENOSYS as u32;
const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;

#[test]
fn the_table_is_sorted_and_every_name_is_found() {
    let names: Vec<_> = syscalls::names().collect();
    assert!(names.is_sorted());
    assert!(names.len() > 500);
    assert!(names.iter().all(|name| Call::named(name).is_some()));
    assert!(Call::named("").is_none());
    assert!(Call::named("reed").is_none());
    assert!(Call::named("sched_rr_get_interval_time64_and_more").is_none());
}

#[test]
fn numbers_differ_by_abi() {
    assert_eq!(number("socket", Abi::X86_64), 41);
    assert_eq!(number("socket", Abi::X86), 359);
    assert_eq!(number("rt_sigaction", Abi::X32), 0x4000_0000 | 512);
    assert_eq!(number("socket", Abi::Aarch64), 198);
    assert_eq!(number("set_tls", Abi::Arm), 0xf0005);
    assert!(Call::named("open").unwrap().number(Abi::Aarch64).is_none());
}

#[test]
fn a_name_that_only_another_machine_has_is_known() {
    let document = Seccomp {
        syscalls: vec![allow(&["s390_runtime_instr", "riscv_hwprobe", "raed", "raed", "read"])],
        ..Seccomp::default()
    };
    let filter = Filter::compile(&document).unwrap();
    assert_eq!(filter.unknown_names(), ["raed"]);
}

#[test]
fn what_no_rule_names_gets_the_default_and_what_is_newer_gets_enosys() {
    let document = Seccomp { syscalls: vec![allow(&["read", "openat2"])], ..Seccomp::default() };
    let filter = Filter::compile_for(&document, Abi::X86_64).unwrap();
    let answer = |nr| run(&filter, Abi::X86_64, nr, [0; 6]);
    assert_eq!(answer(0), ALLOW);
    assert_eq!(answer(1), EPERM);
    assert_eq!(answer(423), EPERM);
    assert_eq!(answer(436), EPERM);
    assert_eq!(answer(437), ALLOW);
    assert_eq!(answer(438), ENOSYS);
    assert_eq!(answer(5000), ENOSYS);
    assert_eq!(answer(u32::MAX), ENOSYS, "a call that a tracer skips");
}

#[test]
fn a_permissive_default_holds_for_newer_calls_too() {
    for default_action in [Action::Allow, Action::Log] {
        let document = Seccomp { default_action, ..Seccomp::default() };
        let filter = Filter::compile_for(&document, Abi::X86_64).unwrap();
        assert_ne!(run(&filter, Abi::X86_64, 100_000, [0; 6]), ENOSYS);
    }
}

#[test]
fn an_abi_that_is_not_listed_is_killed() {
    let document = Seccomp { default_action: Action::Allow, ..Seccomp::default() };
    let kill = libc::SECCOMP_RET_KILL_PROCESS;
    let filter = Filter::compile_for(&document, Abi::X86_64).unwrap();
    assert_eq!(run(&filter, Abi::X86_64, 0, [0; 6]), ALLOW);
    assert_eq!(run(&filter, Abi::X86, 3, [0; 6]), kill);
    assert_eq!(run(&filter, Abi::X32, 0x4000_0000, [0; 6]), kill);

    let architectures = vec!["SCMP_ARCH_X86".to_owned(), "SCMP_ARCH_X32".to_owned()];
    let filter = Filter::compile_for(&Seccomp { architectures, ..document }, Abi::X86_64).unwrap();
    assert_eq!(run(&filter, Abi::X86_64, 0, [0; 6]), ALLOW);
    assert_eq!(run(&filter, Abi::X86, 3, [0; 6]), ALLOW);
    assert_eq!(run(&filter, Abi::X32, 0x4000_0000, [0; 6]), ALLOW);
    assert_eq!(run(&filter, Abi::Aarch64, 0, [0; 6]), kill);
}

#[test]
fn the_errno_is_that_of_the_rule() {
    let deny = |name: &str, errno| Rule {
        names: vec![name.to_owned()],
        action: Action::Errno,
        errno_ret: errno,
        args: Vec::new(),
    };
    let document = Seccomp {
        default_errno_ret: Some(13),
        syscalls: vec![deny("clone3", Some(38)), deny("mount", Some(0)), deny("bpf", None)],
        ..Seccomp::default()
    };
    let filter = Filter::compile_for(&document, Abi::X86_64).unwrap();
    let answer = |name| run(&filter, Abi::X86_64, number(name, Abi::X86_64), [0; 6]);
    assert_eq!(answer("clone3"), ENOSYS);
    assert_eq!(answer("mount"), ERRNO);
    assert_eq!(answer("bpf"), EPERM);
    assert_eq!(answer("read"), ERRNO | 13);
}

#[test]
fn old_32_bit_ways_to_a_call_follow_its_rule_but_not_its_conditions() {
    let architectures = vec!["SCMP_ARCH_X86".to_owned()];
    let mut socket = allow(&["socket"]);
    socket.args = vec![condition(0, Operator::Eq, 2)];
    let syscalls = vec![socket, allow(&["connect", "shmat"])];
    let document = Seccomp { architectures, syscalls, ..Seccomp::default() };
    let filter = Filter::compile_for(&document, Abi::X86_64).unwrap();
    let answer =
        |name, first| run(&filter, Abi::X86, number(name, Abi::X86), [first, 0, 0, 0, 0, 0]);
    assert_eq!(answer("socketcall", 3), ALLOW, "connect");
    assert_eq!(answer("socketcall", 1), EPERM, "socket");
    assert_eq!(answer("ipc", 21), ALLOW, "shmat");
    assert_eq!(answer("ipc", 1 << 16 | 21), ALLOW, "shmat, version 1");
    assert_eq!(answer("ipc", 22), EPERM, "shmdt");
    assert_eq!(answer("socket", 2), ALLOW);
    assert_eq!(answer("socket", 38), EPERM);
}

#[test]
fn conditions_on_one_argument_twice_are_alternatives() {
    let mut rule = allow(&["personality"]);
    rule.args = vec![condition(0, Operator::Eq, 0), condition(0, Operator::Eq, 8)];
    let document = Seccomp { syscalls: vec![rule], ..Seccomp::default() };
    let filter = Filter::compile(&document).unwrap();
    let answer = |first| {
        run(&filter, Abi::NATIVE, number("personality", Abi::NATIVE), [first, 0, 0, 0, 0, 0])
    };
    assert_eq!(answer(0), ALLOW);
    assert_eq!(answer(8), ALLOW);
    assert_eq!(answer(1 << 32), EPERM);
    assert_eq!(answer(4), EPERM);
}

#[test]
fn what_a_filter_cannot_say_is_refused() {
    let refused = |change: &dyn Fn(&mut Seccomp)| {
        let mut document = Seccomp { syscalls: vec![allow(&["read"])], ..Seccomp::default() };
        change(&mut document);
        Filter::compile(&document).unwrap_err()
    };
    let names = |name: &str| vec![name.to_owned()];
    assert_eq!(
        refused(&|document| document.architectures = names("SCMP_ARCH_Z80")),
        Error::UnknownArchitecture("SCMP_ARCH_Z80".into())
    );
    assert_eq!(
        refused(&|document| document.flags = Some(names("SECCOMP_FILTER_FLAG_FAST"))),
        Error::UnknownFlag("SECCOMP_FILTER_FLAG_FAST".into())
    );
    assert_eq!(
        refused(&|document| document.syscalls[0].args = vec![condition(6, Operator::Eq, 0)]),
        Error::ArgumentIndex(6)
    );
    assert_eq!(
        refused(&|document| document.default_errno_ret = Some(4096)),
        Error::ReturnData(4096)
    );
    assert_eq!(refused(&|document| document.syscalls[0].action = Action::Notify), Error::Notify);
    assert_eq!(refused(&|document| document.listener_path = Some("/x".into())), Error::Notify);
    let long = refused(&|document| {
        let mut rule = allow(&["read"]);
        rule.args = (0..2000).map(|n| condition(0, Operator::Gt, n)).collect();
        document.syscalls = vec![rule];
    });
    assert!(matches!(long, Error::TooLong(length) if length > 4096), "{long}");
}

#[test]
fn a_call_that_is_always_allowed_is_answered_in_few_steps_and_without_its_arguments() {
    let every: Vec<_> = syscalls::names().filter(|name| *name != "mount").collect();
    let mut checked = allow(&["clone"]);
    checked.args = vec![condition(0, Operator::Eq, 7)];
    let document = Seccomp { syscalls: vec![checked, allow(&every)], ..Seccomp::default() };
    let filter = Filter::compile_for(&document, Abi::X86_64).unwrap();
    let data = interpreter::Data { nr: 0, arch: Abi::X86_64.audit_number(), args: [0; 6] };
    let (answer, steps, looked) = interpreter::run(filter.program(), &data);
    assert_eq!((answer, looked), (ALLOW, false));
    assert!(steps <= 10, "{steps}");
}

#[test]
fn the_specification_s_json_is_read() {
    let document: Seccomp = serde_json::from_str(
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"], "flags": [],
            "syscalls": [{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args":
            [{"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]}]}"#,
    )
    .unwrap();
    assert_eq!(document.flags, Some(Vec::new()));
    assert_eq!(document.syscalls[0].args[0].op, Operator::MaskedEq);
    let written = serde_json::to_value(&document).unwrap();
    assert_eq!(serde_json::from_value::<Seccomp>(written).unwrap(), document);
}

#[test]
fn a_compiled_filter_can_be_sent_instead_of_its_rules() {
    let mut rule = allow(&["socket"]);
    rule.args = vec![condition(0, Operator::Lt, 0xffff_ffff_0000_0007)];
    let rules = Seccomp { syscalls: vec![rule, allow(&["read"])], ..Seccomp::default() };
    let filter = Filter::compile(&rules).unwrap();
    let compiled = Seccomp { program: filter.numbers(), ..Seccomp::default() };
    let text = serde_json::to_string(&compiled).unwrap();
    let read = Filter::compile(&serde_json::from_str(&text).unwrap()).unwrap();
    let words = |filter: &Filter| -> Vec<_> {
        filter.program().iter().map(|i| (i.code, i.jt, i.jf, i.k)).collect()
    };
    assert_eq!(words(&read), words(&filter));
    let long = Seccomp { program: vec![6; 4097], ..Seccomp::default() };
    assert_eq!(Filter::compile(&long).unwrap_err(), Error::TooLong(4097));
}
