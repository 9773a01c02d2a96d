//! Everything that crosses between the library and a monitor.
//!
//! A connection is a Unix stream socket. Both sides send frames with the header that the Docker Engine API uses for
//! attached streams: one byte of [`Channel`], three zero bytes, the payload's length as a big-endian `u32`, the payload.
//! A payload on [`Channel::Message`] is one JSON document: a [`Launch`] or [`Request`] to the monitor, an [`Event`] from it.
//!
//! There are two kinds of connection. The *launch socket* (descriptor [`fd::LAUNCH`]) is the one the library made when
//! it started the monitor; end of file on it before [`Request::Start`] tells the monitor that its caller is gone, and the
//! container is taken down again (the tether of `docs/process-model.md`). The *control socket* is a path,
//! [`CONTROL_SOCKET`] in the container's run directory, that any process of the same user can connect to later.
//!
//! The two sides are always of the same build (the library carries the monitor), except when a newer library meets a
//! container that an older one started: so documents only grow, and unknown fields are ignored here.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::oci::{self, IdMapping};

/// Version of [`Launch`]; a monitor refuses another one.
pub const VERSION: u32 = 1;

/// File name of the control socket in the container's run directory.
pub const CONTROL_SOCKET: &str = "control.sock";

/// File name in the container's run directory of what is published for it, and of the message to nf_tables that ends that.
pub const PORTS_FILE: &str = "ports";
/// See [`PORTS_FILE`].
pub const WITHDRAWAL_FILE: &str = "withdrawal";
/// The message to nf_tables that begins it, for whoever finds that somebody has taken away the rules.
pub const PUBLICATION_FILE: &str = "publication";
/// File name in the engine's run directory of the table's name, and behind a line's end the message that makes the table again, but for what
/// is published.
pub const RULES_FILE: &str = "rules";

/// File name in the container's run directory of its [`Links`].
pub const LINKS_FILE: &str = "links";

/// File name of the log in the container's directory; a rotated one has `.1`, `.2` and so on behind it, the oldest the
/// highest. There is none before the container has said anything.
pub const LOG_FILE: &str = "container.log";

/// Largest payload of a frame that either side accepts, bytes.
pub const MAX_FRAME: usize = 64 << 20;

/// Descriptors that a monitor finds open when it starts. Everything above [`fd::LAST`] it closes.
pub mod fd {
    /// The launch socket.
    pub const LAUNCH: i32 = 3;
    /// The container's lock file, on whose open file description the library took the write lock of byte
    /// [`LOCK_MONITOR`](super::LOCK_MONITOR). It stays locked as long as this descriptor (or a copy) is open.
    pub const LOCK: i32 = 4;
    /// The container's directory below the engine root: `state.json`, the log, the writable layer.
    pub const CONTAINER_DIR: i32 = 5;
    /// The container's run directory: the control socket.
    pub const RUN_DIR: i32 = 6;
    /// The engine's journal of events, open for appending.
    pub const JOURNAL: i32 = 7;
    /// The network namespace that was made for the container, where its specification says that it joins this descriptor. It is the
    /// monitor's as long as it lives, so that a container that is started again has the same. Else of no meaning.
    pub const NETWORK: i32 = 8;
    /// A Unix socket in whose queue the sockets are that hold the container's published ports: they are held as long as it is open.
    /// Else of no meaning.
    pub const PORTS: i32 = 9;
    /// The socket at which the container's questions about names arrive, and the one that listens for them by TCP, where
    /// [`Launch::resolver`](super::Launch::resolver) says that there is a resolver. Else of no meaning.
    pub const NAMES: i32 = 10;
    /// See [`NAMES`].
    pub const NAMES_BY_TCP: i32 = 11;
    /// The user namespace that was made for the container, where its specification says that it joins this descriptor. Else of no
    /// meaning.
    pub const USER: i32 = 12;
    /// What holds the range of the host's ids that it has to itself, as long as it is open. Else of no meaning.
    pub const IDS: i32 = 13;
    /// The highest of them.
    pub const LAST: i32 = IDS;
}

/// Byte of the lock file that is locked during start, remove and other changes of one container.
pub const LOCK_OPERATION: i64 = 0;
/// Byte of the lock file that a living monitor holds: this, and not a stored pid, is what "running" means.
pub const LOCK_MONITOR: i64 = 1;

