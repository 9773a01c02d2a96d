//! From the document to what every number of an ABI is answered with.
//!
//! The result is a list of ranges that covers all 2³² numbers of one `seccomp_data.arch`. It is what the assembler
//! searches, and short, since most neighbours are answered alike.

use super::arch::{Abi, X32_BIT, X32_OWN};
use super::syscalls::{Call, FIRST_UNIFIED};
use super::{Action, Condition, Error, Rule, Seccomp};

/// Largest error number the kernel lets a filter return (`MAX_ERRNO`).
const MAX_ERRNO: u32 = 4095;
/// From here on numbers are private to an architecture (arm's `set_tls` and so on).
const PRIVATE: u32 = 0xf0000;

/// The answer to a call through an ABI that the document doesn't list.
pub(super) const FOREIGN: u32 = libc::SECCOMP_RET_KILL_PROCESS;

/// Numbers from `first` up to the next range's.
#[derive(Debug)]
pub(super) struct Range<'a> {
    pub(super) first: u32,
    pub(super) answer: Answer<'a>,
}

/// What a call is answered with.
#[derive(Debug)]
pub(super) enum Answer<'a> {
    /// A filter's return value, whatever the arguments are.
    Always(u32),
    /// The value of the first check whose conditions all hold, or else the last.
    Checked(Vec<Check<'a>>, u32),
}

/// Conditions and the return value when they hold.
#[derive(Debug)]
pub(super) struct Check<'a> {
    pub(super) conditions: Conditions<'a>,
    pub(super) value: u32,
}

/// Conditions on the arguments of one call, all of which must hold.
#[derive(Debug)]
pub(super) enum Conditions<'a> {
    /// As the document gives them.
    Document(&'a [Condition]),
    /// The first argument, masked, says which of several calls it really is.
    Selector { mask: u32, value: u32 },
}

/// A document's rules with their names looked up, for all ABIs.
pub(super) struct Policy<'a> {
    rules: Vec<(Call, Outcome<'a>)>,
    default: u32,
    /// What a call that is newer than the document is answered with.
    newer: u32,
    /// Names that no architecture has.
    pub(super) unknown: Vec<String>,
}

#[derive(Clone, Copy)]
struct Outcome<'a> {
    conditions: &'a [Condition],
    value: u32,
}

impl<'a> Policy<'a> {
    pub(super) fn new(document: &'a Seccomp) -> Result<Self, Error> {
        let default = return_value(document.default_action, document.default_errno_ret)?;
        let mut rules = Vec::with_capacity(512);
        let mut unknown = Vec::new();
        for rule in &document.syscalls {
            let value = return_value(rule.action, rule.errno_ret)?;
            if let Some(condition) = rule.args.iter().find(|condition| condition.index > 5) {
                return Err(Error::ArgumentIndex(condition.index));
            }
            let alternatives = alternatives(rule);
            for name in &rule.names {
                let Some(call) = Call::named(name) else {
                    if !unknown.contains(name) {
                        unknown.push(name.clone());
                    }
                    continue;
                };
                for &conditions in &alternatives {
                    rules.push((call, Outcome { conditions, value }));
                }
            }
        }
        // Programs that get ENOSYS for a new call fall back to an older one; EPERM they take for an answer. runc, too,
        // lets a profile speak only about calls that its author can have known.
        let newer = match document.default_action {
            Action::Allow | Action::Log | Action::Trace | Action::Notify => default,
            _ => libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32,
        };
        Ok(Policy { rules, default, newer, unknown })
    }

