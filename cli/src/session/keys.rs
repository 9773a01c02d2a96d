//! The keys that leave a session and the container running: `ctrl-p,ctrl-q`, or what `--detach-keys` says.

/// The keys, as the bytes that a terminal sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DetachKeys {
    keys: Vec<u8>,
    /// How many of them were typed so far; they are held back until it is clear that they mean something else.
    typed: usize,
}

impl DetachKeys {
    /// The default.
    pub(crate) fn usual() -> DetachKeys {
        DetachKeys { keys: vec![0x10, 0x11], typed: 0 }
    }

    /// Read `a,ctrl-b,ctrl-[`: single characters and `ctrl-` with a letter or one of `@[\]^_`.
    pub(crate) fn parse(text: &str) -> Result<DetachKeys, String> {
        if text.is_empty() {
            return Ok(DetachKeys::usual());
        }
        let key = |name: &str| match (name.strip_prefix("ctrl-"), name.as_bytes()) {
            (None, [byte]) if byte.is_ascii() => Some(*byte),
            (Some(control), _) => match control.as_bytes() {
                [byte @ (b'a'..=b'z' | b'A'..=b'Z' | b'@' | b'['..=b'_')] => Some(byte & 0x1f),
                _ => None,
            },
            _ => None,
        };
        let keys = text.split(',').map(key).collect::<Option<Vec<u8>>>();
        let keys = keys.ok_or_else(|| {
            format!(
                "invalid detach keys ({text}): use a character or ctrl- and one of a-z @ [ \\ ] ^ _"
            )
        })?;
        Ok(DetachKeys { keys, typed: 0 })
    }

    /// Take in what was typed. What is meant for the container, or `None` when it was the keys.
    pub(crate) fn filter(&mut self, input: &[u8]) -> Option<Vec<u8>> {
        let mut passed = Vec::with_capacity(input.len());
        for &byte in input {
            if byte == self.keys[self.typed] {
                self.typed += 1;
                if self.typed == self.keys.len() {
                    self.typed = 0;
                    return None;
                }
                continue;
            }
            passed.extend_from_slice(&self.keys[..self.typed]);
            self.typed = 0;
            if byte == self.keys[0] && self.keys.len() > 1 {
                self.typed = 1;
            } else {
                passed.push(byte);
            }
        }
        Some(passed)
    }
}

#[cfg(test)]
mod tests {
    use super::DetachKeys;

    #[test]
    fn keys_are_written_as_for_docker() {
        assert_eq!(DetachKeys::parse("").unwrap(), DetachKeys::usual());
        assert_eq!(DetachKeys::parse("ctrl-p,ctrl-q").unwrap(), DetachKeys::usual());
        assert_eq!(
            DetachKeys::parse("a,ctrl-@,ctrl-[,ctrl-_").unwrap().keys,
            [b'a', 0, 0x1b, 0x1f]
        );
        for wrong in ["ctrl-", "ctrl-1", "ab", ",", "ctrl-ab", "é"] {
            assert!(DetachKeys::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn half_of_the_keys_is_input_once_something_else_follows() {
        let mut keys = DetachKeys::usual();
        assert_eq!(keys.filter(b"ab").as_deref(), Some(&b"ab"[..]));
        assert_eq!(keys.filter(b"x\x10").as_deref(), Some(&b"x"[..]));
        assert_eq!(keys.filter(b"y").as_deref(), Some(&b"\x10y"[..]));
        assert_eq!(keys.filter(b"\x10\x10").as_deref(), Some(&b"\x10"[..]));
        assert_eq!(keys.filter(b"\x11"), None);
    }
}
