//! `RUN --mount=type=ssh`: a command may ask the caller's agent which keys it has, and have something signed, and no more.
//!
//! The command's socket is ours: what goes through it is read (draft-miller-ssh-agent, "Protocol Messages"), and only those two questions
//! reach the agent. Adding, removing and locking keys are refused, as BuildKit refuses them.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, Gid, Mode, Uid, chmodat, chownat};

use super::mounts::{Access, Options};
use super::solver::Site;
use crate::error::{Error, ErrorKind, Result};
use crate::stream::{Canceller, Deadline};
use crate::sys::directory;
use crate::sys::thread::spawn_quiet;

/// What says where an agent listens (ssh(1)).
pub(super) const VARIABLE: &str = "SSH_AUTH_SOCK";

/// The one that is meant when none is named.
const DEFAULT: &str = "default";

/// Largest message: OpenSSH's limit.
const MOST: u32 = 256 << 10;

const REQUEST_IDENTITIES: u8 = 11;
const SIGN_REQUEST: u8 = 13;
const FAILURE: [u8; 5] = [0, 0, 0, 1, 5];

/// Agents by their names.
pub(super) type Agents = BTreeMap<String, PathBuf>;

/// What one mount is of.
pub(super) struct Socket {
    agent: PathBuf,
    access: Access,
}

/// Check the agents that a build was given.
pub(super) fn check(given: &BTreeMap<String, String>) -> Result<Agents> {
    let mut agents = Agents::new();
    for (id, path) in given {
        let wrong = |why: String| Error::invalid(format!("ssh agent {id:?}: {why}"));
        if id.is_empty() {
            return Err(wrong("it needs an id".to_owned()));
        }
        let found = std::fs::metadata(path)
            .map_err(|error| Error::of_path("stat the ssh agent", path, error))?;
        if !found.file_type().is_socket() {
            return Err(wrong(format!(
                "{path} is not an agent's socket; add keys to an agent with ssh-add"
            )));
        }
        agents.insert(id.clone(), path.into());
    }
    Ok(agents)
}

/// The one that a mount is of; `None`: there is none, and the command can do without.
pub(super) fn find(agents: &Agents, options: &Options) -> Result<Option<Socket>> {
    let id = match options.text("id") {
        "" => DEFAULT,
        id => id,
    };
    match agents.get(id) {
        Some(agent) => Ok(Some(Socket { agent: agent.clone(), access: options.access(0o600)? })),
        None if options.truth("required")? => Err(Error::new(
            ErrorKind::NotFound,
            format!("ssh agent {id}: not found; give it to the build: --ssh {id}=SOCKET"),
        )),
        None => Ok(None),
    }
}

/// Where the socket is that has no target.
pub(super) fn target(number: usize) -> String {
    format!("/run/buildkit/ssh_agent.{number}")
}

/// Hands on what commands ask, until it is dropped.
pub(super) struct Agent {
    stop: Canceller,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Agent {
    /// Begin; and where the socket is, below the build's lease.
    pub(super) fn start(site: &Site<'_>, wanted: &Socket) -> Result<(Agent, PathBuf)> {
        let failed = |error: io::Error| Error::system("make a socket for ssh", error);
        let above = directory::open(&site.lease.path())?;
        let name = format!("ssh-{}", site.number());
        // `sun_path` holds 108 bytes (unix(7)); a lease's path may be longer.
        let path = format!("/proc/self/fd/{}/{name}", above.as_raw_fd());
        let listener = UnixListener::bind(path).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let Access { mode, uid, gid } = wanted.access;
        let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        chmodat(&above, &name, Mode::from_raw_mode(mode), AtFlags::empty())
            .and_then(|()| chownat(&above, &name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW))
            .map_err(|errno| failed(errno.into()))?;
        let stop = Canceller::new()?;
        let (stopped, agent) = (stop.clone(), wanted.agent.clone());
        let thread = spawn_quiet(move || serve(&listener, &agent, &stopped))?;
        Ok((Agent { stop, thread: Some(thread) }, site.lease.path().join(name)))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // One that has panicked serves nobody any more.
            let _ = thread.join();
        }
    }
}

/// Serve all who connect, each in a thread of its own.
fn serve(listener: &UnixListener, agent: &PathBuf, stop: &Canceller) {
    let open: Arc<Mutex<Vec<UnixStream>>> = Arc::default();
    let mut threads = Vec::new();
    while let Ok(true) = stop.wait_readable(listener.as_fd(), Deadline::never()) {
        let Ok((client, _)) = listener.accept() else { continue };
        // Without an agent, or without another thread, the client finds its connection closed.
        let (Ok(()), Ok(upstream)) = (client.set_nonblocking(false), UnixStream::connect(agent))
        else {
            continue;
        };
        let ends = [&client, &upstream].map(UnixStream::try_clone);
        let [Ok(one), Ok(other)] = ends else { continue };
        open.lock().unwrap_or_else(PoisonError::into_inner).extend([one, other]);
        // Its end is the connection's: nothing of it is worth more.
        threads.extend(spawn_quiet(move || drop(relay(client, upstream))));
    }
    for stream in open.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        // One that is closed already is.
        let _ = stream.shutdown(Shutdown::Both);
    }
    for thread in threads {
        let _ = thread.join();
    }
}

/// Hand questions on, one after the other.
fn relay(mut client: impl Read + Write, mut agent: impl Read + Write) -> io::Result<()> {
    loop {
        let question = message(&mut client)?;
        match question.get(4) {
            Some(&(REQUEST_IDENTITIES | SIGN_REQUEST)) => {
                agent.write_all(&question)?;
                client.write_all(&message(&mut agent)?)?;
            }
            _ => client.write_all(&FAILURE)?,
        }
    }
}

/// One message, its length in front.
fn message(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let count = u32::from_be_bytes(length);
    if count == 0 || count > MOST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = length.to_vec();
    bytes.resize(4 + count as usize, 0);
    from.read_exact(&mut bytes[4..])?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads what it was made with, keeps what is written.
    struct Peer<'a>(&'a [u8], Vec<u8>);

    impl Read for &mut Peer<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for &mut Peer<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn only_questions_about_keys_and_for_signatures_reach_the_agent() {
        let mut asked = Vec::new();
        for kind in [11, 17, 18, 19, 22, 25, 27, 13] {
            asked.extend([0, 0, 0, 2, kind, 7]);
        }
        let answers = [0, 0, 0, 1, 12, 0, 0, 0, 1, 14];
        let (mut client, mut agent) = (Peer(&asked, Vec::new()), Peer(&answers, Vec::new()));
        let ended = relay(&mut client, &mut agent).unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(agent.1, [0, 0, 0, 2, 11, 7, 0, 0, 0, 2, 13, 7]);
        let refused = FAILURE.repeat(6);
        assert_eq!(client.1, [&answers[..5], &refused, &answers[5..]].concat());
    }

    #[test]
    fn messages_that_are_none_end_the_connection() {
        for bytes in [&[0, 0, 0, 0, 11][..], &[0xff; 9], &[0, 4, 0, 1, 11], &[0, 0, 0, 2, 11]] {
            let (mut client, mut agent) = (Peer(bytes, Vec::new()), Peer(&[], Vec::new()));
            assert!(relay(&mut client, &mut agent).is_err());
            assert!(agent.1.is_empty() && client.1.is_empty(), "{bytes:?}");
        }
    }
}
