//! `barque events`.

use barque::api::{self, EventMessage};
use barque::{Deadline, Item, Next, human};
use clap::Args;
use serde_json::Value;

use super::list;
use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;
use crate::output;

pub(crate) const VERB: Verb = Verb {
    name: "events",
    about: "Get real time events from the engine",
    usage: "[OPTIONS]",
    operands: Operands::None,
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    /// Filter output based on conditions provided
    #[arg(short, long, value_name = "filter")]
    filter: Vec<String>,
    #[arg(long, value_name = "string", help = list::DOCUMENT_FORMAT_HELP)]
    format: Option<String>,
    /// Show all events created since timestamp
    #[arg(long, value_name = "string", default_value = "")]
    since: String,
    /// Stream events until this timestamp
    #[arg(long, value_name = "string", default_value = "")]
    until: String,
}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let request = api::SystemEvents {
        since: flags.since,
        until: flags.until,
        filters: list::filters(&flags.filter)?,
        ..api::SystemEvents::default()
    };
    let mut stream = parsed.engine()?.events(&request)?;
    loop {
        match stream.next(Deadline::never())? {
            Next::Item(Item::Document(text)) => {
                let event: EventMessage = api::parse(&text)?;
                let format = flags.format.as_deref();
                if !list::document(&document(&event, format)?, format)? {
                    output::out(line(&event))?;
                }
            }
            Next::Item(Item::Chunk(_)) | Next::TimedOut => {}
            Next::Done => return Ok(0),
        }
    }
}

/// What is shown of an event. A template finds all that Go's type has, also what its JSON leaves out.
fn document(event: &EventMessage, format: Option<&str>) -> Result<Value> {
    let mut document = list::value(event)?;
    if !matches!(format, None | Some("json" | "{{json .}}")) {
        for field in ["status", "id", "from", "scope"] {
            if document.get(field).is_none() {
                document[field] = "".into();
            }
        }
    }
    Ok(document)
}

/// `2014-09-03T15:49:29.000000000+02:00 container start ID (image=alpine, name=web)`.
fn line(event: &EventMessage) -> String {
    let (seconds, nanoseconds) =
        (event.time_nano.div_euclid(1_000_000_000), event.time_nano.rem_euclid(1_000_000_000));
    let time = human::local_time(seconds, nanoseconds as i32, "%Y-%m-%dT%H:%M:%S.%9f%:z")
        .unwrap_or_default();
    // Go writes no offset as a letter.
    let time = time.strip_suffix("+00:00").map_or(time.clone(), |utc| format!("{utc}Z"));
    let attributes: Vec<String> =
        event.actor.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let about = match attributes.is_empty() {
        true => String::new(),
        false => format!(" ({})", attributes.join(", ")),
    };
    let EventMessage { kind, action, actor, .. } = event;
    let text = format!("{kind} {action} {}{about}", actor.id).replace(['\n', '\r'], " ");
    format!("{time} {}\n", output::printable(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Template;

    #[test]
    fn a_template_has_go_names_and_json_has_those_of_the_interface() {
        let event = EventMessage {
            status: "start".into(),
            id: "ab".into(),
            kind: "container".into(),
            time: 5,
            time_nano: 5_000_000_007,
            ..EventMessage::default()
        };
        let fill = |template| {
            let document = document(&event, Some(template)).ok()?;
            Template::parse(template).and_then(|template| template.fill(&document)).ok()
        };
        let names = "{{.Type}} {{.Status}} {{.ID}} {{.From}} {{.Time}} {{.TimeNano}} {{.id}}";
        assert_eq!(fill(names).as_deref(), Some("container start ab  5 5000000007 ab"));
        let json = fill("{{json .}}").unwrap_or_default();
        assert!(json.contains("\"timeNano\":5000000007") && !json.contains("from"), "{json}");
    }

    #[test]
    fn an_event_is_a_line_whatever_its_labels_hold() {
        let event = EventMessage {
            kind: "container".into(),
            action: "start".into(),
            actor: api::EventActor {
                id: "ab".into(),
                attributes: [
                    ("name".to_owned(), "web".to_owned()),
                    ("z".to_owned(), "a\nb".to_owned()),
                ]
                .into(),
            },
            time_nano: 1_500_000_000_000_000_007,
            ..EventMessage::default()
        };
        let line = line(&event);
        assert!(line.ends_with(" container start ab (name=web, z=a b)\n"), "{line}");
        assert!(line.contains(".000000007"), "{line}");
    }
}
