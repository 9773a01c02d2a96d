//! How long copies take: one large file and many small ones, into a container that runs and out of it; and what cp(1) takes for the
//! same files without a container, which is what the file system takes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use barque_tests::Sandbox;

use crate::engines::Engines;
use crate::life::{clients, timed};
use crate::table::Table;

/// The part of docker's time that a copy may take.
const ASKED: [(&str, f64); 1] = [("docker", 3.0)];

/// What is large leaves its memory to the next one at once: a virtual machine gives memory that is free back to its host, and has to be
/// given it again, which takes longer than to fill it.
const LARGE: &str = "100MB";

pub(crate) fn measure(sandbox: &Sandbox, engines: &Engines, short: bool, table: &mut Table) {
    let repetitions = if short { 3 } else { 9 };
    let place = sandbox.work();
    let ours = |arguments: &[&str]| sandbox.command(arguments);
    let mut all = clients(&ours, engines);
    let container = format!("bench-cp-{}", std::process::id());
    all.retain(|(_, client)| {
        let words = [
            "run",
            "--detach",
            "--network=none",
            "--name",
            &container,
            "testbox",
            "sleep",
            "forever",
        ];
        timed(client(&words)).is_some()
    });
    let outside = place.join("copied");
    let _ = std::fs::create_dir_all(&outside);
    for (what, source) in sources(&place) {
        for out in [false, true] {
            let mut times: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
            for round in 0..=repetitions {
                // The first round warms the caches.
                let mut note = |name, took: Option<Duration>| {
                    times.entry(name).or_default().extend(took.filter(|_| round > 0));
                };
                for (name, client) in &all {
                    let number = if out { 0 } else { round };
                    let inside = format!("{container}:/data/{what}-{number}");
                    let outside = outside.join(format!("{what}-{name}-{round}"));
                    let words = match out {
                        false => ["cp".to_owned(), source.to_string_lossy().into_owned(), inside],
                        true => ["cp".to_owned(), inside, outside.to_string_lossy().into_owned()],
                    };
                    note(name, timed(client(&words.each_ref().map(String::as_str))));
                    if what == LARGE && out {
                        let _ = std::fs::remove_file(&outside);
                    } else if what == LARGE && round > 0 {
                        let file = format!("/data/{what}-{number}");
                        let _ = timed(client(&["exec", &container, "/testbox", "write", &file]));
                    }
                }
                let way = if out { "out" } else { "in" };
                let copied = outside.join(format!("{what}-{way}-{round}"));
                let mut floor = Command::new("cp");
                floor.arg("-a").arg(&source).arg(&copied);
                note("cp -a", timed(floor));
                if what == LARGE {
                    let _ = std::fs::remove_file(&copied);
                }
            }
            let way = if out { "out of" } else { "into" };
            table.beside(&format!("cp of {what} {way} a container"), &mut times, &ASKED);
        }
    }
    // Not before: for some seconds after a file is removed, ext4 looks at its inode before it makes another one and leaves it alone
    // (recently_deleted() of fs/ext4/ialloc.c). After thousands of them each new file takes a millisecond, whoever makes it.
    let _ = std::fs::remove_dir_all(&outside);
    for (_, client) in &all {
        let _ = timed(client(&["rm", "--force", &container]));
    }
}

/// What is copied.
pub(crate) fn sources(place: &Path) -> Vec<(&'static str, PathBuf)> {
    let (large, many) = (place.join("large"), place.join("many"));
    let mut seed = 1u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    })
    .take(100 << 20)
    .collect();
    let _ = std::fs::write(&large, &noise);
    for directory in 0..50 {
        let directory = many.join(directory.to_string());
        let _ = std::fs::create_dir_all(&directory);
        for file in 0..100 {
            let _ = std::fs::write(directory.join(file.to_string()), &noise[..4096]);
        }
    }
    vec![(LARGE, large), ("5000-files", many)]
}
