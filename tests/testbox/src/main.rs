//! `testbox`: the payload of every test. It tells as JSON what a container looks like from inside, and does on request what
//! a container's process may do: write, sleep, die, eat memory, attack.
//!
//! It is static and needs no file but itself, so an image of it is one file. It believes nothing but the kernel: what it
//! reports it has asked for itself, by system call or from `/proc`.

mod attack;
mod dns;
mod io;
mod load;
mod net;
mod report;
mod signals;
mod syscalls;

use std::io::Write;
use std::process::ExitCode;

/// A command: its name, and what it does with its arguments; the exit code.
type Command = (&'static str, fn(&[String]) -> Result<u8, String>);

const COMMANDS: &[Command] = &[
    ("report", report::report),
    ("echo", io::echo),
    ("warn", io::warn),
    ("lines", io::lines),
    ("both", io::both),
    ("flood", io::flood),
    ("cat", io::cat),
    ("ask", io::ask),
    ("count-stdin", io::count_stdin),
    ("read", io::read),
    ("write", io::write),
    ("list", io::list),
    ("stat", io::stat),
    ("mkdir", io::mkdir),
    ("device", attack::device),
    ("exit", |a| a.first().and_then(|n| n.parse().ok()).ok_or_else(|| "exit NUMBER".to_owned())),
    ("sleep", io::sleep),
    ("trap", signals::trap),
    ("raise", signals::raise),
    ("fault", signals::fault),
    ("orphans", signals::orphans),
    ("winsize", signals::winsize),
    ("eat", load::eat),
    ("burn", load::burn),
    ("forks", load::forks),
    ("fill", load::fill),
    ("open-files", load::open_files),
    ("connect", net::connect),
    ("listen-udp", net::listen_udp),
    ("source", net::source),
    ("drain", net::drain),
    ("ask-udp", net::ask_udp),
    ("listen", net::listen),
    ("lookup", dns::lookup),
    ("storm", dns::storm),
    ("hostile", dns::hostile),
    ("nameserver", dns::nameserver),
    ("syscalls", syscalls::table),
    ("open-exes", attack::open_exes),
    ("watch-processes", attack::watch_processes),
    ("advertise", attack::advertise),
    ("probe", attack::probe),
    ("swap", attack::swap),
    ("abstract-sockets", attack::abstract_sockets),
    ("release-agent", attack::release_agent),
    ("self-exe", attack::self_exe),
];

fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned()).collect();
    // Several commands in one run, separated by `,`: the code of the last counts.
    let mut code = 0;
    for command in arguments.split(|argument| argument == ",") {
        match run(command) {
            Ok(done) => code = done,
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "testbox: {error}");
                return ExitCode::from(99);
            }
        }
    }
    ExitCode::from(code)
}

fn run(command: &[String]) -> Result<u8, String> {
    let (name, arguments) = command.split_first().ok_or("no command")?;
    let (_, body) =
        COMMANDS.iter().find(|(known, _)| known == name).ok_or(format!("no command {name}"))?;
    body(arguments)
}

/// Print one line to standard output, at once.
fn say(line: &str) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|e| format!("write: {e}"))
}

/// The number of the last failed system call.
fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}
