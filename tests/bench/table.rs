//! What was measured, as a plain table.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

/// The figures, in the order they were measured.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

struct Row {
    what: String,
    measured: String,
    target: String,
    met: Option<bool>,
}

impl Table {
    /// A figure that is only told.
    pub(crate) fn tell(&mut self, what: impl Into<String>, measured: impl Into<String>) {
        self.add(what.into(), measured.into(), String::new(), None);
    }

    /// A figure that was asked for.
    pub(crate) fn judge(
        &mut self,
        what: impl Into<String>,
        measured: impl Into<String>,
        target: impl Into<String>,
        met: bool,
    ) {
        self.add(what.into(), measured.into(), target.into(), Some(met));
    }

    /// What each engine took for the same thing: our median, the others' beside it, judged where a part of theirs was asked for.
    /// Ours in milliseconds.
    pub(crate) fn beside(
        &mut self,
        what: &str,
        times: &mut BTreeMap<&str, Vec<Duration>>,
        asked: &[(&str, f64)],
    ) -> f64 {
        times.retain(|_, times| !times.is_empty());
        let most = times.values().map(Vec::len).max().unwrap_or(0);
        let medians: BTreeMap<&str, f64> =
            times.iter_mut().map(|(name, times)| (*name, median(times))).collect();
        let ours = medians.get("barque").copied().unwrap_or(f64::NAN);
        self.tell(format!("{what} (median of {most})"), ms(ours));
        for (name, &theirs) in medians.iter().filter(|(name, _)| **name != "barque") {
            let (row, ratio) =
                (format!("  beside {name} ({})", ms(theirs)), format!("1/{:.1}", theirs / ours));
            match asked.iter().find(|(asked, _)| asked == name) {
                Some((_, part)) => {
                    self.judge(row, ratio, format!("1/{part:.0}"), ours <= theirs / part);
                }
                None => self.tell(row, ratio),
            }
        }
        for (name, _) in asked.iter().filter(|(name, _)| !medians.contains_key(name)) {
            self.tell(format!("  beside {name}"), "not here");
        }
        ours
    }

    fn add(&mut self, what: String, measured: String, target: String, met: Option<bool>) {
        // Said at once too: a run takes minutes.
        let _ = writeln!(std::io::stderr(), "{what}: {measured}");
        self.rows.push(Row { what, measured, target, met });
    }

    pub(crate) fn print(&self) {
        let width = |of: fn(&Row) -> &str| {
            self.rows.iter().map(|row| of(row).chars().count()).max().unwrap_or(0)
        };
        let (what, measured, target) =
            (width(|r| &r.what), width(|r| &r.measured), width(|r| &r.target));
        let mut text =
            format!("\n{:what$}  {:>measured$}  {:target$}\n", "", "measured", "asked for");
        for row in &self.rows {
            let word = match row.met {
                Some(true) => "PASS",
                Some(false) => "MISS",
                None => "",
            };
            let line = format!(
                "{:what$}  {:>measured$}  {:target$}  {word}",
                row.what, row.measured, row.target
            );
            text.push_str(line.trim_end());
            text.push('\n');
        }
        let _ = std::io::stdout().write_all(text.as_bytes());
    }
}

/// Milliseconds.
pub(crate) fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}

pub(crate) fn ms(time: f64) -> String {
    format!("{time:.1} ms")
}
