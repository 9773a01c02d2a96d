//! Using things up: memory, processors, processes, descriptors, disk.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::io::number;
use crate::{errno, say};

/// `eat MIB [SECONDS]`: touch so much memory, say `ate N`, and keep it so long.
pub(crate) fn eat(arguments: &[String]) -> Result<u8, String> {
    let mib: usize = number(arguments, 0)?;
    let mut held = Vec::new();
    for _ in 0..mib {
        // SAFETY: an anonymous mapping of one MiB, written page by page inside its length.
        let piece = unsafe {
            let at = libc::mmap(
                std::ptr::null_mut(),
                1 << 20,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            if at == libc::MAP_FAILED {
                return Err(format!("mmap: {}", errno()));
            }
            for page in 0..256 {
                std::ptr::write_volatile(at.cast::<u8>().add(page * 4096), 1);
            }
            at
        };
        held.push(piece);
    }
    say(&format!("ate {}", held.len()))?;
    if let Ok(seconds) = number::<f64>(arguments, 1) {
        std::thread::sleep(Duration::from_secs_f64(seconds));
    }
    Ok(0)
}

/// `burn SECONDS [PROCESSES]`: compute for so long of wall time; reports processor time used per wall time.
pub(crate) fn burn(arguments: &[String]) -> Result<u8, String> {
    let wall = Duration::from_secs_f64(number(arguments, 0)?);
    let processes: u32 = number(arguments, 1).unwrap_or(1);
    let begin = Instant::now();
    let mut children = Vec::new();
    for _ in 1..processes {
        // SAFETY: this process has one thread; the child computes and exits.
        match unsafe { libc::fork() } {
            0 => {
                spin(begin, wall);
                // SAFETY: ends the child.
                unsafe { libc::_exit(0) }
            }
            child => children.push(child),
        }
    }
    spin(begin, wall);
    for child in children {
        // SAFETY: waits for a child of ours.
        unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    }
    let elapsed = begin.elapsed().as_secs_f64();
    let used = cpu_time(libc::RUSAGE_SELF) + cpu_time(libc::RUSAGE_CHILDREN);
    say(&json!({"wall": elapsed, "cpu": used, "cpus": used / elapsed}).to_string())?;
    Ok(0)
}

fn spin(begin: Instant, wall: Duration) {
    let mut n = 0u64;
    while begin.elapsed() < wall {
        for _ in 0..10_000 {
            n = std::hint::black_box(n.wrapping_mul(31).wrapping_add(7));
        }
    }
}

fn cpu_time(who: i32) -> f64 {
    // SAFETY: getrusage fills the struct.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(who, &mut usage);
        usage
    };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// `forks N`: fork children that wait until N live or the kernel refuses; says how many and with which error.
pub(crate) fn forks(arguments: &[String]) -> Result<u8, String> {
    let wanted: u32 = number(arguments, 0)?;
    let mut children = Vec::new();
    let mut error = 0;
    while (children.len() as u32) < wanted {
        // SAFETY: this process has one thread; the child only waits to be killed.
        match unsafe { libc::fork() } {
            0 => loop {
                // SAFETY: waits for a signal.
                unsafe { libc::pause() };
            },
            child if child > 0 => children.push(child),
            _ => {
                error = errno();
                break;
            }
        }
    }
    say(&json!({"forked": children.len(), "errno": error}).to_string())?;
    for child in children {
        // SAFETY: kills and reaps a child of ours.
        unsafe {
            libc::kill(child, libc::SIGKILL);
            libc::waitpid(child, std::ptr::null_mut(), 0);
        }
    }
    Ok(0)
}

/// `fill PATH MIB`: write so much into a file; says how many bytes went and the error that stopped it.
pub(crate) fn fill(arguments: &[String]) -> Result<u8, String> {
    let path = arguments.first().ok_or("fill PATH MIB")?;
    let mib: u64 = number(arguments, 1)?;
    let mut file = File::create(path).map_err(|e| format!("create {path}: {e}"))?;
    let block = vec![7u8; 64 << 10];
    let mut written = 0u64;
    let mut error = None;
    while written < mib << 20 {
        match file.write(&block) {
            Ok(n) => written += n as u64,
            Err(stopped) => {
                error = stopped.raw_os_error();
                break;
            }
        }
    }
    say(&json!({"written": written, "errno": error}).to_string())?;
    Ok(0)
}

/// `open-files N`: open `/dev/null` so often; says how many times it worked.
pub(crate) fn open_files(arguments: &[String]) -> Result<u8, String> {
    let wanted: usize = number(arguments, 0)?;
    let mut held = Vec::new();
    let mut error = None;
    while held.len() < wanted {
        match File::open("/dev/null") {
            Ok(file) => held.push(file),
            Err(stopped) => {
                error = stopped.raw_os_error();
                break;
            }
        }
    }
    say(&json!({"opened": held.len(), "errno": error}).to_string())?;
    Ok(0)
}
