//! Scenarios: what an engine must do, as data.
//!
//! A file of `tests/conformance` is a list of scenarios, a scenario a name and steps, a step an operation with its request and
//! what must come back ([`matching`] has the notation). Each runs through every face, on an engine of its own that has the
//! image `testbox`; afterwards the external invariants must hold. What the faces answered is compared too: documents must be
//! the same from all that show them, but for what differs from run to run ([`mask`]).

mod mask;
mod matching;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;

use crate::faces::{Face, Failure, Streamed};
use crate::registry::{Auth, Registry};
use crate::{Sandbox, image};

pub use mask::mask;

/// How long [`said`] waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// A scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What must be so, as a sentence.
    pub name: String,
    /// The faces that can say it; all without it. (A command line has no unknown fields.)
    #[serde(default)]
    pub faces: Option<Vec<String>>,
    /// What is done.
    pub steps: Vec<Step>,
}

/// A step: an operation and what must come of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The operation; or `begin`, `input`, `cancel`, `end` with [`Step::stream`]; or `pause`, milliseconds in [`Step::with`];
    /// or `said`: wait until the container `Id` has written `Text` to its log; or `until`: do [`Step::operation`] until its
    /// answer is as expected (what it is otherwise differs from run to run, so it is not compared between faces).
    #[serde(rename = "do")]
    action: String,
    /// The operation whose stream `begin` begins.
    #[serde(default)]
    operation: String,
    /// The stream's name.
    #[serde(default)]
    stream: String,
    /// The request document.
    #[serde(default)]
    with: Value,
    /// Instead of it: text that need not be JSON.
    #[serde(default)]
    text: Option<String>,
    /// The answer, or a stream's last document.
    #[serde(default)]
    expect: Option<Value>,
    /// A stream's standard output: text, or an object, which the output must be as JSON.
    #[serde(default)]
    stdout: Option<Value>,
    /// A stream's standard error.
    #[serde(default)]
    stderr: Option<Value>,
    /// How it must fail.
    #[serde(default)]
    fails: Option<Value>,
    /// Names for parts of the answer (or of the output, `stdout/…`), as JSON pointers: used later as `$name`.
    #[serde(default, rename = "let")]
    bindings: BTreeMap<String, String>,
    /// The command line cannot show this (why), so it skips the step.
    #[serde(default)]
    not_by_cli: Option<String>,
    /// What the command line shows instead.
    #[serde(default)]
    cli: Option<Value>,
}

impl Scenario {
    /// The operations that its steps do.
    pub fn operations(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().map(Step::name)
    }

    /// Those of them that must fail.
    pub fn failing_operations(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter(|step| step.fails.is_some()).map(Step::name)
    }

    /// Those that must fail for this reason.
    pub fn operations_that_fail_for<'a>(
        &'a self,
        reason: &'a str,
    ) -> impl Iterator<Item = &'a str> {
        let fails = move |step: &&Step| {
            step.fails.as_ref().is_some_and(|fails| fails["reason"].as_str() == Some(reason))
        };
        self.steps.iter().filter(fails).map(Step::name)
    }
}

impl Step {
    fn name(&self) -> &str {
        if self.operation.is_empty() { &self.action } else { &self.operation }
    }
}

/// All scenarios, by file and order.
///
/// # Panics
/// When a file is not readable as scenarios.
pub fn all(directory: &Path) -> Vec<(String, Scenario)> {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .expect("list the scenarios")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("read scenarios");
        let scenarios: Vec<Scenario> =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        found.extend(scenarios.into_iter().map(|scenario| (stem.clone(), scenario)));
    }
    found
}

/// Values that steps can name: `$name`.
pub(crate) type Variables = BTreeMap<String, Value>;

