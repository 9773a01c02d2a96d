//! The pages of what is tried name tests that there are, and the one on security has a row for each number that a test has.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use barque_tests::files::below;
use barque_tests::{programs, suite::Suite};

pub(crate) fn add(suite: &mut Suite) {
    suite.add("every row of docs/security.md is shown by a test", every_row);
    suite.add("every row of docs/bad-input.md is shown by a test", every_bad_input);
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
                assert!(!self::names(names).is_empty(), "{row}");
                for name in self::names(names) {
                    assert!(everywhere.contains(name), "{number}: there is no test {name:?}");
                }
            }
        }
    }
    let without: Vec<&&str> = titles.difference(&rows).collect();
    assert!(without.is_empty(), "not on the page: {without:?}");
}

/// The names of tests in a row's last cell.
fn names(shown: &str) -> Vec<&str> {
    shown.split('`').skip(1).step_by(2).collect()
}

fn every_bad_input() {
    let workspace = programs::workspace();
    let page = workspace.join("docs/bad-input.md");
    let page = std::fs::read_to_string(page).expect("read the page");
    let in_all = |directories: &[&str], endings: &[&str]| -> String {
        directories.iter().map(|directory| texts(&workspace.join(directory), endings)).collect()
    };
    // Rows of one face are shown by that face's tests, or by those of what is under all of them.
    let common = in_all(&["core/src", "tests/tests", "tests/conformance"], &["rs", "json"]);
    let faces = [
        ("C-", in_all(&["ffi-c/src", "ffi-c/tests"], &["rs"])),
        ("P-", in_all(&["bindings-python/tests"], &["py"])),
        ("N-", in_all(&["bindings-node/test"], &["mjs"])),
        ("L-", in_all(&["cli/src", "cli/tests"], &["rs"])),
    ];
    let (mut rows, mut shown) = (BTreeSet::new(), 0);
    for row in page.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [number, _, _, tests] = cells[..] else { panic!("a row has four cells: {row}") };
        let face = faces.iter().find(|(begins, _)| number.starts_with(begins));
        let (_, own) = face.unwrap_or_else(|| panic!("{number} is of no face"));
        assert!(rows.insert(number), "{number} is there twice");
        assert!(!names(tests).is_empty(), "{number} is shown by nothing");
        for name in names(tests) {
            // A function by its whole name, any other test by its title.
            let title = [
                format!("fn {name}("),
                format!("def {name}("),
                format!("{name}\""),
                format!("{name}'"),
                format!("{name}`"),
            ];
            let is_there = |text: &String| title.iter().any(|title| text.contains(title));
            assert!(is_there(own) || is_there(&common), "{number}: there is no test {name:?}");
            shown += 1;
        }
    }
    assert!(rows.len() > 60 && shown > 120, "{} rows, {shown} tests", rows.len());
}
