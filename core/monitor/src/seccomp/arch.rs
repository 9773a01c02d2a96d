//! Architectures as a filter sees them: one *ABI* for each way in which a process can make system calls.
//!
//! A machine has several. On x86-64 a process can at any time use the 32-bit table (`int 0x80`) and, where the kernel
//! has it, the x32 one, which looks like x86-64 but for bit 30 of the number; a filter that forgets either can be walked
//! around. Each ABI has its own numbers.

use super::Error;

/// Set in the numbers of x32 calls (`__X32_SYSCALL_BIT`).
pub(super) const X32_BIT: u32 = 0x4000_0000;
/// x32 numbers that differ from x86-64's, left over from an early design.
pub(super) const X32_OWN: std::ops::RangeInclusive<u32> = 512..=547;

/// A system call ABI. The order is that of the columns of `syscalls.tsv`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Abi {
    /// x86-64.
    X86_64,
    /// x86-64 with 32-bit pointers.
    X32,
    /// 32-bit x86.
    X86,
    /// 64-bit ARM.
    Aarch64,
    /// 32-bit ARM (EABI).
    Arm,
}

impl Abi {
    /// The ABI this program is compiled for.
    pub(super) const NATIVE: Abi = {
        #[cfg(target_arch = "x86_64")]
        {
            Abi::X86_64
        }
        #[cfg(target_arch = "aarch64")]
        {
            Abi::Aarch64
        }
    };

    /// `seccomp_data.arch`: an ELF machine number with flags (linux/audit.h). Shared by x86-64 and x32.
    pub(super) fn audit_number(self) -> u32 {
        const LITTLE_ENDIAN: u32 = 0x4000_0000;
        const BITS_64: u32 = 0x8000_0000;
        match self {
            Abi::X86_64 | Abi::X32 => 62 | BITS_64 | LITTLE_ENDIAN,
            Abi::X86 => 3 | LITTLE_ENDIAN,
            Abi::Aarch64 => 183 | BITS_64 | LITTLE_ENDIAN,
            Abi::Arm => 40 | LITTLE_ENDIAN,
        }
    }

    /// Arguments are 32 bits wide, so the upper half of a comparison is not looked at.
    pub(super) fn narrow(self) -> bool {
        matches!(self, Abi::X86 | Abi::Arm)
    }

    /// Whether a machine whose kernel is of `native` can run it.
    fn runs_on(self, native: Abi) -> bool {
        let family = |abi| matches!(abi, Abi::Aarch64 | Abi::Arm);
        family(self) == family(native)
    }

    /// The ABIs that a list of the specification's names asks for, on a machine of `native`. The machine's own is
    /// always one of them, as with libseccomp; names of other machines' ask for nothing here.
    pub(super) fn listed(names: &[String], native: Abi) -> Result<Vec<Abi>, Error> {
        let mut abis = vec![native];
        for name in names {
            let abi = match name.as_str() {
                "SCMP_ARCH_X86_64" => Abi::X86_64,
                "SCMP_ARCH_X32" => Abi::X32,
                "SCMP_ARCH_X86" => Abi::X86,
                "SCMP_ARCH_AARCH64" => Abi::Aarch64,
                "SCMP_ARCH_ARM" => Abi::Arm,
                other if OTHER_MACHINES.contains(&other) => continue,
                _ => return Err(Error::UnknownArchitecture(name.clone())),
            };
            if abi.runs_on(native) && !abis.contains(&abi) {
                abis.push(abi);
            }
        }
        Ok(abis)
    }
}

/// The specification's names for what this crate does not run on.
const OTHER_MACHINES: &[&str] = &[
    "SCMP_ARCH_LOONGARCH64",
    "SCMP_ARCH_M68K",
    "SCMP_ARCH_MIPS",
    "SCMP_ARCH_MIPS64",
    "SCMP_ARCH_MIPS64N32",
    "SCMP_ARCH_MIPSEL",
    "SCMP_ARCH_MIPSEL64",
    "SCMP_ARCH_MIPSEL64N32",
    "SCMP_ARCH_PARISC",
    "SCMP_ARCH_PARISC64",
    "SCMP_ARCH_PPC",
    "SCMP_ARCH_PPC64",
    "SCMP_ARCH_PPC64LE",
    "SCMP_ARCH_RISCV64",
    "SCMP_ARCH_S390",
    "SCMP_ARCH_S390X",
    "SCMP_ARCH_SH",
    "SCMP_ARCH_SHEB",
];
