//! What is read of records for lists.

use std::collections::BTreeMap;

use super::super::listed::Listed;
use super::super::record::Record;
use super::*;

/// Everything that a list may show or ask for, so that it can be compared.
fn told(listed: &Listed) -> String {
    format!("{listed:?}")
}

#[test]
fn a_part_of_a_record_is_what_the_record_says() {
    let bench = Bench::new();
    bench.create("plain", &["true"]);
    let port = PortBinding { host_port: "8080".into(), ..Default::default() };
    let request = ContainerCreate {
        hostname: "inside".into(),
        entrypoint: Some(vec!["env".into()]),
        labels: BTreeMap::from([("a".into(), "b".into())]),
        exposed_ports: BTreeMap::from([("80/tcp".into(), Empty::default())]),
        host_config: HostConfig {
            auto_remove: true,
            publish_all_ports: true,
            network_mode: "host".into(),
            port_bindings: BTreeMap::from([("80/tcp".into(), vec![port])]),
            tmpfs: BTreeMap::from([("/scratch".into(), String::new())]),
            ..Default::default()
        },
        ..create("full", &["-0"])
    };
    bench.engine.containers().create(&request).unwrap();
    bench
        .engine
        .containers()
        .create(&ContainerCreate { network_disabled: true, ..create("alone", &["true"]) })
        .unwrap();
    let store = bench.engine.store();
    let (records, all) = store.read(|c| Ok((Record::all(c)?, Listed::all(c)?))).unwrap();
    assert_eq!(records.len(), 3);
    assert_eq!(all.len(), 3);
    for (record, listed) in records.iter().zip(&all) {
        assert_eq!(
            (&listed.id, &listed.name, &listed.image_id, listed.created),
            (&record.id, &record.name, &record.image_id, record.created)
        );
        let asked = (&record.document, &record.document.host_config);
        assert_eq!(listed.document.network_disabled, asked.0.network_disabled);
        assert_eq!(listed.document.host_config.network_mode, asked.1.network_mode);
        assert_eq!(listed.document.host_config.port_bindings, asked.1.port_bindings);
        assert_eq!(listed.document.host_config.publish_all_ports, asked.1.publish_all_ports);
        assert_eq!(listed.config.hostname, record.config.hostname);
        assert_eq!(listed.config.exposed_ports, record.config.exposed_ports);
        assert_eq!(listed.config.cmd, record.config.cmd);
        assert_eq!(listed.config.image, record.config.image);
        assert_eq!(listed.config.entrypoint, record.config.entrypoint);
        assert_eq!(listed.config.labels, record.config.labels);
        assert_eq!(listed.mounts, record.mounts);
        assert_eq!(listed.auto_remove, record.auto_remove);
        assert_eq!(listed.removing, record.removing);
    }
}

#[test]
fn containers_are_found_among_few_and_many_alike() {
    let bench = Bench::new();
    let ids: Vec<String> = (0..30).map(|n| bench.create(&format!("c{n}"), &["true"])).collect();
    let newest_first = |count: usize| ids[..count].iter().rev().collect::<Vec<_>>();
    for count in [0, 1, 5, 20, 21, 30] {
        // In an order that is not that of the answer, with one that there is not and what is no id.
        let mut asked = ids[..count].to_vec();
        asked.sort();
        asked.extend(["f".repeat(64), "\"'".to_owned()]);
        let found = bench.engine.store().read(|c| Listed::among(c, &asked)).unwrap();
        assert_eq!(found.iter().map(|listed| &listed.id).collect::<Vec<_>>(), newest_first(count));
        let all = bench.engine.store().read(Listed::all).unwrap();
        let meant = all.iter().filter(|listed| asked.contains(&listed.id)).map(told);
        assert!(found.iter().map(told).eq(meant));
    }
}
