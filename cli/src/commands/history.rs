//! `barque history`.

use barque::api::HistoryRow;
use clap::Args;
use serde_json::{Value, json};

use super::list;
use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;
use crate::{human, output};

pub(crate) const VERB: Verb = Verb {
    name: "history",
    about: "Show the history of an image",
    usage: "[OPTIONS] IMAGE",
    operands: Operands::Exactly(1),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    #[arg(long, value_name = "string", help = list::FORMAT_HELP)]
    format: Option<String>,
    /// Print sizes and dates in human readable format (default true)
    #[arg(short = 'H', long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_parser = crate::args::truth, action = clap::ArgAction::Set, value_name = "bool")]
    human: bool,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only show image IDs
    #[arg(short, long)]
    quiet: bool,
}

const COLUMNS: &[list::Column] = &[
    ("ID", "IMAGE"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedBy", "CREATED BY"),
    ("Size", "SIZE"),
    ("Comment", "COMMENT"),
];

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let history = parsed.engine()?.images().history(&parsed.operands[0])?;
    let rows: Vec<Value> = history.iter().map(|row| shown(row, &flags)).collect();
    if flags.quiet && flags.format.is_none() {
        let ids = rows.iter().map(|row| format!("{}\n", row["ID"].as_str().unwrap_or_default()));
        return output::out(ids.collect::<String>()).map(|()| 0);
    }
    let created = if flags.human { "CreatedSince" } else { "CreatedAt" };
    let columns = ["ID", created, "CreatedBy", "Size", "Comment"];
    list::print(&rows, flags.format.as_deref(), &columns, COLUMNS)?;
    Ok(0)
}

fn shown(row: &HistoryRow, flags: &Flags) -> Value {
    let by = row.created_by.replace('\t', " ");
    json!({
        "ID": if flags.no_trunc { &row.id } else { human::short_id(&row.id) },
        "CreatedSince": human::age(row.created),
        "CreatedAt": human::moment(row.created),
        "CreatedBy": if flags.no_trunc { by } else { human::ellipsis(&by, 45) },
        "Size": if flags.human { human::size(row.size, 3) } else { row.size.to_string() },
        "Comment": row.comment,
    })
}
