//! How fast images are loaded and saved, beside docker and podman where they are, and beside what one core decompresses; and how much
//! memory that takes, whatever the size.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use barque_tests::registry::debian::{Debian, Manner};
use barque_tests::{Sandbox, image};

use crate::engines::Engines;
use crate::life::timed;
use crate::registry;
use crate::table::Table;

pub(crate) fn measure(sandbox: &Sandbox, engines: &Engines, short: bool, table: &mut Table) {
    let bytes: u64 = if short { 16 << 20 } else { 170 << 20 };
    let rounds = if short { 1 } else { 5 };
    let files = files_of_this_host(bytes);
    for layers in [1, 20] {
        let path = sandbox.work().join(format!("bench-{layers}.tar"));
        if write_archive(&path, &files, layers).is_none() {
            table.tell(format!("load, {layers} layers"), "no archive could be made");
            continue;
        }
        side_by_side(sandbox, engines, &path, layers, rounds, table);
        registry::measure(sandbox, engines, &path, layers, rounds, table);
        if layers == 1 {
            compressed(sandbox, &path, rounds, table);
        }
        let _ = std::fs::remove_file(&path);
    }
    memory(sandbox, if short { 64 << 20 } else { 2 << 30 }, table);
}

pub(crate) fn barque(sandbox: &Sandbox, arguments: &[&str]) -> Option<Duration> {
    timed(sandbox.command(arguments))
}

pub(crate) fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

pub(crate) fn rate(bytes: u64, took: Duration) -> String {
    format!("{:.0} MB/s", bytes as f64 / 1e6 / took.as_secs_f64())
}

/// Load and save, in turns, each into a store that has nothing of the image.
fn side_by_side(
    sandbox: &Sandbox,
    engines: &Engines,
    archive: &Path,
    layers: usize,
    rounds: usize,
    table: &mut Table,
) {
    let size = archive.metadata().map_or(0, |metadata| metadata.len());
    let (from, to) =
        (archive.to_string_lossy().into_owned(), sandbox.work().join("bench-saved.tar"));
    let to = to.to_string_lossy().into_owned();
    let load = ["load", "--input", &from];
    let save = ["save", "--output", &to, "bench"];
    let mut ours = (Vec::new(), Vec::new());
    let others: Vec<_> =
        engines.found.iter().filter_map(|e| Some((e.name, e.client.clone()?))).collect();
    let mut theirs = vec![(Vec::new(), Vec::new()); others.len()];
    for _ in 0..rounds {
        ours.0.extend(barque(sandbox, &load));
        ours.1.extend(barque(sandbox, &save));
        let _ = std::fs::remove_file(&to);
        let _ = barque(sandbox, &["rmi", "--force", "bench"]);
        for ((_, base), times) in others.iter().zip(&mut theirs) {
            times.0.extend(timed(base(&load)));
            times.1.extend(timed(base(&save)));
            let _ = std::fs::remove_file(&to);
            let _ = timed(base(&["rmi", "--force", "bench"]));
        }
    }
    let rows = [("load", ours.0, 0), ("save", ours.1, 1)];
    for (verb, times, which) in rows {
        let what = format!("{verb}, {} MB in {layers} layers", size / 1_000_000);
        let Some(took) = median(times) else {
            table.judge(what, "failed", "", false);
            continue;
        };
        table.tell(&what, rate(size, took));
        for ((name, _), times) in others.iter().zip(&theirs) {
            let times = if which == 0 { &times.0 } else { &times.1 };
            let Some(other) = median(times.clone()) else {
                table.tell(format!("  of {name}"), "failed");
                continue;
            };
            let ratio = took.as_secs_f64() / other.as_secs_f64();
            let shown = format!("{ratio:.2}x of {}", rate(size, other));
            let what = format!("  beside {name}");
            match *name {
                "docker" => table.judge(what, shown, "0.5x the time", ratio <= 0.5),
                _ => table.tell(what, shown),
            }
        }
    }
}

/// A load that has to decompress, beside a core that does nothing else.
fn compressed(sandbox: &Sandbox, archive: &Path, rounds: usize, table: &mut Table) {
    let packed = archive.with_extension("tar.gz");
    let mut gzip = Command::new("gzip");
    gzip.args(["--stdout", "-6"]).arg(archive);
    let made = File::create(&packed).and_then(|file| gzip.stdout(file).status());
    if !made.is_ok_and(|status| status.success()) {
        return;
    }
    let size = archive.metadata().map_or(0, |metadata| metadata.len());
    let from = packed.to_string_lossy().into_owned();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.extend(barque(sandbox, &["load", "--input", &from]));
        let _ = barque(sandbox, &["rmi", "--force", "bench"]);
        let mut gunzip = Command::new("gunzip");
        gunzip.args(["--stdout", &from]);
        theirs.extend(timed(gunzip));
    }
    let _ = std::fs::remove_file(&packed);
    let (Some(ours), Some(theirs)) = (median(ours), median(theirs)) else { return };
    table.tell("load, the same in gzip", rate(size, ours));
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    table.tell(
        "  beside gunzip to nowhere, one core",
        format!("{ratio:.2}x of {}", rate(size, theirs)),
    );
}