/// First byte of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Channel {
    /// Bytes for the container's standard input. An empty frame closes it.
    Stdin = 0,
    /// Bytes of the container's standard output (or of its terminal).
    Stdout = 1,
    /// Bytes of the container's standard error.
    Stderr = 2,
    /// A JSON document.
    Message = 4,
}

impl Channel {
    /// The channel of a header's first byte.
    pub fn from_byte(byte: u8) -> Option<Channel> {
        match byte {
            0 => Some(Channel::Stdin),
            1 => Some(Channel::Stdout),
            2 => Some(Channel::Stderr),
            4 => Some(Channel::Message),
            _ => None,
        }
    }
}

/// Length of a frame's header, bytes.
pub const HEADER: usize = 8;

/// The header of a frame of `len` bytes on `channel`.
pub fn header(channel: Channel, len: u32) -> [u8; HEADER] {
    let [a, b, c, d] = len.to_be_bytes();
    [channel as u8, 0, 0, 0, a, b, c, d]
}

/// Read a header: the channel and the payload's length, or `None` when it is not one of ours.
pub fn parse_header(bytes: [u8; HEADER]) -> Option<(Channel, usize)> {
    let [kind, 0, 0, 0, a, b, c, d] = bytes else { return None };
    let len = u32::from_be_bytes([a, b, c, d]) as usize;
    (len <= MAX_FRAME).then_some(())?;
    Some((Channel::from_byte(kind)?, len))
}

/// The links of a container that end at bridges, for whoever finds that somebody has removed some, or set them down.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Links(pub Vec<Link>);

/// One of them. Links that are made again have the numbers that they had, so that all of this stays as it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Link {
    /// The network's id.
    pub network: String,
    /// The bridge's number.
    pub bridge: u32,
    /// The number of the host's end.
    pub number: u32,
    /// What makes the bridge again.
    pub bridge_again: Vec<Step>,
    /// What gives it its addresses, and sets it up.
    #[serde(default)]
    pub bridge_set_up: Vec<Step>,
    /// What makes the link again, both ends of it.
    pub link_again: Vec<Step>,
    /// What puts the host's end on the bridge again, and sets it up.
    pub member_again: Vec<Step>,
}

/// A step of that. What is as it should be already is made no other by it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// In the container's network namespace, and not in the host's.
    pub inside: bool,
    /// What to do there.
    pub action: Action,
}

/// See [`Step`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Action {
    /// Send this to rtnetlink(7).
    Send(Vec<u8>),
    /// Write a value into the file of a setting.
    Set(String, String),
}

/// What the library asks a new monitor to run: the first frame on the launch socket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Launch {
    /// [`VERSION`].
    pub version: u32,
    /// The container's id: 64 hexadecimal digits.
    pub id: String,
    /// The OCI runtime spec (config.json). `process.user` holds numbers only where [`Launch::user`] is empty.
    pub spec: oci::Spec,
    /// The root file system to mount; without it `spec.root.path` is taken as it is.
    pub rootfs: Option<Overlay>,
    /// Docker's `User`: `name`, `uid`, `name:group` and so on, looked up in the container's own `/etc/passwd` and
    /// `/etc/group` once its root is in place. Empty: what `process.user` says.
    #[serde(default)]
    pub user: String,
    /// Docker's `GroupAdd`: more groups, names or numbers, looked up in the container.
    #[serde(default)]
    pub group_add: Vec<String>,
    /// Run a reaper as the container's process 1, which starts the command as its child and passes signals on.
    #[serde(default)]
    pub init: bool,
    /// Where the container's standard input comes from.
    #[serde(default)]
    pub stdin: Stdin,
    /// How output is kept.
    pub log: LogConfig,
    /// Send the output to the launch socket too, from its first byte, and [`Event::Exited`] at the end.
    #[serde(default)]
    pub attach: bool,
    /// Go on to the command without waiting for [`Request::Start`] (nothing has to be prepared in the namespaces).
    #[serde(default)]
    pub auto_start: bool,
    /// Kill the container when the launch socket's other end is closed: it lives as long as its owner.
    #[serde(default)]
    pub tied: bool,
    /// The caller's pid, where the container is to end with that process. A child that it has forked may keep the socket open;
    /// nobody keeps a process alive.
    #[serde(default)]
    pub owner: Option<i32>,
    /// Kill the container, with the reason `timeout`, when it still runs after so many milliseconds; 0: no limit. It is the
    /// monitor's to watch, so that it holds when the caller is gone.
    #[serde(default)]
    pub timeout_ms: u64,
    /// Remove the container's directory when it has ended (`--rm`). Its exit is then not made durable: the container
    /// would not outlive a reboot anyway.
    #[serde(default)]
    pub auto_remove: bool,
    /// How its health is looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthCheck>,
    /// How names are resolved in its network, where the monitor does that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolver: Option<Resolver>,
    /// What the container's events say about it: its name, image and labels.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// When to start it again after its end.
    #[serde(default)]
    pub restart: Restart,
    /// The boot this is, as `/proc/sys/kernel/random/boot_id` says: copied into the run state.
    #[serde(default)]
    pub boot_id: String,
    /// Test builds only: failpoints as in `BARQUE_FAILPOINTS`, since a monitor's environment is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failpoints: Option<String>,
}

