//! What outsiders write, taken in as bare bytes: the bodies of the fuzz targets (`fuzz/`), and a short run of each as a unit test.
//!
//! Each must come to an end without a panic, whatever it is given. What is taken must hold what its type promises, too.

use std::io::Cursor;

use barque_monitor::gather::{Ignore, Verdict};
use barque_monitor::names::packet::{self, Answer, Heard};
use barque_monitor::tar;

use super::config::ImageConfig;
use super::manifest::Document;
use super::reference::Reference;
use crate::build::dockerfile::{Dockerfile, Words};

/// A manifest or an index.
pub fn manifest(bytes: &[u8]) {
    let Ok(Document::Manifest(manifest)) = Document::parse(bytes) else { return };
    let Ok(written) = serde_json::to_vec(&manifest) else { panic!("a manifest cannot be written") };
    let Ok(Document::Manifest(again)) = Document::parse(&written) else {
        panic!("a manifest that was taken is refused when it is written again");
    };
    assert_eq!(again.config.digest, manifest.config.digest);
    assert_eq!(again.layers.len(), manifest.layers.len());
}

/// An image's configuration.
pub fn config(bytes: &[u8]) {
    let Ok(config) = ImageConfig::parse(bytes) else { return };
    let Ok(written) = serde_json::to_vec(&config) else {
        panic!("a configuration cannot be written");
    };
    let Ok(again) = ImageConfig::parse(&written) else {
        panic!("a configuration that was taken is refused when it is written again");
    };
    assert_eq!(again, config);
    let _ = config.created_ns();
}

/// An image's name.
pub fn reference(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(reference) = Reference::parse(text) else { return };
    let full = reference.to_string();
    assert!(full.bytes().all(|byte| byte.is_ascii_graphic()), "not fit to print: {full:?}");
    let Ok(again) = Reference::parse(&full) else { panic!("{full} is refused") };
    assert_eq!(again, reference);
}

/// An archive of files.
pub fn archive(bytes: &[u8]) {
    let mut reader = tar::Reader::new(Cursor::new(bytes));
    while let Ok(Some(entry)) = reader.next_entry() {
        let mut seen = 0;
        while let Ok(data) = reader.data() {
            let read = data.len();
            if read == 0 {
                break;
            }
            reader.consume(read);
            seen += read as u64;
        }
        assert!(seen <= bytes.len() as u64, "more data than there are bytes");
        let pieces = entry.extents.as_deref().unwrap_or_default();
        let fits = |extent: &tar::Extent| extent.offset.checked_add(extent.length);
        assert!(pieces.iter().all(|piece| fits(piece).is_some_and(|end| end <= entry.size)));
        let _ = tar::quoted(&entry.path);
    }
    assert!(reader.position() <= bytes.len() as u64);
}

/// A Dockerfile. What is read is read the same way again, and what it says of itself fits into it.
pub fn dockerfile(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(dockerfile) = Dockerfile::parse(text) else { return };
    let lines = text.lines().count();
    let steps = dockerfile.stages.iter().flat_map(|stage| &stage.steps);
    for location in steps.chain(&dockerfile.globals).map(|step| step.location) {
        assert!(1 <= location.first && location.first <= location.last, "{location:?}");
        assert!(location.last <= lines, "{location:?} of {lines} lines");
        assert!(dockerfile.excerpt("Dockerfile", location).contains(">>>"));
    }
    for warning in &dockerfile.warnings {
        assert!((1..=lines).contains(&warning.line), "{warning}");
    }
    for stage in &dockerfile.stages {
        let found = dockerfile.stage(&stage.name, dockerfile.stages.len());
        assert!(found.is_some() || stage.name.is_empty(), "{:?}", stage.name);
        let words = Words { escape: dockerfile.escape, lookup: &|name| Some(format!("of {name}")) };
        let _ = words.expand(&stage.image);
        let _ = words.split(&stage.platform);
    }
    assert_eq!(Dockerfile::parse(text).ok().as_ref(), Some(&dockerfile));
}

