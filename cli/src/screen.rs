//! How a build goes, as BuildKit shows it on a terminal: a line for each step with its time, and below one that goes on the last that it has
//! written. All of it is written again where it stands whenever something has changed.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use barque::api::{BuildStep, Progress};

use crate::progress::{clean, plain};
use crate::steps;

/// How often what goes on is shown anew.
pub(crate) const PACE: Duration = Duration::from_millis(100);

/// How many of the last lines of a step that goes on are shown, as BuildKit does.
const TAIL: usize = 6;

/// How many are kept for the case that it fails.
const KEPT: usize = 100;

/// What is known of the steps, and how much of it stands on the terminal.
pub(crate) struct Screen {
    steps: Vec<Step>,
    /// What comes from registries just now.
    fetched: Vec<(String, String)>,
    begun: Instant,
    /// Lines on the terminal that are to be written again, and when they were written.
    drawn: (usize, Option<Instant>),
}

struct Step {
    id: String,
    name: String,
    /// When it began, if it goes on.
    since: Option<Instant>,
    seconds: f64,
    /// Comes before its name.
    mark: &'static str,
    lines: VecDeque<String>,
    /// The place in the Dockerfile, if it has failed.
    place: String,
}

impl Screen {
    pub(crate) fn new() -> Screen {
        Screen { steps: Vec::new(), fetched: Vec::new(), begun: Instant::now(), drawn: (0, None) }
    }

    /// Something has happened.
    pub(crate) fn hear(&mut self, line: &Progress) {
        match &line.step {
            Some(told) => self.hear_of(line, told),
            None if line.id.is_empty() => {}
            None => {
                let text = clean(format!("{} {}", plain(line), line.progress).trim_end());
                match self.fetched.iter_mut().find(|(id, _)| *id == line.id) {
                    Some(known) => known.1 = text,
                    None => self.fetched.push((line.id.clone(), text)),
                }
            }
        }
    }

    fn hear_of(&mut self, line: &Progress, told: &BuildStep) {
        if line.status == "Step" {
            self.steps.push(Step {
                id: line.id.clone(),
                name: clean(&told.name),
                since: Some(Instant::now()),
                seconds: 0.0,
                mark: "",
                lines: VecDeque::new(),
                place: String::new(),
            });
            return;
        }
        let Some(step) = self.steps.iter_mut().find(|step| step.id == line.id) else { return };
        if line.status == "Log" {
            // A bar that moves goes back to the beginning of its line.
            let lines = told.output.lines().map(|line| line.trim_end_matches('\r'));
            let lines = lines.map(|line| clean(line.rsplit('\r').next().unwrap_or_default()));
            step.lines.extend(lines);
            step.lines.drain(..step.lines.len().saturating_sub(KEPT));
            return;
        }
        step.since = None;
        step.seconds = steps::seconds(told);
        step.mark = match line.status.as_str() {
            "Cached" => "CACHED ",
            "Failed" => "ERROR ",
            "Cancelled" => "CANCELED ",
            _ => "",
        };
        step.place.clone_from(&told.output);
        if step.name.contains("] FROM ") {
            self.fetched.clear();
        }
    }

    /// What is to be written now for a terminal of this size; `None`: it is too early for that.
    pub(crate) fn draw(&mut self, columns: u16, rows: u16) -> Option<String> {
        if self.drawn.1.is_some_and(|when| when.elapsed() < PACE) {
            return None;
        }
        let mut lines = self.lines(columns);
        // What has gone out of the window cannot be written again: the first ones wait for the end.
        let room = usize::from(rows.max(4)) - 1;
        if lines.len() > room {
            lines.drain(1..=lines.len() - room);
        }
        Some(self.replace(&lines))
    }

    /// The same for the last time, all of it; also why steps have failed.
    pub(crate) fn end(&mut self, columns: u16) -> String {
        self.fetched.clear();
        let mut lines = self.lines(columns);
        if self.steps.iter().all(|step| step.since.is_none() && step.mark != "ERROR ") {
            lines[0] += " FINISHED";
        }
        let mut text = self.replace(&lines);
        for step in self.steps.iter().filter(|step| step.mark == "ERROR ") {
            text += &format!("------\n > {}:\n", step.name);
            step.lines.iter().for_each(|line| text += &format!("{line}\n"));
            text += "------\n";
            step.place.lines().for_each(|line| text += &format!("{}\n", clean(line)));
        }
        text
    }