/// How names are resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolver {
    /// The addresses of the name servers that are asked about what is no container's name, the first first.
    pub servers: Vec<String>,
}

/// How a container's health is looked at while it runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HealthCheck {
    /// What is run: healthy where its exit code is 0. `id` and `document` are the monitor's to set.
    pub exec: Box<Exec>,
    /// Time between the end of a check and the next.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// How long failures do not count after the start, until a check has passed.
    pub start_period: Duration,
    /// Time between checks meanwhile.
    pub start_interval: Duration,
    /// How many have to fail one after another for *unhealthy*.
    pub retries: u32,
}

/// When a container is started again after its end, unless that was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// Never.
    #[default]
    No,
    /// Always.
    Always,
    /// When its exit code is not 0.
    OnFailure {
        /// How often; 0: without end.
        most: u32,
    },
}

/// An overlay root file system.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Overlay {
    /// Lower directories, top first. Absolute paths.
    pub lower: Vec<String>,
    /// Upper and work directory; without them the root is read-only.
    pub upper: Option<UpperWork>,
}

/// The writable part of an overlay. Absolute paths on one file system.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UpperWork {
    /// The upper directory.
    pub upper: String,
    /// The work directory.
    pub work: String,
    /// Never write it back: it is removed at the end, and may be mounted this once. Unmounting an overlay syncs the whole file
    /// system that its upper directory is on otherwise, other programs' data included (overlayfs.rst, "Volatile mount").
    #[serde(default)]
    pub volatile: bool,
}

/// Where a container's standard input comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stdin {
    /// `/dev/null`.
    #[default]
    Null,
    /// A pipe (or the terminal) that attached clients write to; it stays open when they leave.
    Open,
    /// The same, closed when the first attached client has left (`StdinOnce`).
    Once,
}

/// How output is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogConfig {
    /// `json-file` (kept, in the container's directory) or `none`.
    pub driver: LogDriver,
    /// Size at which a file is rotated, bytes; 0: never.
    #[serde(default)]
    pub max_size: u64,
    /// How many files there are at most, the current one included; at least 1.
    #[serde(default = "one")]
    pub max_file: u32,
}

fn one() -> u32 {
    1
}

/// The log drivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogDriver {
    /// Kept in files beside the container. The name is Docker's; the lines are those of the Kubernetes CRI log format
    /// (`docs/decisions/0003-log-format.md`).
    JsonFile,
    /// Not kept.
    None,
}

