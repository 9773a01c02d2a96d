//! Signals: catching them, dying by them, adopting and reaping orphans.

use std::io::Write;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::io::number;
use crate::{errno, say};

static CAUGHT: AtomicI32 = AtomicI32::new(0);

extern "C" fn note(signal: i32) {
    CAUGHT.store(signal, Ordering::SeqCst);
}

fn named(name: &str) -> Result<i32, String> {
    const NAMES: &[(&str, i32)] = &[
        ("HUP", libc::SIGHUP),
        ("INT", libc::SIGINT),
        ("QUIT", libc::SIGQUIT),
        ("USR1", libc::SIGUSR1),
        ("USR2", libc::SIGUSR2),
        ("TERM", libc::SIGTERM),
        ("WINCH", libc::SIGWINCH),
        ("CONT", libc::SIGCONT),
        ("KILL", libc::SIGKILL),
        ("ABRT", libc::SIGABRT),
    ];
    let bare = name.strip_prefix("SIG").unwrap_or(name);
    let known = NAMES.iter().find(|(known, _)| *known == bare).map(|(_, number)| *number);
    known.or_else(|| bare.parse().ok()).ok_or_else(|| format!("no signal {name}"))
}

/// Have `signal` noted by [`CAUGHT`].
fn catch(signal: i32) -> Result<(), String> {
    // SAFETY: the handler only stores into an atomic, which is async-signal-safe; the zeroed action is a valid one.
    let failed = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = note as *const () as usize;
        libc::sigaction(signal, &action, std::ptr::null_mut()) != 0
    };
    if failed { Err(format!("sigaction {signal}: {}", errno())) } else { Ok(()) }
}

/// `trap SIGNAL[=CODE]…`: print `ready`, then each signal's number as it comes; exit with the code where there is one.
pub(crate) fn trap(arguments: &[String]) -> Result<u8, String> {
    let mut codes = Vec::new();
    let mut block = empty_set();
    for argument in arguments {
        let (name, code) = argument.split_once('=').unwrap_or((argument, ""));
        let signal = named(name)?;
        catch(signal)?;
        codes.push((signal, code.parse::<u8>().ok()));
        // SAFETY: the set was initialised by sigemptyset.
        unsafe { libc::sigaddset(&mut block, signal) };
    }
    // Blocked while no sigsuspend waits, so that none is missed between two.
    let mut open = empty_set();
    // SAFETY: both sets are initialised.
    unsafe { libc::sigprocmask(libc::SIG_BLOCK, &block, &mut open) };
    say("ready")?;
    loop {
        CAUGHT.store(0, Ordering::SeqCst);
        // SAFETY: the set is initialised; sigsuspend always returns -1 with EINTR.
        unsafe { libc::sigsuspend(&open) };
        let signal = CAUGHT.load(Ordering::SeqCst);
        if signal == 0 {
            continue;
        }
        say(&format!("signal {signal}"))?;
        if let Some((_, Some(code))) = codes.iter().find(|(known, _)| *known == signal) {
            return Ok(*code);
        }
    }
}

fn empty_set() -> libc::sigset_t {
    // SAFETY: sigemptyset initialises the set it is given.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        set
    }
}

/// `raise SIGNAL`: to this process. Process 1 of a pid namespace survives signals that it has no handler for.
pub(crate) fn raise(arguments: &[String]) -> Result<u8, String> {
    let signal = named(arguments.first().ok_or("raise SIGNAL")?)?;
    // SAFETY: kill takes numbers.
    unsafe { libc::kill(libc::getpid(), signal) };
    say("survived")?;
    Ok(0)
}

/// `fault`: die of SIGSEGV, which the kernel forces even on process 1.
pub(crate) fn fault(_arguments: &[String]) -> Result<u8, String> {
    // SAFETY: none is wanted: a page is made unreadable and then read, which is the point of the command.
    unsafe {
        let page = libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        // Rust's runtime handles SIGSEGV to tell of stack overflows.
        libc::signal(libc::SIGSEGV, libc::SIG_DFL);
        std::ptr::read_volatile(page.cast::<u8>());
    }
    Err("still here".into())
}

/// `orphans N`: leave N dead grandchildren to process 1, then count the zombies that are left after a moment.
pub(crate) fn orphans(arguments: &[String]) -> Result<u8, String> {
    for _ in 0..number::<u32>(arguments, 0)? {
        // SAFETY: this process has one thread; the children only fork and exit.
        unsafe {
            match libc::fork() {
                0 => {
                    if libc::fork() == 0 {
                        libc::usleep(1000);
                    }
                    libc::_exit(0);
                }
                child if child > 0 => {
                    libc::waitpid(child, std::ptr::null_mut(), 0);
                }
                _ => return Err(format!("fork: {}", errno())),
            }
        }
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    let mut zombies = 0;
    for entry in std::fs::read_dir("/proc").map_err(|e| e.to_string())?.flatten() {
        if let Ok(stat) = std::fs::read_to_string(entry.path().join("stat"))
            && stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
        {
            zombies += 1;
        }
    }
    say(&format!("pid {} zombies {zombies}", std::process::id()))?;
    Ok(0)
}

/// `winsize`: the terminal's size now and after each SIGWINCH, `ROWSxCOLUMNS`; ends at a size of 1x1.
pub(crate) fn winsize(_arguments: &[String]) -> Result<u8, String> {
    catch(libc::SIGWINCH)?;
    let mut last = (u16::MAX, u16::MAX);
    loop {
        // SAFETY: the struct is plain numbers, and the ioctl fills it.
        let size = unsafe {
            let mut size: libc::winsize = std::mem::zeroed();
            if libc::ioctl(0, libc::TIOCGWINSZ, &mut size) != 0 {
                return Err(format!("TIOCGWINSZ: {}", errno()));
            }
            (size.ws_row, size.ws_col)
        };
        if size != last {
            say(&format!("{}x{}", size.0, size.1))?;
            let _ = std::io::stdout().flush();
            last = size;
        }
        if size == (1, 1) {
            return Ok(0);
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
