//! `barque build`.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Read};
use std::path::Path;

use barque::api::{
    BuildCacheStore, BuildCheck, BuildOutput, BuildSecret, ImageBuild, ImageBuilt, Input, Ulimit,
};
use barque::shorthand;
use clap::Args;

use crate::args::{Operands, Parsed, Verb, document};
use crate::failure::{Failure, Result, describe};
use crate::output;
use crate::progress::{self, To};

/// What every tool that makes the same bytes again goes by.
const EPOCH: &str = "SOURCE_DATE_EPOCH";

pub(crate) const VERB: Verb = Verb {
    name: "build",
    about: "Build an image from a Dockerfile",
    usage: "[OPTIONS] PATH | -",
    operands: Operands::Exactly(1),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    /// Add a custom host-to-IP mapping (host:ip)
    #[arg(long, value_name = "strings", value_parser = shorthand::extra_host)]
    add_host: Vec<(String, String)>,
    /// Set build-time variables
    #[arg(long, value_name = "stringArray")]
    build_arg: Vec<String>,
    /// Additional build contexts (e.g., name=path)
    #[arg(long, value_name = "stringArray", value_parser = shorthand::build_context)]
    build_context: Vec<(String, String)>,
    /// External cache sources (e.g., "user/app:cache", "type=local,src=path/to/dir")
    #[arg(long, value_name = "stringArray", value_parser = shorthand::build_cache_from)]
    cache_from: Vec<BuildCacheStore>,
    /// Cache export destinations (e.g., "user/app:cache", "type=local,dest=path/to/dir")
    #[arg(long, value_name = "stringArray", value_parser = shorthand::build_cache_to)]
    cache_to: Vec<BuildCacheStore>,
    /// Only check the build configuration, without building it
    #[arg(long)]
    check: bool,
    /// Number of CPUs of each step
    #[arg(long, value_name = "decimal", value_parser = shorthand::cpus)]
    cpus: Option<i64>,
    /// Name of the Dockerfile (default: "PATH/Dockerfile")
    #[arg(short, long, value_name = "string")]
    file: Option<String>,
    /// Write the image ID to a file
    #[arg(long, value_name = "string")]
    iidfile: Option<String>,
    /// Keep the files that a step has left which failed, as an image to look into
    #[arg(long)]
    keep_failed: bool,
    /// Set metadata for an image
    #[arg(long, value_name = "stringArray", value_parser = shorthand::label)]
    label: Vec<(String, String)>,
    /// Memory limit of each step
    #[arg(short, long, value_name = "bytes", value_parser = shorthand::size, default_value = "0")]
    memory: i64,
    /// Write build result metadata to a file
    #[arg(long, value_name = "string")]
    metadata_file: Option<String>,
    /// Set the networking mode for the "RUN" instructions during build
    #[arg(long, value_name = "string", default_value = "")]
    network: String,
    /// Do not use cache when building the image
    #[arg(long)]
    no_cache: bool,
    /// Output destination (format: "type=local,dest=path")
    #[arg(short, long, value_name = "stringArray", value_parser = shorthand::build_output)]
    output: Vec<BuildOutput>,
    /// Most processes of each step (-1 for unlimited)
    #[arg(long, value_name = "int")]
    pids_limit: Option<i64>,
    /// Set target platform for build
    #[arg(long, value_name = "string", default_value = "")]
    platform: String,
    /// Set type of progress output ("auto", "none", "plain", "quiet", "tty")
    #[arg(long, value_name = "string", default_value = "auto", value_parser = ["auto", "none", "plain", "quiet", "tty"])]
    progress: String,
    /// Always attempt to pull all referenced images
    #[arg(long)]
    pull: bool,
    /// Suppress the build output and print image ID on success
    #[arg(short, long)]
    quiet: bool,
    /// Secret to expose to the build (format: "id=mysecret[,src=/local/secret|,env=NAME]")
    #[arg(long, value_name = "stringArray", value_parser = secret)]
    secret: Vec<(String, BuildSecret)>,
    /// Shared memory size of each step
    #[arg(long, value_name = "bytes", value_parser = shorthand::size, default_value = "0")]
    shm_size: i64,
    /// SSH agent socket to expose to the build (format: "default|<id>[=<socket>]")
    #[arg(long, value_name = "stringArray", value_parser = ssh)]
    ssh: Vec<(String, String)>,
    /// Image identifier (format: "[registry/]repository[:tag]")
    #[arg(short, long, value_name = "stringArray")]
    tag: Vec<String>,
    /// Set the target build stage to build
    #[arg(long, value_name = "string", default_value = "")]
    target: String,
    /// Ulimit options
    #[arg(long, value_name = "ulimit", value_parser = shorthand::ulimit)]
    ulimit: Vec<Ulimit>,
}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let mut flags: Flags = parsed.flags()?;
    flags.quiet |= flags.progress == "quiet";
    let to = shown(&flags)?;
    let path = parsed.operands[0].as_str();
    let context = match path {
        "-" => Input { path: String::new(), fd: Some(0) },
        _ if is_remote(path) => {
            return Err(Failure::new(format!("a build context at {path} is not supported yet")));
        }
        path => Input { path: path.to_owned(), fd: None },
    };
    let (dockerfile, dockerfile_text) = match flags.file.as_deref() {
        None => (String::new(), String::new()),
        Some("-") if path == "-" => {
            let why = "invalid argument: can't use stdin for both build context and dockerfile";
            return Err(Failure::new(why));
        }
        Some("-") => (String::new(), read("stdin", &mut std::io::stdin().lock())?),
        Some(file) if path == "-" => (file.to_owned(), String::new()),
        Some(file) => within(Path::new(path), file)?,
    };
    let request = ImageBuild {
        context,
        dockerfile,
        dockerfile_text,
        build_contexts: flags.build_context.into_iter().collect(),
        tags: flags.tag,
        build_args: with_epoch(arguments(&flags.build_arg)?),
        target: flags.target,
        labels: flags.label.into_iter().collect(),
        check: flags.check,
        no_cache: flags.no_cache,
        keep_failed: flags.keep_failed,
        cache_from: flags.cache_from,
        cache_to: flags.cache_to,
        pull: flags.pull,
        outputs: flags.output,
        platform: flags.platform,
        network_mode: flags.network,
        extra_hosts: flags.add_host.iter().map(|(name, at)| format!("{name}:{at}")).collect(),
        memory: flags.memory,
        nano_cpus: flags.cpus.unwrap_or_default(),
        pids_limit: flags.pids_limit,
        shm_size: flags.shm_size,
        ulimits: flags.ulimit,
        secrets: flags.secret.into_iter().collect(),
        ssh: flags.ssh.into_iter().collect(),
    };
    let takes_stdout = request.outputs.iter().any(|output| output.fd == Some(1));
    if takes_stdout && std::io::stdout().is_terminal() {
        return Err(Failure::new(
            "refusing to write an archive to a terminal: give a file with dest=FILE",
        ));
    }
    let mut stream = parsed.engine()?.images().build(&request)?;
    let built: ImageBuilt = progress::show(&mut stream, to)?;
    if flags.check {
        return told(&built);
    }
    if to != To::Nowhere {
        for warning in &built.warnings {
            output::say(&format!("WARNING: {}", output::printable(warning)));
        }
    }
    if let Some(path) = &flags.iidfile {
        write(path, &built.id)?;
    }
    if let Some(path) = &flags.metadata_file {
        write(path, &metadata(&built))?;
    }
    if flags.quiet && !takes_stdout && !built.id.is_empty() {
        output::out(format!("{}\n", built.id)).map(|()| 0)
    } else {
        Ok(0)
    }
}