/// A request to a monitor, on the control socket or (only [`Request::Start`]) the launch socket.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Request {
    /// Let the created container run. Launch socket only.
    Start,
    /// Send a signal to the container's process 1.
    Kill {
        /// Signal number.
        signal: i32,
    },
    /// Send `signal`, and SIGKILL to everything in the container when it still runs after the timeout. Answered with
    /// [`Event::Exited`]; goes on when the asker leaves.
    Stop {
        /// Signal number to begin with.
        signal: i32,
        /// How long to wait before SIGKILL, milliseconds; `None`: for ever.
        timeout_ms: Option<u64>,
    },
    /// The same, and then start it again, from this document. Answered with [`Event::Done`] when it runs.
    Restart {
        /// What is run.
        launch: Box<Launch>,
        /// As of [`Request::Stop`].
        signal: i32,
        /// As of [`Request::Stop`].
        timeout_ms: Option<u64>,
    },
    /// Its events say something else about it from now on: it has another name.
    Describe {
        /// As of [`Launch::attributes`].
        attributes: BTreeMap<String, String>,
    },
    /// It has links that it had not: [`LINKS_FILE`] says which.
    Links,
    /// Freeze all processes of the container.
    Pause,
    /// Let them run again.
    Unpause,
    /// Apply limits on top of those that hold, and another restart policy.
    Update {
        /// `linux.resources` of an OCI runtime spec, without device rules.
        resources: Box<oci::Resources>,
        /// When to start the container again.
        restart: Restart,
        /// What is run then; only where there is a policy.
        launch: Option<Box<Launch>>,
    },
    /// Answered with [`Event::Exited`] when the container has ended.
    Wait,
    /// Receive the output from now on, and (if the container takes any) send standard input.
    Attach {
        /// Send this client's stdin frames to the container.
        stdin: bool,
        /// Receive standard output.
        stdout: bool,
        /// Receive standard error.
        stderr: bool,
    },
    /// Receive an [`Event::Logged`] whenever the log has grown, and [`Event::Exited`] at the end. Never slows the
    /// container: while the client does not read, notices are dropped, not queued.
    Follow,
    /// Set the size of the container's terminal.
    Resize {
        /// Rows.
        rows: u16,
        /// Columns.
        columns: u16,
    },
    /// Remember a further process, to be started by [`Request::ExecStart`].
    ExecCreate {
        /// What it is.
        exec: Box<Exec>,
    },
    /// Start a process that was created. Answered with [`Event::ExecStarted`]. Unless it is detached, its output follows, this
    /// connection's stdin frames go to it, [`Event::ExecExited`] is the end, and the process and all that it started
    /// are killed when the connection is closed before.
    ExecStart {
        /// Which.
        id: String,
        /// Nobody wants its output, and it goes on by itself.
        detach: bool,
        /// Kill it and all that it started when it still runs after so many milliseconds; 0: no limit.
        #[serde(default)]
        timeout_ms: u64,
        /// Size of its terminal at first: rows and columns.
        #[serde(default)]
        size: Option<[u16; 2]>,
    },
    /// From now on the process that this connection has started goes on by itself.
    ExecDetach,
    /// Send a signal to a process; SIGKILL to all that it started too.
    ExecKill {
        /// Which.
        id: String,
        /// Signal number.
        signal: i32,
    },
    /// Set the size of a process's terminal.
    ExecResize {
        /// Which.
        id: String,
        /// Rows.
        rows: u16,
        /// Columns.
        columns: u16,
    },
    /// How a process is. Answered with [`Event::Exec`].
    ExecInspect {
        /// Which.
        id: String,
    },
}

/// A further process in a container: Docker's `exec`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exec {
    /// Its id.
    pub id: String,
    /// `process` of an OCI runtime spec. Its system call filter is the container's.
    pub process: oci::Process,
    /// As [`Launch::user`].
    #[serde(default)]
    pub user: String,
    /// As [`Launch::group_add`].
    #[serde(default)]
    pub group_add: Vec<String>,
    /// It takes input.
    pub stdin: bool,
    /// Its standard output is wanted.
    pub stdout: bool,
    /// Its standard error is wanted.
    pub stderr: bool,
    /// Kept and given back by [`Event::Exec`].
    pub document: serde_json::Value,
}

/// A message from a monitor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The container's namespaces and root are made; its process waits for [`Request::Start`].
    Created {
        /// Its process 1, as the monitor's pid namespace numbers it.
        pid: i32,
    },
    /// The command runs.
    Started {
        /// As in [`Event::Created`].
        pid: i32,
    },
    /// The container could not be created or started; everything made for it is gone again.
    Failed {
        /// Why.
        failure: Failure,
    },
    /// The container has ended, all its output has been sent, and its state is on disk.
    Exited {
        /// How.
        state: crate::state::RunState,
        /// It is to be started again: this is not the last of these.
        #[serde(default)]
        again: bool,
    },
    /// The log has grown.
    Logged,
    /// The process runs.
    ExecStarted {
        /// As in [`Event::Created`].
        pid: i32,
    },
    /// The process has ended, and all its output has been sent.
    ExecExited {
        /// Its exit code, or 128 + the signal that killed it.
        exit_code: i32,
        /// Why it ended.
        reason: crate::state::Reason,
    },
    /// How a process is.
    Exec {
        /// [`Exec::document`].
        document: serde_json::Value,
        /// It was started and has not ended.
        running: bool,
        /// `None` before it has ended.
        exit_code: Option<i32>,
        /// 0 when it does not run.
        pid: i32,
    },
    /// A request was carried out.
    Done,
    /// A request was refused.
    Refused {
        /// Why.
        failure: Failure,
    },
}

