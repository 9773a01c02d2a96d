//! Help, laid out as docker's.

use clap::Command;

use super::Verb;
use crate::commands::{GROUPS, Group, TOP};
use crate::failure::Result;
use crate::output;

/// Columns of a text that is not on a terminal.
const WIDTH: usize = 80;

/// `barque run --help`.
pub(crate) fn verb(verb: &Verb, command: &Command, called: &str) -> Result<()> {
    let mut text = format!("Usage:  {called} {}\n\n{}\n", verb.usage, verb.about);
    let aliases = aliases(verb);
    if aliases.len() > 1 {
        text += &format!("\nAliases:\n  {}\n", aliases.join(", "));
    }
    let mut options: Vec<(String, String)> = Vec::new();
    let mut flags: Vec<&clap::Arg> =
        command.get_arguments().filter(|arg| !arg.is_hide_set()).collect();
    flags.sort_by_key(|arg| arg.get_long());
    for arg in flags {
        let short = arg.get_short().map_or("    ".to_owned(), |short| format!("-{short}, "));
        let mut name = format!("  {short}--{}", arg.get_long().unwrap_or_default());
        // A switch's value may be left out, and is not shown.
        if arg.get_num_args().is_none_or(|range| range.min_values() > 0) {
            let value = arg.get_value_names().and_then(|names| names.first());
            name += &format!(" {}", value.map_or("value", |name| name.as_str()));
        }
        options.push((name, arg.get_help().map(ToString::to_string).unwrap_or_default()));
    }
    text += "\nOptions:\n";
    text += &columns(&options, 3);
    output::out(text)
}

/// `barque container --help`.
pub(crate) fn group(group: &Group) -> Result<()> {
    let verbs: Vec<(String, String)> = group
        .verbs
        .iter()
        .map(|(names, verb)| (format!("  {}", names[0]), verb.about.to_owned()))
        .collect();
    let name = group.name;
    output::out(format!(
        "Usage:  barque {name} COMMAND\n\n{}\n\nCommands:\n{}\nRun 'barque {name} COMMAND --help' for more information on a command.\n",
        group.about,
        columns(&verbs, 2),
    ))
}

/// `barque --help`.
pub(crate) fn top() -> Result<()> {
    const COMMON: [&str; 5] = ["run", "ps", "images", "version", "info"];
    let row = |verb: &&Verb| (format!("  {:<11}", verb.name), verb.about.to_owned());
    let common = COMMON.iter().filter_map(|name| TOP.iter().find(|verb| verb.name == *name));
    let common: Vec<_> = common.map(row).collect();
    let others = TOP.iter().filter(|verb| !COMMON.contains(&verb.name));
    let others: Vec<_> = others.map(row).collect();
    let groups =
        GROUPS.iter().map(|group| (format!("  {:<11}", group.name), group.about.to_owned()));
    let options = [
        (
            "      --root string",
            "Directory of the engine (default \"/var/lib/barque\", or BARQUE_ROOT)",
        ),
        ("  -v, --version", "Print version information and quit"),
    ]
    .map(|(name, help)| (name.to_owned(), help.to_owned()));
    output::out(format!(
        "Usage:  barque [OPTIONS] COMMAND\n\nA container engine without a daemon\n\n\
         Common Commands:\n{}\nManagement Commands:\n{}\nCommands:\n{}\nGlobal Options:\n{}\n\
         Run 'barque COMMAND --help' for more information on a command.\n",
        columns(&common, 1),
        columns(&groups.collect::<Vec<_>>(), 1),
        columns(&others, 1),
        columns(&options, 3),
    ))
}

/// Every way to call a verb.
fn aliases(verb: &Verb) -> Vec<String> {
    let mut ways = Vec::new();
    for group in GROUPS {
        for (names, known) in group.verbs {
            if std::ptr::fn_addr_eq(known.run, verb.run) {
                ways.extend(names.iter().map(|name| format!("barque {} {name}", group.name)));
            }
        }
    }
    if TOP.iter().any(|known| std::ptr::fn_addr_eq(known.run, verb.run)) {
        ways.push(format!("barque {}", verb.name));
    }
    ways
}

/// Names, and texts beside them that are broken at the terminal's edge.
fn columns(rows: &[(String, String)], between: usize) -> String {
    let name_width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + between;
    let width = crate::terminal::size().map_or(WIDTH, |(_, columns)| usize::from(columns));
    let text_width = width.saturating_sub(name_width + 1).max(24);
    let mut text = String::new();
    for (name, help) in rows {
        let mut head = name.as_str();
        for line in help.lines().flat_map(|line| broken(line, text_width)) {
            text += &format!("{}\n", format!("{head:<name_width$}{line}").trim_end());
            head = "";
        }
    }
    text
}

/// A line in lines of at most `width` bytes, where its words allow it.
fn broken(line: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in line.split(' ') {
        match lines.last_mut() {
            Some(last) if last.is_empty() => last.push_str(word),
            Some(last) if last.len() + 1 + word.len() <= width => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
