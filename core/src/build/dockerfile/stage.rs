//! A Dockerfile as stages.

use super::instruction::{self, Instruction};
use super::lines::{self, Line};
use super::lint::{self, Wanted, Warning};
use super::{Location, Mistake};

/// Most instructions.
const MOST: usize = 20_000;

/// A Dockerfile that was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dockerfile {
    pub(crate) escape: char,
    /// The `ARG`s in front of the first stage.
    pub(crate) globals: Vec<Step>,
    pub(crate) stages: Vec<Stage>,
    pub(crate) warnings: Vec<Warning>,
    /// Which rules are wanted.
    pub(crate) checks: Wanted,
    /// Its lines, to show.
    pub(crate) text: String,
}

/// A stage.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stage {
    /// In lower case; empty when it has none.
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) platform: String,
    /// As it is shown.
    pub(crate) text: String,
    pub(crate) location: Location,
    pub(crate) steps: Vec<Step>,
}

/// An instruction in its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) instruction: Instruction,
    /// As it is shown.
    pub(crate) text: String,
    pub(crate) location: Location,
}

impl Dockerfile {
    /// Read one.
    pub(crate) fn parse(text: &str) -> Result<Dockerfile, Mistake> {
        let lines = lines::read(text)?;
        let mut dockerfile = Dockerfile {
            escape: lines.escape,
            globals: Vec::new(),
            stages: Vec::new(),
            warnings: Vec::new(),
            checks: Wanted::default(),
            text: text.to_owned(),
        };
        if lines.lines.len() > MOST {
            return Err(Mistake::at(
                lines.lines[MOST].location,
                format!("more than {MOST} instructions"),
            ));
        }
        for line in &lines.lines {
            let instruction =
                instruction::one(&line.name, &line.rest, &line.heredocs, lines.escape)
                    .map_err(|message| Mistake::at(line.location, message))?;
            dockerfile.take(line, instruction)?;
        }
        if dockerfile.stages.is_empty() {
            return Err(match dockerfile.globals.first() {
                Some(step) => Mistake::at(step.location, "dockerfile contains no stages to build"),
                None => Mistake::new(1, "file with no instructions"),
            });
        }
        dockerfile.checks = Wanted::of(&lines.check);
        dockerfile.warnings = lint::check(&lines, &dockerfile);
        Ok(dockerfile)
    }

    fn take(&mut self, line: &Line, instruction: Instruction) -> Result<(), Mistake> {
        let text = shown(line);
        let location = line.location;
        match (instruction, self.stages.last_mut()) {
            (Instruction::From { image, platform, name }, _) => {
                self.stages.push(Stage {
                    name,
                    image,
                    platform,
                    text,
                    location,
                    steps: Vec::new(),
                });
            }
            (instruction, Some(stage)) => stage.steps.push(Step { instruction, text, location }),
            (instruction @ Instruction::Arg(_), None) => {
                self.globals.push(Step { instruction, text, location });
            }
            (_, None) => {
                return Err(Mistake::at(
                    location,
                    "no build stage in current context: the first instruction must be FROM",
                ));
            }
        }
        Ok(())
    }

    /// The stage that a name or number stands for, among those before `before`.
    pub(crate) fn stage(&self, name: &str, before: usize) -> Option<usize> {
        let lower = name.to_ascii_lowercase();
        let named = self.stages[..before].iter().rposition(|stage| stage.name == lower);
        let numbered = || name.parse().ok().filter(|number| *number < before);
        named.filter(|_| !lower.is_empty()).or_else(numbered)
    }

    /// The lines around a place with the place marked, as BuildKit shows them.
    pub(crate) fn excerpt(&self, name: &str, location: Location) -> String {
        const AROUND: usize = 2;
        const RULER: &str = "--------------------\n";
        let mut out = format!("{name}:{}\n{RULER}", location.first);
        let (first, last) = (location.first.saturating_sub(AROUND).max(1), location.last + AROUND);
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        for (number, line) in lines.skip(first - 1).take(last + 1 - first) {
            let marked = (location.first..=location.last).contains(&number);
            let mark = if marked { ">>>" } else { "   " };
            out.push_str(&format!("{number:>4} | {mark} {line}\n"));
        }
        out + RULER
    }
}

/// An instruction as it is shown: in one line, its here-documents by their first line.
fn shown(line: &Line) -> String {
    let mut text = line.name.to_ascii_uppercase();
    if !line.rest.is_empty() {
        text.push(' ');
        text.push_str(&line.rest.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    if let Some(heredoc) = line.heredocs.first() {
        let mut lines = heredoc.content.lines();
        let more = if lines.clone().count() > 1 { "..." } else { "" };
        text.push_str(&format!(" ({}{more})", lines.next().unwrap_or_default()));
    }
    text
}