/// Why a monitor could not do something.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// Which class of error it is; the library turns it into its own kind.
    pub class: FailureClass,
    /// One line that names the thing: `mount /proc: permission denied`.
    pub message: String,
    /// The system's error number, where one was the cause.
    pub errno: Option<i32>,
}

impl Failure {
    /// A system call failed: `what` names it and the thing, and the error's text follows.
    pub fn system(what: impl std::fmt::Display, errno: i32) -> Failure {
        let message = format!("{what}: {}", describe(errno));
        Failure { class: FailureClass::System, message, errno: Some(errno) }
    }

    /// The spec or request asks for something impossible.
    pub fn invalid(message: impl Into<String>) -> Failure {
        Failure { class: FailureClass::Invalid, message: message.into(), errno: None }
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Failure {
        Failure { class: FailureClass::NotFound, message: message.into(), errno: None }
    }

    /// It cannot be done now.
    pub fn conflict(message: impl Into<String>) -> Failure {
        Failure { class: FailureClass::Conflict, message: message.into(), errno: None }
    }

    /// The kernel or this machine cannot do what was asked for.
    pub fn unsupported(message: impl Into<String>) -> Failure {
        Failure { class: FailureClass::Unsupported, message: message.into(), errno: None }
    }
}

/// The system's text for an error number, as our messages have it: `permission denied`.
pub fn describe(errno: i32) -> String {
    let text = std::io::Error::from_raw_os_error(errno).to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    // glibc begins its texts with a capital, except for proper names ("RFS specific error").
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(a), Some(b)) if b.is_lowercase() => {
            a.to_lowercase().chain([b]).chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

/// Classes of [`Failure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The spec or request asks for something impossible.
    Invalid,
    /// The command is not in the image (exit code 127).
    CommandNotFound,
    /// The command cannot be executed (exit code 126).
    CommandNotExecutable,
    /// The kernel or this machine cannot do what was asked for.
    Unsupported,
    /// A system call failed.
    System,
    /// The caller went away before the container was started.
    Abandoned,
    /// There is no such thing.
    NotFound,
    /// It cannot be done now, as things are.
    Conflict,
}

/// Options of the unpack jail, one JSON document as its second argument (`barque-monitor unpack JSON`).
///
/// Descriptor 0 is the layer as a plain tar stream, 3 the directory to fill (empty), 4 where the [`UnpackResult`] document
/// is written. Descriptor 5 may be open: it is kept as it is, so that a lock on it is held for as long as the jail lives.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Unpack {
    /// Most bytes that all files of the layer may hold together.
    pub max_bytes: u64,
    /// Most entries.
    pub max_entries: u64,
    /// `.wh.` names are whiteouts (an image layer), not plain files (archives for `cp`).
    pub whiteouts: bool,
    /// The archive must end as archives should: nothing else would tell that it was cut short between two entries.
    #[serde(default)]
    pub end_marker: bool,
    /// The directory is somebody's and may hold anything already, as for `cp`; `None`: it is empty and nobody else's.
    #[serde(default)]
    pub live: Option<Live>,
}

/// How an archive is unpacked into a directory that is in use.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Live {
    /// A directory does not replace anything else, nor anything else a directory.
    pub no_overwrite_dir_non_dir: bool,
    /// Owner and group of all that is made, instead of what the archive says.
    pub owner: Option<(u32, u32)>,
    /// The directory was made for this: it becomes what the archive says of its root.
    pub own_root: bool,
    /// What the one file in the archive is called instead; empty: as it says.
    pub rename: String,
}

