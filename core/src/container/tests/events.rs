//! What containers tell of themselves.

use super::*;

impl Bench {
    /// The actions of all events since the engine was made, with the attributes that are asked for.
    pub(super) fn events(&self, attributes: &[&str]) -> Vec<String> {
        let request = SystemEvents { since: "1".into(), until: "0s".into(), ..Default::default() };
        let mut stream = self.engine.events(&request).unwrap();
        let mut told = Vec::new();
        loop {
            match stream.next(Deadline::after(Duration::from_secs(60))).unwrap() {
                Next::Item(Item::Document(text)) => {
                    let event: EventMessage = serde_json::from_str(&text).unwrap();
                    let mut words = vec![event.action.clone()];
                    for name in attributes {
                        words.extend(event.actor.attributes.get(*name).cloned());
                    }
                    told.push(words.join(" "));
                }
                Next::Done => return told,
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_life_is_told_in_its_order_by_whoever_has_a_part_in_it() {
    let bench = Bench::new();
    bench.create("web", &["sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.01; done"]);
    bench.start("web").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let stop = ContainerStop { id: "web".into(), ..Default::default() };
    bench.engine.containers().stop(&stop).unwrap();
    bench.remove("web", false).unwrap();
    let expected = [
        "create web box",
        "start web box",
        "kill web box 15",
        "die web box 5",
        "stop web box",
        "destroy web box",
    ];
    assert_eq!(bench.events(&["name", "image", "signal", "exitCode"]), expected);
}

#[test]
fn a_run_that_goes_with_its_end_is_destroyed_once() {
    let bench = Bench::new();
    read(&mut bench.engine.containers().run(&run(&["false"])).unwrap());
    drop(bench.again());
    assert_eq!(bench.events(&["exitCode"]), ["create", "start", "die 1", "destroy"]);
}

#[test]
fn labels_are_told_and_hide_neither_name_nor_image() {
    let bench = Bench::new();
    let mut request = create("web", &["true"]);
    request.labels = [("tier", "front"), ("name", "fake")]
        .map(|(label, value)| (label.to_owned(), value.to_owned()))
        .into();
    bench.engine.containers().create(&request).unwrap();
    bench.start("web").unwrap();
    bench.wait("web");
    let told = bench.events(&["tier", "name"]);
    assert_eq!(told, ["create front web", "start front web", "die front web"]);
}

#[test]
fn a_killed_one_that_runs_out_of_memory_says_so_before_it_dies() {
    let bench = Bench::new();
    let mut request = run(&["sh", "-c", "dd if=/dev/zero of=/dev/null bs=100M count=1"]);
    request.create.host_config.memory = 16 << 20;
    request.create.host_config.memory_swap = 16 << 20;
    let exit = read(&mut bench.engine.containers().run(&request).unwrap()).1.unwrap();
    assert!(exit.oom_killed, "{exit:?}");
    assert_eq!(bench.events(&[]), ["create", "start", "oom", "die", "destroy"]);
}