/// Run a scenario through a face. What each step answered, for comparison between faces.
///
/// # Panics
/// When something is not as the scenario says.
pub fn run(scenario: &Scenario, face: &mut dyn Face, sandbox: &Sandbox) -> Vec<Value> {
    let mut variables = Variables::new();
    let files = image::scenario_files(&sandbox.work());
    let registry = Registry::new();
    registry.hold("some/small:1", &image::small());
    variables.insert("registry".into(), registry.address().into());
    let private = Registry::new();
    private.hold("some/small:1", &image::small());
    private.store().auth = Auth::Basic("me".into(), "hunter2".into());
    variables.insert("private".into(), private.address().into());
    variables.extend(files.into_iter().map(|(name, path)| (name, Value::from(path))));
    variables.insert("root".into(), sandbox.root().to_string_lossy().into());
    let mut transcript = Vec::new();
    for (number, step) in scenario.steps.iter().enumerate() {
        if !face.shows_documents() && step.not_by_cli.is_some() {
            continue;
        }
        let place = format!("step {} ({} {})", number + 1, step.action, step.operation);
        match take(step, face, &variables) {
            Ok(seen) => {
                let expected = if face.shows_documents() { None } else { step.cli.as_ref() };
                check(step, expected, &seen, &mut variables)
                    .unwrap_or_else(|why| panic!("{place}: {why}\n  seen: {}", seen.value()));
                transcript.push(seen.value());
            }
            Err(Failure(document)) => {
                let Some(expected) = &step.fails else { panic!("{place} failed: {document}") };
                let mut expected = matching::substitute(expected, &variables);
                let of_a_command = |name: &str| name == "message" || name == "exit_code";
                if let Value::Object(fields) = &mut expected {
                    // A command has a message and an exit code, a document all but the latter.
                    fields.retain(|name, _| match face.shows_documents() {
                        true => name != "exit_code",
                        false => of_a_command(name),
                    });
                }
                matching::matches(&expected, &document)
                    .unwrap_or_else(|why| panic!("{place} failed otherwise: {why}\n  {document}"));
                transcript.push(document);
            }
        }
    }
    // Their ports are others in each run.
    let text = Value::from(transcript).to_string();
    let text = text.replace(registry.address(), "<registry>");
    let text = text.replace(private.address(), "<private>");
    serde_json::from_str(&text).expect("what was written is read again")
}

/// What a step gave.
struct Seen {
    answer: Option<Value>,
    streamed: Option<Streamed>,
}

impl Seen {
    fn value(&self) -> Value {
        match (&self.answer, &self.streamed) {
            (Some(answer), _) => answer.clone(),
            (None, Some(s)) => serde_json::json!({
                "stdout": String::from_utf8_lossy(&s.stdout),
                "stderr": String::from_utf8_lossy(&s.stderr),
                // How far it is when somebody looks differs from run to run: what is compared is what came of it.
                // An event, which has a type, is no progress.
                "documents": s.documents.iter().filter(|d| d["status"].is_null() || d["Type"].is_string()).collect::<Vec<_>>(),
            }),
            (None, None) => Value::Null,
        }
    }
}

fn take(step: &Step, face: &mut dyn Face, variables: &Variables) -> Result<Seen, Failure> {
    let request = match &step.text {
        Some(text) => text.clone(),
        None if step.with.is_null() => String::new(),
        None => matching::substitute(&step.with, variables).to_string(),
    };
    let nothing = Seen { answer: None, streamed: None };
    match step.action.as_str() {
        "begin" => face.begin(&step.stream, &step.operation, &request).map(|()| nothing),
        "input" => {
            let text = step.with.as_str().unwrap_or_default();
            face.input(&step.stream, text.as_bytes()).map(|()| nothing)
        }
        "cancel" => face.cancel(&step.stream).map(|()| nothing),
        "end" => {
            face.end(&step.stream).map(|streamed| Seen { answer: None, streamed: Some(streamed) })
        }
        "pause" => {
            let ms = step.with.as_u64().unwrap_or(100);
            std::thread::sleep(Duration::from_millis(ms));
            Ok(nothing)
        }
        "said" => said(step, face, variables).map(|()| nothing),
        "until" => until(step, face, variables).map(|()| nothing),
        operation if is_stream(operation) => {
            face.begin("whole", operation, &request)?;
            let streamed = face.end("whole")?;
            Ok(Seen { answer: None, streamed: Some(streamed) })
        }
        operation => face
            .call(operation, &request)
            .map(|answer| Seen { answer: Some(answer), streamed: None }),
    }
}