/// What the unpack jail reports at the end.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum UnpackResult {
    /// The layer is in the directory.
    Unpacked(Unpacked),
    /// It is not.
    Failed {
        /// Why.
        failure: Failure,
    },
}

/// What was unpacked.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Unpacked {
    /// Entries seen.
    pub entries: u64,
    /// Bytes of file content written.
    pub bytes: u64,
    /// Entries that were left out and why, at most 100: what a user should be told (device nodes without the right to
    /// make them and so on).
    pub warnings: Vec<String>,
    /// The layer hides everything below it: its root is opaque. overlayfs does not look at a mark on a layer's root, so
    /// whoever mounts must leave out the layers below.
    #[serde(default)]
    pub opaque: bool,
    /// Directories that had to be made and have no entry of their own, each path in hexadecimal digits (it may hold any
    /// byte), parents first. Their owner, mode and times are those of the layer below, if that has them.
    #[serde(default)]
    pub implied: Vec<String>,
    /// Room for later counts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub more: BTreeMap<String, u64>,
}

/// Options of the file jail, one JSON document as its second argument (`barque-monitor files JSON`): a process that works on the
/// files of one container, or of a directory, and has nothing else within reach.
///
/// Descriptor 0 is what is extracted or written, 1 where an archive or a file's content goes, 3 the mount namespace or the directory
/// that [`View`] or [`Job`] is about, 4 a socket for [`Report`] documents, one a line. Descriptor 5 may be open: it is kept as it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Files {
    /// What is seen as `/`.
    pub view: View,
    /// What is done.
    pub job: Job,
    /// It ends with the thread that started it. Where that need not wait for it, the end of descriptors 0 and 1 ends it.
    pub tied: bool,
}

/// What the file jail sees as `/`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// What the container sees whose mount namespace is behind descriptor 3, without `/dev`, `/proc` and `/sys`.
    Running {
        /// Only its root file system, without what is mounted in it.
        root_only: bool,
        /// Its user namespace is behind descriptor 6: ids are what they are in it.
        #[serde(default)]
        mapped: bool,
    },
    /// What a container that does not run would see.
    Stopped {
        /// Its root.
        rootfs: Overlay,
        /// What is mounted in it: only binds.
        mounts: Vec<oci::Mount>,
        /// Its root is read-only.
        read_only: bool,
    },
    /// The directory behind descriptor 3.
    Directory,
}

/// What the file jail does. Paths are of UTF-8 and absolute: without a slash in front they begin at `/` all the same.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// Tell of a path.
    Stat {
        /// The path.
        path: String,
    },
    /// Pack what is at a path: its [`Report::Stat`] first, then the archive.
    Archive {
        /// The path. A last symbolic link is packed as one, unless `/` or `/.` follows.
        path: String,
        /// What the archive calls it; empty: as its last component; `.`: nothing, a directory's entries are at the top.
        name: String,
    },
    /// Pack everything.
    Export,
    /// Pack everything, an upper directory of an overlay, as a layer.
    Layer {
        /// The cgroup to freeze meanwhile; empty: none. Whatever ends the packing thaws it, the end of the caller too.
        freeze: String,
    },
    /// Unpack descriptor 0.
    Extract {
        /// The directory to unpack into.
        path: String,
        /// See [`Live`].
        no_overwrite_dir_non_dir: bool,
        /// Who is to own everything, looked up in the container as [`Launch::user`]; empty: as the archive says.
        user: String,
    },
    /// Send the content of a regular file: its [`Report::Stat`] first.
    Read {
        /// The path.
        path: String,
        /// Where to begin, bytes.
        offset: u64,
        /// Most bytes to send.
        limit: u64,
    },
    /// Make a file, or replace one, with the content of descriptor 0. When that has ended the jail reports [`Report::Ready`], and
    /// waits for a byte on descriptor 4 before the file gets its name: an end alone could be that of whoever writes.
    Write {
        /// The path.
        path: String,
        /// Its permissions; `None`: those of the file that was there, or 0644.
        mode: Option<u32>,
        /// Its owner, looked up as [`Launch::user`]; empty: that of the file that was there, or root.
        user: String,
        /// Make directories that are missing.
        parents: bool,
    },
    /// Tell of everything in a directory.
    List {
        /// The path.
        path: String,
    },
    /// Remove what is at a path.
    Remove {
        /// The path. A last symbolic link is removed itself.
        path: String,
        /// A directory with everything in it.
        recursive: bool,
    },
    /// Pack what a build's `COPY` names: directories by what is in them, with the directory itself as `./`, anything else by its
    /// name, links followed.
    Gather(Gather),
    /// Unpack descriptor 0 where a build's `COPY` wants it; what is missing on the way is made.
    Place(Place),
    /// Compare the upper directory behind descriptor 3 with the layers below it, which are what is seen as `/`.
    Changes,
}

