//! `--format`: JSON that is JSON for every command, also beside an error, and templates that ask for what there is not.

#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod engine;

use engine::{Done, Engine, done};
use serde_json::Value;

fn formatted(engine: &Engine, words: &str, format: &str) -> Done {
    // A format may have blanks in it.
    done(engine.command(words).args(["--format", format]).output().unwrap())
}

/// Every line is a document of its own, and all of them have the same fields.
fn documents(what: &str, text: &str) -> Vec<Value> {
    let read = |line: &str| -> Value {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{what}: {error} in {line}"))
    };
    let all: Vec<Value> = text.lines().map(read).collect();
    let fields = |value: &Value| -> Vec<String> {
        value.as_object().unwrap_or_else(|| panic!("{what}: {value}")).keys().cloned().collect()
    };
    for one in &all {
        assert_eq!(fields(one), fields(&all[0]), "{what}");
    }
    all
}

/// How many documents each has.
const LISTS: &[(&str, usize)] = &[
    ("ps -a", 2),
    ("images", 1),
    ("history hello", 1),
    ("volume ls", 2),
    ("network ls", 3),
    ("stats --no-stream running", 1),
    ("system df", 5),
    ("events --since 0 --until 0s --filter event=start", 1),
];
const SINGLE: &[&str] = &[
    "info",
    "version",
    "system check",
    "inspect running",
    "inspect hello",
    "volume inspect one",
    "network inspect bridge",
];

fn filled(name: &str) -> Engine {
    let engine = Engine::new(name);
    for words in [
        "create --name made hello",
        "run -d --name running --network none hello sleep 1000",
        "volume create one",
        "volume create two",
    ] {
        assert_eq!(engine.run(words).code, Some(0), "{words}");
    }
    engine
}

#[test]
fn every_json_is_one_document_or_one_on_each_line() {
    let engine = filled("json");
    for (words, count) in LISTS {
        let all = formatted(&engine, words, "json");
        assert_eq!((all.code, all.err.as_str()), (Some(0), ""), "{words}");
        assert_eq!(documents(words, &all.out).len(), *count, "{words}: {}", all.out);
        let same = formatted(&engine, words, "{{json .}}");
        assert_eq!(documents(words, &same.out).len(), *count, "{words}: {}", same.out);
        // Nothing for nothing.
        let empty = Engine::new(&format!("empty-{}", words.split(' ').next().unwrap()));
        if ["ps -a", "volume ls"].contains(words) {
            assert_eq!(formatted(&empty, words, "json").out, "", "{words}");
        }
    }
    for words in SINGLE {
        for format in ["json", "{{json .}}"] {
            let done = formatted(&engine, words, format);
            assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{words} {format}");
            let value: Value = serde_json::from_str(&done.out)
                .unwrap_or_else(|error| panic!("{words} {format}: {error} in {}", done.out));
            assert!(value.is_object() || value[0].is_object(), "{words} {format}: {value}");
        }
    }
}

#[test]
fn an_error_leaves_json_json_and_is_words_beside_it() {
    let engine = filled("errors");
    // docker has no errors in JSON: they are words on standard error and a status, and standard output has what there is.
    for (words, out, err) in [
        ("inspect nobody", "[]\n", "No such object: nobody"),
        ("inspect running nobody", "running", "No such object: nobody"),
        ("volume inspect nobody", "[]\n", "nobody"),
        ("network inspect nobody", "[]\n", "nobody"),
        ("history nobody", "", "nobody"),
        ("stats --no-stream nobody", "", "nobody"),
        ("ps --filter bogus=1", "", "bogus"),
    ] {
        for format in [None, Some("json")] {
            let done = match format {
                None if !words.contains("inspect") => continue,
                None => engine.run(words),
                Some(format) => formatted(&engine, words, format),
            };
            assert_eq!(done.code, Some(1), "{words} {format:?}: {done:?}");
            assert!(done.err.contains(err) && done.err.lines().count() == 1, "{words}: {done:?}");
            if out == "running" {
                let value: Value = serde_json::from_str(&done.out)
                    .unwrap_or_else(|error| panic!("{words} {format:?}: {error} in {done:?}"));
                assert_eq!(value.as_array().unwrap().len(), 1, "{words} {format:?}");
            } else {
                assert_eq!(done.out, out, "{words} {format:?}");
            }
        }
    }
}

#[test]
fn a_template_that_asks_for_what_there_is_not_prints_no_half_of_it() {
    let engine = filled("templates");
    let all = LISTS.iter().map(|(words, _)| *words).chain(SINGLE.iter().copied());
    for words in all {
        for format in ["{{json .Bogus}}", "{{.Bogus}}", "x{{.Bogus.Deep}}"] {
            let done = formatted(&engine, words, format);
            assert_eq!(done.code, Some(1), "{words} {format}: {done:?}");
            assert!(done.err.contains("Bogus"), "{words} {format}: {done:?}");
            assert!(!done.err.contains("panicked"), "{words} {format}: {done:?}");
            assert!(done.out.trim().is_empty(), "{words} {format}: {done:?}");
        }
        // What cannot be read is refused whatever there is to show.
        for format in ["{{", "{{json", "{{json .", "{{end}}", "{{nothing .}}"] {
            let done = formatted(&engine, words, format);
            assert_eq!(done.code, Some(1), "{words} {format}: {done:?}");
            assert!(done.err.contains("template: "), "{words} {format}: {done:?}");
            assert!(done.out.is_empty(), "{words} {format}: {done:?}");
        }
    }
    let empty = Engine::new("nothing");
    for (words, _) in LISTS.iter().filter(|(words, _)| ["ps -a", "volume ls"].contains(words)) {
        let done = formatted(&empty, words, "{{json .");
        assert!(done.code == Some(1) && done.err.contains("template: "), "{words}: {done:?}");
    }
}
