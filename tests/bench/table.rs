//! What was measured, as a plain table.

use std::io::Write;

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
