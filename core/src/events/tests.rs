//! The journal, read.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use barque_monitor::journal::{self, Actor, Journal, Record};

use super::reader::Reader;
use crate::api::{EventMessage, SystemEvents};
use crate::stream::{Deadline, Item, Next};
use crate::{Engine, EngineOptions, ErrorKind};

struct Scene {
    directory: PathBuf,
    engine: Engine,
}

impl Scene {
    fn new() -> Scene {
        static SCENES: AtomicU32 = AtomicU32::new(0);
        let number = SCENES.fetch_add(1, Ordering::Relaxed);
        let directory =
            std::env::temp_dir().join(format!("barque-events-{}-{number}", std::process::id()));
        let options =
            EngineOptions::at(directory.join("root")).run_directory(directory.join("run"));
        Scene { engine: Engine::open(options).unwrap(), directory }
    }

    fn path(&self) -> PathBuf {
        self.engine.layout().journal()
    }

    fn tell(&self, name: &str) {
        super::image(&self.engine, "tag", "sha256:1", name);
    }

    fn read(&self, request: &SystemEvents) -> Vec<EventMessage> {
        let mut stream = self.engine.events(request).unwrap();
        let mut events = Vec::new();
        loop {
            match stream.next(Deadline::after_ms(20_000)).unwrap() {
                Next::Item(Item::Document(text)) => {
                    events.push(serde_json::from_str(&text).unwrap())
                }
                Next::Done => return events,
                other => panic!("{other:?}"),
            }
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn names(events: &[EventMessage]) -> Vec<&str> {
    events.iter().map(|event| event.actor.attributes["name"].as_str()).collect()
}

fn past() -> SystemEvents {
    SystemEvents { since: "1".into(), until: "0s".into(), ..SystemEvents::default() }
}

#[test]
fn an_event_is_dockers_document_and_a_cursor() {
    let scene = Scene::new();
    scene.tell("a:1");
    let event = &scene.read(&past())[0];
    assert_eq!((event.kind.as_str(), event.action.as_str()), ("image", "tag"));
    assert_eq!((event.status.as_str(), event.id.as_str()), ("tag", "sha256:1"));
    assert_eq!((event.actor.id.as_str(), event.scope.as_str()), ("sha256:1", "local"));
    assert_eq!(event.time, event.time_nano / 1_000_000_000);
    let length = std::fs::metadata(scene.path()).unwrap().len();
    assert_eq!(event.cursor, length.to_string());
}

#[test]
fn reading_goes_on_from_a_cursor_without_a_gap() {
    let scene = Scene::new();
    for n in 0..5 {
        scene.tell(&n.to_string());
    }
    let all = scene.read(&past());
    assert_eq!(names(&all), ["0", "1", "2", "3", "4"]);
    let cursor = all[2].cursor.clone();
    scene.tell("5");
    let later = SystemEvents { cursor, until: "0s".into(), ..SystemEvents::default() };
    assert_eq!(names(&scene.read(&later)), ["3", "4", "5"]);
    for wrong in ["x", "-1", "99999999"] {
        let error = scene
            .engine
            .events(&SystemEvents { cursor: wrong.into(), ..SystemEvents::default() })
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{wrong}");
    }
}

#[test]
fn a_stream_has_what_happens_after_it_was_opened_and_waits_for_it() {
    let scene = Scene::new();
    scene.tell("before");
    let mut stream = scene.engine.events(&SystemEvents::default()).unwrap();
    assert_eq!(stream.next(Deadline::after_ms(1)).unwrap(), Next::TimedOut);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            scene.tell("after");
        });
        let Next::Item(Item::Document(text)) = stream.next(Deadline::after_ms(20_000)).unwrap()
        else {
            panic!("nothing came")
        };
        assert!(text.contains("after"), "{text}");
    });
    stream.canceller().cancel();
    assert_eq!(stream.next(Deadline::never()).unwrap_err().kind(), ErrorKind::Cancelled);
}

#[test]
fn what_was_torn_is_left_out_and_what_follows_is_not() {
    let scene = Scene::new();
    scene.tell("1");
    let mut file = File::options().append(true).open(scene.path()).unwrap();
    file.write_all(b"\x1e{\"Type\":\"image\",\"Act").unwrap();
    scene.tell("2");
    // What a power cut may leave: room that was never written to,.
    file.write_all(&[0; 5000]).unwrap();
    scene.tell("3");
    file.write_all(b"\x1enot JSON\n").unwrap();
    scene.tell("4");
    assert_eq!(names(&scene.read(&past())), ["1", "2", "3", "4"]);
}

#[test]
fn who_reads_what_was_let_go_is_told_so() {
    let scene = Scene::new();
    scene.tell("0");
    let cursor = scene.read(&past())[0].cursor.clone();
    let mut slow = Reader::at_start(&scene.path()).unwrap();
    // As many events as make the first ones go.
    let journal = Journal::open(&scene.path()).unwrap();
    let label = "x".repeat(60 << 10);
    for n in 0..230 {
        let attributes = [("name", n.to_string()), ("label", label.clone())];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value)).into();
        let actor = Actor { id: String::new(), attributes };
        journal.append(&Record { actor, time_nano: 2_000_000_000, ..Record::default() }).unwrap();
    }
    let late = SystemEvents { cursor, until: "0s".into(), ..SystemEvents::default() };
    let error = scene.engine.events(&late).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::NotFound, "events_lost"));
    let error = loop {
        match slow.next() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a gap went unnoticed"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.reason(), "events_lost");
    // Whoever asks for all that is kept gets that: the newest.
    let kept = scene.read(&past());
    assert_eq!(names(&kept).last(), Some(&"229"));
    assert!(kept.len() > 100 && kept.len() < 200, "{} are kept", kept.len());
    let length = File::open(scene.path()).unwrap().metadata().unwrap().len();
    assert!(length > journal::KEPT);
}

#[test]
fn times_limit_what_is_given() {
    let scene = Scene::new();
    let journal = Journal::open(&scene.path()).unwrap();
    for seconds in [100, 200, 300] {
        let mut record = Record { time_nano: seconds * 1_000_000_000, ..Record::default() };
        record.actor.attributes.insert("name".into(), seconds.to_string());
        journal.append(&record).unwrap();
    }
    for (since, until, expected) in [
        ("100", "300", &["100", "200", "300"][..]),
        ("100.000000001", "299.9", &["200"]),
        ("1970-01-01T00:05:00Z", "301", &["300"]),
    ] {
        let request =
            SystemEvents { since: since.into(), until: until.into(), ..SystemEvents::default() };
        assert_eq!(names(&scene.read(&request)), expected, "{since} to {until}");
    }
}

#[test]
fn a_file_that_holds_no_events_is_read_to_its_end() {
    let scene = Scene::new();
    scene.tell("1");
    let file = File::options().write(true).open(scene.path()).unwrap();
    file.write_all_at(&[b'x'; 100], 0).unwrap();
    assert_eq!(names(&scene.read(&past())), [""; 0]);
}

#[test]
fn an_event_costs_little() {
    let scene = Scene::new();
    scene.tell("0");
    let begin = std::time::Instant::now();
    (0..1000).for_each(|_| scene.tell("docker.io/library/busybox:latest"));
    let append = begin.elapsed() / 1000;
    let begin = std::time::Instant::now();
    assert_eq!(scene.read(&past()).len(), 1001);
    let read = begin.elapsed() / 1000;
    eprintln!("events: {append:?} to tell one, {read:?} to read one");
    // Ten times of what it takes on an idle machine.
    assert!(append < std::time::Duration::from_micros(200), "{append:?}");
}
