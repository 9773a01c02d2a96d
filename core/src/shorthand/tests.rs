//! Tables of what each parser takes and what it refuses, and that none panics on anything.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn refused<T: std::fmt::Debug>(result: crate::Result<T>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::InvalidArgument);
    error.message().to_owned()
}

#[test]
fn sizes_are_in_powers_of_1024() {
    for (text, bytes) in [
        ("0", 0),
        ("32", 32),
        ("32b", 32),
        ("32k", 32 << 10),
        ("32 kB", 32 << 10),
        ("32Kb", 32 << 10),
        ("32KiB", 32 << 10),
        ("512m", 512 << 20),
        ("1.5g", 3 << 29),
        (".5k", 512),
        ("2T", 2 << 40),
        ("3p", 3 << 50),
        ("9007199254740993", 9_007_199_254_740_993),
    ] {
        assert_eq!(size(text).unwrap(), bytes, "{text}");
    }
    for text in [
        "", " ", "m", "-1", "+1", "1e3", "0x10", "1..5", "1.5.1", "32 mm", "32  m", "3ib",
        "9999999p", "٣", "1_000", "inf",
    ] {
        assert_eq!(refused(size(text)), format!("invalid size: '{text}'"));
    }
    assert_eq!(size_or_unlimited("-1").unwrap(), -1);
    assert!(size_or_unlimited("-2").is_err());
}

#[test]
fn durations_are_go_s() {
    for (text, nanoseconds) in [
        ("0", 0),
        ("10s", 10_000_000_000),
        ("1m30s", 90_000_000_000),
        ("1.5h", 5_400_000_000_000),
        ("300ms", 300_000_000),
        ("2us3ns", 2_003),
        ("1µs", 1_000),
        (".5s", 500_000_000),
    ] {
        assert_eq!(duration(text).unwrap(), Duration::from_nanos(nanoseconds), "{text}");
    }
    assert_eq!(refused(duration("10")), "missing unit in duration \"10\"");
    assert_eq!(refused(duration("3d")), "unknown unit \"d\" in duration \"3d\"");
    for text in ["", "s", "-1s", "1s ", "1 s", "1e3s", "9999999999h"] {
        assert!(duration(text).is_err(), "{text}");
    }
}

#[test]
fn signals_have_names_and_numbers() {
    for (text, number) in [
        ("TERM", 15),
        ("SIGTERM", 15),
        ("sigterm", 15),
        ("15", 15),
        ("KILL", 9),
        ("SYS", 31),
        ("POLL", 29),
        ("RTMIN", 34),
        ("SIGRTMIN+3", 37),
        ("RTMIN+30", 64),
        ("RTMAX", 64),
        ("RTMAX-2", 62),
        ("64", 64),
    ] {
        assert_eq!(signal(text).unwrap(), number, "{text}");
    }
    for text in [
        "",
        "0",
        "65",
        "-9",
        "+9",
        "SIG",
        "SIGSIGTERM",
        "RTMIN+31",
        "RTMIN-1",
        "RTMAX-31",
        "FOO",
        "9 ",
        "٩",
    ] {
        assert_eq!(refused(signal(text)), format!("invalid signal: {text}"));
    }
    for number in 1..=64 {
        assert_eq!(signal(&signal_name(number)).unwrap(), number);
    }
}

