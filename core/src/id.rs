//! Ids as the Engine API has them: 64 lower-case hexadecimal digits, of which a beginning that no other has will do.

use crate::error::{Error, ErrorKind, Result};

/// How many digits one has.
const LENGTH: usize = 64;

/// One that nobody has.
pub(crate) fn random() -> Result<String> {
    Ok(hex(&random_bytes::<{ LENGTH / 2 }>()?))
}

/// So many random bytes.
pub(crate) fn random_bytes<const COUNT: usize>() -> Result<[u8; COUNT]> {
    let mut bytes = [0; COUNT];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::new(ErrorKind::System, "get random bytes").because(error))?;
    Ok(bytes)
}

/// Bytes as digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether it is one.
pub(crate) fn is_whole(text: &str) -> bool {
    text.len() == LENGTH && is_beginning(text)
}

/// Whether one can begin with it, or be it.
pub(crate) fn is_beginning(text: &str) -> bool {
    !text.is_empty() && text.len() <= LENGTH && is_hex(text)
}

/// Whether all of it is digits.
pub(crate) fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ids_are_whole_and_differ() {
        let (one, other) = (random().unwrap(), random().unwrap());
        assert!(is_whole(&one) && is_whole(&other) && one != other, "{one} {other}");
        assert_eq!(hex(&[0, 10, 255]), "000aff");
    }

    #[test]
    fn an_id_is_64_lower_case_digits_and_a_beginning_fewer() {
        let id = "0123456789abcdef".repeat(4);
        for beginning in ["0", "0123", &id[..63], &id] {
            assert!(is_beginning(beginning), "{beginning}");
            assert_eq!(is_whole(beginning), beginning.len() == 64, "{beginning}");
        }
        for other in ["", "g", "A", "0 ", &format!("{id}0"), &id.to_uppercase(), "é"] {
            assert!(!is_beginning(other) && !is_whole(other), "{other}");
        }
    }
}