/// Until a container's program says that it has come so far: a signal that comes before its handler is lost to process 1.
fn said(step: &Step, face: &mut dyn Face, variables: &Variables) -> Result<(), Failure> {
    let with = matching::substitute(&step.with, variables);
    let text = with["Text"].as_str().expect("a text to wait for");
    let logs = serde_json::json!({ "Id": with["Id"] }).to_string();
    let deadline = Instant::now() + PATIENCE;
    loop {
        face.begin("said", "container.logs", &logs)?;
        let output = face.end("said")?;
        if String::from_utf8_lossy(&output.stdout).contains(text) {
            return Ok(());
        }
        assert!(Instant::now() < deadline, "{text:?} is not in the log: {output:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Until an operation's answer is what it is to become.
fn until(step: &Step, face: &mut dyn Face, variables: &Variables) -> Result<(), Failure> {
    let request = matching::substitute(&step.with, variables).to_string();
    let shown = if face.shows_documents() { None } else { step.cli.as_ref() };
    let expected = shown.or(step.expect.as_ref()).expect("an answer to wait for");
    let expected = matching::substitute(expected, variables);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = face.call(&step.operation, &request)?;
        match matching::matches(&expected, &answer) {
            Ok(()) => return Ok(()),
            Err(why) => assert!(Instant::now() < deadline, "{why}\n  {answer}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn is_stream(operation: &str) -> bool {
    use barque::api::operations::{Kind, Operation};
    Operation::find(operation).is_ok_and(|found| matches!(found.kind, Kind::Stream(_)))
}

fn check(
    step: &Step,
    instead: Option<&Value>,
    seen: &Seen,
    variables: &mut Variables,
) -> Result<(), String> {
    if let Some(fails) = &step.fails {
        return Err(format!("it succeeded, and should fail with {fails}"));
    }
    if step.action == "until" {
        return Ok(());
    }
    let last = seen.streamed.as_ref().and_then(|s| s.documents.last());
    let answer = seen.answer.as_ref().or(last).cloned().unwrap_or(Value::Null);
    if let Some(expected) = instead.or(step.expect.as_ref()) {
        matching::matches(&matching::substitute(expected, variables), &answer)?;
    }
    let mut outputs = BTreeMap::new();
    if let Some(streamed) = &seen.streamed {
        for (name, expected, bytes) in
            [("stdout", &step.stdout, &streamed.stdout), ("stderr", &step.stderr, &streamed.stderr)]
        {
            let text = String::from_utf8_lossy(bytes);
            let value = match expected {
                Some(Value::Object(fields)) if !fields.keys().any(|k| k.starts_with('<')) => {
                    serde_json::from_str(text.trim())
                        .map_err(|error| format!("{name} is not JSON: {error}: {text:?}"))?
                }
                _ => Value::from(text.into_owned()),
            };
            if let Some(expected) = expected {
                matching::matches(&matching::substitute(expected, variables), &value)
                    .map_err(|why| format!("{name}: {why}"))?;
            }
            outputs.insert(name, value);
        }
    }
    for (name, pointer) in &step.bindings {
        let found = match pointer.split_once('/') {
            Some((output, rest)) if outputs.contains_key(output) => {
                outputs[output].pointer(&format!("/{rest}"))
            }
            _ => answer.pointer(pointer),
        };
        let value = found.ok_or_else(|| format!("nothing at {pointer} for ${name}"))?;
        variables.insert(name.clone(), value.clone());
    }
    Ok(())
}
