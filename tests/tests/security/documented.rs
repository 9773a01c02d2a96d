//! The page of what is tried names tests that there are, and has a row for each number that a test has.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use barque_tests::files::below;
use barque_tests::{programs, suite::Suite};

pub(crate) fn add(suite: &mut Suite) {
    suite.add("every row of docs/security.md is shown by a test", every_row);
}

/// The texts of all files below with these endings.
fn texts(directory: &Path, endings: &[&str]) -> String {
    let wanted = |path: &PathBuf| {
        path.extension().is_some_and(|e| endings.iter().any(|ending| e == *ending))
    };
    let files = below(directory).into_iter().filter(wanted);
    files.map(|path| std::fs::read_to_string(path).expect("read a file")).collect()
}

/// The numbers in a text: `SEC-001`.
fn numbers(text: &str) -> BTreeSet<&str> {
    let found = text.match_indices("SEC-").filter_map(|(at, _)| text.get(at..at + 7));
    found.filter(|number| number.ends_with(|c: char| c.is_ascii_digit())).collect()
}

fn every_row() {
    let workspace = programs::workspace();
    let page = std::fs::read_to_string(workspace.join("docs/security.md")).expect("read the page");
    let here = texts(&workspace.join("tests/tests/security"), &["rs"]);
    let titles: String = here.lines().filter(|line| line.contains("\"SEC-")).collect();
    let titles = numbers(&titles);
    let everywhere = here.clone()
        + &texts(&workspace.join("tests"), &["rs", "json"])
        + &texts(&workspace.join("core/src"), &["rs"])
        + &texts(&workspace.join("core/monitor/src"), &["rs"]);
    let mut rows = BTreeSet::new();
    for row in page.lines().filter(|line| line.starts_with("| SEC-")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [number, _, _, shown] = cells[..] else { panic!("a row has four cells: {row}") };
        rows.insert(number);
        match shown {
            "by number" => assert!(titles.contains(number), "no test has the number {number}"),
            "–" => {}
            names => {
                let names: Vec<&str> = names.split('`').skip(1).step_by(2).collect();
                assert!(!names.is_empty(), "{row}");
                for name in names {
                    assert!(everywhere.contains(name), "{number}: there is no test {name:?}");
                }
            }
        }
    }
    let without: Vec<&&str> = titles.difference(&rows).collect();
    assert!(without.is_empty(), "not on the page: {without:?}");
}
