//! What this machine's kernel cannot show: cgroup v2 alone, kernel 6.1, and a process 1 with every capability. A virtual
//! machine of QEMU (in software, so it boots everywhere, in seconds) starts Debian's cloud kernel with an initial root made
//! here: busybox, barque with its C library, and the image. Checks run in it and tell their results on the serial console.

mod archive;
mod checks;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use barque_tests::suite::Suite;
use barque_tests::{image, programs};

use archive::Archive;
use checks::CHECKS;

fn main() -> std::process::ExitCode {
    let mut suite = Suite::default();
    for (name, _) in CHECKS {
        suite.add_patient(format!("on cgroup v2: {name}"), Duration::from_secs(300), move || {
            told(name)
        });
    }
    suite.run()
}

/// What the machine said of a check: nothing when it passed.
fn told(name: &str) {
    static RESULTS: OnceLock<(BTreeMap<String, String>, String)> = OnceLock::new();
    let (results, console) = RESULTS.get_or_init(boot);
    match results.get(name) {
        Some(result) if result == "ok" => {}
        Some(result) => {
            let load =
                console.lines().find(|line| line.contains("LOAD FAILED")).unwrap_or_default();
            panic!("{result} {load}")
        }
        None => {
            let tail: Vec<&str> = console.lines().rev().take(30).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            panic!("the machine did not come to it:\n{}", tail.join("\n"));
        }
    }
}

fn boot() -> (BTreeMap<String, String>, String) {
    let target = programs::build_directory();
    let kernels = target.parent().unwrap_or(&target).join("vm");
    let kernel = find(&kernels.join("boot"), "vmlinuz-");
    let kernel = programs::need(
        "a kernel for a virtual machine",
        kernel.unwrap_or(kernels.join("boot/vmlinuz-*")),
    );
    let emulator = programs::tool("qemu-system-x86_64");
    let initial = target.join("sandboxes").join(format!("initrd-{}", std::process::id()));
    fs::create_dir_all(target.join("sandboxes")).expect("make a directory");
    root(&kernels).write(&initial);

    let done = Command::new("timeout")
        .arg("240")
        .arg(emulator)
        .args([
            "-accel",
            "tcg,thread=multi",
            "-smp",
            "2",
            "-m",
            "1024",
            "-nographic",
            "-no-reboot",
            "-net",
            "none",
        ])
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(&initial)
        .args([
            "-append",
            "console=ttyS0 quiet panic=-1 rdinit=/first cgroup_no_v1=all mitigations=off",
        ])
        .stdin(std::process::Stdio::null())
        .output()
        .expect("run qemu");
    let _ = fs::remove_file(&initial);
    let console = String::from_utf8_lossy(&done.stdout).replace('\r', "");
    let mut results = BTreeMap::new();
    for line in console.lines() {
        if let Some((_, rest)) = line.split_once("RESULT ")
            && let Some((name, result)) = rest.split_once(": ")
        {
            results.insert(name.to_owned(), result.to_owned());
        }
    }
    (results, console)
}

fn find(directory: &Path, prefix: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path());
    entries
        .into_iter()
        .find(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(prefix)))
}

/// The initial root: everything a run needs and nothing else.
fn root(kernels: &Path) -> Archive {
    let mut archive = Archive::default();
    for directory in
        ["bin", "dev", "proc", "sys", "tmp", "var", "run", "lib", "lib64", "root", "checks"]
    {
        archive.directory(directory);
    }
    archive.file("bin/busybox", &programs::tool("busybox"), 0o755);
    let barque = programs::barque();
    archive.file("bin/barque", &barque, 0o755);
    for library in libraries(&barque) {
        let name = library.to_string_lossy().trim_start_matches('/').to_owned();
        archive.parents(&name);
        archive.file(&name, &library, 0o755);
    }
    if let Some(modules) = find(&kernels.join("lib/modules"), "") {
        for (number, module) in MODULES.iter().enumerate() {
            let name = format!("lib/{number:02}.ko");
            archive.file(&name, &modules.join("kernel").join(module), 0o644);
        }
    }
    let saved = programs::build_directory().join("sandboxes/machine.tar");
    image::testbox().write_docker_archive(&saved);
    archive.file("testbox.tar", &saved, 0o644);
    let _ = fs::remove_file(saved);
    archive.text("first", FIRST, 0o755);
    archive.text("init", INIT, 0o755);
    for (number, (_, script)) in CHECKS.iter().enumerate() {
        archive.text(
            &format!("checks/{number:02}"),
            &format!("{}{script}\n", checks::PROLOGUE),
            0o755,
        );
    }
    let names: Vec<&str> = CHECKS.iter().map(|(name, _)| *name).collect();
    archive.text("names", &format!("{}\n", names.join("\n")), 0o644);
    archive
}

/// What a host loads by itself when barque asks for it, each after those that it needs.
const MODULES: [&str; 20] = [
    "fs/overlayfs/overlay.ko",
    "lib/libcrc32c.ko",
    "net/netfilter/nfnetlink.ko",
    "net/ipv4/netfilter/nf_defrag_ipv4.ko",
    "net/ipv6/netfilter/nf_defrag_ipv6.ko",
    "net/netfilter/nf_conntrack.ko",
    "net/netfilter/nf_nat.ko",
    "net/netfilter/nf_tables.ko",
    "net/netfilter/nft_chain_nat.ko",
    "net/netfilter/nft_ct.ko",
    "net/netfilter/nft_nat.ko",
    "net/netfilter/nft_masq.ko",
    "net/netfilter/nft_fib.ko",
    "net/ipv4/netfilter/nft_fib_ipv4.ko",
    "net/ipv6/netfilter/nft_fib_ipv6.ko",
    "net/netfilter/nft_fib_inet.ko",
    "net/llc/llc.ko",
    "net/802/stp.ko",
    "net/bridge/bridge.ko",
    "drivers/net/veth.ko",
];

/// The shared libraries of a program, as the dynamic linker finds them.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let done = Command::new("ldd").arg(program).output().expect("run ldd");
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

/// The kernel's first root cannot be pivoted away from (man 2 pivot_root), so everything moves to a tmpfs first.
const FIRST: &str = r#"#!/bin/busybox sh
/bin/busybox mkdir /new
/bin/busybox mount -t tmpfs -o size=700m tmpfs /new
for name in bin dev proc sys tmp var run lib lib64 root checks usr testbox.tar init names; do
    [ ! -e /$name ] || /bin/busybox cp -a /$name /new/
done
exec /bin/busybox switch_root /new /init
"#;

const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var
mount -t tmpfs tmpfs /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ifconfig lo 127.0.0.1 up
for module in /lib/*.ko; do insmod $module; done
echo 1 > /proc/sys/kernel/printk
export HOME=/root
said=$(barque load --input /testbox.tar 2>&1) || echo "LOAD FAILED: $said"
number=0
while read -r name; do
    file=/checks/$(printf %02d $number)
    if said=$(timeout 60 sh $file 2>&1); then
        echo "RESULT $name: ok"
    else
        echo "RESULT $name: $(echo $said | tail -c 600)"
    fi
    number=$((number + 1))
done < /names
echo "all checks are done"
poweroff -f
"#;