/// A `.dockerignore`, and a path that it is asked about: the last line.
pub fn dockerignore(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (rules, path) = text.trim_end_matches('\n').rsplit_once('\n').unwrap_or((text, "a/b"));
    let Ok(rules) = Ignore::file(rules) else { return };
    let verdict = rules.verdict(path.as_bytes());
    assert_eq!(verdict, rules.verdict(path.as_bytes()));
    // What is left out with all below it is left out below it.
    if verdict == Verdict::LeftOut {
        assert_ne!(rules.verdict(format!("{path}/x").as_bytes()), Verdict::Taken, "{path:?}");
    }
}

/// A packet that came to a container's resolver, from the container or from a name server.
pub fn dns(bytes: &[u8]) {
    match packet::read(bytes) {
        Heard::Nothing => {}
        Heard::Wrong(answer) => assert_eq!(answer.len(), 12, "no more than a header"),
        Heard::Query(query) => {
            let name = query.name.as_deref().unwrap_or_default();
            assert!(name.len() < 255 && !name.contains([' ', '\n', '=', '/']), "{name:?}");
            let _ = query.reverse();
            let addresses = [std::net::IpAddr::from([127, 0, 0, 1]); 100];
            for answer in [Answer::Addresses(&addresses), Answer::Name("a.b"), Answer::Nothing] {
                let answer = query.answer(answer, query.room());
                assert!(answer.len() <= query.room(), "{} bytes", answer.len());
                // Nobody takes an answer for a question.
                assert!(matches!(packet::read(&answer), Heard::Nothing));
                let _ = packet::said(bytes, packet::id(bytes), &answer);
            }
        }
    }
    let _ = packet::said(bytes, packet::id(bytes), bytes);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// How often each target runs here, on the same bytes each time. `cargo fuzz run` goes on for as long as one likes.
    const ROUNDS: usize = 20_000;

    /// A generator of one's own (xorshift): what failed once fails again.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 % (sides.max(1) as u64)).unwrap_or_default()
        }
    }

    /// Change a few bytes, or a piece, or put in a piece of another one.
    fn change(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
        for _ in 0..=dice.roll(4) {
            let at = dice.roll(bytes.len());
            let end = (at + 1 + dice.roll(16)).min(bytes.len());
            match dice.roll(7) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << dice.roll(8),
                1 if !bytes.is_empty() => {
                    const TELLING: [u8; 8] = [0, 0xff, 0x80, b'0', b'7', b'"', b'/', b'-'];
                    bytes[at] = TELLING[dice.roll(TELLING.len())];
                }
                2 => drop(bytes.drain(at.min(end)..end)),
                3 => {
                    let piece = bytes[at.min(end)..end].to_vec();
                    bytes.splice(at..at, piece);
                }
                4 => bytes.truncate(at),
                5 if !other.is_empty() => {
                    let from = dice.roll(other.len());
                    let to = (from + 1 + dice.roll(600)).min(other.len());
                    bytes.splice(at..at, other[from..to].iter().copied());
                }
                _ => bytes.insert(at, b'0' + dice.roll(10) as u8),
            }
        }
    }

    fn run(name: &str, target: fn(&[u8])) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
        let mut paths: Vec<_> =
            corpus.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let seeds: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
        assert!(!seeds.is_empty(), "{name} has no corpus");
        for seed in &seeds {
            target(seed);
        }
        let mut dice = Dice(0x5eed);
        for _ in 0..ROUNDS {
            let mut bytes = seeds[dice.roll(seeds.len())].clone();
            change(&mut bytes, &seeds[dice.roll(seeds.len())], &mut dice);
            if std::panic::catch_unwind(|| target(&bytes)).is_err() {
                let kept = std::env::temp_dir().join(format!("barque-fuzz-{name}"));
                std::fs::write(&kept, &bytes).unwrap();
                panic!("{name} fails with the bytes in {}", kept.display());
            }
        }
    }

    #[test]
    fn manifests() {
        run("manifest", super::manifest);
    }

    #[test]
    fn configurations() {
        run("config", super::config);
    }

    #[test]
    fn references() {
        run("reference", super::reference);
    }

    #[test]
    fn archives() {
        run("tar", super::archive);
    }

    #[test]
    fn dockerfiles() {
        run("dockerfile", super::dockerfile);
    }

    #[test]
    fn rules_of_what_is_ignored() {
        run("dockerignore", super::dockerignore);
    }

    #[test]
    fn dns_packets() {
        run("dns", super::dns);
    }
}
