//! The device filter of cgroup v2: a BPF program that the kernel asks about every access to a device.
//!
//! The program gets the kind of device and the access asked for (in one word), the major and the minor number
//! (`struct bpf_cgroup_dev_ctx`, linux/bpf.h) and answers 1 or 0. It goes through the rules from the last to the first
//! and keeps the accesses that no rule has spoken about yet: a matching `allow` settles its own, a matching `deny` of
//! one of them ends it. The verifier refuses code that cannot be reached, so nothing is made of what stands before a
//! rule that settles everything.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::device::{MKNOD, READ, Rule, WRITE};
use super::directory::Directory;
use crate::protocol::Failure;

/// `struct bpf_insn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
struct Instruction {
    code: u8,
    /// Destination in the low, source in the high four bits.
    registers: u8,
    offset: i16,
    immediate: i32,
}

const LOAD_WORD: u8 = 0x61; // BPF_LDX | BPF_MEM | BPF_W
const MOVE: u8 = 0xbf; // BPF_ALU64 | BPF_MOV | BPF_X
const MOVE_IMMEDIATE: u8 = 0xb7; // BPF_ALU64 | BPF_MOV | BPF_K
const AND: u8 = 0x57; // BPF_ALU64 | BPF_AND | BPF_K
const SHIFT_RIGHT: u8 = 0x77; // BPF_ALU64 | BPF_RSH | BPF_K
const JUMP_UNLESS_EQUAL: u8 = 0x56; // BPF_JMP32 | BPF_JNE | BPF_K
const JUMP_IF_BIT: u8 = 0x46; // BPF_JMP32 | BPF_JSET | BPF_K
const JUMP: u8 = 0x05; // BPF_JMP | BPF_JA
const EXIT: u8 = 0x95; // BPF_JMP | BPF_EXIT

const ANSWER: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const WANTED: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

fn op(code: u8, to: u8, from: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction { code, registers: from << 4 | to, offset, immediate }
}

/// The program for some rules, in their order.
fn assemble(rules: &[Rule]) -> Vec<Instruction> {
    let mut program = vec![
        op(LOAD_WORD, KIND, CONTEXT, 0, 0),
        op(MOVE, WANTED, KIND, 0, 0),
        op(SHIFT_RIGHT, WANTED, 0, 0, 16),
        op(AND, KIND, 0, 0, 0xffff),
        op(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        op(LOAD_WORD, MINOR, CONTEXT, 8, 0),
    ];
    for rule in rules.iter().rev() {
        let mut conditions = Vec::new();
        if let Some(kind) = rule.kind {
            conditions.push((KIND, kind as u32));
        }
        conditions.extend(rule.major.map(|n| (MAJOR, n)));
        conditions.extend(rule.minor.map(|n| (MINOR, n)));
        let answer = [op(MOVE_IMMEDIATE, ANSWER, 0, 0, rule.allow.into()), op(EXIT, 0, 0, 0, 0)];
        if conditions.is_empty() && rule.access == MKNOD | READ | WRITE {
            program.extend(answer);
            return program;
        }
        let access = i32::from(rule.access);
        let mut body = if rule.allow {
            vec![op(AND, WANTED, 0, 0, !access), op(JUMP_UNLESS_EQUAL, WANTED, 0, 2, 0)]
        } else {
            vec![op(JUMP_IF_BIT, WANTED, 0, 1, access), op(JUMP, 0, 0, 2, 0)]
        };
        body.extend(answer);
        let count = conditions.len();
        for (n, (register, value)) in conditions.into_iter().enumerate() {
            // Past the conditions that follow, and past the body.
            let past = i16::try_from(count - 1 - n + body.len()).unwrap_or(i16::MAX);
            program.push(op(JUMP_UNLESS_EQUAL, register, 0, past, value.cast_signed()));
        }
        program.extend(body);
    }
    // As with cgroup v1, what no rule speaks about is as the parent has it.
    program.extend([op(MOVE_IMMEDIATE, ANSWER, 0, 0, 1), op(EXIT, 0, 0, 0, 0)]);
    program
}

/// The part of `union bpf_attr` that BPF_PROG_LOAD reads.
#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
}

/// The part that BPF_PROG_ATTACH reads.
#[repr(C)]
struct Attach {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
}

const PROG_LOAD: i32 = 5;
const PROG_ATTACH: i32 = 8;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 2;

/// Make `rules` hold in a cgroup v2 directory.
pub(super) fn attach(directory: &Directory, rules: &[Rule]) -> Result<(), Failure> {
    let failed = |what: &str, errno: Errno| {
        let path = directory.path();
        Failure::system(format!("device rules: {what} for {path}"), errno.raw_os_error())
    };
    let program = load(&assemble(rules)).map_err(|e| failed("load the BPF program", e))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let target = openat(directory.fd(), ".", flags, Mode::empty())
        .map_err(|e| failed("open the cgroup", e))?;
    let attributes = Attach {
        target: target.as_raw_fd().cast_unsigned(),
        program: program.as_raw_fd().cast_unsigned(),
        kind: ATTACH_CGROUP_DEVICE,
        flags: ALLOW_MULTI,
    };
    // SAFETY: the attributes are as BPF_PROG_ATTACH reads them, and live through the call.
    unsafe { bpf(PROG_ATTACH, &attributes) }.map_err(|e| failed("attach the BPF program", e))?;
    Ok(())
}

