//! Compiled filters agree with a plain evaluation of the rules, for all calls of all ABIs and arguments near what the
//! rules compare them with.

use std::collections::HashMap;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::super::arch::Abi;
use super::super::syscalls::{self, Call};
use super::super::{Action, Condition, Filter, MAX_INSTRUCTIONS, Operator, Rule, Seccomp};
use super::interpreter::{self, Data};

static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| syscalls::names().collect());
/// The names of a number: arm's 341 has two.
static CALLS: LazyLock<HashMap<(u8, u32), Vec<&str>>> = LazyLock::new(|| {
    let mut calls: HashMap<_, Vec<_>> = HashMap::new();
    for abi in [Abi::X86_64, Abi::X32, Abi::X86, Abi::Aarch64, Abi::Arm] {
        for name in NAMES.iter() {
            if let Some(number) = Call::named(name).unwrap().number(abi) {
                calls.entry((abi as u8, number)).or_default().push(*name);
            }
        }
    }
    calls
});

fn holds(condition: &Condition, abi: Abi, args: &[u64; 6]) -> bool {
    let width = if abi.narrow() { u64::from(u32::MAX) } else { u64::MAX };
    let argument = args[condition.index as usize] & width;
    let value = condition.value & width;
    match condition.op {
        Operator::Ne => argument != value,
        Operator::Lt => argument < value,
        Operator::Le => argument <= value,
        Operator::Eq => argument == value,
        Operator::Ge => argument >= value,
        Operator::Gt => argument > value,
        Operator::MaskedEq => argument & value == condition.value_two & width,
    }
}

fn matches(rule: &Rule, abi: Abi, args: &[u64; 6]) -> bool {
    let mut indices: Vec<_> = rule.args.iter().map(|condition| condition.index).collect();
    indices.sort_unstable();
    indices.dedup();
    let mut holding = rule.args.iter().map(|condition| holds(condition, abi, args));
    if indices.len() < rule.args.len() {
        holding.any(|holds| holds)
    } else {
        holding.all(|holds| holds)
    }
}

fn value(action: Action, errno: Option<u32>) -> u32 {
    let data = errno.unwrap_or(1);
    match action {
        Action::Kill | Action::KillThread => 0,
        Action::KillProcess => 0x8000_0000,
        Action::Trap => 0x0003_0000,
        Action::Errno => 0x0005_0000 | data,
        Action::Notify => 0x7fc0_0000,
        Action::Trace => 0x7ff0_0000 | data,
        Action::Log => 0x7ffc_0000,
        Action::Allow => 0x7fff_0000,
    }
}

/// What a call should be answered with.
fn expected(document: &Seccomp, native: Abi, data: &Data) -> u32 {
    let listed = |abi: Abi, name: &str| {
        abi == native || document.architectures.iter().any(|listed| listed == name)
    };
    let x32 = data.nr & 0xc000_0000 == 0x4000_0000;
    let abi = match (native, data.arch) {
        (Abi::X86_64, 0xc000_003e) if x32 && listed(Abi::X32, "SCMP_ARCH_X32") => Abi::X32,
        (Abi::X86_64, 0xc000_003e) if !x32 => Abi::X86_64,
        (Abi::X86_64, 0x4000_0003) if listed(Abi::X86, "SCMP_ARCH_X86") => Abi::X86,
        (Abi::Aarch64, 0xc000_00b7) => Abi::Aarch64,
        (Abi::Aarch64, 0x4000_0028) if listed(Abi::Arm, "SCMP_ARCH_ARM") => Abi::Arm,
        _ => return 0x8000_0000,
    };
    let called = CALLS.get(&(abi as u8, data.nr)).map(Vec::as_slice).unwrap_or_default();
    for rule in &document.syscalls {
        let named = rule.names.iter().any(|listed| called.contains(&listed.as_str()));
        let first = data.args[0] as u32;
        let multiplexed = rule.args.is_empty()
            && abi == Abi::X86
            && called
                .iter()
                .any(|called| rule.names.iter().any(|listed| multiplexed(listed, called, first)));
        if multiplexed || (named && matches(rule, abi, &data.args)) {
            return value(rule.action, rule.errno_ret);
        }
    }
    let mut newest = 423;
    for listed in document.syscalls.iter().flat_map(|rule| &rule.names) {
        if let Some(number) = Call::named(listed).and_then(|call| call.number(abi)) {
            let number = number & 0x3fff_ffff;
            let old = number >= 0xf0000 || (abi == Abi::X32 && (512..=547).contains(&number));
            newest = newest.max(if old { 0 } else { number });
        }
    }
    let plain = if abi == Abi::X32 { data.nr & 0x3fff_ffff } else { data.nr };
    let own = abi == Abi::X32 && (512..=547).contains(&plain);
    let permissive = matches!(document.default_action, Action::Allow | Action::Log | Action::Trace);
    // A call that a rule names is not newer than the document, even if its conditions don't hold and its number is one of
    // arm's own, which are all beyond the newest.
    let known = document
        .syscalls
        .iter()
        .any(|rule| rule.names.iter().any(|listed| called.contains(&listed.as_str())));
    if plain > newest && !known && !own && !permissive {
        return 0x0005_0000 | 38;
    }
    value(document.default_action, document.default_errno_ret)
}

