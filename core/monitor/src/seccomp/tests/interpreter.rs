//! A seccomp filter's machine: the few instructions of classic BPF that the kernel allows in one.

use libc::sock_filter;

/// What the kernel shows a filter (struct seccomp_data).
#[derive(Clone, Copy, Debug)]
pub(super) struct Data {
    pub(super) nr: u32,
    pub(super) arch: u32,
    pub(super) args: [u64; 6],
}

impl Data {
    fn word(&self, offset: u32) -> u32 {
        assert_eq!(offset % 4, 0, "unaligned load");
        match offset {
            0 => self.nr,
            4 => self.arch,
            8 | 12 => 0,
            16..64 => {
                let argument = self.args[(offset as usize - 16) / 8];
                (argument >> (8 * (offset & 4))) as u32
            }
            _ => panic!("load beyond seccomp_data"),
        }
    }
}

/// Run a program: its return value, how many instructions it took, and whether it looked at an argument.
pub(super) fn run(program: &[sock_filter], data: &Data) -> (u32, usize, bool) {
    let (mut at, mut accumulator, mut steps, mut looked) = (0, 0u32, 0, false);
    loop {
        let sock_filter { code, jt, jf, k } = program[at];
        at += 1;
        steps += 1;
        let test = match code {
            0x20 => {
                looked |= k >= 16;
                accumulator = data.word(k);
                continue;
            }
            0x54 => {
                accumulator &= k;
                continue;
            }
            0x06 => return (k, steps, looked),
            0x05 => {
                at += k as usize;
                continue;
            }
            0x15 => accumulator == k,
            0x25 => accumulator > k,
            0x35 => accumulator >= k,
            code => panic!("instruction {code:#x}"),
        };
        at += usize::from(if test { jt } else { jf });
    }
}
