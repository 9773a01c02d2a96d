//! The verbs, one a file, and the way to them.

mod attach;
mod build;
mod check;
mod commit;
mod completion;
mod connect;
mod cp;
mod create;
mod df;
mod diff;
mod events;
mod exec;
mod export;
mod history;
mod images;
mod import;
mod info;
mod inspect;
mod kill;
mod list;
mod load;
mod login;
mod logout;
mod logs;
mod network;
mod pause;
mod port;
mod prune;
mod ps;
mod pull;
mod push;
mod registry;
mod rename;
mod restart;
mod rm;
mod rmi;
mod run;
mod save;
mod search;
mod start;
mod stats;
mod stop;
mod tag;
mod top;
mod update;
mod version;
mod volume;
mod wait;

use std::ffi::OsString;

use crate::args::{Verb, help};
use crate::failure::{Failure, Result};
use crate::output;

/// Verbs that stand at the top: `barque ps`.
pub(crate) const TOP: &[&Verb] = &[
    &attach::VERB,
    &build::VERB,
    &commit::VERB,
    &completion::VERB,
    &cp::VERB,
    &create::VERB,
    &diff::VERB,
    &events::VERB,
    &exec::VERB,
    &export::VERB,
    &history::VERB,
    &images::VERB,
    &import::VERB,
    &info::VERB,
    &inspect::VERB,
    &kill::VERB,
    &load::VERB,
    &login::VERB,
    &logout::VERB,
    &logs::VERB,
    &pause::PAUSE,
    &ps::VERB,
    &pull::VERB,
    &push::VERB,
    &port::VERB,
    &rename::VERB,
    &restart::VERB,
    &rm::VERB,
    &rmi::VERB,
    &run::VERB,
    &save::VERB,
    &search::VERB,
    &start::VERB,
    &stats::VERB,
    &stop::VERB,
    &tag::VERB,
    &top::VERB,
    &pause::UNPAUSE,
    &update::VERB,
    &version::VERB,
    &wait::VERB,
];

/// Verbs under a noun: `barque container ls`.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Names, the first of which is the one that help shows, and the verb.
    pub(crate) verbs: &'static [(&'static [&'static str], &'static Verb)],
}

/// The nouns.
pub(crate) const GROUPS: &[Group] = &[
    Group {
        name: "builder",
        about: "Manage builds",
        verbs: &[(&["build"], &build::VERB), (&["prune"], &prune::BUILDS)],
    },
    Group {
        name: "container",
        about: "Manage containers",
        verbs: &[
            (&["attach"], &attach::VERB),
            (&["commit"], &commit::VERB),
            (&["connect"], &connect::VERB),
            (&["cp"], &cp::VERB),
            (&["create"], &create::VERB),
            (&["diff"], &diff::VERB),
            (&["exec"], &exec::VERB),
            (&["export"], &export::VERB),
            (&["inspect"], &inspect::CONTAINER),
            (&["kill"], &kill::VERB),
            (&["logs"], &logs::VERB),
            (&["ls", "list", "ps"], &ps::VERB),
            (&["pause"], &pause::PAUSE),
            (&["prune"], &prune::CONTAINERS),
            (&["port"], &port::VERB),
            (&["rename"], &rename::VERB),
            (&["restart"], &restart::VERB),
            (&["rm", "remove"], &rm::VERB),
            (&["run"], &run::VERB),
            (&["start"], &start::VERB),
            (&["stats"], &stats::VERB),
            (&["stop"], &stop::VERB),
            (&["top"], &top::VERB),
            (&["unpause"], &pause::UNPAUSE),
            (&["update"], &update::VERB),
            (&["wait"], &wait::VERB),
        ],
    },
    Group {
        name: "image",
        about: "Manage images",
        verbs: &[
            (&["build"], &build::VERB),
            (&["history"], &history::VERB),
            (&["import"], &import::VERB),
            (&["inspect"], &inspect::IMAGE),
            (&["load"], &load::VERB),
            (&["ls", "list"], &images::VERB),
            (&["prune"], &prune::IMAGES),
            (&["pull"], &pull::VERB),
            (&["push"], &push::VERB),
            (&["rm", "remove"], &rmi::VERB),
            (&["save"], &save::VERB),
            (&["tag"], &tag::VERB),
        ],
    },
    Group {
        name: "network",
        about: "Manage networks",
        verbs: &[
            (&["connect"], &network::CONNECT),
            (&["create"], &network::CREATE),
            (&["disconnect"], &network::DISCONNECT),
            (&["inspect"], &inspect::NETWORK),
            (&["ls", "list"], &network::LIST),
            (&["prune"], &prune::NETWORKS),
            (&["rm", "remove"], &network::REMOVE),
        ],
    },
    Group {
        name: "registry",
        about: "Manage what registries have",
        verbs: &[(&["delete"], &registry::DELETE), (&["referrers"], &registry::REFERRERS)],
    },
    Group {
        name: "system",
        about: "Manage barque",
        verbs: &[
            (&["check"], &check::VERB),
            (&["df"], &df::VERB),
            (&["events"], &events::VERB),
            (&["info"], &info::VERB),
            (&["prune"], &prune::SYSTEM),
        ],
    },
    Group {
        name: "volume",
        about: "Manage volumes",
        verbs: &[
            (&["create"], &volume::CREATE),
            (&["inspect"], &inspect::VOLUME),
            (&["ls", "list"], &volume::LIST),
            (&["prune"], &prune::VOLUMES),
            (&["rm", "remove"], &volume::REMOVE),
        ],
    },
];

