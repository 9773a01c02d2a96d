//! Every pointer parameter of every function, given everything it must not be given. The program is generated from the
//! header, so a new function is covered by being there.

#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod toolchain;

use toolchain::header::{Function, Parameter, functions};
use toolchain::{Program, scratch};

/// Parameters that may be NULL, as their functions' comments say.
fn may_be_null(function: &Function, parameter: &Parameter) -> bool {
    matches!(
        (&*function.name, &*parameter.name),
        (_, "cancel" | "err" | "condition" | "signal" | "root" | "run_directory")
            | ("barque_container_top", "ps_args")
            | ("barque_file_write", "user")
            | ("barque_registry_logout", "server")
            | ("barque_image_prune" | "barque_system_events" | "barque_system_prune", "request")
            | ("barque_call" | "barque_open_stream" | "barque_container_list", "request")
            | ("barque_image_list" | "barque_container_prune" | "barque_system_check", "request")
            | ("barque_builder_prune", "request")
            | ("barque_network_list" | "barque_network_prune", "request")
            | ("barque_network_connect", "settings")
            | ("barque_volume_create" | "barque_volume_list" | "barque_volume_prune", "request")
            | ("barque_container_wait" | "barque_image_remove", "out" | "exit_code")
            | ("barque_string_free", _)
    )
}

const OPENING: &str = r#"
#include "barque.h"
#include <stdio.h>
#include <string.h>
#include <stdlib.h>

