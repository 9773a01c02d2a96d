//! Asking what this version can do, instead of guessing from its number.

use serde_json::{Value, json};

use super::operations::OPERATIONS;
use super::{ContainerCreate, parse};
use crate::container::plan::is_refused;

/// Whether there is such an operation (`container.logs`), or such a field in [`ContainerCreate`] (`HostConfig.Memory`, an
/// element's field as `HostConfig.Ulimits.0.Name`) that is not refused when it is used.
pub fn supports(feature: &str) -> bool {
    OPERATIONS.iter().any(|operation| operation.name == feature)
        || (has_field(feature) && !is_refused(feature))
}

/// Ask the one thing that knows the fields, the deserializer: it is given a value that hardly any field takes, and says
/// whether it is the value or the name that it does not like.
fn has_field(path: &str) -> bool {
    if path.is_empty() || path.split('.').any(str::is_empty) || path.split('.').count() > 16 {
        return false;
    }
    let mut document = json!(0.5);
    for step in path.rsplit('.') {
        document = match step.parse::<usize>() {
            Ok(_) => Value::Array(vec![document]),
            Err(_) => json!({ step: document }),
        };
    }
    match parse::<ContainerCreate>(&document.to_string()) {
        Ok(_) => true,
        Err(error) if error.reason() == "unknown_field" => false,
        // A complaint about something on the way means that there is no way.
        Err(error) => error.subject().is_some_and(|subject| as_dots(&subject.id) == path),
    }
}

/// A path as serde tells it, `Ulimits[0].Name`, the way it was asked for.
fn as_dots(path: &str) -> String {
    path.replace('[', ".").replace(']', "")
}

#[cfg(test)]
mod tests {
    use super::supports;

    #[test]
    fn operations_and_fields_are_known_and_inventions_are_not() {
        for known in [
            "container.run",
            "Image",
            "Env",
            "HostConfig.Memory",
            "HostConfig.NanoCpus",
            "HostConfig.Ulimits.0.Name",
            "HostConfig.LogConfig.Type",
            "Labels.role",
        ] {
            assert!(supports(known), "{known}");
        }
        for unknown in [
            "",
            ".",
            "container.fly",
            "HostConfig.Memroy",
            "hostconfig.memory",
            "Image.Name",
            "HostConfig.Ulimits.Name",
            "HostConfig.Ulimits.0.Name.Deep",
            "HostConfig.CpuPercent",
            "HostConfig.DeviceRequests.0.Count",
        ] {
            assert!(!supports(unknown), "{unknown}");
        }
    }
}