/// The most memory of a command, KiB.
fn most_memory(mut command: Command) -> Option<i64> {
    // What starts as a process of this program counts the most that this one ever had (`setup_new_exec` in the kernel's fs/exec.c): that
    // is forgotten here (proc(5), `/proc/PID/clear_refs`).
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().ok()?;
    let pid = i32::try_from(child.id()).ok()?;
    let mut status = 0;
    // SAFETY: all zeros is a value of this plain structure.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: a child of ours that nobody waits for, and two places to write to.
    let waited = unsafe { libc::wait4(pid, &mut status, 0, &mut usage) };
    (waited == pid && status == 0).then_some(usage.ru_maxrss)
}

fn memory(sandbox: &Sandbox, bytes: u64, table: &mut Table) {
    let path = sandbox.work().join("bench-large.tar");
    let saved = sandbox.work().join("bench-large-saved.tar");
    if write_large(&path, bytes).is_err() {
        table.tell("memory of a large layer", "no archive could be made");
        return;
    }
    let (from, to) = (path.to_string_lossy().into_owned(), saved.to_string_lossy().into_owned());
    let place = sandbox.work().join("registry-large");
    let registry = Debian::is_installed().then(|| Debian::start(&place, Manner::default()));
    let name =
        registry.as_ref().map_or_else(|| "large".to_owned(), |r| format!("{}/large", r.address()));
    let mut verbs = vec![
        ("import", vec!["import", &from, &name]),
        ("save", vec!["save", "--output", &to, &name]),
        ("load", vec!["load", "--input", &to]),
    ];
    if registry.is_some() {
        verbs.push(("push", vec!["push", "--quiet", &name]));
        verbs.push(("pull", vec!["pull", "--quiet", &name]));
    }
    for (verb, arguments) in &verbs {
        // These two are to find nothing here.
        if matches!(*verb, "load" | "pull") {
            let _ = barque(sandbox, &["rmi", "--force", &name]);
            let _ = std::fs::remove_file(&path);
        }
        let what = format!("{verb}, one layer of {} MiB: most memory", bytes >> 20);
        match most_memory(sandbox.command(arguments)) {
            Some(kib) => {
                table.judge(what, format!("{} MiB", kib >> 10), "100 MiB", kib <= 100 << 10);
            }
            None => table.judge(what, "failed", "100 MiB", false),
        }
    }
    let _ = barque(sandbox, &["rmi", "--force", &name]);
    drop(registry);
    let _ = std::fs::remove_dir_all(&place);
    let _ = std::fs::remove_file(&path);
    let _ = std::fs::remove_file(&saved);
}

/// Regular files of this host, of so many bytes in all: programs and libraries, as images have them.
fn files_of_this_host(bytes: u64) -> Vec<PathBuf> {
    let (mut found, mut total) = (Vec::new(), 0);
    let mut left = vec![PathBuf::from("/usr/bin"), PathBuf::from("/usr/lib")];
    while let Some(directory) = left.pop() {
        let mut entries: Vec<_> =
            std::fs::read_dir(&directory).into_iter().flatten().flatten().collect();
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                left.push(entry.path());
            } else if metadata.is_file() && metadata.len() < 16 << 20 {
                total += metadata.len();
                found.push(entry.path());
            }
            if total >= bytes {
                return found;
            }
        }
    }
    found
}

/// An archive of an image `bench` that has these files in so many layers.
fn write_archive(path: &Path, files: &[PathBuf], layers: usize) -> Option<()> {
    let mut made = image::Image::new("bench");
    for part in files.chunks(files.len().div_ceil(layers).max(1)) {
        let mut layer = image::Layer::new();
        for file in part {
            let name = file.strip_prefix("/").ok()?.to_str()?;
            layer = layer.file(name, 0o644, &std::fs::read(file).ok()?);
        }
        made = made.layer(layer.finish());
    }
    made.write_docker_archive(path);
    Some(())
}

/// A root file system of one file, written as it is made: it is larger than what this program should hold.
fn write_large(path: &Path, bytes: u64) -> io::Result<()> {
    let mut archive = tar::Builder::new(io::BufWriter::new(File::create(path)?));
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o644);
    archive.append_data(&mut header, "large", Noise(1).take(bytes))?;
    archive.into_inner()?.flush()
}

/// Bytes that do not compress.
struct Noise(u64);

impl Read for Noise {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for piece in buffer.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            piece.copy_from_slice(&self.0.to_le_bytes()[..piece.len()]);
        }
        Ok(buffer.len())
    }
}