fn load(program: &[Instruction]) -> Result<OwnedFd, Errno> {
    let attributes = Load {
        kind: PROG_TYPE_CGROUP_DEVICE,
        count: u32::try_from(program.len()).map_err(|_| Errno::TOOBIG)?,
        instructions: program.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        name: *b"barque_devices\0\0",
        ..Load::default()
    };
    // SAFETY: the attributes are as BPF_PROG_LOAD reads them; what they point to lives through the call.
    let fd = unsafe { bpf(PROG_LOAD, &attributes) }?;
    // SAFETY: the call has made this descriptor for us. It is close-on-exec (bpf(2)).
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// # Safety
/// `attributes` are what `command` reads.
unsafe fn bpf<T>(command: i32, attributes: &T) -> Result<i32, Errno> {
    // SAFETY: as the caller says; the kernel reads no more than the size given.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size_of::<T>()) };
    match i32::try_from(result) {
        Ok(result) if result >= 0 => Ok(result),
        _ => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::device::{Kind, tests::rules};
    use super::*;
    use proptest::prelude::*;

    /// Runs a program as the kernel would, as far as ours go.
    fn run(program: &[Instruction], kind: Kind, major: u32, minor: u32, access: u8) -> bool {
        let context = [u32::from(access) << 16 | kind as u32, major, minor];
        let mut registers = [0_u64; 8];
        let mut at = 0_usize;
        loop {
            let i = program[at];
            let (to, from) = (usize::from(i.registers & 15), usize::from(i.registers >> 4));
            let immediate = i64::from(i.immediate).cast_unsigned();
            let mut jump = false;
            match i.code {
                LOAD_WORD => registers[to] = context[usize::try_from(i.offset).unwrap() / 4].into(),
                MOVE => registers[to] = registers[from],
                MOVE_IMMEDIATE => registers[to] = immediate,
                AND => registers[to] &= immediate,
                SHIFT_RIGHT => registers[to] >>= immediate,
                JUMP_UNLESS_EQUAL => jump = registers[to] as u32 != immediate as u32,
                JUMP_IF_BIT => jump = registers[to] as u32 & immediate as u32 != 0,
                JUMP => jump = true,
                EXIT => return registers[0] == 1,
                other => panic!("no such instruction: {other:#x}"),
            }
            let step = if jump { i.offset } else { 0 };
            at = at.checked_add_signed(step.into()).unwrap() + 1;
        }
    }

    /// What the rules mean: for each access, the last rule that matches.
    fn meant(rules: &[Rule], kind: Kind, major: u32, minor: u32, access: u8) -> bool {
        [MKNOD, READ, WRITE].into_iter().filter(|bit| access & bit != 0).all(|bit| {
            rules
                .iter()
                .rev()
                .find(|r| {
                    r.kind.is_none_or(|k| k == kind)
                        && r.major.is_none_or(|n| n == major)
                        && r.minor.is_none_or(|n| n == minor)
                        && r.access & bit != 0
                })
                .is_none_or(|r| r.allow)
        })
    }

    fn any_rule() -> impl Strategy<Value = Rule> {
        let kind = prop_oneof![Just(None), Just(Some(Kind::Block)), Just(Some(Kind::Character))];
        let number = || prop_oneof![Just(None), (0..3_u32).prop_map(Some), Just(Some(u32::MAX))];
        (any::<bool>(), kind, number(), number(), 1..8_u8).prop_map(
            |(allow, kind, major, minor, access)| Rule { allow, kind, major, minor, access },
        )
    }

    proptest! {
        #[test]
        fn the_program_answers_what_the_rules_mean(
            rules in proptest::collection::vec(any_rule(), 0..12),
            character in any::<bool>(),
            major in prop_oneof![0..3_u32, Just(u32::MAX)],
            minor in prop_oneof![0..3_u32, Just(u32::MAX)],
            access in 1..8_u8,
        ) {
            let kind = if character { Kind::Character } else { Kind::Block };
            let answer = run(&assemble(&rules), kind, major, minor, access);
            prop_assert_eq!(answer, meant(&rules, kind, major, minor, access));
        }
    }

    #[test]
    fn the_kernels_verifier_takes_the_program() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        for list in [
            &[][..],
            &["deny a"],
            &["allow a"],
            &["deny a", "allow c 1:3 rwm", "allow b *:* m", "allow c 5:* rw", "deny c 5:1 w"],
            &["allow c 1:3 r", "deny a", "allow c *:* m", "allow a 7:4294967295 rw"],
        ] {
            load(&assemble(&rules(list))).unwrap_or_else(|e| panic!("{list:?}: {e}"));
        }
    }
}
