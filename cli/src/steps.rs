//! How a build goes, in BuildKit's plain words: each line with the number of its step.

use barque::api::{BuildStep, Progress};

use crate::progress::clean;

/// What is shown of a line.
pub(crate) fn plain(line: &Progress, step: &BuildStep) -> String {
    let number = &line.id;
    let seconds = seconds(step);
    match line.status.as_str() {
        "Step" => format!("#{number} {}\n", clean(&step.name)),
        "Cached" => format!("#{number} CACHED\n\n"),
        "Done" => format!("#{number} DONE {seconds:.1}s\n\n"),
        "Cancelled" => format!("#{number} CANCELED\n\n"),
        "Failed" => {
            let excerpt: String =
                step.output.lines().map(|line| format!("{}\n", clean(line))).collect();
            format!("#{number} ERROR\n------\n > {}\n------\n{excerpt}", clean(&step.name))
        }
        _ => {
            let lines = step.output.lines();
            lines.map(|line| format!("#{number} {seconds:.3} {}\n", clean(line))).collect()
        }
    }
}

/// How long it has gone on.
pub(crate) fn seconds(step: &BuildStep) -> f64 {
    step.time as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_the_number_of_its_step() {
        let show = |status: &str, output: &str| {
            let step = BuildStep {
                name: "[2/2] RUN x".into(),
                output: output.into(),
                time: 1_250_000_000,
            };
            plain(&Progress { status: status.into(), id: "4".into(), ..Progress::default() }, &step)
        };
        assert_eq!(show("Step", ""), "#4 [2/2] RUN x\n");
        assert_eq!(show("Log", "a\nb\x1b[2J\n"), "#4 1.250 a\n#4 1.250 b[2J\n");
        assert_eq!(show("Cached", ""), "#4 CACHED\n\n");
        assert_eq!(show("Done", ""), "#4 DONE 1.2s\n\n");
        assert_eq!(show("Failed", "f:1\n"), "#4 ERROR\n------\n > [2/2] RUN x\n------\nf:1\n");
    }
}
