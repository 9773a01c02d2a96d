//! Every scenario of `tests/conformance` through every face, each counted as `file/scenario [face]`; and, where a scenario ran
//! through several, that their answers are the same.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use barque_tests::scenario::{Scenario, all, mask, run};
use barque_tests::suite::{Suite, own_network, skip};
use barque_tests::{Sandbox, faces, invariants, programs};
use serde_json::Value;

/// What the faces that show documents answered, masked, by scenario.
type Transcripts = Arc<Mutex<BTreeMap<&'static str, Vec<Value>>>>;

fn main() -> ExitCode {
    let scenarios = all(&programs::workspace().join("tests/conformance"));
    let mut suite = Suite::default();
    suite.add("every_operation_has_a_scenario", {
        let scenarios = scenarios.clone();
        move || every_operation_has_a_scenario(&scenarios)
    });
    suite.add("every_operation_refuses_an_unknown_field", {
        let scenarios = scenarios.clone();
        move || every_operation_refuses_an_unknown_field(&scenarios)
    });
    for (file, scenario) in scenarios {
        let transcripts = Transcripts::default();
        let mut ran = 0;
        for face in faces::ALL {
            if scenario.faces.as_ref().is_some_and(|faces| !faces.iter().any(|f| f == face)) {
                continue;
            }
            ran += usize::from(face != "cli");
            let name = format!("{file}/{} [{face}]", scenario.name);
            let (scenario, transcripts) = (scenario.clone(), Arc::clone(&transcripts));
            suite.add_patient(name, Duration::from_secs(60), move || {
                run_through(face, &scenario, &transcripts);
            });
        }
        if ran > 1 {
            let name = format!("{file}/{} [the same]", scenario.name);
            suite.add(name, move || all_are_the_same(&transcripts));
        }
    }
    suite.run()
}

fn run_through(face: &'static str, scenario: &Scenario, transcripts: &Transcripts) {
    own_network();
    let sandbox = Sandbox::with_testbox();
    {
        let mut face = faces::open(face, &sandbox);
        let transcript = run(scenario, &mut *face, &sandbox);
        if face.shows_documents() {
            let place = sandbox.root().parent().expect("a place").to_string_lossy().into_owned();
            let masked = transcript.iter().map(|answer| mask(answer, &place)).collect();
            let mut transcripts = transcripts.lock().unwrap_or_else(PoisonError::into_inner);
            transcripts.insert(face.name(), masked);
        }
    }
    // What a scenario leaves must be a store that is whole; and after the next command too.
    sandbox.ok(&["ps", "--all"]);
    invariants::hold(&sandbox, &scenario.name);
}

fn all_are_the_same(transcripts: &Transcripts) {
    let transcripts = transcripts.lock().unwrap_or_else(PoisonError::into_inner);
    let mut faces = transcripts.iter();
    let Some((first, expected)) = faces.next() else { skip("no face ran it to its end") };
    if transcripts.len() < 2 {
        skip(format!("only {first} ran it to its end"));
    }
    for (face, seen) in faces {
        for (number, (seen, expected)) in seen.iter().zip(expected).enumerate() {
            assert!(
                seen == expected,
                "step {}: {face} answers\n  {seen}\nand {first}\n  {expected}",
                number + 1
            );
        }
        assert_eq!(seen.len(), expected.len(), "{face} took another number of steps");
    }
}

fn every_operation_has_a_scenario(scenarios: &[(String, Scenario)]) {
    let used: Vec<&str> = scenarios.iter().flat_map(|(_, s)| s.operations()).collect();
    let failing: Vec<&str> = scenarios.iter().flat_map(|(_, s)| s.failing_operations()).collect();
    for operation in barque::api::operations::OPERATIONS {
        assert!(used.contains(&operation.name), "no scenario does {}", operation.name);
        // `system.*` take no argument that could be wrong but an unknown field, which the failing rows hold for them too.
        assert!(
            failing.contains(&operation.name),
            "no scenario has bad input for {}",
            operation.name
        );
    }
}

fn every_operation_refuses_an_unknown_field(scenarios: &[(String, Scenario)]) {
    let refusing: Vec<&str> = scenarios
        .iter()
        .flat_map(|(_, scenario)| scenario.operations_that_fail_for("unknown_field"))
        .collect();
    for operation in barque::api::operations::OPERATIONS {
        assert!(refusing.contains(&operation.name), "{}", operation.name);
    }
}