/// What a build copies out of a tree.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Gather {
    /// Paths, or patterns of paths.
    pub sources: Vec<String>,
    /// A `.dockerignore`: there is nothing of what it leaves out.
    pub ignore: String,
    /// Patterns of what is left out of a source, from its top.
    pub exclude: Vec<String>,
    /// Keep the directories that sources are in, from a `/./` on where there is one.
    pub parents: bool,
    /// Owner and group of everything, instead of their own.
    pub owner: Option<(u32, u32)>,
    /// As chmod(1) takes it; empty: as they are.
    pub chmod: String,
    /// What is not a directory comes before what is in directories, so that one is told from the other.
    pub files_first: bool,
    /// Of a directory that is a source only the content counts: it is one of root's with the mode 755, whatever it is there.
    pub plain_top: bool,
}

/// Where a build copies to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// The path, absolute.
    pub path: String,
    /// It is a directory. Otherwise it is that if there is one, and else the name of the one file that comes.
    pub directory: bool,
    /// Who is to own everything, looked up as [`Launch::user`]; empty: as the archive says.
    pub user: String,
}

/// What the file jail says. A job's last one is none of [`Report::Stat`] and [`Report::Ready`], except where there is nothing else to say.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// What is at the path.
    Stat(PathStat),
    /// What is in the directory.
    Entries(Vec<PathStat>),
    /// What was changed.
    Changes(Vec<Change>),
    /// Everything has arrived.
    Ready,
    /// It is done.
    Done,
    /// There is nothing at the path.
    Missing,
    /// It is not done.
    Failed(Failure),
}

/// What is at a path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathStat {
    /// Last component of the path.
    pub name: String,
    /// Bytes.
    pub size: i64,
    /// `st_mode`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of last change, nanoseconds since 1970.
    pub mtime: i64,
    /// Of a symbolic link: the path it leads to in the end, or in a list its text.
    pub link_target: String,
}

/// A difference between a container and its image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The path.
    pub path: String,
    /// Docker's number: 0 changed, 1 added, 2 deleted.
    pub kind: u8,
}

/// What the role `fill` is to do, as its one argument: a volume without files gets what an image has in its place.
///
/// Descriptor 3 is the volume's directory, on whose open file description the library holds its lock, and 4 where the
/// [`FillResult`] document is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fill {
    /// The image's layers, top first.
    pub lower: Vec<String>,
    /// The volume's place in it, absolute. Empty: only finish what was begun before.
    pub destination: String,
    /// The files must survive a power cut before the volume has them.
    pub durable: bool,
}

/// What the role `fill` reports at the end.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum FillResult {
    /// The volume has what it is to have.
    Filled {
        /// Files and directories that were copied.
        entries: u64,
    },
    /// It has what it had.
    Failed {
        /// Why.
        failure: Failure,
    },
}

/// What the role `userns` is to make, as its one argument: a user namespace, and a network namespace that is its.
///
/// Descriptor 3 is a Unix socket, on which the [`UserNamespaceResult`] document is sent in one message, with the descriptors of the
/// two namespaces where there are any.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UserNamespace {
    /// What becomes of its user ids.
    pub uids: Vec<IdMapping>,
    /// What becomes of its group ids.
    pub gids: Vec<IdMapping>,
}

/// What the role `userns` reports.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum UserNamespaceResult {
    /// Both are there, in this order.
    Made,
    /// Neither is.
    Failed {
        /// Why.
        failure: Failure,
    },
}

/// Names in a volume's directory.
pub mod volume {
    /// The directory with its files.
    pub const DATA: &str = "_data";
    /// Files that are being copied: nothing yet.
    pub const FILLING: &str = "_filling";
    /// Files that are all there and are being moved into [`DATA`].
    pub const FILLED: &str = "_filled";
}
