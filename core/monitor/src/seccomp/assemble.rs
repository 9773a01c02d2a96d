//! From ranges to instructions.
//!
//! Classic BPF only jumps forward, and conditionally at most 255 instructions far. So the program is written from its end:
//! whatever is jumped to is already there, its distance known, and a jump that would be too long goes by way of an
//! unconditional one, whose distance has 32 bits.
//! On the way to a call's answer nothing but `nr` and `arch` is loaded and no operation used that the kernel's
//! `seccomp_is_const_allow` doesn't follow: that is what lets it skip the filter for allowed calls.

use libc::sock_filter;

use super::policy::{Answer, Check, Conditions, FOREIGN, Range};
use super::{Condition, Operator};

// linux/bpf_common.h: class | size or operation | mode or source.
const LOAD_WORD: u16 = 0x20;
const AND: u16 = 0x54;
const RETURN: u16 = 0x06;
const JUMP: u16 = 0x05;
const JUMP_EQ: u16 = 0x15;
const JUMP_GT: u16 = 0x25;
const JUMP_GE: u16 = 0x35;

// Offsets in struct seccomp_data (linux/seccomp.h). The arguments are 64-bit numbers, low half first.
const NR: u32 = 0;
const ARCH: u32 = 4;
const ARGS: u32 = 16;

/// How many values one comparison chain has at most, so that its jumps stay short.
const CHAIN: usize = 64;

/// The ranges of one `seccomp_data.arch`.
pub(super) struct Section<'a> {
    pub(super) audit_number: u32,
    /// Arguments have only their low half.
    pub(super) narrow: bool,
    pub(super) ranges: Vec<Range<'a>>,
}