/// Find what was asked for and do it; the exit status.
pub(crate) fn dispatch(words: Vec<OsString>) -> Result<u8> {
    let mut words = words.into_iter();
    let mut root = None;
    let name = loop {
        let Some(word) = words.next() else { return help::top().map(|()| 0) };
        let word = text(word)?;
        match word.as_str() {
            "-v" | "--version" => {
                output::out(format!("barque version {}\n", barque::VERSION))?;
                return Ok(0);
            }
            "--help" | "-h" => return help::top().map(|()| 0),
            "--root" => {
                let missing = || unknown("flag needs an argument: --root", 125);
                root = Some(text(words.next().ok_or_else(missing)?)?);
            }
            flag if flag.starts_with("--root=") => root = Some(flag["--root=".len()..].to_owned()),
            flag if flag.starts_with("--") => {
                return Err(unknown(&format!("unknown flag: {flag}"), 125));
            }
            flag if flag.starts_with('-') && flag.len() > 1 => {
                let letter = flag[1..].chars().next().unwrap_or('-');
                return Err(unknown(&format!("unknown shorthand flag: '{letter}' in {flag}"), 125));
            }
            _ => break word,
        }
    };
    let mut rest: Vec<OsString> = words.collect();
    if name == "help" {
        // `barque help run` is `barque run --help`.
        if rest.is_empty() {
            return help::top().map(|()| 0);
        }
        rest.push("--help".into());
        return dispatch(rest);
    }
    if let Some(verb) = TOP.iter().find(|verb| verb.name == name) {
        return perform(verb, format!("barque {name}"), root, rest);
    }
    let Some(group) = GROUPS.iter().find(|group| group.name == name) else {
        let line = format!("barque: unknown command: barque {name}");
        return Err(Failure::usage(
            format!("{line}\n\nRun 'barque --help' for more information"),
            1,
        ));
    };
    if rest.is_empty() || rest[0] == "--help" {
        return help::group(group).map(|()| 0);
    }
    let sub = text(rest.remove(0))?;
    match group.verbs.iter().find(|(names, _)| names.contains(&sub.as_str())) {
        Some((names, verb)) => perform(verb, format!("barque {name} {}", names[0]), root, rest),
        None => {
            let line = format!("barque: unknown command: barque {name} {sub}");
            let hint =
                format!("Usage:  barque {name}\n\nRun 'barque {name} --help' for more information");
            Err(Failure::usage(format!("{line}\n\n{hint}"), 1))
        }
    }
}

fn perform(verb: &Verb, called: String, root: Option<String>, words: Vec<OsString>) -> Result<u8> {
    match verb.parse(&called, root, words)? {
        Some(mut parsed) => (verb.run)(&mut parsed),
        None => Ok(0),
    }
}

fn text(word: OsString) -> Result<String> {
    word.into_string().map_err(|_| unknown("invalid argument: it is not UTF-8", 125))
}

fn unknown(line: &str, code: u8) -> Failure {
    let hint = "Usage:  barque [OPTIONS] COMMAND\n\nRun 'barque --help' for more information";
    Failure::usage(format!("{line}\n\n{hint}"), code)
}

/// Do something with each of the operands and print those it worked for; one that fails does not keep the others from it.
pub(crate) fn each(
    operands: &[String],
    mut action: impl FnMut(&str) -> barque::Result<String>,
) -> Result<u8> {
    let mut code = 0;
    for operand in operands {
        match action(operand) {
            Ok(line) if line.is_empty() => {}
            Ok(line) => output::out(format!("{line}\n"))?,
            Err(error) => code = output::report(error.into()),
        }
    }
    Ok(code)
}
