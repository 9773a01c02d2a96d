//! How long copies take: one large file and many small ones, into a container that runs and out of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use barque_tests::Sandbox;

use crate::engines::Engines;
use crate::life::{clients, timed};
use crate::table::Table;

/// The part of docker's time that a copy may take.
const ASKED: [(&str, f64); 1] = [("docker", 3.0)];

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
    for (what, source) in sources(&place) {
        for out in [false, true] {
            let mut times: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
            for round in 0..=repetitions {
                for (name, client) in &all {
                    let number = if out { 0 } else { round };
                    let inside = format!("{container}:/data/{what}-{number}");
                    let outside = place.join("copied");
                    let words = match out {
                        false => ["cp".to_owned(), source.to_string_lossy().into_owned(), inside],
                        true => ["cp".to_owned(), inside, outside.to_string_lossy().into_owned()],
                    };
                    let took = timed(client(&words.each_ref().map(String::as_str)));
                    // The first round warms the caches.
                    times.entry(name).or_default().extend(took.filter(|_| round > 0));
                    let _ = std::fs::remove_dir_all(&outside);
                    let _ = std::fs::remove_file(&outside);
                }
            }
            let way = if out { "out of" } else { "into" };
            table.beside(&format!("cp of {what} {way} a container"), &mut times, &ASKED);
        }
    }
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
    vec![("100MB", large), ("5000-files", many)]
}
