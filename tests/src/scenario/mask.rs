//! What differs from run to run, taken out of an answer, so that the rest can be compared between faces.

use std::collections::BTreeMap;

use serde_json::Value;

/// Fields whose values are of one run only: times, processes, sizes and counts of a moment, made-up names.
const OF_THE_MOMENT: &[&str] = &[
    "Created",
    "CreatedAt",
    "StartedAt",
    "FinishedAt",
    "LastTagTime",
    "LastUsedAt",
    "mtime",
    "Pid",
    "Status",
    "Name",
    "Names",
    "Hostname",
    "MemTotal",
    "LayersSize",
    "SandboxKey",
    "HostPort",
    "BlobsSize",
    "SizeRw",
    "SizeRootFs",
    "SpaceReclaimed",
    "ID",
    "Processes",
    "read",
    "preread",
    "cpu_stats",
    "precpu_stats",
    "memory_stats",
    "blkio_stats",
    "time",
    "timeNano",
    "cursor",
];

/// The answer with those taken out, and with ids and the sandbox's path replaced by what they are (the first id, the second).
pub fn mask(answer: &Value, sandbox_root: &str) -> Value {
    let mut ids = BTreeMap::new();
    walk(answer, sandbox_root, &mut ids)
}

fn walk(value: &Value, root: &str, ids: &mut BTreeMap<String, usize>) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            // An error's number is C's; Node has the kind's name instead.
            .filter(|(name, _)| !(*name == "code" && fields.contains_key("kind")))
            .map(|(name, value)| {
                let value = if OF_THE_MOMENT.contains(&name.as_str()) {
                    Value::from(kind(value))
                } else {
                    walk(value, root, ids)
                };
                (without_ids(name, ids), value)
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(|item| walk(item, root, ids)).collect(),
        // Times are all over an archive, and as long as those of another moment.
        Value::String(text) if text.contains("\0ustar\0") => {
            Value::from(format!("<archive of {} characters>", text.chars().count()))
        }
        Value::String(text) => {
            Value::from(without_ids(&without_moments(&text.replace(root, "<root>")), ids))
        }
        other => other.clone(),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "<null>",
        Value::Bool(_) => "<boolean>",
        Value::Number(_) => "<number>",
        Value::String(_) => "<string>",
        Value::Array(_) => "<list>",
        Value::Object(_) => "<object>",
    }
}

/// Takes out numbers of pipes, and times as a log prints them at the beginning of a line.
fn without_moments(text: &str) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| {
            let mut pieces = line.split("pipe:[");
            let mut out = pieces.next().unwrap_or_default().to_owned();
            for piece in pieces {
                let rest = piece.trim_start_matches(|c: char| c.is_ascii_digit());
                out.push_str("pipe:[<n>");
                out.push_str(rest);
            }
            match out.split_once(' ') {
                Some((time, rest))
                    if time.len() == 30 && time.ends_with('Z') && time.contains('T') =>
                {
                    format!("<time> {rest}")
                }
                _ => out,
            }
        })
        .collect();
    lines.join("\n")
}

/// Runs of at least 12 hexadecimal digits are ids.
fn without_ids(text: &str, ids: &mut BTreeMap<String, usize>) -> String {
    let mut out = String::new();
    let mut run = String::new();
    for c in text.chars().chain(std::iter::once('\0')) {
        if c.is_ascii_hexdigit() {
            run.push(c);
            continue;
        }
        if run.len() >= 12 {
            let next = ids.len() + 1;
            let short: String = run.chars().take(12).collect();
            out.push_str(&format!("<id {}>", ids.entry(short).or_insert(next)));
        } else {
            out.push_str(&run);
        }
        run.clear();
        if c != '\0' {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ids_become_numbers_and_moments_their_kind() {
        let (a, b) = ("a1".repeat(32), "b2".repeat(32));
        let answer = json!({"Id": a, "Other": b, "Again": &a[..12], "Pid": 7, "Path": "/s/root/x"});
        let expected = json!({"Id": "<id 2>", "Other": "<id 3>", "Again": "<id 1>", "Pid": "<number>", "Path": "<root>/x"});
        // Fields are visited in the order of their names.
        assert_eq!(mask(&answer, "/s/root")["Pid"], expected["Pid"]);
        assert_eq!(mask(&answer, "/s/root")["Path"], expected["Path"]);
        assert_eq!(mask(&answer, "/s/root")["Again"], mask(&answer, "/s/root")["Id"]);
        assert_ne!(mask(&answer, "/s/root")["Other"], mask(&answer, "/s/root")["Id"]);
    }
}