/// Where it is shown how it goes.
fn shown(flags: &Flags) -> Result<To> {
    let terminal = std::io::stderr().is_terminal();
    match flags.progress.as_str() {
        _ if flags.quiet || flags.check => Ok(To::Nowhere),
        "none" => Ok(To::Nowhere),
        "tty" if !terminal => {
            Err(Failure::new("--progress tty needs a terminal on standard error; use plain"))
        }
        "auto" | "tty" if terminal => Ok(To::Screen),
        _ => Ok(To::Stderr),
    }
}

/// What the checks found, as docker shows it; something is a failure.
fn told(built: &ImageBuilt) -> Result<u8> {
    let checks = &built.checks;
    let mut text = match checks.len() {
        0 => "Check complete, no warnings found.\n".to_owned(),
        1 => "Check complete, 1 warning has been found!\n".to_owned(),
        more => format!("Check complete, {more} warnings have been found!\n"),
    };
    for check in checks {
        let BuildCheck { rule, message, excerpt, .. } = check;
        text += &format!("\nWARNING: {rule}\n{message}\n{excerpt}");
    }
    let printable: Vec<_> = text.lines().map(output::printable).collect();
    output::out(printable.join("\n") + "\n")?;
    Ok(u8::from(!checks.is_empty()))
}

