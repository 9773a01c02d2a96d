//! The document: `linux.seccomp` of the OCI runtime specification (config-linux.md, "Seccomp").

use serde::{Deserialize, Serialize};

/// A seccomp policy: what every system call of a container is answered with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seccomp {
    /// What happens to a call that no rule matches.
    pub default_action: Action,
    /// The error number of [`Seccomp::default_action`] when that is [`Action::Errno`] or [`Action::Trace`]; EPERM
    /// where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_errno_ret: Option<u32>,
    /// The architectures (system call ABIs) that the rules hold for: `SCMP_ARCH_X86_64` and so on. Empty: only the
    /// machine's own. A call through any other kills the process.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub architectures: Vec<String>,
    /// Flags of seccomp(2). Not given is not the same as empty: the runtime then chooses, as runc does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<Vec<String>>,
    /// Socket of an agent that answers [`Action::Notify`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener_path: Option<String>,
    /// The rules. Where several match a call, the first counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub syscalls: Vec<Rule>,
    /// Not the specification's: the filter itself, compiled already, an instruction a number ([`Filter::numbers`]). The
    /// rules are then not looked at, and may be left out: a start would otherwise write, read and look up hundreds of names
    /// that are the same each time. Whoever doesn't know the field finds no rules, so that every call gets the default.
    ///
    /// [`Filter::numbers`]: super::Filter::numbers
    #[serde(rename = "barqueProgram", default, skip_serializing_if = "Vec::is_empty")]
    pub program: Vec<u64>,
}

/// What happens to some system calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// The calls, by name.
    pub names: Vec<String>,
    /// What happens.
    pub action: Action,
    /// The error number, as in [`Seccomp::default_errno_ret`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno_ret: Option<u32>,
    /// Conditions on the arguments, all of which must hold; but where one argument is named twice, each condition
    /// stands for a rule of its own, as in runc.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Condition>,
}

/// A comparison of one argument of a call with a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which argument: 0 to 5.
    pub index: u32,
    /// What it is compared with; the mask, for [`Operator::MaskedEq`].
    pub value: u64,
    /// What the masked argument must be, for [`Operator::MaskedEq`]; nothing otherwise.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub value_two: u64,
    /// The comparison. Unsigned, 64 bits wide (32 on a 32-bit architecture).
    pub op: Operator,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Action {
    /// SIGSYS kills the calling thread. The specification's older name for [`Action::KillThread`].
    #[serde(rename = "SCMP_ACT_KILL")]
    Kill,
    /// SIGSYS kills the process.
    #[serde(rename = "SCMP_ACT_KILL_PROCESS")]
    KillProcess,
    /// SIGSYS kills the calling thread.
    #[serde(rename = "SCMP_ACT_KILL_THREAD")]
    KillThread,
    /// SIGSYS is sent to the thread, which may handle it.
    #[serde(rename = "SCMP_ACT_TRAP")]
    Trap,
    /// The call is not made and returns an error.
    #[default]
    #[serde(rename = "SCMP_ACT_ERRNO")]
    Errno,
    /// A ptrace(2) tracer is told; without one the call fails with ENOSYS.
    #[serde(rename = "SCMP_ACT_TRACE")]
    Trace,
    /// The call is made, and logged.
    #[serde(rename = "SCMP_ACT_LOG")]
    Log,
    /// The call is made.
    #[serde(rename = "SCMP_ACT_ALLOW")]
    Allow,
    /// An agent in user space answers.
    #[serde(rename = "SCMP_ACT_NOTIFY")]
    Notify,
}

/// How an argument is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// Not equal.
    #[serde(rename = "SCMP_CMP_NE")]
    Ne,
    /// Less.
    #[serde(rename = "SCMP_CMP_LT")]
    Lt,
    /// Less or equal.
    #[serde(rename = "SCMP_CMP_LE")]
    Le,
    /// Equal.
    #[serde(rename = "SCMP_CMP_EQ")]
    Eq,
    /// Greater or equal.
    #[serde(rename = "SCMP_CMP_GE")]
    Ge,
    /// Greater.
    #[serde(rename = "SCMP_CMP_GT")]
    Gt,
    /// `argument & value == value_two`.
    #[serde(rename = "SCMP_CMP_MASKED_EQ")]
    MaskedEq,
}
