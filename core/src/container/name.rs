//! Container names: what is one, and one for who gave none.

use crate::error::{Error, ErrorKind, Result};

/// Check a name: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`. Docker wants two characters at least, for no reason that we know of. A slash
/// in front is left off.
pub(crate) fn check(name: &str) -> Result<&str> {
    let bare = name.strip_prefix('/').unwrap_or(name);
    let mut bytes = bare.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric());
    let rest = bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if first && rest && bare.len() <= MAX {
        return Ok(bare);
    }
    if bare.len() > MAX {
        return Err(Error::invalid(format!(
            "Invalid container name of {} characters, the most is {MAX}",
            bare.len()
        ))
        .about("field", "Name"));
    }
    Err(Error::invalid(format!(
        "Invalid container name ({}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
        name.escape_debug()
    ))
    .about("field", "Name"))
}

/// What to say when another container, `holder`, has the name.
pub(crate) fn taken(name: &str, holder: &str) -> Error {
    Error::new(
        ErrorKind::AlreadyExists,
        format!(
            "Conflict. The container name \"/{name}\" is already in use by container \"{holder}\". \
             You have to remove (or rename) that container to be able to reuse that name."
        ),
    )
    .with_reason("name_in_use")
    .about("container", name)
}

/// Docker knows no limit; names end up in host names and file names, which do.
const MAX: usize = 255;

/// A name from four random bytes: `calm_noether`, and a number behind it when `attempt` others were taken.
pub(crate) fn made_up(random: [u8; 4], attempt: u32) -> String {
    let [a, b, c, d] = random.map(usize::from);
    let left = ADJECTIVES[(a << 8 | b) % ADJECTIVES.len()];
    let right = NAMES[(c << 8 | d) % NAMES.len()];
    match attempt {
        0 => format!("{left}_{right}"),
        // Docker appends one digit; with thousands of containers that runs out.
        n => format!("{left}_{right}{}", (a ^ c) % 10 + 10 * n as usize),
    }
}

const ADJECTIVES: [&str; 72] = [
    "able", "agile", "airy", "amber", "ample", "apt", "arctic", "balmy", "bold", "brave", "breezy",
    "bright", "brisk", "calm", "candid", "civil", "clear", "clever", "cosy", "crisp", "curious",
    "daring", "deft", "eager", "early", "earnest", "fair", "fleet", "fluent", "fond", "frank",
    "fresh", "gentle", "giddy", "glad", "golden", "hardy", "hearty", "honest", "humble", "jolly",
    "keen", "kind", "lively", "loyal", "lucid", "mellow", "merry", "mild", "modest", "neat",
    "nimble", "noble", "patient", "placid", "plucky", "polite", "prompt", "proud", "quick",
    "quiet", "ready", "serene", "sharp", "silent", "smart", "snug", "steady", "sunny", "swift",
    "vivid", "warm",
];

/// Navigators, shipbuilders, and people who found something out.
const NAMES: [&str; 72] = [
    "abel",
    "agnesi",
    "ampere",
    "anning",
    "archimedes",
    "baret",
    "bering",
    "bessemer",
    "bohr",
    "boole",
    "bowditch",
    "brunel",
    "cabot",
    "cannon",
    "cavendish",
    "cook",
    "curie",
    "dampier",
    "dirac",
    "drake",
    "elcano",
    "erikson",
    "euler",
    "faraday",
    "fermat",
    "fermi",
    "flinders",
    "franklin",
    "galois",
    "gauss",
    "germain",
    "halley",
    "harrison",
    "herschel",
    "hertz",
    "hopper",
    "hubble",
    "humboldt",
    "hypatia",
    "joule",
    "kepler",
    "kovalevskaya",
    "lamarr",
    "laplace",
    "leavitt",
    "liskov",
    "lovelace",
    "magellan",
    "maury",
    "maxwell",
    "meitner",
    "mercator",
    "nansen",
    "newton",
    "noether",
    "ohm",
    "pascal",
    "peary",
    "perkin",
    "planck",
    "polo",
    "pytheas",
    "ritchie",
    "ross",
    "shannon",
    "somerville",
    "tasman",
    "torricelli",
    "turing",
    "volta",
    "zhenghe",
    "zuse",
];

#[cfg(test)]
mod tests {
    use super::{ADJECTIVES, NAMES, check, made_up};

    #[test]
    fn names_are_dockers() {
        for good in ["web", "c", "a1", "Web_1.a-b", "/web", "0a"] {
            assert!(check(good).is_ok(), "{good}");
        }
        assert_eq!(check("/web").unwrap(), "web");
        for bad in
            ["", "/", "-", "-web", ".web", "_web", "we b", "web/x", "//web", "wéb", "web\n", "a\0b"]
        {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        assert!(check(&"a".repeat(255)).is_ok());
        assert!(check(&"a".repeat(256)).is_err());
    }

    #[test]
    fn made_up_names_are_names_and_a_further_attempt_is_another() {
        for name in ADJECTIVES.iter().chain(&NAMES) {
            assert!(check(name).is_ok(), "{name}");
        }
        for list in [&ADJECTIVES[..], &NAMES[..]] {
            assert!(list.is_sorted() && list.windows(2).all(|pair| pair[0] != pair[1]));
        }
        let random = [7, 77, 177, 250];
        let names: Vec<String> = (0..20).map(|n| made_up(random, n)).collect();
        for (n, name) in names.iter().enumerate() {
            assert!(check(name).is_ok());
            assert!(!names[..n].contains(name), "{name} twice");
        }
    }
}