    /// What the calls of one `seccomp_data.arch` are answered with: that of `abi`, which is not x32, for x32 shares
    /// x86-64's; `x32` says whether that one is allowed.
    pub(super) fn ranges(&self, abi: Abi, x32: bool) -> Vec<Range<'a>> {
        let mut ranges = Ranges(Vec::with_capacity(128));
        if abi == Abi::X86_64 {
            self.cover(abi, 0..X32_BIT, &mut ranges);
            if x32 {
                self.cover(Abi::X32, X32_BIT..2 * X32_BIT, &mut ranges);
            } else {
                ranges.push(X32_BIT, Answer::Always(FOREIGN));
            }
            // No ABI's numbers; but a tracer skips a call by making its number -1.
            ranges.push(2 * X32_BIT, Answer::Always(self.newer));
        } else {
            self.cover(abi, 0..u32::MAX, &mut ranges);
        }
        ranges.0
    }

    /// Add the ranges of one ABI, whose numbers are `span`. The last one is open.
    fn cover(&self, abi: Abi, span: std::ops::Range<u32>, ranges: &mut Ranges<'a>) {
        // With the rule's place in the document, so that sorting keeps that order within a number.
        let mut calls: Vec<(u32, u32)> = Vec::with_capacity(self.rules.len());
        for (place, (call, outcome)) in (0..).zip(&self.rules) {
            if let Some(number) = call.number(abi) {
                calls.push((number, place));
            }
            // C libraries built for old 32-bit kernels make these calls only so. A rule without conditions holds there
            // as well, as with libseccomp; one with conditions can't: the arguments are behind a pointer.
            if abi == Abi::X86
                && outcome.conditions.is_empty()
                && let Some(multiplexer) = call.multiplexer()
            {
                calls.push((multiplexer.number, place));
            }
        }
        calls.sort_unstable();

        let ordinary = |number: &u32| {
            let number = number - span.start;
            number < PRIVATE && !(abi == Abi::X32 && X32_OWN.contains(&number))
        };
        let newest = calls.iter().rev().map(|(number, _)| *number).find(ordinary);
        let gaps = Gaps {
            newer_from: newest.map_or(0, |number| number + 1).max(span.start + FIRST_UNIFIED),
            own: (abi == Abi::X32)
                .then(|| (X32_BIT | X32_OWN.start())..(X32_BIT | (X32_OWN.end() + 1))),
            default: self.default,
            newer: self.newer,
        };
        let mut next = span.start;
        for group in calls.chunk_by(|a, b| a.0 == b.0) {
            let number = group[0].0;
            gaps.fill(next..number, ranges);
            ranges.push(number, self.answer(number, abi, group));
            next = number + 1;
        }
        gaps.fill(next..span.end, ranges);
    }

    /// What a number is answered with, by the rules at `places` (with the number) in the document's order.
    fn answer(&self, number: u32, abi: Abi, places: &[(u32, u32)]) -> Answer<'a> {
        let mut checks = Vec::new();
        let mut otherwise = self.default;
        for &(_, place) in places {
            let (call, outcome) = self.rules[place as usize];
            let conditions = if call.number(abi) == Some(number) {
                if outcome.conditions.is_empty() {
                    otherwise = outcome.value;
                    break;
                }
                Conditions::Document(outcome.conditions)
            } else if let Some(multiplexer) = call.multiplexer() {
                Conditions::Selector { mask: multiplexer.mask, value: multiplexer.selector }
            } else {
                continue;
            };
            checks.push(Check { conditions, value: outcome.value });
        }
        while checks.last().is_some_and(|check| check.value == otherwise) {
            checks.pop();
        }
        if checks.is_empty() {
            Answer::Always(otherwise)
        } else {
            Answer::Checked(checks, otherwise)
        }
    }
}

/// The numbers that no rule names.
struct Gaps {
    /// From here on they are newer than the document.
    newer_from: u32,
    /// Old ones that lie there all the same.
    own: Option<std::ops::Range<u32>>,
    default: u32,
    newer: u32,
}

impl Gaps {
    fn fill(&self, numbers: std::ops::Range<u32>, ranges: &mut Ranges<'_>) {
        let own = self.own.clone().unwrap_or(self.newer_from..self.newer_from);
        let parts = [
            (numbers.start, self.newer_from, self.default),
            (self.newer_from, own.start, self.newer),
            (own.start, own.end, self.default),
            (own.end, numbers.end, self.newer),
        ];
        for (start, end, value) in parts {
            let start = start.max(numbers.start);
            if start < end.min(numbers.end) {
                ranges.push(start, Answer::Always(value));
            }
        }
    }
}

/// Ranges, where equal neighbours are made one.
struct Ranges<'a>(Vec<Range<'a>>);

impl<'a> Ranges<'a> {
    fn push(&mut self, first: u32, answer: Answer<'a>) {
        if let Answer::Always(value) = answer
            && let Some(Range { answer: Answer::Always(before), .. }) = self.0.last()
            && *before == value
        {
            return;
        }
        self.0.push(Range { first, answer });
    }
}

/// A rule's conditions as alternatives of conditions that hold together. There is one alternative, but where an argument
/// is named twice each condition is one: what runc makes of it, for the sake of profiles from before masks existed.
fn alternatives(rule: &Rule) -> Vec<&[Condition]> {
    let mut seen = 0u8;
    for condition in &rule.args {
        let bit = 1 << condition.index;
        if seen & bit != 0 {
            return rule.args.iter().map(std::slice::from_ref).collect();
        }
        seen |= bit;
    }
    vec![&rule.args]
}

/// What a filter returns for an action (seccomp(2), "Return value").
fn return_value(action: Action, errno: Option<u32>) -> Result<u32, Error> {
    let data = errno.unwrap_or(libc::EPERM as u32);
    let most = match action {
        Action::Errno => MAX_ERRNO,
        Action::Trace => libc::SECCOMP_RET_DATA,
        _ => u32::MAX,
    };
    if data > most {
        return Err(Error::ReturnData(data));
    }
    Ok(match action {
        Action::Kill | Action::KillThread => libc::SECCOMP_RET_KILL_THREAD,
        Action::KillProcess => libc::SECCOMP_RET_KILL_PROCESS,
        Action::Trap => libc::SECCOMP_RET_TRAP,
        Action::Errno => libc::SECCOMP_RET_ERRNO | data,
        Action::Trace => libc::SECCOMP_RET_TRACE | data,
        Action::Log => libc::SECCOMP_RET_LOG,
        Action::Allow => libc::SECCOMP_RET_ALLOW,
        Action::Notify => return Err(Error::Notify),
    })
}
