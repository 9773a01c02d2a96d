//! A world outside the host: another network namespace, with a link between them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use barque_tests::programs;
use barque_tests::sandbox::wait_until;
use barque_tests::suite::own_network;

/// A host with nothing but a link to the world.
pub(super) struct World(Child);

/// The host's address there, and the world's.
pub(super) const HOST: &str = "192.0.2.1";
pub(super) const WORLD: &str = "192.0.2.2";
pub(super) const HOST6: &str = "2001:db8::1";
pub(super) const WORLD6: &str = "2001:db8::2";

impl World {
    /// A server on port 80 in a network namespace of its own, which sends what is for containers to the host.
    pub(super) fn new() -> World {
        own_network();
        let mut world = Command::new(programs::tool("unshare"))
            .args(["--net", "--kill-child", "--fork", "sh", "-c"])
            .arg("echo up; read go; exec \"$0\" listen 80")
            .arg(programs::TESTBOX)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start unshare");
        let mut said = BufReader::new(world.stdout.take().expect("a pipe"));
        let mut line = String::new();
        said.read_line(&mut line).expect("read what it says");
        let pid = inside(world.id());
        ip(&format!("link add outward type veth peer name inward netns {pid}"));
        // Else nothing of IPv6 would be sent there for a second.
        let at_once = |link: &str| format!("/proc/sys/net/ipv6/conf/{link}/accept_dad");
        fs::write(at_once("outward"), "0").expect("ask nobody for addresses");
        let write = format!("echo 0 >{}", at_once("inward"));
        let done = nsenter(pid).args(["sh", "-c", &write]).status();
        assert!(done.expect("run nsenter").success(), "{write}");
        ip(&format!("addr add {HOST}/24 dev outward"));
        ip(&format!("addr add {HOST6}/64 dev outward nodad"));
        ip("link set outward up");
        for command in [
            "link set lo up".to_owned(),
            format!("addr add {WORLD}/24 dev inward"),
            format!("addr add {WORLD6}/64 dev inward nodad"),
            "link set inward up".to_owned(),
            format!("route add 172.16.0.0/12 via {HOST}"),
            format!("route add fd00::/8 via {HOST6}"),
        ] {
            let done = nsenter(pid).arg("ip").args(command.split(' ')).status();
            assert!(done.expect("run nsenter").success(), "ip {command}");
        }
        drop(world.stdin.take());
        line.clear();
        said.read_line(&mut line).expect("read what it says");
        assert_eq!(line, "listening\n");
        // The kernel looks at links that have come up once in a second (`linkwatch_schedule_work`), and nothing of IPv6 is said before.
        wait_until("the world is there", Duration::from_secs(30), || {
            [WORLD, WORLD6].iter().all(|address| {
                let place = SocketAddr::new(address.parse().expect("an address"), 80);
                TcpStream::connect_timeout(&place, Duration::from_secs(1)).is_ok()
            })
        });
        World(world)
    }

    /// Have a program there do something.
    pub(super) fn does(&self, program: &str, arguments: &[&str]) {
        let done = nsenter(inside(self.0.id())).arg(program).args(arguments).status();
        assert!(done.expect("run nsenter").success(), "{program} {arguments:?}");
    }

    /// What a client there is told by a server.
    pub(super) fn hears(&self, address: &str) -> String {
        self.says(&["connect", address])
    }

    /// What the test program says there.
    pub(super) fn says(&self, arguments: &[&str]) -> String {
        let run = nsenter(inside(self.0.id())).arg(programs::TESTBOX).args(arguments).output();
        String::from_utf8_lossy(&run.expect("run nsenter").stdout).trim().to_owned()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The process that `unshare --fork` has started.
fn inside(pid: u32) -> u32 {
    let children =
        fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("children");
    children.split_whitespace().next().and_then(|c| c.parse().ok()).expect("a child")
}

fn nsenter(pid: u32) -> Command {
    let mut command = Command::new(programs::tool("nsenter"));
    command.args(["--net", "--target", &pid.to_string(), "--"]);
    command
}

/// Have ip(8) do something on the host.
pub(super) fn ip(arguments: &str) {
    let done = Command::new(programs::tool("ip")).args(arguments.split(' ')).status();
    assert!(done.expect("run ip").success(), "ip {arguments}");
}