/// The program for some architectures, the commonest first.
pub(super) fn program(sections: &[Section<'_>]) -> Vec<sock_filter> {
    let mut code = Backwards { code: Vec::with_capacity(1024), narrow: false };
    let mut starts = Vec::with_capacity(sections.len());
    for section in sections.iter().rev() {
        code.narrow = section.narrow;
        code.search(&section.ranges);
        starts.push((section.audit_number, code.load(NR)));
    }
    code.put(RETURN, FOREIGN);
    for (audit_number, start) in starts {
        let otherwise = code.here();
        code.branch(JUMP_EQ, audit_number, start, otherwise);
    }
    code.load(ARCH);
    code.code.reverse();
    code.code
}

/// A program that is written from its end. A place is the index of an instruction in the unfinished, reversed program.
struct Backwards {
    code: Vec<sock_filter>,
    narrow: bool,
}

#[derive(Clone, Copy)]
struct Place(usize);

impl Backwards {
    /// The instruction that would come next.
    fn here(&self) -> Place {
        Place(self.code.len() - 1)
    }

    fn put(&mut self, code: u16, k: u32) -> Place {
        self.code.push(sock_filter { code, jt: 0, jf: 0, k });
        self.here()
    }

    fn load(&mut self, offset: u32) -> Place {
        self.put(LOAD_WORD, offset)
    }

    /// How many instructions lie between the one that is put next and `to`.
    fn distance(&self, to: Place) -> usize {
        self.code.len() - 1 - to.0
    }

    /// Jump to `to`, or put nothing where that is next.
    fn jump(&mut self, to: Place) -> Place {
        match self.distance(to) {
            0 => to,
            distance => self.put(JUMP, distance as u32),
        }
    }

    /// Compare the accumulator with `k`.
    fn branch(&mut self, test: u16, k: u32, then: Place, otherwise: Place) -> Place {
        let (mut then, mut otherwise) = (then, otherwise);
        if self.distance(otherwise) > 254 {
            otherwise = self.jump(otherwise);
        }
        if self.distance(then) > 255 {
            then = self.jump(then);
        }
        let (jt, jf) = (self.distance(then), self.distance(otherwise));
        debug_assert!(jt <= 255 && jf <= 255);
        let (jt, jf) = (jt as u8, jf as u8);
        self.code.push(sock_filter { code: test, jt, jf, k });
        self.here()
    }

    /// Find the range of the number in the accumulator, and answer.
    fn search(&mut self, ranges: &[Range<'_>]) -> Place {
        if let [range] = ranges {
            return self.answer(&range.answer);
        }
        let (low, high) = ranges.split_at(ranges.len() / 2);
        let high_start = self.search(high);
        let low_start = self.search(low);
        self.branch(JUMP_GE, high[0].first, high_start, low_start)
    }

    fn answer(&mut self, answer: &Answer<'_>) -> Place {
        match answer {
            Answer::Always(value) => self.put(RETURN, *value),
            Answer::Checked(checks, otherwise) => {
                let mut next = self.put(RETURN, *otherwise);
                let mut rest = checks.as_slice();
                while let Some(last) = rest.last() {
                    let chain = chain(rest);
                    let (before, same) = rest.split_at(rest.len() - chain);
                    let hit = self.put(RETURN, last.value);
                    next = match same {
                        [check] => self.check(&check.conditions, hit, next),
                        _ => self.any_of(same, hit, next),
                    };
                    rest = before;
                }
                next
            }
        }
    }

    /// Go to `hit` if the argument is one of several values whose upper halves are the same.
    fn any_of(&mut self, checks: &[Check<'_>], hit: Place, miss: Place) -> Place {
        let mut next = miss;
        let mut argument = (0, 0);
        for condition in checks.iter().rev().filter_map(equality) {
            next = self.branch(JUMP_EQ, condition.value as u32, hit, next);
            argument = (condition.index, (condition.value >> 32) as u32);
        }
        let (index, upper) = argument;
        let lower = self.load(ARGS + 8 * index);
        if self.narrow {
            return lower;
        }
        self.branch(JUMP_EQ, upper, lower, miss);
        self.load(ARGS + 8 * index + 4)
    }

    /// Go to `hit` if all conditions hold.
    fn check(&mut self, conditions: &Conditions<'_>, hit: Place, miss: Place) -> Place {
        match conditions {
            Conditions::Document(conditions) => conditions
                .iter()
                .rev()
                .fold(hit, |hit, condition| self.condition(condition, hit, miss)),
            Conditions::Selector { mask, value } => {
                self.branch(JUMP_EQ, *value, hit, miss);
                self.put(AND, *mask);
                self.load(ARGS)
            }
        }
    }

    fn condition(&mut self, condition: &Condition, hit: Place, miss: Place) -> Place {
        use Operator::{Eq, Ge, Gt, Le, Lt, MaskedEq, Ne};
        let (upper, lower) = ((condition.value >> 32) as u32, condition.value as u32);
        let low_half = ARGS + 8 * condition.index;
        // The lower half decides where the upper ones are equal; where they aren't, the upper half does.
        let (test, then, otherwise) = match condition.op {
            Eq => (JUMP_EQ, hit, miss),
            Ne => (JUMP_EQ, miss, hit),
            Gt => (JUMP_GT, hit, miss),
            Le => (JUMP_GT, miss, hit),
            Ge => (JUMP_GE, hit, miss),
            Lt => (JUMP_GE, miss, hit),
            MaskedEq => return self.masked(condition, hit, miss),
        };
        self.branch(test, lower, then, otherwise);
        let low_start = self.load(low_half);
        if self.narrow {
            return low_start;
        }
        if matches!(condition.op, Eq | Ne) {
            self.branch(JUMP_EQ, upper, low_start, otherwise);
        } else {
            let equal = self.branch(JUMP_EQ, upper, low_start, otherwise);
            self.branch(JUMP_GT, upper, then, equal);
        }
        self.load(low_half + 4)
    }

    fn masked(&mut self, condition: &Condition, hit: Place, miss: Place) -> Place {
        let low_half = ARGS + 8 * condition.index;
        self.branch(JUMP_EQ, condition.value_two as u32, hit, miss);
        self.put(AND, condition.value as u32);
        let low_start = self.load(low_half);
        if self.narrow {
            return low_start;
        }
        let (mask, value) = ((condition.value >> 32) as u32, (condition.value_two >> 32) as u32);
        if (mask, value) == (0, 0) {
            return low_start;
        }
        self.branch(JUMP_EQ, value, low_start, miss);
        self.put(AND, mask);
        self.load(low_half + 4)
    }
}

/// How many of the last checks compare the same argument with values that differ only in their lower half, to the same
/// end: the address families of `socket`, the values of `personality`.
fn chain(checks: &[Check<'_>]) -> usize {
    let Some((last, before)) = checks.split_last() else { return 0 };
    let Some(first) = equality(last) else { return 1 };
    let same = |check: &&Check<'_>| {
        check.value == last.value
            && equality(check).is_some_and(|other| {
                other.index == first.index && other.value >> 32 == first.value >> 32
            })
    };
    1 + before.iter().rev().take(CHAIN - 1).take_while(same).count()
}

/// The condition of a check that has one, and only for equality.
fn equality<'a>(check: &Check<'a>) -> Option<&'a Condition> {
    match check.conditions {
        Conditions::Document([condition]) if condition.op == Operator::Eq => Some(condition),
        _ => None,
    }
}
