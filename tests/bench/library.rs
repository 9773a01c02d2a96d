//! What a program does that drives containers itself: with barque's library in its own process, beside a daemon that is asked over its
//! socket, as docker-py and dockerode ask it. No command line is started on either side.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use barque::api::{
    ContainerCreate, ContainerRemove, ContainerStart, ExecCreate, ExecStart, HostConfig,
};
use barque::{Deadline, Engine, Item, Next};
use barque_tests::Sandbox;
use serde_json::{Value, json};

use crate::engines::Engines;
use crate::quiet::settle;
use crate::table::Table;

const ENDS: [&str; 2] = ["exit", "0"];
const STAYS: [&str; 2] = ["sleep", "forever"];
/// The part of the daemon's time that any of this may take.
const ASKED: [(&str, f64); 1] = [("docker", 10.0)];

pub(crate) fn measure(sandbox: &Sandbox, engines: &Engines, repetitions: u32, table: &mut Table) {
    let (ours, theirs) = (Library(sandbox.engine()), engines.docker_socket().map(Daemon));
    let mut all: Vec<(&str, &dyn Face)> = vec![("barque", &ours)];
    all.extend(theirs.as_ref().map(|daemon| ("docker", daemon as &dyn Face)));
    let create_and_remove = |face: &dyn Face, _: &str| face.remove(&face.create(&ENDS)?);
    let exec = |face: &dyn Face, id: &str| face.exec(id);
    let stays: Vec<Option<String>> = all.iter().map(|(_, face)| standing(*face)).collect();
    for (what, body) in [
        ("create and rm, in process beside the API's socket", &create_and_remove as Body<'_>),
        ("exec of true, in process beside the API's socket", &exec),
    ] {
        let mut times: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
        for round in 0..=repetitions {
            for ((name, face), stays) in all.iter().zip(&stays) {
                let Some(id) = stays else { continue };
                settle();
                let begin = Instant::now();
                let took = body(*face, id).map(|()| begin.elapsed());
                // The first round warms the caches.
                times.entry(name).or_default().extend(took.filter(|_| round > 0));
            }
        }
        table.beside(what, &mut times, &ASKED);
    }
    for ((_, face), stays) in all.iter().zip(&stays) {
        stays.as_ref().and_then(|id| face.remove(id));
    }
}

/// What is measured, of a container that stands.
type Body<'a> = &'a dyn Fn(&dyn Face, &str) -> Option<()>;

/// A container that stays.
fn standing(face: &dyn Face) -> Option<String> {
    let id = face.create(&STAYS)?;
    face.start(&id)?;
    Some(id)
}

/// How a program drives containers. Nothing is returned where it failed.
trait Face {
    fn create(&self, command: &[&str]) -> Option<String>;
    fn start(&self, id: &str) -> Option<()>;
    /// Run a program that ends at once, to its exit code, which is 0.
    fn exec(&self, id: &str) -> Option<()>;
    /// Also of one that runs.
    fn remove(&self, id: &str) -> Option<()>;
}

struct Library(Engine);

impl Face for Library {
    fn create(&self, command: &[&str]) -> Option<String> {
        let request = ContainerCreate {
            image: "testbox".into(),
            cmd: Some(words(command)),
            host_config: HostConfig { network_mode: "none".into(), ..Default::default() },
            ..Default::default()
        };
        self.0.containers().create(&request).ok().map(|created| created.id)
    }

    fn start(&self, id: &str) -> Option<()> {
        let request = ContainerStart { id: id.into(), ..Default::default() };
        self.0.containers().start(&request).ok().map(drop)
    }

    fn exec(&self, id: &str) -> Option<()> {
        let execs = self.0.execs();
        let request = ExecCreate {
            container: id.into(),
            cmd: Some(words(&["/testbox", "exit", "0"])),
            attach_stdout: true,
            ..Default::default()
        };
        let id = execs.create(&request).ok()?.id;
        let mut stream = execs.start(&ExecStart { id, ..Default::default() }).ok()?;
        loop {
            match stream.next(Deadline::never()).ok()? {
                Next::Item(Item::Document(text)) => {
                    let end: Value = serde_json::from_str(&text).ok()?;
                    return (end["ExitCode"] == 0).then_some(());
                }
                Next::Item(Item::Chunk(_)) | Next::TimedOut => {}
                Next::Done => return None,
            }
        }
    }

    fn remove(&self, id: &str) -> Option<()> {
        let request = ContainerRemove { id: id.into(), force: true, ..Default::default() };
        self.0.containers().remove(&request).ok().map(drop)
    }
}

/// A docker daemon, by its socket.
struct Daemon<'a>(&'a str);

impl Daemon<'_> {
    /// Ask for something and read the answer to its end. Every question has a connection of its own, which takes some 0.05 ms.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Option<Vec<u8>> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut socket = UnixStream::connect(self.0).ok()?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        socket.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).ok()?;
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
        answer.starts_with(b"HTTP/1.1 2").then(|| answer.split_off(end + 4))
    }

    /// The same where the answer is a document.
    fn document(&self, method: &str, path: &str, body: &Value) -> Option<Value> {
        serde_json::from_slice(&self.ask(method, path, body)?).ok()
    }
}

impl Face for Daemon<'_> {
    fn create(&self, command: &[&str]) -> Option<String> {
        let request =
            json!({"Image": "testbox", "Cmd": command, "HostConfig": {"NetworkMode": "none"}});
        let created = self.document("POST", "/containers/create", &request)?;
        created["Id"].as_str().map(str::to_owned)
    }

    fn start(&self, id: &str) -> Option<()> {
        self.ask("POST", &format!("/containers/{id}/start"), &Value::Null).map(drop)
    }

    fn exec(&self, id: &str) -> Option<()> {
        let request = json!({"Cmd": ["/testbox", "exit", "0"], "AttachStdout": true});
        let created = self.document("POST", &format!("/containers/{id}/exec"), &request)?;
        let exec = created["Id"].as_str()?;
        let start = json!({"Detach": false, "Tty": false});
        self.ask("POST", &format!("/exec/{exec}/start"), &start)?;
        let end = self.document("GET", &format!("/exec/{exec}/json"), &Value::Null)?;
        (end["ExitCode"] == 0).then_some(())
    }

    fn remove(&self, id: &str) -> Option<()> {
        self.ask("DELETE", &format!("/containers/{id}?force=1"), &Value::Null).map(drop)
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.into()).collect()
}
