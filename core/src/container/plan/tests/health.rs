//! Health checks.

use std::time::Duration;

use serde_json::{Value, json};

use super::{TestHost, image, invalid, plan_of, plan_with};
use crate::api::{ContainerConfig, HealthConfig};

fn image_with(check: Value) -> ContainerConfig {
    let check: HealthConfig = serde_json::from_value(check).unwrap();
    ContainerConfig { healthcheck: Some(check), ..image() }
}

#[test]
fn what_a_request_leaves_out_is_the_images_and_then_the_default() {
    let image =
        image_with(json!({"Test": ["CMD", "look"], "Interval": 7_000_000_000_i64, "Retries": 2}));
    let host = TestHost::default();
    let plan = plan_with(json!({"Healthcheck": {"Timeout": 1_000_000}}), &image, &host).unwrap();
    let check = plan.launch.health.unwrap();
    assert_eq!(check.exec.process.args, ["look"]);
    assert_eq!((check.interval, check.retries), (Duration::from_secs(7), 2));
    assert_eq!(check.timeout, Duration::from_millis(1));
    assert_eq!(
        (check.start_period, check.start_interval),
        (Duration::ZERO, Duration::from_secs(5))
    );
    let shown = serde_json::to_value(plan.config.healthcheck).unwrap();
    let expected = json!({"Test": ["CMD", "look"], "Interval": 7_000_000_000_i64, "Timeout": 1_000_000, "Retries": 2});
    assert_eq!(shown, expected);

    let check = plan_of(json!({"Healthcheck": {"Test": ["CMD-SHELL", "a b"]}, "User": "7:8"}));
    let check = check.launch.health.unwrap();
    assert_eq!(check.exec.process.args, ["/bin/sh", "-c", "a b"]);
    assert_eq!((check.interval, check.timeout), (Duration::from_secs(30), Duration::from_secs(30)));
    assert_eq!((check.retries, check.exec.user.as_str()), (3, "7:8"));
    let shell = json!({"Healthcheck": {"Test": ["CMD-SHELL", "a b"]}, "Shell": ["/ash", "-ec"]});
    let check = plan_of(shell).launch.health.unwrap();
    assert_eq!(check.exec.process.args, ["/ash", "-ec", "a b"]);
}

#[test]
fn a_check_of_none_is_none() {
    let image = image_with(json!({"Test": ["CMD", "look"], "Interval": 7_000_000_000_i64}));
    let host = TestHost::default();
    let none = json!({"Healthcheck": {"Test": ["NONE"]}});
    let plan = plan_with(none, &image, &host).unwrap();
    assert!(plan.launch.health.is_none());
    assert_eq!(serde_json::to_value(plan.config.healthcheck).unwrap(), json!({"Test": ["NONE"]}));
    // Times alone make none either.
    let times = json!({"Healthcheck": {"Interval": 1_000_000}});
    assert!(plan_of(times).launch.health.is_none());
}

#[test]
fn a_check_that_makes_no_sense_is_refused_or_in_an_image_left_out() {
    for (check, message) in [
        (json!({"Test": ["LOOK", "x"]}), "Unknown type \"LOOK\" in Healthcheck (try CMD)"),
        (json!({"Test": ["CMD"]}), "Missing command after CMD in Healthcheck"),
        (json!({"Test": ["CMD-SHELL", ""]}), "Missing command after CMD-SHELL in Healthcheck"),
        (json!({"Test": ["NONE", "x"]}), "Unknown type \"NONE\" in Healthcheck (try CMD)"),
        (json!({"Test": ["CMD", "a\u{0}"]}), "the health check's command has a null byte in it"),
        (json!({"Interval": 999_999}), "Interval in Healthcheck cannot be less than 1ms"),
        (json!({"Timeout": -1}), "Timeout in Healthcheck cannot be less than 1ms"),
        (json!({"StartPeriod": 1}), "StartPeriod in Healthcheck cannot be less than 1ms"),
        (json!({"StartInterval": 1}), "StartInterval in Healthcheck cannot be less than 1ms"),
        (json!({"Retries": -1}), "Retries in Healthcheck cannot be negative"),
    ] {
        assert_eq!(invalid(json!({"Healthcheck": check})), message);
        let plan = plan_with(json!({}), &image_with(check), &TestHost::default()).unwrap();
        assert!(plan.launch.health.is_none() && plan.config.healthcheck.is_none());
        assert_eq!(plan.warnings, [format!("the image's health check is not run: {message}")]);
    }
}