fn multiplexed(listed: &str, called: &str, first: u32) -> bool {
    match (called, listed) {
        ("socketcall", "socket") => first == 1,
        ("socketcall", "bind") => first == 2,
        ("socketcall", "sendmmsg") => first == 20,
        ("ipc", "semop") => first & 0xffff == 1,
        ("ipc", "shmctl") => first & 0xffff == 24,
        ("socketcall" | "ipc", _) => {
            Call::named(listed).and_then(Call::multiplexer).is_some_and(|m| {
                (m.number == 102) == (called == "socketcall") && first & m.mask == m.selector
            })
        }
        _ => false,
    }
}

fn actions() -> impl Strategy<Value = Action> {
    select(vec![
        Action::Kill,
        Action::KillProcess,
        Action::KillThread,
        Action::Trap,
        Action::Errno,
        Action::Trace,
        Action::Log,
        Action::Allow,
    ])
}

fn values() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..50u64,
        1 => select(vec![1 << 31, u64::from(u32::MAX), 1 << 32, (5 << 32) | 7, 1 << 63, u64::MAX]),
        1 => any::<u64>(),
    ]
}

fn conditions() -> impl Strategy<Value = Condition> {
    let operators = select(vec![
        Operator::Ne,
        Operator::Lt,
        Operator::Le,
        Operator::Eq,
        Operator::Eq,
        Operator::Ge,
        Operator::Gt,
        Operator::MaskedEq,
    ]);
    (0..6u32, values(), values(), operators).prop_map(|(index, value, two, op)| {
        let masked = op == Operator::MaskedEq;
        Condition { index, value, value_two: if masked { two & value | two & 1 } else { 0 }, op }
    })
}

fn rules() -> impl Strategy<Value = Rule> {
    let some = prop_oneof![
        subsequence(NAMES.clone(), 1..8),
        subsequence(NAMES.clone(), 100..400),
        // What more than one rule names, and what is reached in two ways.
        subsequence(
            vec!["socket", "socketcall", "ipc", "shmctl", "personality", "rt_sigaction"],
            1..4
        ),
    ];
    let names = some.prop_map(|names| names.into_iter().map(str::to_owned).collect());
    let args = prop_oneof![
        Just(Vec::new()),
        proptest::collection::vec(conditions(), 1..4),
        // A chain, such as socket's address families.
        (0..6u32, proptest::collection::vec(values(), 1..90)).prop_map(|(index, values)| {
            let equal = |value| Condition { index, value, value_two: 0, op: Operator::Eq };
            values.into_iter().map(equal).collect()
        }),
    ];
    (names, actions(), proptest::option::of(0..4096u32), args)
        .prop_map(|(names, action, errno_ret, args)| Rule { names, action, errno_ret, args })
        .prop_map(|mut rule| {
            // Many calls with long conditions are more than 4096 instructions.
            if rule.names.len() > 8 {
                rule.args.clear();
            }
            rule
        })
}

