//! `barque info`.

use barque::api::SystemInfo;
use clap::Args;

use super::list;
use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;
use crate::{human, output};

pub(crate) const VERB: Verb = Verb {
    name: "info",
    about: "Display system-wide information",
    usage: "[OPTIONS]",
    operands: Operands::None,
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    #[arg(short, long, value_name = "string", help = list::DOCUMENT_FORMAT_HELP)]
    format: Option<String>,
}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let info = parsed.engine()?.info()?;
    if list::document(&list::value(&info)?, flags.format.as_deref())? {
        return Ok(0);
    }
    output::out(text(&info))?;
    for warning in &info.warnings {
        output::say(&format!("WARNING: {warning}"));
    }
    Ok(0)
}

fn text(info: &SystemInfo) -> String {
    let mut lines = String::new();
    let mut line = |depth: usize, name: &str, value: &str| {
        lines += &format!("{}{name}: {}\n", " ".repeat(depth), output::printable(value));
    };
    line(0, "Containers", &info.containers.to_string());
    line(1, "Running", &info.containers_running.to_string());
    line(1, "Paused", &info.containers_paused.to_string());
    line(1, "Stopped", &info.containers_stopped.to_string());
    line(0, "Images", &info.images.to_string());
    line(0, "Server Version", &info.server_version);
    line(0, "Storage Driver", &info.driver);
    line(0, "Logging Driver", &info.logging_driver);
    line(0, "Cgroup Driver", &info.cgroup_driver);
    line(0, "Cgroup Version", &info.cgroup_version);
    line(0, "Default Runtime", &info.default_runtime);
    line(0, "Security Options", &info.security_options.join(" "));
    line(0, "Kernel Version", &info.kernel_version);
    line(0, "Operating System", &info.operating_system);
    line(0, "OSType", &info.os_type);
    line(0, "Architecture", &info.architecture);
    line(0, "CPUs", &info.ncpu.to_string());
    line(0, "Total Memory", &human::memory(info.mem_total));
    line(0, "Name", &info.name);
    line(0, "ID", &info.id);
    line(0, "Root Dir", &info.root_dir);
    lines
}
