//! How long planning and compiling the default filter take: `cargo test --release -p barque speed -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use barque_monitor::seccomp::Filter;
use serde_json::json;

use super::super::capabilities::Capabilities;
use super::super::seccomp::{Circumstances, default_rules};
use super::super::{Host, ThisHost};
use super::plan_of;
use crate::api::HostConfig;

/// The least time of many runs.
fn least<T>(mut run: impl FnMut() -> T) -> Duration {
    let time = || {
        let started = Instant::now();
        std::hint::black_box(run());
        started.elapsed()
    };
    std::iter::repeat_with(time).take(500).min().unwrap()
}

#[test]
#[ignore = "a measurement"]
fn planning_takes_less_than_200_microseconds_and_compiling_less_than_100() {
    let started = Instant::now();
    plan_of(json!({}));
    println!("first plan {:?}", started.elapsed());
    let plan = plan_of(json!({}));
    let planning = least(|| plan_of(json!({})));
    let writing = least(|| serde_json::to_vec(&plan.launch).unwrap());
    let text = serde_json::to_vec(&plan.launch).unwrap();
    let reading =
        least(|| serde_json::from_slice::<barque_monitor::protocol::Launch>(&text).unwrap());
    let host = super::TestHost::default();
    let capabilities = Capabilities::of(&HostConfig::default(), u64::MAX).unwrap();
    let circumstances = Circumstances::new(&host.facts, "amd64", capabilities);
    let rules = least(|| default_rules(&circumstances).unwrap());
    println!("rules of the default profile {rules:?}");
    let document = default_rules(&circumstances).unwrap();
    let compiling = least(|| Filter::compile(&document).unwrap());
    let facts = least(|| ThisHost::default().facts().cpus);
    println!("plan {planning:?}, write {} bytes {writing:?}, read {reading:?}", text.len());
    println!(
        "compile {compiling:?}, {} instructions",
        Filter::compile(&document).unwrap().program().len()
    );
    println!("facts of this machine {facts:?}");
    assert!(planning < Duration::from_micros(200));
    assert!(compiling < Duration::from_micros(100));
}