static int failures;
static const char *refusal(int code, barque_error **err) {
    static char text[512];
    snprintf(text, sizeof text, "%d %s %s", code, barque_error_reason(*err), barque_error_message(*err));
    if (*err != NULL && barque_error_code(*err) != code) { failures++; puts("code differs"); }
    barque_error_free(*err);
    *err = NULL;
    return text;
}
static void expect(const char *what, const char *got, const char *wanted) {
    if (strncmp(got, wanted, strlen(wanted)) != 0) {
        failures++;
        printf("%s: got '%s', wanted '%s'\n", what, got, wanted);
    }
}
int main(int argc, char **argv) {
    barque_error *err = NULL, *other_error = NULL;
    barque_engine *engine = NULL, *freed_engine = NULL;
    barque_cancel *cancel = NULL;
    barque_doc *doc = barque_doc_new();
    char *string = NULL;
    long long spare[8] = {0};
    (void)argc;
    if (barque_engine_open(argv[1], argv[2], &engine, &err) != BARQUE_OK) { puts(barque_error_message(err)); return 2; }
    if (barque_engine_open(argv[1], argv[2], &freed_engine, &err) != BARQUE_OK) return 2;
    barque_engine_free(freed_engine);
    barque_cancel_new(&cancel, &err);
    barque_doc_parse("{", NULL, &other_error);
    (void)spare; (void)string;
"#;

/// One of each class: lone continuations, cut sequences of each length, overlong ones, surrogates, too large, never a byte.
const NOT_UTF8: &[&str] = &[
    "\\x80",
    "a\\xbf\\xbf",
    "a\\xc3",
    "\\xe2\\x82",
    "\\xf0\\x9f\\x98",
    "\\xc0\\xaf",
    "\\xe0\\x80\\xaf",
    "\\xf0\\x80\\x80\\xaf",
    "\\xed\\xa0\\x80",
    "\\xed\\xbf\\xbf",
    "\\xf4\\x90\\x80\\x80",
    "\\xf8\\x88\\x80\\x80\\x80",
    "\\xfe",
    "\\xff",
];

/// Empty, blank, of control characters, of marks that turn the direction of writing.
const ODD_TEXTS: &[&str] = &["", "   ", "\\n", "\\x1b[2J", "\\xe2\\x80\\xae", "../..", "{}"];

/// Whether any text may be given: not where it says which engine this is, or whom to ask in the network.
fn leads_nowhere(function: &Function, parameter: &Parameter) -> bool {
    !matches!(&*parameter.name, "root" | "run_directory" | "operation")
        && !function.name.starts_with("barque_registry")
}

/// Numbers at the edges of their types, and what is said of them; nothing where any number means something.
fn numbers(function: &Function, parameter: &Parameter) -> Vec<(&'static str, &'static str)> {
    let has_bytes = function.parameters.iter().any(|other| other.name == "data");
    match (&*parameter.kind, &*parameter.name) {
        ("uint32_t", "flags") => {
            vec![("0x80000000u", "-2 unknown_flags"), ("0xffffffffu", "-2 unknown_flags")]
        }
        ("size_t", "length") if has_bytes => {
            vec![("SIZE_MAX", "-2 invalid_argument data cannot have")]
        }
        ("int64_t", _) => vec![("INT64_MIN", ""), ("INT64_MAX", "")],
        ("uint64_t", _) => vec![("UINT64_MAX", "")],
        ("size_t", _) => vec![("SIZE_MAX", "")],
        ("int", _) => vec![("INT32_MIN", ""), ("INT32_MAX", "")],
        ("double", _) => vec![("(0.0 / 0.0)", "-2"), ("(1.0 / 0.0)", "-2")],
        _ => Vec::new(),
    }
}

/// A value that lets the call come as far as the check of another parameter.
fn harmless(function: &Function, parameter: &Parameter) -> String {
    match (&*parameter.kind, parameter.handle()) {
        (_, Some("barque_engine")) if function.name.ends_with("_free") => "NULL".to_owned(),
        (_, Some("barque_engine")) => "engine".to_owned(),
        (_, Some("barque_doc")) if function.name.ends_with("_free") => "NULL".to_owned(),
        (_, Some("barque_doc")) => "doc".to_owned(),
        (kind, Some(_)) => format!("({kind})0"),
        ("const char *", _) if parameter.name == "json" => "\"{}\"".to_owned(),
        ("const char *", _) if parameter.name == "operation" => "\"container.list\"".to_owned(),
        ("const char *", _) if parameter.name == "request" => "\"{}\"".to_owned(),
        ("const char *", _) if parameter.name == "root" => "argv[1]".to_owned(),
        ("const char *", _) if parameter.name == "run_directory" => "argv[2]".to_owned(),
        ("const char *", _) => "\"nothing\"".to_owned(),
        ("barque_error **", _) => "&err".to_owned(),
        ("char *", _) => "NULL".to_owned(),
        (kind, _) if kind.ends_with('*') => format!("({kind})(void *)spare"),
        (_, _) if parameter.name == "length" => "4".to_owned(),
        (kind, _) => format!("({kind})0"),
    }
}

/// The call with one parameter replaced.
fn call(function: &Function, place: usize, value: &str) -> String {
    let arguments = function.parameters.iter().enumerate().map(|(at, parameter)| {
        if at == place {
            format!("({}){value}", parameter.kind)
        } else {
            harmless(function, parameter)
        }
    });
    format!("{}({})", function.name, arguments.collect::<Vec<_>>().join(", "))
}

/// The lines that try one bad value of one parameter.
fn attempt(function: &Function, place: usize, value: &str, refusal: &str) -> String {
    let call = call(function, place, value);
    // A parameter before this one cannot be made good without a stream or an output to give: then it is that one which is
    // refused, and all there is to see is that nothing crashes.
    let earlier = &function.parameters[..place];
    let reached = earlier
        .iter()
        .all(|parameter| !matches!(parameter.handle(), Some("barque_stream" | "barque_output")));
    if function.can_fail() && reached && !refusal.is_empty() {
        format!(
            "    expect(\"{}\", refusal({call}, &err), \"{refusal}\");\n",
            call.replace('"', "'")
        )
    } else if function.can_fail() {
        format!("    refusal({call}, &err);\n")
    } else {
        format!("    (void){call};\n")
    }
}

fn program() -> (String, usize) {
    let (mut text, mut attempts) = (OPENING.to_owned(), 0);
    let mut add = |line: String| {
        text += &line;
        attempts += 1;
    };
    for function in &functions() {
        for (place, parameter) in function.parameters.iter().enumerate() {
            if !parameter.is_pointer() || parameter.name == "err" {
                continue;
            }
            let name = &parameter.name;
            let null = if may_be_null(function, parameter) {
                String::new()
            } else {
                format!("-2 null {name} is NULL")
            };
            add(attempt(function, place, "NULL", &null));
            if parameter.handle().is_some() {
                let foreign = if parameter.handle() == Some("barque_error") {
                    "cancel"
                } else {
                    "other_error"
                };
                for (value, reason) in [
                    (format!("(void *){foreign}"), "-2 bad_handle"),
                    ("(void *)freed_engine".to_owned(), "-2 bad_handle"),
                    ("(void *)spare".to_owned(), "-2 bad_handle"),
                    ("(void *)(uintptr_t)0xdeadbeef".to_owned(), "-2 bad_handle"),
                    ("(void *)(uintptr_t)-1".to_owned(), "-2 bad_handle"),
                ] {
                    add(attempt(function, place, &value, reason));
                }
            } else if parameter.kind == "const char *" && name != "data" {
                for bytes in NOT_UTF8 {
                    add(attempt(function, place, &format!("\"{bytes}\""), "-2 not_utf8"));
                }
                // What is text is used as it is, or refused for what it says; which of the two is the function's.
                for text in ODD_TEXTS.iter().filter(|_| leads_nowhere(function, parameter)) {
                    add(attempt(function, place, &format!("\"{text}\""), ""));
                }
            }
        }
        for (place, parameter) in function.parameters.iter().enumerate() {
            for (value, refusal) in numbers(function, parameter) {
                add(attempt(function, place, value, refusal));
            }
        }
        if function.can_fail() {
            // Nobody has to take the error.
            let last = function.parameters.len() - 1;
            add(format!("    (void){};\n", call(function, last, "NULL"))
                .replace("(spare)", "(spare + 1)"));
        }
    }
    text +=
        "    barque_doc_free(doc); barque_cancel_free(cancel); barque_error_free(other_error);\n";
    text += "    barque_engine_free(engine);\n    return failures != 0;\n}\n";
    (text, attempts)
}

#[test]
fn no_argument_crashes_and_each_bad_one_is_named() {
    let (text, attempts) = program();
    assert!(attempts > 400, "only {attempts} attempts: was the header read?");
    let built = Program::of_text("misuse", &text).build();
    let mut command = built.command();
    let root = scratch().join("root");
    // Credentials are forgotten on the way: not the developer's.
    command.env("DOCKER_CONFIG", scratch().join("docker"));
    toolchain::succeed(command.arg(&root).arg(scratch().join("run")));
    let _ = std::fs::remove_dir_all(&root);
}
