//! `--chmod`: a number, or what chmod(1) calls a symbolic mode.

/// How modes are changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chmod {
    /// To this.
    Octal(u32),
    /// One after the other.
    Symbolic(Vec<Change>),
}

/// `u+x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The bits of those it is for, 0o7777 for all.
    who: u32,
    operation: u8,
    permissions: u32,
    /// `X`: execution where it is a directory or somebody has it.
    execution: bool,
}

impl Chmod {
    /// Read one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Chmod, String> {
        let wrong = || {
            format!(
                "invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777, or symbolic"
            )
        };
        if text.bytes().all(|b| b.is_ascii_digit()) {
            let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
            return mode.map(Chmod::Octal).ok_or_else(wrong);
        }
        let changes = text.split(',').map(clause).collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
        Ok(Chmod::Symbolic(changes.concat()))
    }

    /// The mode that becomes of one.
    pub fn apply(&self, mode: u32, directory: bool) -> u32 {
        match self {
            Chmod::Octal(mode) => *mode,
            Chmod::Symbolic(changes) => {
                changes.iter().fold(mode, |mode, change| change.apply(mode, directory))
            }
        }
    }
}

impl Change {
    fn apply(self, mode: u32, directory: bool) -> u32 {
        let mut bits = self.permissions;
        if self.execution && (directory || mode & 0o111 != 0) {
            bits |= 0o111;
        }
        let bits = bits & self.who;
        match self.operation {
            b'+' => mode | bits,
            b'-' => mode & !bits,
            _ => mode & !(self.who & 0o777) | bits,
        }
    }
}

/// `ug=rw-x`.
fn clause(text: &str) -> Option<Vec<Change>> {
    let start = text.find(['+', '-', '='])?;
    let mut who = 0;
    for letter in text[..start].bytes() {
        who |= match letter {
            b'u' => 0o4700,
            b'g' => 0o2070,
            b'o' => 0o1007,
            b'a' => 0o7777,
            _ => return None,
        };
    }
    if start == 0 {
        who = 0o7777;
    }
    let mut changes: Vec<Change> = Vec::new();
    for letter in text[start..].bytes() {
        match letter {
            b'+' | b'-' | b'=' => {
                changes.push(Change { who, operation: letter, permissions: 0, execution: false });
            }
            letter => {
                let change = changes.last_mut()?;
                match letter {
                    b'r' => change.permissions |= 0o444,
                    b'w' => change.permissions |= 0o222,
                    b'x' => change.permissions |= 0o111,
                    b'X' => change.execution = true,
                    b's' => change.permissions |= 0o6000,
                    b't' => change.permissions |= 0o1000,
                    _ => return None,
                }
            }
        }
    }
    Some(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_become_what_chmod_makes_of_them() {
        for (text, mode, directory, becomes) in [
            ("755", 0o600, false, 0o755),
            ("0", 0o600, false, 0),
            ("u+x", 0o644, false, 0o744),
            ("+x", 0o644, false, 0o755),
            ("go-rwx", 0o755, false, 0o700),
            ("u=rwX,go=rX", 0o600, false, 0o644),
            ("u=rwX,go=rX", 0o600, true, 0o755),
            ("u=rwX,go=rX", 0o700, false, 0o755),
            ("a+t,u+s", 0o755, false, 0o5755),
            ("o=", 0o757, false, 0o750),
            ("u+w-x", 0o500, false, 0o600),
        ] {
            let chmod = Chmod::parse(text).unwrap();
            assert_eq!(chmod.apply(mode, directory), becomes, "{text}");
        }
        for wrong in ["", "888", "77777", "x", "u+q", "z+x", "u"] {
            assert!(Chmod::parse(wrong).is_err(), "{wrong}");
        }
    }
}