#[test]
fn digits_are_an_id_and_never_a_name() {
    let number = |id| User { user: Id::Number(id), group: None };
    let name = |name: &str| Id::Name(name.into());
    for (text, expected) in [
        ("", number(0)),
        ("1000", number(1000)),
        ("01", number(1)),
        ("1:", number(1)),
        ("2147483647", number(2_147_483_647)),
        (":1", User { user: Id::Number(0), group: Some(Id::Number(1)) }),
        ("1:2", User { user: Id::Number(1), group: Some(Id::Number(2)) }),
        ("postgres:data", User { user: name("postgres"), group: Some(name("data")) }),
        ("0x1", User { user: name("0x1"), group: None }),
        ("٣", User { user: name("٣"), group: None }),
    ] {
        assert_eq!(user(text).unwrap(), expected, "{text}");
    }
    for text in ["4294967296", "2147483648", "4294967295", "18446744073709551616", "0:4294967296"] {
        let message = refused(user(text));
        assert!(message.starts_with("uids and gids must be in range 0-2147483647"), "{message}");
    }
    for text in ["-1", "+1", " 1", "1 ", "a b", "a\nb", "a:b:c", "::", "a/b", "a:-1"] {
        assert!(user(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_variable_without_a_value_has_the_caller_s() {
    let own = |key: &str| (key == "HOME").then(|| "/root".to_owned());
    assert_eq!(env("A=1=2", &own).unwrap(), "A=1=2");
    assert_eq!(env("A=", &own).unwrap(), "A=");
    assert_eq!(env("HOME", &own).unwrap(), "HOME=/root");
    assert_eq!(env("OTHER", &own).unwrap(), "OTHER");
    assert_eq!(refused(env("=1", &own)), "invalid environment variable: =1");
    assert!(env("", &own).is_err());
    assert!(env("A=\0", &own).is_err());
}

#[test]
fn env_files_are_lines() {
    let own = |key: &str| (key == "HOME").then(|| "/root".to_owned());
    let read = |text: &[u8]| env_file(text, &own);
    assert_eq!(
        read("\u{feff}A=1\r\n# comment\n\n  B=2 3 \nHOME\nOTHER\nC='x' # kept\n".as_bytes())
            .unwrap(),
        ["A=1", "B=2 3 ", "HOME=/root", "C='x' # kept"]
    );
    assert_eq!(refused(read(b"A=1\n=2")), "no variable name on line '=2'");
    assert_eq!(refused(read(b"A B=2")), "variable 'A B' contains whitespaces");
    assert_eq!(refused(read(b"A=1\nB=\xff")), "env file contains invalid utf8 bytes at line 2");
    assert!(read(b"A=\0").is_err());
}

#[test]
fn ulimits_are_soft_and_hard() {
    let limits = |text| {
        let limit = ulimit(text).unwrap();
        (limit.name, limit.soft, limit.hard)
    };
    assert_eq!(limits("nofile=1024:2048"), ("nofile".into(), 1024, 2048));
    assert_eq!(limits("nofile=1024"), ("nofile".into(), 1024, 1024));
    assert_eq!(limits("core=-1"), ("core".into(), -1, -1));
    assert_eq!(limits("memlock=0:-1"), ("memlock".into(), 0, -1));
    assert_eq!(refused(ulimit("files=1")), "invalid ulimit type: files");
    assert_eq!(refused(ulimit("nofile")), "invalid ulimit argument: nofile");
    assert_eq!(
        refused(ulimit("nofile=2:1")),
        "ulimit soft limit must be less than or equal to hard limit: 2 > 1"
    );
    for text in
        ["nofile=", "nofile=1:2:3", "nofile=a", "nofile=-2", "nofile=-1:5", "nofile=+1", "=1", ""]
    {
        assert!(ulimit(text).is_err(), "{text}");
    }
}

#[test]
fn devices_have_up_to_three_parts() {
    let parts = |text| {
        let device = device(text).unwrap();
        (device.path_on_host, device.path_in_container, device.cgroup_permissions)
    };
    let expected = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(parts("/dev/a"), expected("/dev/a", "/dev/a", "rwm"));
    assert_eq!(parts("/dev/a:r"), expected("/dev/a", "/dev/a", "r"));
    assert_eq!(parts("/dev/a:/dev/b"), expected("/dev/a", "/dev/b", "rwm"));
    assert_eq!(parts("/dev/a:/dev/b:mr"), expected("/dev/a", "/dev/b", "mr"));
    assert_eq!(refused(device("/dev/a:/dev/b:x")), "bad mode specified: x");
    assert_eq!(refused(device("dev/a")), "'dev/a' is not an absolute path");
    for text in ["", ":", "/dev/a:", "/dev/a:rr", "/dev/a:/b:r:w", "/dev/a:/b:rww"] {
        assert!(device(text).is_err(), "{text}");
    }
}

#[test]
fn block_io_limits_name_a_device() {
    assert_eq!(blkio_bps("/dev/sda:1mb").unwrap().rate, 1 << 20);
    assert_eq!(blkio_iops("/dev/sda:100").unwrap().rate, 100);
    assert_eq!(blkio_weight("/dev/sda:500").unwrap().weight, 500);
    for text in ["/dev/sda", "sda:1", "/dev/sda:", "/dev/sda:-1", "/dev/sda:1x", ""] {
        assert!(blkio_bps(text).is_err(), "{text}");
        assert!(blkio_iops(text).is_err(), "{text}");
        assert!(blkio_weight(text).is_err(), "{text}");
    }
    assert!(blkio_iops("/dev/sda:1k").is_err());
    assert!(blkio_weight("/dev/sda:9").is_err());
    assert!(blkio_weight("/dev/sda:1001").is_err());
}

#[test]
fn cpus_are_counted_in_billionths() {
    for (text, billionths) in [
        ("1.5", 1_500_000_000),
        ("0.01", 10_000_000),
        ("2", 2_000_000_000),
        (".5", 500_000_000),
        ("0.0000000010", 1),
    ] {
        assert_eq!(cpus(text).unwrap(), billionths, "{text}");
    }
    assert_eq!(refused(cpus("0.0000000001")), "value is too precise: 0.0000000001");
    assert_eq!(refused(cpus("abc")), "failed to parse abc as a rational number");
    for text in ["", ".", "-1", "1e3", "99999999999999999999"] {
        assert!(cpus(text).is_err(), "{text}");
    }
}

#[test]
fn pairs_have_a_name() {
    assert_eq!(label("a=b=c").unwrap(), ("a".into(), "b=c".into()));
    assert_eq!(label("a").unwrap(), ("a".into(), String::new()));
    assert!(label("=b").is_err());
    assert_eq!(sysctl("net.a=1").unwrap(), ("net.a".into(), "1".into()));
    assert_eq!(refused(sysctl("net.a")), "sysctl 'net.a' is not allowed");
    assert_eq!(log_option("max-size=1m").unwrap(), ("max-size".into(), "1m".into()));
    assert!(log_option("max-size").is_err());
    assert_eq!(restart_policy("on-failure:5").unwrap().maximum_retry_count, 5);
    assert_eq!(restart_policy("always").unwrap().name, "always");
    assert_eq!(refused(restart_policy("on-failure:x")), "maximum retry count must be an integer");
    for text in
        ["sometimes", "always:3", "on-failure:", "on-failure:-1", "on-failure:99999999999999999999"]
    {
        assert!(restart_policy(text).is_err(), "{text}");
    }
}

#[test]
fn nothing_that_goes_into_a_file_of_lines_can_hold_one() {
    let host = |text| extra_host(text).unwrap();
    assert_eq!(host("db:10.0.0.1"), ("db".into(), "10.0.0.1".into()));
    assert_eq!(host("db=10.0.0.1"), ("db".into(), "10.0.0.1".into()));
    assert_eq!(host("db:::1"), ("db".into(), "::1".into()));
    assert_eq!(host("db=[::1]"), ("db".into(), "::1".into()));
    assert_eq!(host("a.b:host-gateway"), ("a.b".into(), "host-gateway".into()));
    for text in [
        "",
        "db",
        ":1.2.3.4",
        "db:",
        "db:1.2.3",
        "db:[1.2.3.4]",
        "x\n1.2.3.4 y:1.1.1.1",
        "a b:1.1.1.1",
        "#a:1.1.1.1",
    ] {
        assert!(extra_host(text).is_err(), "{text:?}");
    }
    assert_eq!(dns("8.8.8.8").unwrap(), "8.8.8.8");
    assert_eq!(dns("2001:DB8::1").unwrap(), "2001:db8::1");
    assert_eq!(refused(dns("eight")), "\"eight\" is not an ip address");
    assert!(dns("8.8.8.8\nnameserver 6.6.6.6").is_err());
    assert_eq!(dns_search("example.com.").unwrap(), "example.com.");
    assert_eq!(dns_search(".").unwrap(), ".");
    assert!(dns_search("a\nnameserver 6.6.6.6").is_err());
    assert!(dns_search("a b").is_err());
    assert!(dns_search("").is_err());
    assert_eq!(dns_option("ndots:2").unwrap(), "ndots:2");
    assert!(dns_option("ndots:2\nnameserver 6.6.6.6").is_err());
    assert_eq!(hostname("web_1.example").unwrap(), "web_1.example");
    for text in ["", "a\nb", "a b", "-a", "a-", ".a", "a..b", "ä"] {
        assert!(hostname(text).is_err(), "{text:?}");
    }
    assert!(hostname(&"a".repeat(65)).is_err());
}

#[test]
fn ports_are_read_from_the_right() {
    let read = |text| -> Vec<(String, String, String)> {
        port(text).unwrap().into_iter().map(|p| (p.key(), p.host_ip, p.host_port)).collect()
    };
    let one =
        |key: &str, ip: &str, host: &str| vec![(key.to_owned(), ip.to_owned(), host.to_owned())];
    assert_eq!(read("80"), one("80/tcp", "", ""));
    assert_eq!(read("8080:80/TCP"), one("80/tcp", "", "8080"));
    assert_eq!(read("127.0.0.1:8080:80/udp"), one("80/udp", "127.0.0.1", "8080"));
    assert_eq!(read("127.0.0.1::80"), one("80/tcp", "127.0.0.1", ""));
    assert_eq!(read("[::1]:8080:80/sctp"), one("80/sctp", "::1", "8080"));
    assert_eq!(read("8000-8010:80"), one("80/tcp", "", "8000-8010"));
    assert_eq!(
        read("7000-7001:80-81"),
        [one("80/tcp", "", "7000"), one("81/tcp", "", "7001")].concat()
    );
    assert_eq!(read("80-81"), [one("80/tcp", "", ""), one("81/tcp", "", "")].concat());
    assert_eq!(read("65535"), one("65535/tcp", "", ""));
    assert_eq!(refused(port("80/http")), "invalid proto: http");
    assert_eq!(refused(port("x")), "invalid containerPort: x");
    assert_eq!(refused(port("x:80")), "invalid hostPort: x");
    assert_eq!(refused(port("1.2.3:80:80")), "invalid IP address: 1.2.3");
    assert_eq!(refused(port("8080:")), "no port specified: 8080:<empty>");
    assert_eq!(
        refused(port("7000-7002:80-81")),
        "invalid ranges specified for container and host Ports: 80-81 and 7000-7002"
    );
    for text in [
        "",
        "65536",
        "-1",
        "81-80",
        "::1:80:80",
        "[127.0.0.1]:80:80",
        "+80",
        "80:80:80:80",
        "host:80:80",
    ] {
        assert!(port(text).is_err(), "{text}");
    }
}

#[test]
fn short_mounts_are_source_target_and_mode() {
    let read = |text| {
        let bind = bind(text).unwrap();
        (bind.source, bind.target, bind.read_only, bind.options.join(","))
    };
    let expected = |source: &str, target: &str, read_only, options: &str| {
        (source.to_owned(), target.to_owned(), read_only, options.to_owned())
    };
    assert_eq!(read("/b"), expected("", "/b", false, ""));
    assert_eq!(read("/a:/b"), expected("/a", "/b", false, ""));
    assert_eq!(read("data:/b:ro"), expected("data", "/b", true, ""));
    assert_eq!(read("/a:/b:ro,rslave,z"), expected("/a", "/b", true, "rslave,z"));
    assert_eq!(read("/a:/b:rw,nocopy"), expected("/a", "/b", false, "nocopy"));
    assert_eq!(refused(bind("/a:/b:xx")), "invalid mode: xx");
    assert_eq!(refused(bind("/a:/")), "invalid specification: destination can't be '/'");
    assert_eq!(refused(bind("/a:b")), "invalid mount path: 'b' mount path must be absolute");
    for text in [
        "",
        ":",
        ":/b",
        "/a:",
        "/a:ro",
        "/a:/b:ro,rw",
        "/a:/b:",
        "/a:/b:ro:z",
        "a b:/b",
        "../a:/b",
        "a:/b/../c",
    ] {
        assert!(bind(text).is_err(), "{text}");
    }
}

#[test]
fn long_mounts_are_fields() {
    let read = |text| serde_json::to_value(mount(text).unwrap()).unwrap();
    assert_eq!(
        read("type=bind,source=/a,target=/b,readonly,bind-propagation=rslave"),
        json!({"Type": "bind", "Source": "/a", "Target": "/b", "ReadOnly": true, "Consistency": "",
               "BindOptions": {"Propagation": "rslave"}})
    );
    assert_eq!(
        read(
            "src=data,dst=/b,volume-nocopy=true,volume-opt=type=nfs,\"volume-opt=o=addr=1.2.3.4,rw\",volume-label=a=b"
        ),
        json!({"Type": "volume", "Source": "data", "Target": "/b", "ReadOnly": false, "Consistency": "",
               "VolumeOptions": {"NoCopy": true, "Labels": {"a": "b"},
                                 "DriverConfig": {"Options": {"type": "nfs", "o": "addr=1.2.3.4,rw"}}}})
    );
    assert_eq!(
        read("type=tmpfs,target=/b,tmpfs-size=64m,tmpfs-mode=1777")["TmpfsOptions"],
        json!({"SizeBytes": 64 << 20, "Mode": 0o1777})
    );
    assert_eq!(refused(mount("type=bind,source=/a")), "target is required");
    assert_eq!(refused(mount("type=bind,target=/a,foo=bar")), "unexpected key 'foo' in 'foo=bar'");
    assert_eq!(refused(mount("target")), "invalid field 'target' must be a key=value pair");
    assert_eq!(
        refused(mount("type=bind,source=/a,target=/b,volume-nocopy")),
        "cannot mix 'volume-*' options with mount type 'bind'"
    );
    assert_eq!(refused(mount("target=/b,ro=maybe")), "invalid value for ro: maybe");
    for text in [
        "",
        "target=/",
        "target=b",
        "type=magic,target=/b",
        "type=bind,source=a,target=/b",
        "target=/b,\"x",
        "target=/b\"",
        "type=tmpfs,target=/b,tmpfs-mode=9",
        "type=tmpfs,target=/b,tmpfs-size=x",
        "type=tmpfs,source=a,target=/b",
    ] {
        assert!(mount(text).is_err(), "{text}");
    }
    assert_eq!(tmpfs("/run:size=64m").unwrap(), ("/run".into(), "size=64m".into()));
    assert_eq!(tmpfs("/run").unwrap(), ("/run".into(), String::new()));
    assert!(tmpfs("run").is_err());
}

#[test]
fn moments_are_dates_seconds_or_durations() {
    let second = 1_000_000_000;
    let now = 1_714_557_600 * second;
    for (text, expected) in [
        ("2024-05-01T10:00:00Z", now),
        ("2024-05-01T10:00:00.5Z", now + second / 2),
        ("2024-05-01T12:00:00+02:00", now),
        ("2024-05-01T10:00:00", now),
        ("2024-05-01T10:00", now),
        ("2024-05-01T10", now),
        ("2024-05-01", now - 10 * 3600 * second),
        ("1714557600", now),
        ("1714557600.25", now + second / 4),
        ("0", 0),
        ("10m", now - 600 * second),
        ("1h30m", now - 5400 * second),
    ] {
        assert_eq!(timestamp(text, now).unwrap(), expected, "{text}");
    }
    for text in
        ["", "yesterday", "-10m", "2024-13-01", "99999999999999", "2024-05-01T25:00", "10 m"]
    {
        let message = refused(timestamp(text, now));
        assert!(message.starts_with("failed to parse value as time or duration"), "{message}");
    }
}

/// Texts that are nearly right: pieces of right ones, put together anew.
fn nearly() -> impl Strategy<Value = String> {
    let pieces = [
        "1",
        "0",
        "9",
        "99999999999999999999",
        ".",
        "-",
        "+",
        ":",
        "/",
        ",",
        "=",
        "\"",
        " ",
        "\n",
        "\0",
        "[",
        "]",
        "::1",
        "127.0.0.1",
        "k",
        "m",
        "ib",
        "s",
        "h",
        "µs",
        "SIG",
        "RTMIN",
        "TERM",
        "T",
        "Z",
        "/dev/sda",
        "rwm",
        "ro",
        "z",
        "type",
        "bind",
        "target",
        "nofile",
        "tcp",
        "ä",
        "٣",
        "\u{feff}",
        "#",
    ];
    prop_oneof![
        proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..8)
            .prop_map(|parts| parts.concat()),
        any::<String>(),
    ]
}

proptest! {
    #[test]
    fn no_parser_panics(text in nearly(), bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let own = |_: &str| None;
        let _ = (size(&text), size_or_unlimited(&text), duration(&text), signal(&text), user(&text), env(&text, &own));
        let _ = (env_file(text.as_bytes(), &own), env_file(&bytes, &own), ulimit(&text), device(&text), cpus(&text));
        let _ = (blkio_bps(&text), blkio_iops(&text), blkio_weight(&text), label(&text), sysctl(&text));
        let _ = (log_option(&text), restart_policy(&text), extra_host(&text), dns(&text), dns_search(&text));
        let _ = (dns_option(&text), hostname(&text), port(&text), bind(&text), mount(&text), tmpfs(&text));
        let _ = (timestamp(&text, i64::MAX), timestamp(&text, i64::MIN));
    }

    #[test]
    fn what_ends_in_a_file_is_one_word(text in nearly()) {
        let word = |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#');
        if let Ok((name, address)) = extra_host(&text) {
            prop_assert!(word(&name) && word(&address));
        }
        for result in [dns(&text), dns_search(&text), dns_option(&text), hostname(&text)] {
            prop_assert!(result.is_err() || word(&result.unwrap()));
        }
    }

    #[test]
    fn sizes_read_back(bytes in 0..1_i64 << 40) {
        prop_assert_eq!(size(&bytes.to_string()).unwrap(), bytes);
        prop_assert_eq!(size(&format!("{bytes}k")).unwrap(), bytes << 10);
    }

    #[test]
    fn durations_read_back(nanoseconds in 0..i64::MAX as u64) {
        let text = format!("{}s{}ns", nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
        prop_assert_eq!(duration(&text).unwrap(), Duration::from_nanos(nanoseconds));
    }

    #[test]
    fn ports_read_back(ip in "127\\.0\\.0\\.[1-9]", host in 1..=u16::MAX, container in 1..=u16::MAX) {
        let ports = port(&format!("{ip}:{host}:{container}")).unwrap();
        prop_assert_eq!(ports.len(), 1);
        prop_assert_eq!((ports[0].container_port, &ports[0].host_ip), (container, &ip));
        prop_assert_eq!(&ports[0].host_port, &host.to_string());
    }
}
