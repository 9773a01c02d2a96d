//! `barque search`.

use barque::api::{self, SearchResult};
use clap::Args;
use serde_json::{Value, json};

use super::list;
use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;
use crate::human;

pub(crate) const VERB: Verb = Verb {
    name: "search",
    about: "Search Docker Hub for images",
    usage: "[OPTIONS] TERM",
    operands: Operands::Exactly(1),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    /// Filter output based on conditions provided
    #[arg(short, long, value_name = "filter")]
    filter: Vec<String>,
    #[arg(long, value_name = "string", help = list::FORMAT_HELP)]
    format: Option<String>,
    /// Max number of search results
    #[arg(long, value_name = "int", default_value = "0")]
    limit: i64,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
}

const COLUMNS: &[list::Column] = &[
    ("Name", "NAME"),
    ("Description", "DESCRIPTION"),
    ("StarCount", "STARS"),
    ("IsOfficial", "OFFICIAL"),
    ("IsAutomated", "AUTOMATED"),
];

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let request = api::ImageSearch {
        term: parsed.operands[0].clone(),
        limit: flags.limit,
        filters: list::filters(&flags.filter)?,
        auth: None,
    };
    let mut found = parsed.engine()?.images().search(&request)?;
    found.sort_by_key(|result| std::cmp::Reverse(result.star_count));
    let rows: Vec<Value> = found.iter().map(|result| shown(result, !flags.no_trunc)).collect();
    let columns = ["Name", "Description", "StarCount", "IsOfficial"];
    list::print(&rows, flags.format.as_deref(), &columns, COLUMNS)?;
    Ok(0)
}

fn shown(result: &SearchResult, shorten: bool) -> Value {
    let description = result.description.replace(['\n', '\r', '\t'], " ");
    let mark = |is: bool| if is { "[OK]" } else { "" };
    json!({
        "Name": result.name,
        "Description": if shorten { human::ellipsis(&description, 45) } else { description },
        "StarCount": result.star_count.to_string(),
        "IsOfficial": mark(result.is_official),
        "IsAutomated": mark(result.is_automated),
    })
}
