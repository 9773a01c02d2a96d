//! `/etc/hostname`, `/etc/hosts`, `/etc/resolv.conf`.

use serde_json::{Value, json};

use super::{TestHost, image, invalid, plan_of, plan_with};

/// The content of one of the files.
fn file(request: Value, name: &str) -> String {
    let files = plan_of(request).files;
    files.into_iter().find(|(file, _)| *file == name).unwrap().1
}

#[test]
fn the_host_name_is_a_line() {
    assert_eq!(file(json!({}), "hostname"), "0123456789ab\n");
    assert_eq!(file(json!({"Hostname": "web"}), "hostname"), "web\n");
}

#[test]
fn hosts_begin_with_localhost_and_end_with_what_was_asked_for() {
    let hosts = file(json!({"HostConfig": {"ExtraHosts": ["db:10.0.0.2", "six=[::6]"]}}), "hosts");
    assert!(
        hosts.starts_with("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"),
        "{hosts}"
    );
    assert!(hosts.ends_with("\n10.0.0.2\tdb\n::6\tsix\n"), "{hosts}");
}

#[test]
fn the_host_has_the_address_that_the_container_reaches_it_at() {
    let request =
        |mode: &str| json!({"HostConfig": {"NetworkMode": mode, "ExtraHosts": ["h:host-gateway"]}});
    assert!(file(request("host"), "hosts").ends_with("\n127.0.0.1\th\n"));
    let mut plan = plan_of(request("bridge"));
    plan.reach_host_at("172.17.0.1");
    let [_, (_, hosts), _] = plan.files;
    assert!(hosts.ends_with("\n172.17.0.1\th\n"), "{hosts}");
    invalid(request("none"));
}

#[test]
fn in_the_host_s_network_its_names_hold() {
    let request = json!({"HostConfig": {"NetworkMode": "host", "ExtraHosts": ["db:10.0.0.2"]}});
    assert_eq!(
        file(request.clone(), "hosts"),
        "127.0.0.1 localhost\n10.0.0.7 machine\n10.0.0.2\tdb\n"
    );
    assert_eq!(
        file(request, "resolv.conf"),
        "# made by hand\nnameserver 10.0.0.1\nsearch example.com\noptions ndots:1\n"
    );
    let request =
        json!({"HostConfig": {"NetworkMode": "host", "Dns": ["10.0.0.9"], "DnsSearch": ["."]}});
    assert_eq!(file(request, "resolv.conf"), "nameserver 10.0.0.9\noptions ndots:1\n");
    let host = TestHost { files: Default::default(), ..TestHost::default() };
    let plan = plan_with(json!({"HostConfig": {"NetworkMode": "host"}}), &image(), &host).unwrap();
    assert!(plan.files[1].1.starts_with("127.0.0.1\tlocalhost\n"));
    assert_eq!(plan.files[2].1, "");
}

#[test]
fn without_a_network_only_what_was_asked_for_is_resolved_by() {
    let none = |request: &str| file(json!({"HostConfig": {"NetworkMode": "none"}}), request);
    assert_eq!(none("resolv.conf"), "");
    let request = json!({"HostConfig": {"NetworkMode": "none", "Dns": ["10.0.0.1", "2001:DB8::1"], "DnsSearch": ["a.example", "b.example"],
                                        "DnsOptions": ["ndots:2", "rotate"]}});
    assert_eq!(
        file(request, "resolv.conf"),
        "nameserver 10.0.0.1\nnameserver 2001:db8::1\nsearch a.example b.example\noptions ndots:2 rotate\n"
    );
}

#[test]
fn in_a_network_with_names_the_resolver_is_asked_and_asks_the_host_s_servers() {
    let servers = ["10.0.0.1".to_owned(), "::1".to_owned()];
    let inside = |text: &str| super::super::resolv_conf_inside(text, &servers);
    let comment = "# ExtServers: [10.0.0.1 ::1]\n";
    let text =
        "# by hand\nnameserver 10.0.0.1\nnameserver ::1\nsearch a.example\noptions timeout:1\n";
    let expected = format!(
        "nameserver 127.0.0.11\n# by hand\nsearch a.example\noptions timeout:1 ndots:0\n{comment}"
    );
    assert_eq!(inside(text), expected);
    assert_eq!(inside(&expected), expected, "once is enough");
    assert_eq!(inside(""), format!("nameserver 127.0.0.11\noptions ndots:0\n{comment}"));
    assert!(inside("options ndots:5\n").contains("\noptions ndots:5\n"));
    let plan = plan_of(json!({"HostConfig": {"NetworkMode": "web"}}));
    assert_eq!(plan.launch.resolver.unwrap().servers, ["10.0.0.1"]);
    let plan = plan_of(json!({"HostConfig": {"NetworkMode": "web", "Dns": ["127.0.0.1"]}}));
    assert_eq!(plan.launch.resolver.unwrap().servers, ["127.0.0.1"]);
    let plan = plan_of(json!({"HostConfig": {"NetworkMode": "none"}}));
    assert_eq!(plan.launch.resolver, None);
}

// SEC-026, CVE-2022-4318.
#[test]
fn nothing_adds_a_line_of_its_own() {
    for request in [
        json!({"Hostname": "a\nb"}),
        json!({"HostConfig": {"ExtraHosts": ["x\n1.2.3.4 y:1.1.1.1"]}}),
        json!({"HostConfig": {"ExtraHosts": ["x:1.1.1.1\n1.2.3.4 y"]}}),
        json!({"HostConfig": {"Dns": ["8.8.8.8\nnameserver 6.6.6.6"]}}),
        json!({"HostConfig": {"DnsSearch": ["a\nnameserver 6.6.6.6"]}}),
        json!({"HostConfig": {"DnsOptions": ["a\nnameserver 6.6.6.6"]}}),
    ] {
        invalid(request);
    }
    let plan = plan_of(json!({"Env": ["HOME=x\nroot2::0:0::/:/bin/sh"]}));
    assert!(plan.files.iter().all(|(_, content)| !content.contains("root2")));
}
