//! How long it takes. Not run with the others: `cargo test --release --test runtime -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use barque_monitor::cgroup::Cgroup;
use barque_monitor::oci::Resources;
use barque_monitor::runtime::Stdio;
use barque_monitor::seccomp::Seccomp;

use crate::container::{Plan, reap};
use crate::scene::Base;
use crate::tests;

tests![starting_true];

fn starting_true(base: &Base) {
    let scene = base.scene();
    let name = format!("/barque-runtime-speed-{}", std::process::id());
    let cgroup = Cgroup::create(&name, &Resources::default()).unwrap();
    for (what, auto_start, init) in [
        ("plain", false, false),
        ("auto start", true, false),
        ("with a reaper", true, true),
        ("all that Docker has", true, false),
    ] {
        let mut plan = Plan::new(&scene, "").arguments(&["/bin/true"]);
        plan.auto_start = auto_start;
        plan.init = init;
        if what == "all that Docker has" {
            plan = plan
                .mount("cgroup", "cgroup", "/sys/fs/cgroup", "ro,nosuid,noexec,nodev")
                .with(|spec| spec.linux.seccomp = Some(seccomp()));
        }
        let times: Vec<[Duration; 4]> = (0..300)
            .map(|i| {
                // A container that runs for the first time: the kernel takes ten times as long for a work directory that has
                // been used.
                let overlay = scene.fresh_overlay(&format!("{what}-{i}"));
                plan.rootfs = Some(overlay);
                plan.cgroups = match what {
                    "all that Docker has" => cgroup.in_hierarchies(),
                    _ => Vec::new(),
                };
                let begin = Instant::now();
                let setup = plan.begin().unwrap();
                let cloned = begin.elapsed();
                let mut container = setup.finish().unwrap();
                let ready = begin.elapsed();
                container.start().unwrap();
                let started = begin.elapsed();
                let Some(Stdio::Pipes { .. }) = container.stdio.take() else { panic!() };
                assert_eq!(reap(&container), 0);
                [cloned, ready, started, begin.elapsed()]
            })
            .collect();
        let columns = [0, 1, 2, 3].map(|column| {
            let mut column: Vec<Duration> = times.iter().map(|time| time[column]).collect();
            column.sort();
            column
        });
        let show = |at: usize| {
            columns.each_ref().map(|c| format!("{:.2}", c[at].as_secs_f64() * 1e3)).join(" / ")
        };
        println!(
            "\n{what}: cloned / set up / executed / ended, ms: best {}, median {}, p95 {}",
            show(0),
            show(150),
            show(285)
        );
    }
    cgroup.remove(Duration::from_secs(2)).unwrap();
}

/// About what the default profile comes to: its rules without conditions on capabilities.
fn seccomp() -> Seccomp {
    let path = "../src/container/plan/seccomp_default.json";
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let mut profile: serde_json::Value =
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let rules = profile["syscalls"].as_array_mut().unwrap();
    rules.retain(|rule| {
        let machine =
            |rule: &serde_json::Value| rule["caps"].is_null() && rule["minKernel"].is_null();
        machine(&rule["includes"]) && rule["excludes"].is_null()
    });
    profile["architectures"] =
        serde_json::json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]);
    serde_json::from_value(profile).unwrap()
}