    fn replace(&mut self, lines: &[String]) -> String {
        // Up to the first one, over each to its end, and clear all below (ECMA-48: CUU, EL, ED). Cleared first it would flicker, and a
        // terminal may keep what was cleared for whoever scrolls back.
        let up = match self.drawn.0 {
            0 => String::new(),
            drawn => format!("\x1b[{drawn}A"),
        };
        self.drawn = (lines.len(), Some(Instant::now()));
        format!("{up}\r{}\x1b[K\n\x1b[J", lines.join("\x1b[K\n"))
    }

    fn lines(&self, columns: u16) -> Vec<String> {
        // The last column stays free: a terminal may go on in the next line after it.
        let width = usize::from(columns.max(30)) - 1;
        let ended = self.steps.iter().filter(|step| step.since.is_none()).count();
        let seconds = self.begun.elapsed().as_secs_f64();
        let mut lines = vec![format!("[+] Building {seconds:.1}s ({ended}/{})", self.steps.len())];
        for step in &self.steps {
            let seconds = match step.since {
                Some(since) => since.elapsed().as_secs_f64(),
                None => step.seconds,
            };
            let time = format!(" {seconds:.1}s");
            let text = cut(&format!(" => {}{}", step.mark, step.name), width - time.len());
            lines.push(format!("{text:<0$}{time}", width - time.len()));
            if step.since.is_some() {
                let last = step.lines.iter().skip(step.lines.len().saturating_sub(TAIL));
                lines.extend(last.map(|line| cut(&format!(" => => # {line}"), width)));
            }
        }
        let fetched = self.fetched.iter().rev().take(TAIL).rev();
        lines.extend(fetched.map(|(_, text)| cut(&format!(" => => {text}"), width)));
        lines
    }
}

fn cut(text: &str, width: usize) -> String {
    text.chars().take(width).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(id: &str, status: &str, name: &str, output: &str) -> Progress {
        let step = BuildStep { name: name.into(), output: output.into(), time: 1_500_000_000 };
        Progress { id: id.into(), status: status.into(), step: Some(step), ..Progress::default() }
    }

    fn seen(screen: &mut Screen, rows: u16) -> Vec<String> {
        screen.drawn.1 = None;
        let text = screen.draw(40, rows).expect("it is time");
        let (lines, rest) = text.rsplit_once('\n').expect("lines");
        assert_eq!(rest, "\x1b[J");
        lines
            .lines()
            .map(|line| line.strip_suffix("\x1b[K").expect("a cleared end").into())
            .collect()
    }

    #[test]
    fn each_step_has_a_line_and_one_that_goes_on_its_last_output() {
        let mut screen = Screen::new();
        screen.hear(&told("1", "Step", "[1/2] FROM x", ""));
        screen.hear(&told("1", "Cached", "[1/2] FROM x", ""));
        screen.hear(&told("2", "Step", "[2/2] RUN make", ""));
        screen.hear(&told("2", "Log", "", "10%\r20%\r\nb\x1b[2J\n"));
        let lines = seen(&mut screen, 20);
        assert!(lines[0].ends_with("(1/2)"), "{lines:?}");
        assert_eq!(lines[1], " => CACHED [1/2] FROM x            1.5s");
        assert_eq!(lines[2], " => [2/2] RUN make                 0.0s");
        assert_eq!(lines[3..], [" => => # 20%", " => => # b[2J"]);
        // Written again over what stands there, cut to the window.
        let lines = seen(&mut screen, 4);
        assert!(lines[0].starts_with("\x1b[5A\r[+] Building"), "{lines:?}");
        assert_eq!(lines[1..], [" => => # 20%", " => => # b[2J"]);
        assert_eq!(screen.draw(40, 20), None, "twice at once");
        screen.hear(&told("2", "Done", "", ""));
        let text = screen.end(40);
        assert!(text.contains("(2/2) FINISHED\x1b[K\n") && !text.contains("20%"), "{text}");
    }

    #[test]
    fn a_step_that_fails_is_told_with_all_that_it_wrote() {
        let mut screen = Screen::new();
        screen.hear(&told("1", "Step", "[1/1] RUN false", ""));
        let many: String = (0..200).map(|number| format!("line {number}\n")).collect();
        screen.hear(&told("1", "Log", "", &many));
        screen.hear(&told("1", "Failed", "", "Dockerfile:2\n"));
        let text = screen.end(80);
        assert!(text.contains(" => ERROR [1/1] RUN false"), "{text}");
        assert!(
            text.contains("> [1/1] RUN false:\nline 100\n")
                && text.ends_with("line 199\n------\nDockerfile:2\n"),
            "{text}"
        );
        assert!(!text.contains("FINISHED"));
    }
}
