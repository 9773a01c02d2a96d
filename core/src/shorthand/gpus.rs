//! GPUs.

use serde_json::{Map, Value, json};

use super::mount::fields;
use crate::error::{Error, Result};

/// `all`, `2`, `device=0`, `"device=0,1",driver=nvidia`, `count=1,capabilities=compute`: a device request, as in
/// `HostConfig.DeviceRequests`.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the field.
pub fn gpus(text: &str) -> Result<Value> {
    let mut request = Map::new();
    for field in fields(text)? {
        let (key, value) = field.split_once('=').unwrap_or(("count", &field));
        let words = || value.split(',').map(Value::from).collect::<Vec<_>>();
        let (name, value) = match key {
            "driver" => ("Driver", value.into()),
            "count" if value == "all" => ("Count", json!(-1)),
            "count" => {
                let count: i64 = value.parse().map_err(|_| {
                    Error::invalid(format!("count must be an integer or \"all\": {value}"))
                })?;
                ("Count", count.into())
            }
            "device" => ("DeviceIDs", words().into()),
            "capabilities" => (
                "Capabilities",
                json!([words().into_iter().chain(["gpu".into()]).collect::<Vec<_>>()]),
            ),
            "options" => {
                let options = value.split(',').map(|option| {
                    let (key, value) = option.split_once('=').unwrap_or((option, ""));
                    (key.to_owned(), Value::from(value))
                });
                ("Options", Value::Object(options.collect()))
            }
            _ => return Err(Error::invalid(format!("unexpected key '{key}' in '{field}'"))),
        };
        if request.insert(name.to_owned(), value).is_some() {
            return Err(Error::invalid(format!(
                "gpu request key '{key}' can be specified only once"
            )));
        }
    }
    if request.contains_key("Count") && request.contains_key("DeviceIDs") {
        return Err(Error::invalid("cannot set both Count and DeviceIDs on device request"));
    }
    if !request.contains_key("DeviceIDs") {
        request.entry("Count").or_insert(json!(1));
    }
    request.entry("Capabilities").or_insert(json!([["gpu"]]));
    Ok(Value::Object(request))
}

#[cfg(test)]
mod tests {
    use super::gpus;
    use serde_json::json;

    #[test]
    fn a_count_devices_and_the_long_form_are_read() {
        assert_eq!(gpus("all").unwrap(), json!({"Count": -1, "Capabilities": [["gpu"]]}));
        assert_eq!(gpus("2").unwrap(), json!({"Count": 2, "Capabilities": [["gpu"]]}));
        assert_eq!(
            gpus("\"device=0,1\",driver=nvidia,capabilities=utility").unwrap(),
            json!({"DeviceIDs": ["0", "1"], "Driver": "nvidia", "Capabilities": [["utility", "gpu"]]})
        );
        for wrong in ["some", "count=1,device=0", "moons=2", "count=1,count=2"] {
            assert!(gpus(wrong).is_err(), "{wrong}");
        }
    }
}