fn documents() -> impl Strategy<Value = Seccomp> {
    let architectures = subsequence(
        vec![
            "SCMP_ARCH_X86_64",
            "SCMP_ARCH_X86",
            "SCMP_ARCH_X32",
            "SCMP_ARCH_ARM",
            "SCMP_ARCH_S390X",
        ],
        0..=5,
    );
    let rules = proptest::collection::vec(rules(), 0..8);
    (actions(), proptest::option::of(0..4096u32), architectures, rules).prop_map(
        |(default_action, default_errno_ret, architectures, syscalls)| Seccomp {
            default_action,
            default_errno_ret,
            architectures: architectures.into_iter().map(str::to_owned).collect(),
            syscalls,
            ..Seccomp::default()
        },
    )
}

/// Arguments that are near what the rules compare those of a call with.
fn arguments(document: &Seccomp, abi: Abi, nr: u32) -> Vec<[u64; 6]> {
    let mut sets = vec![[0; 6], [u64::MAX; 6]];
    let Some(called) = CALLS.get(&(abi as u8, nr)) else { return sets };
    if called.contains(&"socketcall") || called.contains(&"ipc") {
        sets.extend((0..25).map(|first| [first | 1 << 16; 6]));
        sets.extend((0..25).map(|first| [first; 6]));
    }
    let named = |rule: &&Rule| rule.names.iter().any(|name| called.contains(&name.as_str()));
    for condition in document.syscalls.iter().filter(named).flat_map(|rule| &rule.args) {
        for value in [condition.value, condition.value_two] {
            for near in [value.wrapping_sub(1), value, value.wrapping_add(1), value ^ (1 << 32)] {
                let mut args = [near; 6];
                sets.push(args);
                args[condition.index as usize] ^= 1 << 3;
                sets.push(args);
            }
        }
    }
    sets
}

/// A compiled filter answers as the rules say, for calls of all ABIs.
fn agrees(document: &Seccomp, native: Abi) -> Result<(), TestCaseError> {
    let filter = match Filter::compile_for(document, native) {
        Err(super::Error::TooLong(_)) => return Ok(()),
        other => other.unwrap(),
    };
    prop_assert!(filter.program().len() <= MAX_INSTRUCTIONS);
    for abi in [Abi::X86_64, Abi::X32, Abi::X86, Abi::Aarch64, Abi::Arm] {
        let begin = if abi == Abi::X32 { 0x4000_0000 } else { 0 };
        let numbers = (begin..begin + 600).chain(0xf0000..0xf0008).chain([
            0x3fff_ffff,
            0x7fff_ffff,
            0x8000_0000,
            u32::MAX,
        ]);
        for nr in numbers {
            for args in arguments(document, abi, nr) {
                let data = Data { nr, arch: abi.audit_number(), args };
                let (answer, ..) = interpreter::run(filter.program(), &data);
                prop_assert_eq!(answer, expected(document, native, &data), "{:?} {:?}", abi, data);
            }
        }
    }
    Ok(())
}

#[test]
fn a_private_call_whose_conditions_do_not_hold_is_no_newer_call() {
    let condition = Condition { index: 0, value: 1, value_two: 0, op: Operator::Eq };
    let rule = Rule {
        names: vec!["get_tls".to_owned()],
        action: Action::Allow,
        errno_ret: None,
        args: vec![condition],
    };
    let document = Seccomp {
        default_action: Action::KillThread,
        architectures: vec!["SCMP_ARCH_ARM".to_owned()],
        syscalls: vec![rule],
        ..Seccomp::default()
    };
    agrees(&document, Abi::Aarch64).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_filter_agrees_with_its_rules(document in documents(), native in select(vec![Abi::X86_64, Abi::Aarch64])) {
        agrees(&document, native)?;
    }
}