fn write(path: &str, text: &str) -> Result<()> {
    std::fs::write(path, text)
        .map_err(|error| Failure::new(format!("open {path}: {}", describe(&error))))
}

/// What buildx writes of an image.
fn metadata(built: &ImageBuilt) -> String {
    let mut document = serde_json::json!({
        "containerimage.config.digest": built.id,
        "containerimage.digest": built.digest,
    });
    if !built.names.is_empty() {
        document["image.name"] = built.full_names.join(",").into();
    }
    format!("{document:#}\n")
}

/// What the environment of this process has.
fn own(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn secret(text: &str) -> barque::Result<(String, BuildSecret)> {
    shorthand::build_secret(text, &own)
}

fn ssh(text: &str) -> barque::Result<(String, String)> {
    shorthand::build_ssh(text, &own)
}

/// What `build` would have to fetch.
fn is_remote(path: &str) -> bool {
    let begins = ["http://", "https://", "git://", "git@", "ssh://", "github.com/"];
    begins.iter().any(|begin| path.starts_with(begin))
}

/// The Dockerfile as a path in the context, or its text when it is not in there.
fn within(context: &Path, file: &str) -> Result<(String, String)> {
    let missing = |error: std::io::Error| {
        Failure::new(format!("failed to read dockerfile: open {file}: {}", describe(&error)))
    };
    let found = Path::new(file).canonicalize().map_err(missing)?;
    let inside = context
        .canonicalize()
        .ok()
        .filter(|context| context.is_dir())
        .and_then(|context| Some(found.strip_prefix(context).ok()?.to_str()?.to_owned()));
    match inside {
        Some(inside) => Ok((inside, String::new())),
        None => {
            let mut opened = std::fs::File::open(&found).map_err(missing)?;
            Ok((String::new(), read(file, &mut opened)?))
        }
    }
}

fn read(name: &str, source: &mut impl Read) -> Result<String> {
    let mut text = String::new();
    source.read_to_string(&mut text).map_err(|error| {
        Failure::new(format!("failed to read dockerfile: {name}: {}", describe(&error)))
    })?;
    Ok(text)
}

/// The environment says what time it is, if no argument does.
fn with_epoch(mut arguments: BTreeMap<String, String>) -> BTreeMap<String, String> {
    if let (false, Some(epoch)) = (arguments.contains_key(EPOCH), own(EPOCH)) {
        arguments.insert(EPOCH.to_owned(), epoch);
    }
    arguments
}

/// `NAME=VALUE`, or `NAME` with the value that it has here, if it has one.
fn arguments(given: &[String]) -> Result<BTreeMap<String, String>> {
    let entries = document::environment(&[], given).map_err(Failure::new)?;
    let pairs = entries.iter().filter_map(|entry| entry.split_once('='));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}
