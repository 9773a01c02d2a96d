//! System call filters: the OCI runtime specification's `linux.seccomp`, compiled to classic BPF and installed.
//!
//! The kernel runs the filter before every system call of the container, with the call's number, its ABI and its six
//! arguments (seccomp(2)). So it is built to answer fast: a binary search over ranges of numbers, and for the common
//! answers nothing the kernel couldn't remember in a bitmap (which it does since Linux 5.11).
//! What a *profile* of Docker's kind means (capabilities, `includes`, `excludes`) is decided by whoever makes the
//! document, not here.

mod arch;
mod assemble;
mod document;
mod install;
mod policy;
mod syscalls;
#[cfg(test)]
mod tests;

use std::fmt;

use libc::sock_filter;

use arch::Abi;
pub use document::{Action, Condition, Operator, Rule, Seccomp};

/// Most instructions of a filter (`BPF_MAXINSNS`).
pub const MAX_INSTRUCTIONS: usize = 4096;

/// A compiled policy, ready to be installed.
#[derive(Clone, Debug)]
pub struct Filter {
    program: Vec<sock_filter>,
    flags: install::Flags,
    unknown_names: Vec<String>,
}

impl Filter {
    /// Compile a policy for the machine this program is made for.
    pub fn compile(document: &Seccomp) -> Result<Filter, Error> {
        Filter::compile_for(document, Abi::NATIVE)
    }

    fn compile_for(document: &Seccomp, native: Abi) -> Result<Filter, Error> {
        if document.listener_path.is_some() {
            return Err(Error::Notify);
        }
        let flags = install::Flags::parse(document.flags.as_deref())?;
        if !document.program.is_empty() {
            let program: Vec<_> = document.program.iter().copied().map(instruction).collect();
            return Filter::fitting(program, flags, Vec::new());
        }
        let abis = Abi::listed(&document.architectures, native)?;
        let policy = policy::Policy::new(document)?;
        let x32 = abis.contains(&Abi::X32);
        let sections: Vec<_> = abis
            .iter()
            .filter(|&&abi| abi != Abi::X32)
            .map(|&abi| assemble::Section {
                audit_number: abi.audit_number(),
                narrow: abi.narrow(),
                ranges: policy.ranges(abi, x32),
            })
            .collect();
        Filter::fitting(assemble::program(&sections), flags, policy.unknown)
    }

    fn fitting(
        program: Vec<sock_filter>,
        flags: install::Flags,
        unknown_names: Vec<String>,
    ) -> Result<Filter, Error> {
        if program.len() > MAX_INSTRUCTIONS {
            return Err(Error::TooLong(program.len()));
        }
        Ok(Filter { program, flags, unknown_names })
    }

    /// The instructions.
    pub fn program(&self) -> &[sock_filter] {
        &self.program
    }

    /// The instructions for [`Seccomp::program`].
    pub fn numbers(&self) -> Vec<u64> {
        self.program.iter().map(number).collect()
    }

    /// Names in the policy that no architecture's system call has: probably misspelt. Their rules have no effect.
    pub fn unknown_names(&self) -> &[String] {
        &self.unknown_names
    }
}

/// An instruction as a number: code, the two short jumps, and the operand in the upper half.
fn number(instruction: &sock_filter) -> u64 {
    let sock_filter { code, jt, jf, k } = *instruction;
    u64::from(code) | u64::from(jt) << 16 | u64::from(jf) << 24 | u64::from(k) << 32
}

fn instruction(number: u64) -> sock_filter {
    let (code, jt, jf) = (number as u16, (number >> 16) as u8, (number >> 24) as u8);
    sock_filter { code, jt, jf, k: (number >> 32) as u32 }
}

/// Why a policy can't be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// `architectures` has a name the specification doesn't.
    UnknownArchitecture(String),
    /// `flags` has a name the specification doesn't.
    UnknownFlag(String),
    /// A condition on an argument that system calls don't have.
    ArgumentIndex(u32),
    /// An error number that a filter can't return.
    ReturnData(u32),
    /// `SCMP_ACT_NOTIFY` or `listenerPath`: there is nobody to ask.
    Notify,
    /// More instructions than the kernel takes.
    TooLong(usize),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::UnknownArchitecture(name) => write!(f, "seccomp: unknown architecture {name:?}"),
            Error::UnknownFlag(name) => write!(f, "seccomp: unknown flag {name:?}"),
            Error::ArgumentIndex(index) => {
                write!(f, "seccomp: a system call has no argument {index}: use 0 to 5")
            }
            Error::ReturnData(number) => write!(f, "seccomp: {number} is no error number"),
            Error::Notify => f.write_str(
                "seccomp: SCMP_ACT_NOTIFY and listenerPath are not supported: use SCMP_ACT_ERRNO",
            ),
            Error::TooLong(length) => write!(
                f,
                "seccomp: the filter has {length} instructions, and the kernel takes {MAX_INSTRUCTIONS}: use fewer \
                 conditions"
            ),
        }
    }
}

impl std::error::Error for Error {}
